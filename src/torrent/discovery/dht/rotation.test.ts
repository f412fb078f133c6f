import { beforeEach, describe, expect, it, vi } from 'vitest';
import { seededRandom } from '../../../lib/random.ts';
import * as limits from './limits.ts';
import { type DhtTorrent, Rotation } from './rotation.ts';

const LONGEST = limits.ANNOUNCE_SECONDS + limits.ANNOUNCE_SPREAD_SECONDS;

/** Lookups that a test ends by hand; `begun` are the torrents' numbers in the order of their lookups. */
let begun: number[];
let running: { number: number; found: (peers: { host: string; port: number }[]) => void; done: () => void }[];
let isReady: boolean;
let rotation: Rotation;
beforeEach(() => {
  begun = [];
  running = [];
  isReady = true;
  rotation = new Rotation({
    random: seededRandom(1),
    nowSeconds: 0,
    isReady: () => isReady,
    look: (infoHash, found, done) => {
      const number = infoHash.readUInt32BE(0);
      begun.push(number);
      running.push({ number, found, done });
    },
  });
});

function torrent(number: number, more: Partial<DhtTorrent> = {}): DhtTorrent {
  const infoHash = Buffer.alloc(20);
  infoHash.writeUInt32BE(number);
  return { infoHash, found: () => undefined, isHungry: () => false, ...more };
}

const endAll = () => {
  for (let one = running.shift(); one !== undefined; one = running.shift()) one.done();
};

describe('torrents', () => {
  it('are looked up in turn, so many at a time', () => {
    for (let number = 0; number < 10_000; number++) rotation.add(torrent(number));
    expect([begun.length, rotation.running, rotation.waiting]).toEqual([
      ...[limits.LOOKUPS_AT_ONCE, limits.LOOKUPS_AT_ONCE, 10_000 - limits.LOOKUPS_AT_ONCE],
    ]);
    running.shift()?.done();
    expect([begun, rotation.running]).toEqual([[0, 1, 2, 3, 4], limits.LOOKUPS_AT_ONCE]);
    endAll();
    expect(begun).toEqual(Array.from({ length: 10_000 }, (_, number) => number));
  });

  it('have their next turn a quarter of an hour later, spread a little', () => {
    for (let number = 0; number < 100; number++) rotation.add(torrent(number));
    endAll();
    rotation.tick(limits.ANNOUNCE_SECONDS - 1);
    endAll();
    expect(begun).toHaveLength(100);
    rotation.tick(limits.ANNOUNCE_SECONDS + limits.ANNOUNCE_SPREAD_SECONDS / 2);
    endAll();
    expect(begun.length).toBeGreaterThan(110);
    expect(begun.length).toBeLessThan(190);
    rotation.tick(LONGEST);
    endAll();
    expect(begun).toHaveLength(200);
  });

  it('that hunger come first, and again soon: each pause twice the last, up to a quarter of an hour', () => {
    for (let number = 0; number < 20; number++) rotation.add(torrent(number));
    let isHungry = true;
    rotation.add(torrent(99, { isHungry: () => isHungry }));
    running.shift()?.done();
    expect(begun.at(-1)).toBe(99);
    endAll();
    const at: number[] = [];
    for (let second = 1; second < 3_600; second++) {
      rotation.tick(second);
      if (running.some(({ number }) => number === 99)) at.push(second);
      endAll();
    }
    expect(at.slice(0, 7)).toEqual([15, 45, 105, 225, 465, 945, 1845]);
    isHungry = false;
    rotation.tick(3_645);
    expect(begun.at(-1)).toBe(99);
    endAll();
    rotation.tick(3_645 + limits.ANNOUNCE_SECONDS - 1);
    expect(begun.at(-1)).not.toBe(99);
  });

  it('that are stopped are not looked up, and hear nothing of a lookup under way', () => {
    const found: string[] = [];
    const hear = (peers: readonly { host: string }[]) => void found.push(...peers.map(({ host }) => host));
    const handles = Array.from({ length: 8 }, (_, number) => rotation.add(torrent(number, { found: hear })));
    running[0]?.found([{ host: '20.1.1.1', port: 1 }]);
    for (const { stop } of handles) stop();
    handles[0]?.stop();
    running[0]?.found([{ host: '20.1.1.2', port: 1 }]);
    endAll();
    rotation.tick(10 * LONGEST);
    expect([found, begun, rotation.running, rotation.waiting]).toEqual([['20.1.1.1'], [0, 1, 2, 3], 0, 0]);
  });

  it('that were looked up a while ago have their turn when a quarter of an hour is over, unless they hunger', () => {
    rotation.tick(100);
    const handle = rotation.add(torrent(1), 40);
    rotation.add(torrent(2, { isHungry: () => true }), 40);
    expect([begun, handle.lookedUpAt]).toEqual([[2], 40]);
    endAll();
    rotation.tick(39 + limits.ANNOUNCE_SECONDS);
    expect(begun.filter((number) => number === 1)).toEqual([]);
    rotation.tick(40 + limits.ANNOUNCE_SECONDS);
    expect(begun.filter((number) => number === 1)).toEqual([1]);
    expect(handle.lookedUpAt).toBe(40 + limits.ANNOUNCE_SECONDS);
  });

  it('wait until there is somebody to ask', () => {
    isReady = false;
    rotation.add(torrent(1));
    rotation.tick(1);
    expect([begun, rotation.waiting]).toEqual([[], 1]);
    isReady = true;
    rotation.tick(2);
    expect(begun).toEqual([1]);
  });
});

describe('torrents of a source', () => {
  /** The first `count` have turns, in order, again and again; what `next` is told goes into `asked`. */
  function follow(count: number) {
    const asked: number[] = [];
    let turn = 0;
    rotation.follow({
      next: (nowSeconds, pauseSeconds) => {
        asked.push(nowSeconds);
        expect(pauseSeconds).toBe(limits.ANNOUNCE_SECONDS);
        return count === 0 ? null : torrent(1_000 + (turn++ % count));
      },
    });
    return asked;
  }

  it('begin one a second, and no more run at a time than may, however many ticks there are', () => {
    follow(5_000);
    for (let tick = 0; tick < 8; tick++) rotation.tick(tick / 4);
    expect(begun).toEqual([1_000, 1_001]);
    for (let second = 2; second < 100; second++) rotation.tick(second);
    expect(begun).toEqual(Array.from({ length: limits.SOURCE_LOOKUPS_AT_ONCE }, (_, at) => 1_000 + at));
    expect(rotation.running).toBe(limits.SOURCE_LOOKUPS_AT_ONCE);
    endAll();
    for (let tick = 400; tick < 440; tick++) {
      rotation.tick(tick / 4);
      endAll();
    }
    expect(begun).toHaveLength(limits.SOURCE_LOOKUPS_AT_ONCE + 10);
  });

  it('neither wait for those that are awake nor hold them up', () => {
    follow(5_000);
    for (let number = 0; number < 10; number++) rotation.add(torrent(number));
    for (let second = 0; second < 3; second++) rotation.tick(second);
    expect(begun).toEqual([0, 1, 2, 3, 1_000, 1_001, 1_002]);
    rotation.add(torrent(99, { isHungry: () => true }));
    running.find(({ number }) => number === 0)?.done();
    expect(begun.at(-1)).toBe(99);
  });

  it('are not asked for while there is nobody to ask, or none has a turn', () => {
    const asked = follow(0);
    isReady = false;
    rotation.tick(1);
    expect(asked).toEqual([]);
    isReady = true;
    rotation.tick(2);
    expect([asked, begun, rotation.running]).toEqual([[2], [], 0]);
  });

  it('hear of peers that are found', () => {
    const found = vi.fn();
    rotation.follow({ next: () => ({ infoHash: Buffer.alloc(20), found }) });
    rotation.tick(1);
    running[0]?.found([{ host: '20.1.1.1', port: 1 }]);
    expect(found).toHaveBeenCalledWith([{ host: '20.1.1.1', port: 1 }]);
  });
});
