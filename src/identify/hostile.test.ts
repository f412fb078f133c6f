import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { type Fields, flac, id3, m4a, mp3, opus, vorbis } from '../../test/parts/tagged-files.ts';
import { systemClock } from '../lib/clock.ts';
import { TagReader, type TagSource, workerTagParser } from './index.ts';
import { MAX_DURATION_MILLISECONDS, MAX_FILE_BYTES, MAX_TEXT_LENGTH, READ_BYTES } from './limits.ts';
import { parseTags } from './parse.ts';
import type { ParseOutcome, TagParser, Window } from './ports.ts';
import { nextRead } from './windows.ts';

const FIELDS: Fields = { TITLE: 'a', ALBUM: 'b', ARTIST: 'c', DATE: '1999', TRACKNUMBER: '1/2', DISCNUMBER: '1' };
const FILES: readonly (readonly [string, Buffer])[] = [
  ['a.flac', flac(FIELDS, { audio: Buffer.alloc(50), pictureBytes: 40 })],
  ['a.mp3', mp3({ TIT2: 'a', TALB: 'b', TPE1: 'c', TRCK: '1' }, { count: 3, pictureBytes: 40 })],
  ['a.ogg', vorbis(FIELDS, { pages: 1 })],
  ['a.opus', opus(FIELDS, { pages: 1 })],
  ['a.m4a', m4a({ '©nam': 'a', '©alb': 'b', trkn: Buffer.of(0, 0, 0, 4, 0, 7, 0, 0) }, { audioBytes: 20 })],
];

const whole = (name: string, file: Buffer) =>
  parseTags({ name, length: file.length, windows: [{ offset: 0, bytes: new Uint8Array(file) }] });

/** Whatever was in the file: one of three answers, and every part of it in range. */
function expectSound(outcome: ParseOutcome, length: number): void {
  if ('fault' in outcome) {
    expect(outcome.fault.length).toBeGreaterThan(0);
    expect(outcome.fault.length).toBeLessThanOrEqual(MAX_TEXT_LENGTH);
    return;
  }
  if ('missing' in outcome) {
    expect(outcome.missing.offset).toBeGreaterThanOrEqual(0);
    expect(outcome.missing.length).toBeGreaterThan(0);
    expect(outcome.missing.offset + outcome.missing.length).toBeLessThanOrEqual(length);
    return;
  }
  const { year, disc, track, durationMs, ...texts } = outcome.tags;
  for (const number of [year, disc, track]) if (number !== undefined) expect(number).toBeLessThanOrEqual(9_999);
  for (const number of [year, disc, track, durationMs]) if (number !== undefined) expect(number).toBeGreaterThan(0);
  if (durationMs !== undefined) expect(durationMs).toBeLessThanOrEqual(MAX_DURATION_MILLISECONDS);
  for (const text of Object.values(texts)) expect(text).toMatch(/^[^\p{Cc}]{1,300}$/u);
}

describe('a damaged file does no harm', () => {
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const change = fc.record({ at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }) });
  const damage = fc.record({
    changes: fc.array(change, { minLength: 1, maxLength: 8 }),
    keep: place,
    cuts: fc.boolean(),
  });

  test.each(FILES)('%s', async (name, file) => {
    // Headers are where it hurts: most changes go there.
    const spot = (at: number) => Math.floor(at ** 3 * file.length);
    await fc.assert(
      fc.asyncProperty(damage, async ({ changes, keep, cuts }) => {
        const damaged = Buffer.from(file);
        for (const { at, bytes } of changes) damaged.set(bytes.subarray(0, file.length - spot(at)), spot(at));
        const cut = cuts ? damaged.subarray(0, Math.ceil(keep * file.length)) : damaged;
        expectSound(await whole(name, cut), cut.length);
      }),
      { numRuns: 400 },
    );
  });

  test('noise of every ending', async () => {
    const endings = [
      'flac',
      'mp3',
      'ogg',
      'm4a',
      'wav',
      'aiff',
      'ape',
      'wv',
      'dsf',
      'dff',
      'mpc',
      'aac',
      'tta',
      'wma',
      '',
    ];
    const noise = fc.record({ ending: fc.constantFrom(...endings), bytes: fc.uint8Array({ maxLength: 2_000 }) });
    await fc.assert(
      fc.asyncProperty(noise, async ({ ending, bytes }) => {
        expectSound(await whole(`a.${ending}`, Buffer.from(bytes)), bytes.length);
      }),
      { numRuns: 500 },
    );
  });
});

test('what is read next is asked for, not there yet, and within what may be read', () => {
  const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 90_000 }), fc.integer({ min: 1, max: 200_000 })), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(), fc.nat(MAX_FILE_BYTES), (gaps, at, count, bytesLeft) => {
      const windows: Window[] = [];
      const holes: number[] = [];
      let end = 0;
      for (const [gap, length] of gaps) {
        for (let hole = end; hole < end + gap; hole += 1_000) holes.push(hole);
        windows.push({ offset: end + gap, bytes: new Uint8Array(length) });
        end += gap + length;
      }
      const length = end + 10_000;
      holes.push(end, length - 1);
      const offset = holes[at % holes.length] as number;
      const missing = { offset, length: 1 + (count % (length - offset)) };
      const range = nextRead(missing, { length, windows, bytesLeft });
      if (range === null) {
        expect(bytesLeft).toBeLessThan(missing.length);
        return;
      }
      expect(range.offset).toBeLessThanOrEqual(offset);
      expect(range.offset + range.length).toBeGreaterThan(offset);
      expect(range.offset + range.length).toBeLessThanOrEqual(length);
      expect(range.length).toBeLessThanOrEqual(bytesLeft);
      for (const one of windows) {
        const overlap =
          Math.min(range.offset + range.length, one.offset + one.bytes.length) - Math.max(range.offset, one.offset);
        expect(overlap).toBeLessThanOrEqual(0);
      }
    }),
    { numRuns: 1_000 },
  );
});

describe('in a thread', () => {
  const parsers: TagParser[] = [];
  afterEach(async () => {
    await Promise.all(parsers.splice(0).map((parser) => parser.close()));
  });
  const never = new AbortController().signal;

  function threaded(clock = systemClock) {
    const parser = workerTagParser(clock);
    parsers.push(parser);
    return new TagReader({ parser, clock });
  }

  function source(name: string, file: Buffer): TagSource {
    return { name, length: file.length, read: async (offset, length) => file.subarray(offset, offset + length) };
  }

  test('the same is read as here', async () => {
    const { tags, notes } = await threaded().read(
      FILES.map(([name, file]) => source(name, file)),
      never,
    );
    expect(notes).toEqual([]);
    expect(tags).toEqual(
      await Promise.all(FILES.map(async ([name, file]) => Object.values(await whole(name, file))[0])),
    );
  });

  test('a file that takes too much memory has a note, and the next one its tags', async () => {
    // As many comments as fit: each becomes some objects of many times its size.
    const comment = Buffer.from('\x02\0\0\0T=');
    const count = Math.floor((MAX_FILE_BYTES - 2 * READ_BYTES) / comment.length);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(count, 4);
    const body = Buffer.concat([head, Buffer.alloc(count * comment.length, comment)]);
    const start = Buffer.from(flac({}).subarray(0, 42));
    const blockHead = Buffer.alloc(4);
    blockHead.writeUInt32BE(body.length + 0x84000000);
    const bomb = Buffer.concat([start, blockHead, body]);
    const [name, file] = FILES[0] as [string, Buffer];
    const { tags, notes } = await threaded().read([source('bomb.flac', bomb), source(name, file)], never);
    expect(notes).toEqual([expect.stringContaining('memory')]);
    expect(tags).toEqual([null, expect.objectContaining({ title: 'a' })]);
  }, 60_000);

  test('a file that takes too long has a note, and the next one its tags', async () => {
    // The time of the first job is over as soon as it has begun.
    let jobs = 0;
    const clock = {
      ...systemClock,
      after: (milliseconds: number, call: () => void) => systemClock.after(jobs++ === 0 ? 0 : milliseconds, call),
    };
    const [name, file] = FILES[0] as [string, Buffer];
    const { tags, notes } = await threaded(clock).read([source('slow.flac', file), source(name, file)], never);
    expect(notes).toEqual([expect.stringContaining('no answer within')]);
    expect(tags).toEqual([null, expect.objectContaining({ title: 'a' })]);
  });

  test('nothing is read after the end', async () => {
    const parser = workerTagParser(systemClock);
    await parser.close();
    const reading = new TagReader({ parser, clock: systemClock }).read([source('a.mp3', id3({ TIT2: 'a' }))], never);
    await expect(reading).rejects.toMatchObject({ kind: 'cancelled' });
  });
});
