import { describe, expect, test } from 'vitest';
import { seededRandom } from '../lib/random.ts';
import { ColdLookups } from './cold-lookups.ts';
import { TorrentIndex } from './torrent-index.ts';

const PAUSE_SECONDS = 900;
const MANY = 5_000;

function scene(count: number) {
  const index = new TorrentIndex();
  const found: string[] = [];
  const lookups = new ColdLookups({
    index,
    found: (id, peers, source) => found.push(`${id} ${source} ${peers.length}`),
  });
  const random = seededRandom(1);
  const hashes = Array.from({ length: count }, () => random.bytes(20));
  for (const [at, hash] of hashes.entries()) lookups.add(index.add(at + 1, hash), { lookedUpAt: null });
  /** The id whose turn it is. */
  const next = (now: number) => {
    const turn = lookups.next(now, PAUSE_SECONDS);
    return turn === null ? null : index.find(turn.infoHash);
  };
  return { index, lookups, hashes, found, next };
}

describe('cold public torrents', () => {
  test(`each of ${MANY} has its turn, one a second, before any has another`, () => {
    const { next } = scene(MANY);
    const round = (from: number) => Array.from({ length: MANY }, (_, second) => next(from + second));
    const all = Array.from({ length: MANY }, (_, at) => at + 1);
    expect(round(10)).toEqual(all);
    expect(round(10 + MANY)).toEqual(all);
  });

  test('few have theirs a quarter of an hour after the last', () => {
    const { next } = scene(2);
    expect([next(10), next(11), next(12)]).toEqual([1, 2, null]);
    expect([next(9 + PAUSE_SECONDS), next(10 + PAUSE_SECONDS), next(10 + PAUSE_SECONDS)]).toEqual([null, 1, null]);
    expect(next(11 + PAUSE_SECONDS)).toBe(2);
  });

  test('come and go, and stay in order of their last lookup', () => {
    const { lookups, index, next } = scene(4);
    const slot = (id: number) => index.slotOf(id) as number;
    expect(lookups.claim(slot(2))).toEqual({ lookedUpAt: null });
    expect(lookups.claim(slot(2))).toBeNull();
    expect([next(10), next(20), next(30), next(40)]).toEqual([1, 3, 4, null]);
    // It was looked up by its session, between those two.
    lookups.add(slot(2), { lookedUpAt: 25 });
    lookups.add(slot(2), { lookedUpAt: 0 });
    expect(lookups.claim(slot(1))).toEqual({ lookedUpAt: 10 });
    expect([3, 2, 4, 1].map((id) => lookups.has(slot(id)))).toEqual([true, true, true, false]);
    lookups.add(slot(1), { lookedUpAt: 1_000 });
    expect(Array.from({ length: 5 }, () => next(1_900))).toEqual([3, 2, 4, 1, null]);
    for (const id of [1, 2, 3, 4]) lookups.claim(slot(id));
    expect(next(1e9)).toBeNull();
  });

  test('pass on whom the DHT finds, and whom the local network names', () => {
    const { lookups, hashes, found, index } = scene(3);
    lookups.next(1, PAUSE_SECONDS)?.found([{ host: '20.1.1.1', port: 1 }]);
    lookups.sought(hashes[1] as Buffer)?.found([]);
    expect(found).toEqual(['1 dht 1', '2 lsd 0']);
    lookups.claim(index.slotOf(2) as number);
    expect([lookups.sought(hashes[1] as Buffer), lookups.sought(Buffer.alloc(20))]).toEqual([null, null]);
  });
});
