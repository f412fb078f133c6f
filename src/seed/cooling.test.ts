import { expect, test } from 'vitest';
import type { TorrentSession } from '../torrent/index.ts';
import { COOL_MILLISECONDS, coolable, LEAST_AWAKE_MILLISECONDS, MOST_AWAKE } from './cooling.ts';

const NOW = 1e9;

function awake(list: readonly { idle: number | null; left?: number }[]): Map<number, TorrentSession> {
  return new Map(
    list.map(({ idle, left = 0 }, at) => {
      const torrent = { idleSince: idle === null ? null : NOW - idle, left };
      return [at, { torrent } as TorrentSession];
    }),
  );
}

test('whole torrents go cold after their time without peers', () => {
  const one = { idle: COOL_MILLISECONDS };
  const list = [one, { idle: COOL_MILLISECONDS - 1 }, { idle: null }, { ...one, left: 1 }, { idle: 9e8 }];
  expect(coolable(awake(list), NOW)).toEqual([4, 0]);
});

test('of too many the longest idle go sooner, but not those woken a moment ago', () => {
  const long = { idle: LEAST_AWAKE_MILLISECONDS + 5 };
  const list = Array.from({ length: MOST_AWAKE + 3 }, (_, at) =>
    at < 2 ? long : { idle: LEAST_AWAKE_MILLISECONDS - 1 },
  );
  expect(coolable(awake(list), NOW)).toEqual([0, 1]);
  const all = Array.from({ length: MOST_AWAKE + 3 }, () => long);
  expect(coolable(awake(all), NOW)).toHaveLength(3);
  expect(coolable(awake(all.slice(3)), NOW)).toEqual([]);
});
