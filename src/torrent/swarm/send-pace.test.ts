import { expect, it } from 'vitest';
import * as limits from './limits.ts';
import { SendPace } from './send-pace.ts';

/** A peer that takes each batch as slowly as its line is; the time in which it took the last one. */
function take(pace: SendPace, bytesPerSecond: number, batches: number, start = 0): number {
  let now = start;
  for (let batch = 0; batch < batches; batch++) {
    const given = { at: now, payloadBytes: pace.batchBytes };
    now += (1000 * given.payloadBytes) / bytesPerSecond;
    pace.taken(given, now);
  }
  return now;
}

it.each([
  [5_000, limits.LEAST_BATCH_BYTES],
  [100_000, limits.LEAST_BATCH_BYTES],
  [300_000, 4 * limits.LEAST_BATCH_BYTES],
  [20_000_000, limits.SEND_BUFFER_BYTES],
])('a peer with %i bytes a second is given %i at once', (bytesPerSecond, batchBytes) => {
  const pace = new SendPace();
  take(pace, bytesPerSecond, 20);
  expect(pace.batchBytes).toBe(batchBytes);
});

it('gives less at once to one that became slow, and no more for small batches that are taken at once', () => {
  const pace = new SendPace();
  const now = take(pace, 20_000_000, 20);
  take(pace, 50_000, 4, now);
  expect(pace.batchBytes).toBe(limits.LEAST_BATCH_BYTES);
  for (let at = 0; at < 100; at++) pace.taken({ at, payloadBytes: limits.LEAST_BATCH_BYTES / 2 }, at);
  expect(pace.batchBytes).toBe(limits.LEAST_BATCH_BYTES);
});

it('believes what a peer took lately, then what it has not taken', () => {
  const pace = new SendPace();
  const given = { at: 0, payloadBytes: 400_000 };
  expect(pace.at(1, 0, null)).toBe(0);
  pace.taken({ at: -1, payloadBytes: 1 }, 0);
  expect(pace.at(limits.QUIET_MILLISECONDS - 1, 9e6, given)).toBe(9e6);
  expect(pace.at(limits.QUIET_MILLISECONDS, 9e6, given)).toBe(100_000);
  expect(pace.at(8_000, 9e6, given)).toBe(50_000);
  expect(pace.at(8_000, 10, given)).toBe(10);
  expect(pace.at(8_000, 9e6, null)).toBe(0);
});
