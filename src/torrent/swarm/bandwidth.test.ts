import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { seededRandom } from '../../lib/random.ts';
import { Bandwidth, type Taker } from './bandwidth.ts';
import { Bucket } from './bucket.ts';
import * as limits from './limits.ts';

const BLOCK = limits.SHARE_BYTES;
const SECOND = 1_000;

/** Within three parts of a hundred. */
function expectRate(rate: number, limit: number): void {
  expect(rate / limit).toBeGreaterThan(0.97);
  expect(rate / limit).toBeLessThan(1.03);
}

describe('many torrents', { timeout: 60_000 }, () => {
  /** Takers that always want more, each of a torrent of its own, for so many seconds. */
  async function moved(all: number, own: readonly number[], seconds: number): Promise<number[]> {
    const clock = new VirtualClock();
    const bandwidth = new Bandwidth(clock);
    bandwidth.setLimits({ uploadBytesPerSecond: all });
    const sums = own.map(() => 0);
    for (const [at, uploadBytesPerSecond] of own.entries()) {
      const buckets = { up: new Bucket(), down: new Bucket() };
      bandwidth.setLimitsOf(buckets, { uploadBytesPerSecond });
      const taker: Taker = { credit: 0, bucket: buckets.up, own: new Bucket(), wanted: () => 10 * BLOCK, flush: move };
      function move(): void {
        const bytes = Math.min(10 * BLOCK, bandwidth.up.allowance(taker));
        if (bytes === 0) return;
        sums[at] = (sums[at] ?? 0) + bytes;
        bandwidth.up.spent(taker, bytes);
        clock.after(1, move);
      }
      move();
    }
    await clock.run(seconds * SECOND);
    bandwidth.close();
    return sums;
  }

  it('share the limit over all evenly; what one may not use the others get', async () => {
    const sums = await moved(1_000_000, [0, 0, 50_000, 0, 1_000], 60);
    expectRate(sums.reduce((total, bytes) => total + bytes) / 60, 1_000_000);
    expectRate((sums[2] as number) / 60, 50_000);
    expect(Math.abs((sums[4] as number) - 60_000)).toBeLessThanOrEqual(BLOCK);
    const each = (1_000_000 - 51_000) * 20;
    for (const at of [0, 1, 3]) expect(Math.abs((sums[at] as number) / each - 1)).toBeLessThan(0.03);
  });

  it('that want more than a thousand shares at a time are all served', async () => {
    const sums = await moved(
      100_000_000,
      Array.from({ length: 500 }, () => 0),
      10,
    );
    expectRate(sums.reduce((total, bytes) => total + bytes) / 10, 100_000_000);
    expect(Math.max(...sums) / Math.min(...sums)).toBeLessThan(1.1);
  });
});

/** One who takes as chance has it: now and then, more or less than it was given, in small or large pieces. */
class Whimsical implements Taker {
  credit = 0;
  readonly bucket = new Bucket();
  readonly own = new Bucket();
  movedBytes = 0;
  /** It has wanted something since then without getting it. */
  waitingSince: number | null = null;
  longestWait = 0;
  readonly #bandwidth: Bandwidth;
  readonly #clock: VirtualClock;
  readonly #random: ReturnType<typeof seededRandom>;
  #wanted = 0;

  constructor(bandwidth: Bandwidth, clock: VirtualClock, seed: number) {
    this.#bandwidth = bandwidth;
    this.#clock = clock;
    this.#random = seededRandom(seed);
  }

  wanted(): number {
    return this.#wanted;
  }

  /** Begins to want something, or loses interest. */
  change(): void {
    this.#wanted = this.#random.int(3) === 0 ? 0 : 1 + this.#random.int(10 * BLOCK);
    this.flush();
  }

  flush(): void {
    const now = this.#clock.monotonic();
    const allowance = this.#bandwidth.up.allowance(this);
    const used = allowance === 0 ? 0 : Math.min(this.#wanted, allowance + this.#random.int(BLOCK));
    if (allowance > 0) this.#bandwidth.up.spent(this, used);
    this.movedBytes += used;
    this.#wanted -= used;
    if (used > 0 || this.#wanted === 0) this.waitingSince = null;
    else this.waitingSince ??= now;
    this.longestWait = Math.max(this.longestWait, now - (this.waitingSince ?? now));
    if (used > 0 && this.#wanted > 0) this.#clock.after(1 + this.#random.int(20), () => this.flush());
  }

  /** Goes for good. */
  leave(): void {
    this.#wanted = 0;
    this.waitingSince = null;
    this.#bandwidth.up.leave(this);
  }
}

describe('whatever takers do', () => {
  it('the limit holds, all that want something get it in a bounded time, and the line is empty at the end', {
    timeout: 60_000,
  }, async () => {
    const scene = fc.record({
      seed: fc.integer(),
      takers: fc.integer({ min: 1, max: 40 }),
      limit: fc.integer({ min: 5_000, max: 2_000_000 }),
    });
    await fc.assert(
      fc.asyncProperty(scene, async ({ seed, takers: count, limit }) => {
        const clock = new VirtualClock();
        const bandwidth = new Bandwidth(clock);
        bandwidth.setLimits({ uploadBytesPerSecond: limit });
        const takers = Array.from({ length: count }, (_, at) => new Whimsical(bandwidth, clock, seed + at));
        const changes = clock.every(170, () => {
          for (const [at, taker] of takers.entries()) if ((clock.monotonic() + at) % 5 < 2) taker.change();
        });
        await clock.run(30 * SECOND);
        takers[0]?.leave();
        const moved = takers.reduce((sum, { movedBytes }) => sum + movedBytes, 0);
        const slack = limit * (limits.BURST_MILLISECONDS / SECOND) + 2 * BLOCK * (count + 1);
        expect(moved).toBeLessThanOrEqual(limit * 30 + slack);
        const round = (2 * BLOCK * count * SECOND) / limit + 4 * limits.SHARE_MILLISECONDS;
        for (const { longestWait } of takers) expect(longestWait).toBeLessThanOrEqual(2 * round);
        changes.cancel();
        for (const taker of takers) taker.leave();
        expect(bandwidth.up.all.waiting).toBe(0);
        bandwidth.close();
      }),
      { numRuns: 20, seed: 3 },
    );
  });
});
