import { expect, test } from 'vitest';
import type { RestedAnnounces, RestedTracker } from '../torrent/index.ts';
import { RestingCells } from './resting-cells.ts';

const PLAIN: RestedTracker = {
  ...{ text: 'http://a.example/announce', tier: 0, state: 'working', message: null, seeders: 3, leechers: null },
  ...{ trackerId: null, notBefore: Number.NEGATIVE_INFINITY, leastAt: 12.5, intervalSeconds: 1_800, failures: 0 },
};
const rested = (...trackers: RestedTracker[]): RestedAnnounces => ({ dueAt: 77.25, next: PLAIN.text, trackers });

test('cells give back what they were given, whatever it was', () => {
  const cells = new RestingCells();
  const all = [
    rested(),
    rested(PLAIN),
    rested({ ...PLAIN, tier: 254, leechers: 2 ** 31 }),
    rested({ ...PLAIN, message: 'be nice' }),
    rested({ ...PLAIN, trackerId: Buffer.from('id') }),
    rested({ ...PLAIN, state: 'failing', notBefore: 99, failures: 4 }),
    rested(PLAIN, { ...PLAIN, text: 'http://b.example/announce', tier: 1 }),
    { ...rested({ ...PLAIN, seeders: 2 ** 31 - 1 }), dueAt: null },
    { ...rested({ ...PLAIN, text: 'http://b.example/announce' }), next: PLAIN.text },
  ];
  for (const [slot, one] of all.entries()) cells.put(slot, one);
  for (const [slot, one] of all.entries()) expect(cells.get(slot)).toEqual(one);
  for (let slot = 0; slot < 50_000; slot++) cells.put(slot, all[(slot * 7) % all.length] as RestedAnnounces);
  for (let slot = 0; slot < 50_000; slot += 997) expect(cells.get(slot)).toEqual(all[(slot * 7) % all.length]);
  cells.clear(1);
  expect(cells.trackers(1)).toEqual([]);
  expect(cells.trackers(60_000)).toEqual([]);
});
