import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { parseInfo } from '../torrent/index.ts';
import { CLUE_BYTES, CLUES, clueRanges, cluesFirst } from './clues.ts';

/** An info dictionary of these files, name and length, in one piece. */
function info(files: readonly (readonly [string, number])[]) {
  const list = files.map(([name, length]) => `d6:lengthi${length}e4:pathl${name.length}:${name}ee`).join('');
  const total = files.reduce((sum, [, length]) => sum + length, 0);
  const pieces = Buffer.alloc(20 * Math.ceil(total / 2 ** 24), createHash('sha1').digest());
  const head = Buffer.from(`d5:filesl${list}e4:name1:a12:piece lengthi${2 ** 24}e6:pieces${pieces.length}:`);
  return parseInfo(Buffer.concat([head, pieces, Buffer.from('e')]));
}

test('clues are small text files and a cover, wherever they lie; music and large or empty files are not', () => {
  const torrent = info([
    ['01.flac', 1000],
    ['album.CUE', 10],
    ['rip.log', 20],
    ['empty.txt', 0],
    ['huge.txt', CLUE_BYTES + 1],
    ['Cover.jpg', 30],
    ['scan-12.jpg', 40],
  ]);
  expect(clueRanges(torrent)).toEqual([
    { offset: 1000, length: 10 },
    { offset: 1010, length: 20 },
    { offset: 1030 + CLUE_BYTES + 1, length: 30 },
  ]);
  expect(cluesFirst(torrent)).toMatchObject({ rest: 'skip', ranges: [{ priority: 'high' }, {}, {}] });
});

test('a torrent without clues waits for nothing, one with thousands asks for the first of them', () => {
  expect(cluesFirst(info([['01.flac', 1000]]))).toEqual({ ranges: [], rest: 'normal' });
  const many = info(Array.from({ length: 300 }, (_, index) => [`${index}.nfo`, 5] as const));
  expect(clueRanges(many).length).toBe(CLUES);
});
