import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BaeError } from '../../lib/errors.ts';
import { decode } from './bencode-decode.ts';
import { type Encodable, encode } from './bencode-encode.ts';
import { MAX_FILES, MAX_INFO_BYTES, MAX_PIECE_LENGTH, parseInfo } from './info.ts';
import { MAX_COMMENT_CHARS, MAX_NODES, parseTorrentFile } from './torrent-file.ts';
import { MAX_TRACKERS, MAX_URL_CHARS, MAX_WEB_SEEDS } from './trackers.ts';

type Fields = Record<string, Encodable | undefined>;

const hashes = (count: number) => Buffer.alloc(count * 20, 7);
const single = (fields: Fields = {}): Fields => ({
  name: 'song.flac',
  'piece length': 16_384,
  length: 40_000,
  pieces: hashes(3),
  ...fields,
});
const multi = (files: Encodable, fields: Fields = {}): Fields =>
  single({ name: 'Album', length: undefined, files, ...fields });
const torrent = (info: Fields, fields: Fields = {}) => parseTorrentFile(encode({ info, ...fields }));

function problem(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(BaeError);
    expect((error as BaeError).kind).toBe('bad-input');
    return (error as BaeError).message;
  }
  throw new Error('nothing was refused');
}

describe('info dictionary', () => {
  it('reads a single file', () => {
    const { info } = torrent(single({ private: 1, source: 'RED', attr: 'x' }));
    expect(info).toMatchObject({ name: 'song.flac', pieceLength: 16_384, pieceCount: 3, totalLength: 40_000 });
    expect(info).toMatchObject({ isSingleFile: true, isPrivate: true, source: 'RED', notes: [] });
    expect(info.files).toEqual([{ path: ['song.flac'], length: 40_000, offset: 0, isPad: false, attributes: 'x' }]);
    expect(info.pieceHash(2)).toEqual(Buffer.alloc(20, 7));
    expect([info.pieceBytes(0), info.pieceBytes(2)]).toEqual([16_384, 40_000 - 2 * 16_384]);
    for (const index of [-1, 3, 0.5, Number.NaN]) {
      expect(() => info.pieceHash(index)).toThrow(RangeError);
      expect(() => info.pieceBytes(index)).toThrow(RangeError);
    }
  });

  it('gives the last piece its whole length when the torrent ends with it', () => {
    const { info } = torrent(single({ length: 2 * 16_384, pieces: hashes(2) }));
    expect([info.pieceBytes(0), info.pieceBytes(1)]).toEqual([16_384, 16_384]);
  });

  it('reads several files, pads, links and empty ones, at their offsets', () => {
    const { info } = torrent(
      multi([
        { length: 16_000, path: ['CD1', '01.flac'] },
        { length: 384, path: ['.pad', '384'], attr: 'p' },
        { length: 0, path: ['empty.txt'] },
        { path: ['link'], attr: 'l', 'symlink path': ['CD1', '01.flac'] },
        { length: 23_616, path: ['CD2', '01.flac'], attr: 'qxh' },
      ]),
    );
    expect(info.files.map((file) => [file.path.join('/'), file.offset, file.length, file.attributes])).toEqual([
      ['CD1/01.flac', 0, 16_000, ''],
      ['.pad/384', 16_000, 384, 'p'],
      ['empty.txt', 16_384, 0, ''],
      ['link', 16_384, 0, 'l'],
      ['CD2/01.flac', 16_384, 23_616, 'xh'],
    ]);
    expect(info.files.map((file) => file.isPad)).toEqual([false, true, false, false, false]);
    expect(info).toMatchObject({ isSingleFile: false, totalLength: 40_000, name: 'Album', isPrivate: false });
  });

  it('hashes the bytes as they came, unsorted or with unknown keys', () => {
    const raw = Buffer.concat([
      Buffer.from('d4:name1:x12:piece lengthi1e6:lengthi1e6:pieces20:', 'latin1'),
      hashes(1),
      Buffer.from('5:extralee', 'latin1'),
    ]);
    const { info } = parseTorrentFile(Buffer.concat([Buffer.from('d4:info'), raw, Buffer.from('e')]));
    expect(info.rawInfo.equals(raw)).toBe(true);
    expect(info.infoHash.equals(createHash('sha1').update(raw).digest())).toBe(true);
    expect(info.notes).toEqual(['the keys of the info dictionary are not sorted']);
    expect(parseInfo(raw).infoHash).toEqual(info.infoHash);
  });

  it('makes labels of names and never paths', () => {
    const { info } = torrent(
      multi(
        [
          { length: 20_000, path: ['..', '.', '', '../../etc/passwd', 'a\\b', 'nul\0\x1b[2J'] },
          { length: 20_000, path: ['\u202egpj.exe', '\ud83c\udfb5', 'x'.repeat(300)] },
        ],
        { name: '..' },
      ),
    );
    expect(info.name).toBe('__');
    expect(info.files[0]?.path).toEqual(['__', '_', '.._.._etc_passwd', 'a_b', 'nul\ufffd\ufffd[2J']);
    expect(info.files[1]?.path).toEqual(['\ufffdgpj.exe', '\ud83c\udfb5', 'x'.repeat(255)]);
  });

  it('takes names that are not UTF-8 and prefers the variant that is', () => {
    const latin = Buffer.from('caf\xe9', 'latin1');
    expect(torrent(single({ name: latin })).info.name).toBe('caf\ufffd');
    expect(torrent(single({ name: latin, 'name.utf-8': 'café' })).info.name).toBe('café');
    const file = { length: 40_000, path: [latin], 'path.utf-8': ['café'] };
    expect(torrent(multi([file])).info.files[0]?.path).toEqual(['café']);
  });

  it('takes a hybrid as version 1 and refuses version 2 alone', () => {
    expect(torrent(single({ 'meta version': 2, 'file tree': {} })).info.notes).toHaveLength(1);
    const message = problem(() => torrent(single({ 'meta version': 2, 'file tree': {}, pieces: undefined })));
    expect(message).toContain('version 2 only');
  });

  it.each<[string, Fields]>([
    ['info.name is missing', single({ name: undefined })],
    ['info.name is empty', single({ name: '' })],
    ['info.name must be a byte string', single({ name: 5 })],
    ['info.piece length is missing', single({ 'piece length': undefined })],
    ['info.piece length must be from 1 to 67108864, and is 0', single({ 'piece length': 0 })],
    ['info.piece length must be from 1 to', single({ 'piece length': MAX_PIECE_LENGTH + 1 })],
    ['info.length is missing', single({ length: undefined })],
    ['info.length must be from 1', single({ length: 0, pieces: '' })],
    ['info.length must be from 1', single({ length: -1 })],
    ['info.length is too large', single({ length: 2n ** 60n })],
    ['info has both length and files', single({ files: [] })],
    ['info.pieces is missing', single({ pieces: undefined })],
    ['info.pieces has 59 bytes', single({ pieces: Buffer.alloc(59) })],
    ['info.pieces has 2 hashes, and 40000 bytes in pieces of 16384 need 3', single({ pieces: hashes(2) })],
    ['info.pieces has 4 hashes', single({ pieces: hashes(4) })],
    ['info.private must be an integer', single({ private: 'yes' })],
    ['info.files is empty', multi([])],
    ['info.files must be a list', multi({})],
    ['info.files has no bytes', multi([{ length: 0, path: ['x'] }], { pieces: '' })],
    ['info.files[0].length is missing', multi([{ path: ['x'] }])],
    [
      'info.files[1].length must be from 0',
      multi([
        { length: 1, path: ['x'] },
        { length: -1, path: ['y'] },
      ]),
    ],
    ['info.files[0].path is missing', multi([{ length: 40_000 }])],
    ['info.files[0].path is empty', multi([{ length: 40_000, path: [] }])],
    ['info.files[0].path is empty', multi([{ length: 40_000, path: [''] }])],
    ['info.files[0].path[0] must be a byte string', multi([{ length: 40_000, path: [1] }])],
    [
      'info.files has lengths whose sum is too large',
      multi([
        { length: Number.MAX_SAFE_INTEGER, path: ['x'] },
        { length: 1, path: ['y'] },
      ]),
    ],
  ])('refuses: %s', (message, info) => {
    expect(problem(() => torrent(info))).toContain(`This torrent file cannot be used: ${message}`);
  });

  it('takes odd and the longest piece lengths', () => {
    expect(torrent(single({ 'piece length': 1, length: 5, pieces: hashes(5) })).info.pieceCount).toBe(5);
    expect(torrent(single({ 'piece length': 300_000, length: 300_001, pieces: hashes(2) })).info.pieceBytes(1)).toBe(1);
    expect(torrent(single({ 'piece length': MAX_PIECE_LENGTH, pieces: hashes(1) })).info.pieceCount).toBe(1);
  });

  it('refuses too many files and too large metadata', () => {
    const file = decode(encode({ length: 1, path: ['x'] }));
    const files = new Array<Encodable>(MAX_FILES + 1).fill(file);
    expect(problem(() => torrent(multi(files)))).toContain('info.files has 65537 files, and 65536 are allowed');
    expect(problem(() => parseInfo(Buffer.alloc(MAX_INFO_BYTES + 1)))).toMatch(
      /^This torrent metadata cannot be used: /,
    );
  });

  it('refuses what is no torrent in one sentence', () => {
    expect(problem(() => parseTorrentFile(Buffer.from('<html>')))).toBe(
      'This torrent file cannot be used: the file is something else, since a torrent begins with the letter d.',
    );
    expect(problem(() => parseTorrentFile(Buffer.from('de')))).toBe(
      'This torrent file cannot be used: info is missing (byte 0).',
    );
    expect(problem(() => parseTorrentFile(Buffer.from('d4:info')))).toContain('info is cut off');
    expect(problem(() => parseTorrentFile(Buffer.alloc(0)))).toBe(
      'This torrent file cannot be used: the file is empty.',
    );
  });

  it('survives every cut and any changed byte of a good file', () => {
    const good = encode({ announce: 'http://t/a', info: multi([{ length: 40_000, path: ['a', 'b'], attr: 'x' }]) });
    for (let length = 0; length < good.length; length++) problem(() => parseTorrentFile(good.subarray(0, length)));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(good);
        changed[at] = byte;
        try {
          parseTorrentFile(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(BaeError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('torrent file', () => {
  it('prefers announce-list, drops what cannot be used and names no address in its notes', () => {
    const file = torrent(single(), {
      announce: 'http://first.example/passkey/announce',
      'announce-list': [
        [' http://a.example/x?k=1 ', 'udp://b.example:80', 'udp://b.example'],
        [],
        ['wss://c.example', 'HTTPS://d.example/announce', 'http://a.example/x?k=1', '', 5],
        'http://e.example',
        ['ftp://x', 'http://', 'nonsense', 'http://a b/', `http://x/${'y'.repeat(MAX_URL_CHARS)}`],
      ],
    });
    expect(file.trackers).toEqual([
      ['http://a.example/x?k=1', 'udp://b.example:80'],
      ['HTTPS://d.example/announce'],
      ['http://e.example'],
    ]);
    expect(file.notes).toEqual(['7 trackers that cannot be used were left out']);
  });

  it('falls back to announce', () => {
    expect(torrent(single(), { announce: 'http://t/a', 'announce-list': [['']] }).trackers).toEqual([['http://t/a']]);
    const file = torrent(single(), { announce: 'http://t/a', 'announce-list': 7 });
    expect(file.trackers).toEqual([['http://t/a']]);
    expect(file.notes).toEqual(['announce-list is not a list and was left out']);
    expect(torrent(single()).trackers).toEqual([]);
    expect(torrent(single(), { announce: 7 }).trackers).toEqual([]);
  });

  it('keeps no more than the limits', () => {
    const many = Array.from({ length: MAX_TRACKERS + 1 }, (_, at) => [`http://t${at}/`]);
    const seeds = Array.from({ length: MAX_WEB_SEEDS + 1 }, (_, at) => `http://w${at}/`);
    const nodes = Array.from({ length: MAX_NODES + 1 }, (_, at) => [`n${at}`, 1]);
    const file = torrent(single(), { 'announce-list': many, 'url-list': seeds, nodes, comment: 'c'.repeat(5_000) });
    expect(file.trackers).toHaveLength(MAX_TRACKERS);
    expect(file.notes).toEqual(['1 trackers that cannot be used were left out']);
    expect(file.webSeeds).toHaveLength(MAX_WEB_SEEDS);
    expect(file.nodes).toHaveLength(MAX_NODES);
    expect(file.comment).toHaveLength(MAX_COMMENT_CHARS);
  });

  it('takes what else is there where it can', () => {
    const file = torrent(single(), {
      'url-list': 'http://w/',
      nodes: [['10.0.0.1', 6881], ['x'], 5, ['y', 0], ['z', 65_536]],
      comment: 'two\r\nlines\x07',
      'created by': '',
      'creation date': 1_700_000_000,
    });
    expect(file).toMatchObject({ webSeeds: ['http://w/'], nodes: [{ host: '10.0.0.1', port: 6881 }] });
    expect(file).toMatchObject({ comment: 'two lines\ufffd', createdBy: null, creationDate: 1_700_000_000, notes: [] });
    const odd = torrent(single(), { comment: 5, 'creation date': 'x', nodes: {}, 'url-list': 5 });
    expect(odd).toMatchObject({ comment: null, creationDate: null, nodes: [], webSeeds: [] });
    expect(torrent(single(), { 'creation date': 2n ** 63n }).creationDate).toBeNull();
  });

  it('notes unsorted keys around a sorted info dictionary', () => {
    const bytes = Buffer.concat([Buffer.from('d4:info'), encode(single()), Buffer.from('1:a0:e')]);
    expect(parseTorrentFile(bytes).notes).toEqual(['the keys of the torrent file are not sorted']);
  });
});
