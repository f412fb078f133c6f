// Goes over limits of pauses, and of what is made up for; docs of each are in limits.ts.
import { describe, expect, it } from 'vitest';
import { Bucket } from './bucket.ts';
import * as limits from './limits.ts';
import { PeerBook } from './peer-book.ts';
import { PeerRequests } from './peer-requests.ts';

const BLOCK = limits.SHARE_BYTES;
const SECOND = 1_000;

describe('after a dial that failed', () => {
  /** Pauses after failure upon failure of one address, until it is forgotten or there are `most`. */
  function pausesOf(source: 'hand' | 'tracker', most: number): number[] {
    const book = new PeerBook(false, {
      ...{ allowPrivateAddresses: false, limitLoopback: false, blocks: () => false, priorityOf: () => 0 },
    });
    book.add('40.1.1.1', 1, source, 0);
    const pauses: number[] = [];
    for (let now = 0; book.size > 0 && pauses.length < most; ) {
      const peer = book.next(now, () => true);
      if (peer === null) throw new Error('it is to be dialled now');
      book.done(peer, false, now);
      if (book.size === 0) break;
      expect(book.next(peer.dialAt - 1, () => true)).toBeNull();
      pauses.push(peer.dialAt - now);
      now = peer.dialAt;
    }
    return pauses;
  }

  it(`pauses double from ${limits.FIRST_REDIAL_MILLISECONDS / SECOND} s, and the address is forgotten after ${limits.DIAL_FAILURES}`, () => {
    const pauses = pausesOf('tracker', 100);
    expect(pauses).toEqual([5, 10, 20, 40, 80].map((seconds) => seconds * SECOND));
    expect(pauses.length).toBe(limits.DIAL_FAILURES - 1);
  });

  it(`a person's own is dialled every ${limits.MOST_HAND_REDIAL_MILLISECONDS / SECOND} s at least, forever`, () => {
    const pauses = pausesOf('hand', 2_000);
    expect(pauses.length).toBe(2_000);
    expect([Math.max(...pauses), pauses.at(-1)]).toEqual([
      limits.MOST_HAND_REDIAL_MILLISECONDS,
      limits.MOST_HAND_REDIAL_MILLISECONDS,
    ]);
  });
});

describe('a peer that we ask', () => {
  it(`is not asked for what it rejected until it has rejected nothing for ${limits.REFUSED_MILLISECONDS / SECOND} s`, () => {
    const requests = new PeerRequests(0);
    requests.refuse(1, 0);
    requests.refuse(2, 10 * SECOND);
    requests.tick(limits.REFUSED_MILLISECONDS, SECOND);
    expect([...requests.refused]).toEqual([1, 2]);
    requests.tick(10 * SECOND + limits.REFUSED_MILLISECONDS - 1, SECOND);
    expect(requests.refused.size).toBe(2);
    requests.tick(10 * SECOND + limits.REFUSED_MILLISECONDS, SECOND);
    expect(requests.refused.size).toBe(0);
  });

  it(`that lets us wait gets no piece alone for ${limits.LONE_AGAIN_MILLISECONDS / SECOND} s, then twice as long, up to ${limits.MOST_LONE_AGAIN_MILLISECONDS / SECOND} s`, () => {
    const requests = new PeerRequests(0);
    const pauses: number[] = [];
    let now = 0;
    for (let time = 0; time < 10; time++) {
      requests.asked(time, now);
      now += limits.SNUB_MILLISECONDS;
      expect(requests.tick(now, SECOND)).toBe(true);
      pauses.push(requests.loneAt - now);
      requests.rejected(time);
    }
    expect(pauses.slice(0, 3)).toEqual([1, 2, 4].map((times) => times * limits.LONE_AGAIN_MILLISECONDS));
    expect([Math.max(...pauses), pauses.at(-1)]).toEqual([
      limits.MOST_LONE_AGAIN_MILLISECONDS,
      limits.MOST_LONE_AGAIN_MILLISECONDS,
    ]);
  });

  it('is asked for what it sends in a second and the time an answer takes, once it grows no more', () => {
    const requests = new PeerRequests(0);
    const latency = 500;
    let key = 0;
    for (let now = 0; now < 60 * SECOND; now += SECOND) {
      // 100 blocks a second, each answered after half a second.
      for (let block = 0; block < 100; block++) {
        requests.asked(key, now);
        requests.received(key++, BLOCK, now + latency);
      }
      requests.tick(now + SECOND, SECOND);
    }
    const expected = (100 * (limits.PIPELINE_MILLISECONDS + latency)) / SECOND;
    expect(Math.abs(requests.room / expected - 1)).toBeLessThan(0.05);
  });
});

describe('a rate limit', () => {
  const RATE = 100_000;

  /** A bucket that was full, and how long it then takes until it lets something through again. */
  function closedFor(bytes: number): number {
    const bucket = new Bucket();
    bucket.limit(RATE, 0);
    bucket.refill(3_600_000);
    expect(bucket.bytes).toBe((RATE * limits.BURST_MILLISECONDS) / SECOND);
    bucket.take(bytes);
    for (let now = 0; ; now++) {
      bucket.refill(3_600_000 + now);
      if (bucket.isOpen) return now;
    }
  }

  it(`that nobody used lets ${limits.BURST_MILLISECONDS} ms of it through at once, and what is owed is made up for`, () => {
    expect(closedFor((RATE * limits.BURST_MILLISECONDS) / SECOND - 1)).toBe(0);
    expect(Math.abs(closedFor(RATE) - (SECOND - limits.BURST_MILLISECONDS))).toBeLessThanOrEqual(1);
  });

  it(`forgets what went through without asking beyond ${limits.DEBT_MILLISECONDS / SECOND} s of it`, () => {
    const most = limits.DEBT_MILLISECONDS + (2 * BLOCK * SECOND) / RATE;
    expect(Math.abs(closedFor(1e12) - most)).toBeLessThanOrEqual(2);
  });
});
