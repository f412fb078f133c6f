import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../test/parts/manual-clock.ts';
import { type Fields, flac, m4a, mp3, opus, vorbis } from '../../test/parts/tagged-files.ts';
import { systemClock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import { inlineTagParser, TagReader, type TagSource } from './index.ts';
import {
  MAX_FILE_BYTES,
  MAX_FILE_MILLISECONDS,
  MAX_FILE_READS,
  MAX_FILES,
  MAX_TOTAL_BYTES,
  MAX_TOTAL_MILLISECONDS,
  READ_BYTES,
} from './limits.ts';
import type { ParseOutcome, ParseRequest, TagParser } from './ports.ts';

const never = new AbortController().signal;

/** A file in memory, and what was read of it. */
function source(name: string, file: Buffer): TagSource & { reads: number[] } {
  const reads: number[] = [];
  const read = async (offset: number, length: number) => {
    if (offset < 0 || length < 1 || offset + length > file.length) throw new RangeError(`${offset} + ${length}`);
    reads.push(length);
    return file.subarray(offset, offset + length);
  };
  return { name, length: file.length, read, reads };
}

const inline = new TagReader({ parser: inlineTagParser, clock: systemClock });

async function tagsOf(name: string, file: Buffer) {
  const { tags, notes } = await inline.read([source(name, file)], never);
  return tags[0] ?? notes[0];
}

const TAGS = {
  albumArtist: 'Björk',
  artist: 'Björk & Thom',
  album: 'Selmasongs',
  year: 2000,
  title: "I've Seen It All",
  disc: 2,
  track: 4,
  durationMs: 3_000,
};
const VORBIS: Fields = {
  ALBUMARTIST: TAGS.albumArtist,
  artist: TAGS.artist,
  ALBUM: TAGS.album,
  DATE: '2000-09-18',
  TITLE: TAGS.title,
  TRACKNUMBER: '4/7',
  DISCNUMBER: '2',
};
const ID3: Fields = {
  TPE2: TAGS.albumArtist,
  TPE1: TAGS.artist,
  TALB: TAGS.album,
  TDRC: '2000-09-18',
  TIT2: TAGS.title,
  TRCK: '4/7',
  TPOS: '2',
};
const MP4 = {
  aART: TAGS.albumArtist,
  '©ART': TAGS.artist,
  '©alb': TAGS.album,
  '©day': '2000-09-18',
  '©nam': TAGS.title,
  trkn: Buffer.of(0, 0, 0, 4, 0, 7, 0, 0),
  disk: Buffer.of(0, 0, 0, 2, 0, 2),
};

describe('tags are read', () => {
  const files: [string, Buffer][] = [
    ['a.flac', flac(VORBIS)],
    ['a.ogg', vorbis(VORBIS)],
    ['short.ogg', vorbis(VORBIS, { pages: 2 })],
    ['a.opus', opus(VORBIS)],
    ['A.M4A', m4a(MP4)],
    ['no ending', flac(VORBIS)],
  ];
  test.each(files)('of %s', async (name, file) => expect(await tagsOf(name, file)).toEqual(TAGS));

  test('of a.mp3', async () => expect(await tagsOf('a.mp3', mp3(ID3))).toEqual({ ...TAGS, durationMs: 3_004 }));

  test('without reading what is no tag', async () => {
    const pictures = source('a.flac', flac(VORBIS, { pictureBytes: 5_000_000, audio: Buffer.alloc(1_000_000) }));
    const moved = source('a.m4a', m4a(MP4, { audioBytes: 5_000_000 }));
    const { tags } = await inline.read([pictures, moved], never);
    expect(tags).toEqual([TAGS, TAGS]);
    expect(pictures.reads).toEqual([READ_BYTES, READ_BYTES, READ_BYTES]);
    expect(moved.reads).toEqual([READ_BYTES, READ_BYTES]);
  });

  test('behind a picture', async () => {
    expect(await tagsOf('a.mp3', mp3(ID3, { pictureBytes: 2_000_000 }))).toMatchObject({ album: TAGS.album });
  });
});

describe('what cannot be meant is left out', () => {
  test('texts become one short line', async () => {
    const fields = { TITLE: ' a\0\n\u0085 b\u001b[2J\t', ALBUM: `${'x'.repeat(299)}😀😀`, ARTIST: ' \n ' };
    const tags = await tagsOf('a.flac', flac(fields));
    expect(tags).toEqual({ title: 'a b [2J', album: `${'x'.repeat(299)}\ufffd`, durationMs: 3_000 });
  });

  test.each([
    ['0', '99'],
    ['70000', '0099'],
    ['-1', 'x'],
  ])('numbers out of range: track %s, year %s', async (track, year) => {
    const tags = await tagsOf('a.flac', flac({ TITLE: 'a', DATE: year, DISCNUMBER: track }));
    expect(tags).toEqual({ title: 'a', durationMs: 3_000 });
  });

  test('a duration of weeks', async () => {
    expect(await tagsOf('a.ogg', vorbis({ TITLE: 'a' }, { seconds: 1_000_000 }))).toEqual({ title: 'a' });
  });
});

describe('a file without tags has a note', () => {
  test.each([
    ['empty.flac', Buffer.alloc(0)],
    ['noise.flac', Buffer.alloc(100_000, 'noise')],
    ['cut.flac', flac(VORBIS).subarray(0, 30)],
    ['text.txt', Buffer.from('nothing of the kind')],
    ['zeros.m4a', Buffer.alloc(100_000)],
    ['page.ogg', vorbis(VORBIS).subarray(27, 5_000)],
  ])('%s', async (name, file) => {
    const { tags, notes } = await inline.read([source(name, file), source('a.flac', flac(VORBIS))], never);
    expect(tags).toEqual([null, TAGS]);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(new RegExp(`^${name}: .`));
  });

  test('so has one whose bytes are damaged', async () => {
    const read = () => Promise.reject(new BaeError('corrupt', 'a chunk does not open'));
    const { tags, notes } = await inline.read([{ name: 'a.flac', length: 1_000, read }], never);
    expect([tags, notes]).toEqual([[null], ['a.flac: a chunk does not open']]);
  });

  test('but what is only away for now is not given up', async () => {
    const read = () => Promise.reject(new BaeError('unavailable', 'the store is away'));
    const reading = inline.read([{ name: 'a.flac', length: 1_000, read }], never);
    await expect(reading).rejects.toMatchObject({ kind: 'unavailable' });
  });
});

/** A parser that answers as told, over files that are as long as anybody wants. */
function told(answer: (request: ParseRequest) => ParseOutcome, clock = new ManualClock()) {
  const parser: TagParser = {
    ...inlineTagParser,
    parse: async (request) => ({ outcome: answer(request), windows: request.windows }),
  };
  return new TagReader({ parser, clock });
}

function endless(count: number) {
  const bytes = Buffer.alloc(MAX_FILE_BYTES);
  let read = 0;
  const one: TagSource = {
    name: 'endless.mp3',
    length: 2 ** 40,
    read: async (_offset, length) => {
      read += length;
      return bytes.subarray(0, length);
    },
  };
  return { sources: Array.from({ length: count }, () => one), read: () => read };
}

/** Wants so many bytes a mebibyte behind what it has. */
const wanting =
  (length: number) =>
  ({ windows }: ParseRequest): ParseOutcome => {
    const last = windows.at(-1);
    return { missing: { offset: last === undefined ? 0 : last.offset + last.bytes.length + 2 ** 20, length } };
  };

describe('limits', () => {
  test('bytes of a file', async () => {
    const { sources, read } = endless(1);
    expect((await told(wanting(2 ** 21)).read(sources, never)).notes[0]).toContain(`${MAX_FILE_BYTES} bytes`);
    expect(read()).toBe(MAX_FILE_BYTES);
    expect((await told(wanting(MAX_FILE_BYTES + 1)).read(sources, never)).notes[0]).toContain(
      `${MAX_FILE_BYTES} bytes`,
    );
    expect(read()).toBe(MAX_FILE_BYTES);
  });

  test('bytes of a torrent', async () => {
    const { sources, read } = endless(MAX_TOTAL_BYTES / MAX_FILE_BYTES + 2);
    const { notes } = await told(wanting(MAX_FILE_BYTES)).read(sources, never);
    expect(read()).toBe(MAX_TOTAL_BYTES);
    expect(notes.filter((note) => note.includes(`over ${MAX_TOTAL_BYTES}`))).toHaveLength(2);
  });

  test('reads of a file', async () => {
    // Nothing but headers of empty atoms far apart: MPEG-4 is read from each to the next.
    const step = 2 ** 26;
    let reads = 0;
    const read = async (offset: number, length: number) => {
      reads++;
      const bytes = Buffer.alloc(length);
      const at = (step - (offset % step)) % step;
      if (at + 8 <= length) {
        bytes.writeUInt32BE(step, at);
        bytes.write('free', at + 4);
      }
      return bytes;
    };
    const scattered = { name: 'scattered.m4a', length: step * 100, read };
    expect((await inline.read([scattered], never)).notes[0]).toContain(`more than ${MAX_FILE_READS} reads`);
    expect(reads).toBe(MAX_FILE_READS);
  });

  test('files of a torrent', async () => {
    const reader = told(() => ({ tags: { title: 'a' } }));
    const { tags, notes } = await reader.read(endless(MAX_FILES + 1).sources, never);
    expect(tags).toHaveLength(MAX_FILES);
    expect(notes).toEqual([`only the first ${MAX_FILES} of ${MAX_FILES + 1} files are looked into`]);
  });

  test('time for a file and for a torrent', async () => {
    const clock = new ManualClock();
    let parsed = 0;
    const slow = told((request) => {
      parsed++;
      clock.advance(MAX_FILE_MILLISECONDS / 2);
      return wanting(1)(request);
    }, clock);
    const count = MAX_TOTAL_MILLISECONDS / MAX_FILE_MILLISECONDS;
    const { notes } = await slow.read(endless(count + 3).sources, never);
    expect(notes.map((note) => note.includes('this torrent'))).toEqual([
      ...Array(count - 1).fill(false),
      ...Array(4).fill(true),
    ]);
    expect(parsed).toBe(2 * count);
  });
});

test('an end comes at once, whatever the parser does', async () => {
  const stop = new AbortController();
  const parser = { ...inlineTagParser, parse: () => new Promise<never>(() => undefined) };
  const reading = new TagReader({ parser, clock: systemClock }).read(endless(3).sources, stop.signal);
  stop.abort(new BaeError('cancelled', 'bae is stopping.'));
  await expect(reading).rejects.toMatchObject({ kind: 'cancelled' });
});
