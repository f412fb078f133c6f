// The tags of music files, in the thread that is there for it: what a file makes of it must not reach anybody else.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type TagParser, type Tags, workerTagParser } from '../../src/identify/index.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { BaeError } from '../../src/lib/errors.ts';
import { flac, m4a, mp3, opus, vorbis } from '../parts/tagged-files.ts';
import type { Target } from './driver.ts';

const MOST_NUMBER = 9_999;
const MOST_MILLISECONDS = 2 * 24 * 60 * 60 * 1_000;
const NAMES = ['a.flac', 'a.mp3', 'a.ogg', 'a.opus', 'a.m4a', 'a'];

const fields = fc.dictionary(
  fc.constantFrom('TITLE', 'ALBUM', 'ARTIST', 'ALBUMARTIST', 'DATE', 'TRACKNUMBER', 'DISCNUMBER'),
  fc.oneof(fc.string(), fc.constantFrom('1/2', '1999', '-1', '99999999999')),
);
const frames = fc.dictionary(fc.constantFrom('TIT2', 'TALB', 'TPE1', 'TPE2', 'TDRC', 'TRCK', 'TPOS'), fc.string());
/** The first byte tells the name. */
const file = fc
  .oneof(
    fields.map((some) => [0, flac(some, { audio: Buffer.alloc(50) })] as const),
    frames.map((some) => [1, mp3(some, { count: 2 })] as const),
    fields.map((some) => [2, vorbis(some, { pages: 1 })] as const),
    fields.map((some) => [3, opus(some, { pages: 1 })] as const),
    fc.string().map((title) => [4, m4a({ '©nam': title, trkn: Buffer.of(0, 0, 0, 4, 0, 7, 0, 0) })] as const),
  )
  .map(([name, bytes]) => Buffer.concat([Buffer.of(name), bytes]));

let parser: TagParser | null = null;

async function read(input: Buffer): Promise<boolean> {
  parser ??= workerTagParser(systemClock);
  const bytes = new Uint8Array(input.subarray(1));
  const name = NAMES[(input[0] ?? 0) % NAMES.length] as string;
  const { outcome } = await parser.parse({ name, length: bytes.length, windows: [{ offset: 0, bytes }] });
  if ('tags' in outcome) judge(outcome.tags);
  else if ('missing' in outcome) assert.fail('bytes were asked for that are not in the file');
  else assert.ok(outcome.fault.length > 0 && outcome.fault.length <= 300);
  return 'tags' in outcome;
}

function judge({ year, disc, track, durationMs, ...texts }: Tags): void {
  for (const number of [year, disc, track]) assert.ok(number === undefined || (number > 0 && number <= MOST_NUMBER));
  assert.ok(durationMs === undefined || (durationMs > 0 && durationMs <= MOST_MILLISECONDS));
  for (const one of Object.values(texts)) assert.match(one, /^[^\p{Cc}]{1,300}$/u);
}

export const TAGS: readonly Target[] = [
  {
    name: 'tags',
    // The thread was ended, by its limits of time or memory: that is what it is there for.
    isRefusal: (error) => error instanceof BaeError && error.kind === 'failed',
    drawn: file,
    read,
    close: async () => {
      await parser?.close();
      parser = null;
    },
  },
];
