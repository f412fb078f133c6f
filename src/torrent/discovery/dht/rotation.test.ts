import { beforeEach, describe, expect, it } from 'vitest';
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
