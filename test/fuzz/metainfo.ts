// The parsers of torrent/metainfo: bencode, torrent files, info dictionaries, magnet links, addresses.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  BENCODE_LIMITS,
  type BencodeValue,
  cleanText,
  decode,
  decodePrefix,
  type Encodable,
  encode,
  formatHostPort,
  formatMagnet,
  MAX_FILES,
  MAX_PIECES,
  parseHostPort,
  parseInfo,
  parseMagnet,
  parseTorrentFile,
} from '../../src/torrent/metainfo/index.ts';
import type { Target } from './driver.ts';
import { bytes, isBadInput, text } from './parts.ts';

/** Any value that bencode can write. */
export const encodable: fc.Arbitrary<Encodable> = fc.letrec<{ value: Encodable }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.maxSafeInteger(),
    text,
    bytes(40),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(fc.tuple(text, tie('value')), { maxLength: 5 }).map((entries) => new Map(entries)),
  ),
})).value;

const file = fc.record(
  {
    length: fc.oneof({ arbitrary: fc.nat(100_000), weight: 9 }, { arbitrary: fc.maxSafeInteger(), weight: 1 }),
    path: fc.array(text, { maxLength: 4 }),
    attr: fc.constantFrom('p', 'x', 'l', 'ph'),
    'path.utf-8': fc.array(text, { maxLength: 2 }),
  },
  { requiredKeys: ['length', 'path'] },
);
const pieceLength = fc.constantFrom(1, 16_384, 65_536, 67_108_864, 0, -1, 67_108_865);

/** Info dictionaries, most with as many hashes as their files ask for. */
export const infoDictionary = fc
  .tuple(fc.array(file, { maxLength: 4 }), pieceLength, text, fc.nat(2), fc.nat(9), encodable)
  .map(([files, length, name, isPrivate, kind, extra]) => {
    const total = files.reduce((sum, one) => sum + one.length, 0);
    const count = length > 0 && total >= 0 && total / length < 1_000 ? Math.ceil(total / length) : 1;
    const base = { name, 'piece length': length, pieces: Buffer.alloc(20 * count, 7), private: isPrivate };
    const more = kind === 0 ? { extra } : {};
    return kind < 3
      ? { ...base, ...more, length: Number.isSafeInteger(total) ? total : -1 }
      : { ...base, ...more, files };
  });

const torrentFile = fc.record(
  {
    info: infoDictionary,
    announce: fc.oneof(text, fc.webUrl()),
    'announce-list': fc.array(fc.array(fc.webUrl(), { maxLength: 3 }), { maxLength: 3 }),
    comment: text,
    'created by': text,
    'creation date': fc.maxSafeInteger(),
    nodes: fc.array(fc.tuple(fc.ipV4(), fc.nat(70_000)), { maxLength: 3 }),
    'url-list': fc.oneof(fc.webUrl(), fc.array(fc.webUrl(), { maxLength: 3 })),
  },
  { requiredKeys: ['info'] },
);

const parameter = fc.oneof(
  fc.uint8Array({ minLength: 20, maxLength: 20 }).map((hash) => `xt=urn:btih:${Buffer.from(hash).toString('hex')}`),
  fc.constantFrom(
    'xt=urn:btih:ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
    'xt=urn:btmh:1220',
    'so=0-3,9',
    'xl=12',
    'x.pe=[::1]:80',
  ),
  fc.webUrl().map((url) => `tr=${encodeURIComponent(url)}`),
  text.map((name) => `dn=${name}`),
  fc.tuple(fc.ipV4(), fc.nat(70_000)).map(([host, port]) => `x.pe=${host}:${port}`),
);
const magnet = fc.array(parameter, { maxLength: 6 }).map((all) => Buffer.from(`magnet:?${all.join('&')}`));

const address = fc.oneof(
  fc.tuple(fc.oneof(fc.ipV4(), fc.domain()), fc.nat(70_000)).map(([host, port]) => `${host}:${port}`),
  fc.tuple(fc.ipV6(), fc.nat(70_000)).map(([host, port]) => `[${host}]:${port}`),
);

/** Walks through a whole value, as a reader does that wants everything. */
function walk(value: BencodeValue): number {
  if (value.kind === 'list') return value.list().reduce((sum, item) => sum + walk(item), 1);
  if (value.kind === 'dictionary') return [...value.dictionary().values()].reduce((sum, item) => sum + walk(item), 1);
  if (value.kind === 'bytes') cleanText(value.text(), 100);
  assert.ok(value.raw.length > 0 && value.path.length >= 0);
  return 1;
}

/** What was decoded, to be encoded again; keys are bytes as Latin-1 characters, and are written so. */
function again(value: BencodeValue): Buffer {
  const { kind } = value;
  if (kind === 'integer') return value.raw;
  if (kind === 'bytes') return encode(value.bytes());
  if (kind === 'list') return Buffer.concat([Buffer.from('l'), ...value.list().map(again), Buffer.from('e')]);
  const entries = [...value.dictionary()].flatMap(([key, one]) => [encode(Buffer.from(key, 'latin1')), again(one)]);
  return Buffer.concat([Buffer.from('d'), ...entries, Buffer.from('e')]);
}

export const METAINFO: readonly Target[] = [
  {
    name: 'bencode',
    isRefusal: isBadInput,
    drawn: encodable.map(encode),
    read(input) {
      const prefix = decodePrefix(input);
      assert.ok(prefix.end <= input.length);
      const value = decode(input);
      assert.equal(value.end, input.length);
      assert.ok(walk(value) <= BENCODE_LIMITS.maxTokens);
      // There is one way to write a value, but for the order of keys, which stays as it came.
      assert.deepEqual(again(value), input);
    },
  },
  {
    name: 'torrent-file',
    isRefusal: isBadInput,
    drawn: torrentFile.map((file) => encode(file as Encodable)),
    read(input) {
      const { info } = parseTorrentFile(input);
      assert.ok(info.pieceCount > 0 && Number.isSafeInteger(info.totalLength));
      assert.deepEqual(parseInfo(info.rawInfo).infoHash, info.infoHash);
    },
  },
  {
    name: 'info',
    isRefusal: isBadInput,
    drawn: infoDictionary.map((info) => encode(info as Encodable)),
    read(input) {
      const info = parseInfo(input);
      const end = info.files.reduce((sum, { length }) => sum + length, 0);
      assert.equal(end, info.totalLength);
      assert.equal(Math.ceil(info.totalLength / info.pieceLength), info.pieceCount);
      assert.ok(info.files.length <= MAX_FILES && info.pieceCount <= MAX_PIECES);
      for (const { path } of info.files) {
        assert.ok(path.length > 0 && path.every((label) => label !== '' && label !== '..' && !/[/\0]/.test(label)));
      }
    },
  },
  {
    name: 'magnet',
    isRefusal: isBadInput,
    drawn: magnet,
    read(input) {
      const { webSeeds: _, selectedFiles, ...magnet } = parseMagnet(input.toString());
      assert.equal(magnet.infoHash.length, 20);
      assert.ok((selectedFiles ?? []).every(({ first, last }) => first <= last));
      const { infoHash, name, trackers, peers } = parseMagnet(formatMagnet(magnet));
      assert.deepEqual({ infoHash, name, trackers, peers }, magnet);
    },
  },
  {
    name: 'host-port',
    isRefusal: isBadInput,
    drawn: address.map((one) => Buffer.from(one)),
    read(input) {
      const found = parseHostPort(input.toString());
      if (found === null) return false;
      assert.ok(found.port > 0 && found.port <= 65_535 && found.host.length > 0);
      assert.deepEqual(parseHostPort(formatHostPort(found)), found);
      return true;
    },
  },
];
