import { createHash } from 'node:crypto';
import { BaeError } from '../../lib/errors.ts';
import { decode } from './bencode-decode.ts';
import type { BencodeValue } from './bencode-value.ts';
import { cleanLabel } from './labels.ts';

/** Bytes of a SHA-1: a piece's hash, an info-hash. */
export const HASH_BYTES = 20;
/** The longest piece, in bytes. */
export const MAX_PIECE_LENGTH = 64 * 1024 * 1024;
/** The largest info dictionary, from a file or from peers (BEP 9), in bytes. */
export const MAX_INFO_BYTES = 10 * 1024 * 1024;
/** The most pieces whose hashes fit into MAX_INFO_BYTES. */
export const MAX_PIECES = Math.floor(MAX_INFO_BYTES / HASH_BYTES);
/** The most files of one torrent. */
export const MAX_FILES = 65_536;

/** One file of a torrent, at its place in the torrent's bytes. */
export interface TorrentFile {
  /** The parts of its name below the torrent's own (a single file: just its name), cleaned: labels, never paths on disk. */
  readonly path: readonly string[];
  /** Bytes. */
  readonly length: number;
  /** First byte within the torrent. */
  readonly offset: number;
  /** Whether it is only padding (BEP 47). */
  readonly isPad: boolean;
  /** Those of BEP 47's letters it has: `x` executable, `h` hidden, `p` padding, `l` symbolic link. */
  readonly attributes: string;
}

/** What an info dictionary (BEP 3) says, checked. Buffers are views of `rawInfo`: do not change them. */
export interface Info {
  /** SHA-1 of `rawInfo`, 20 bytes. */
  readonly infoHash: Buffer;
  /** The info dictionary's bytes exactly as they came. */
  readonly rawInfo: Buffer;
  /** Cleaned: a label, never a path on disk. */
  readonly name: string;
  /** Bytes of every piece but the last. */
  readonly pieceLength: number;
  readonly pieceCount: number;
  /** The SHA-1 of every piece, 20 bytes each. */
  readonly pieces: Buffer;
  /** Bytes of all files, pad files too. */
  readonly totalLength: number;
  /** In torrent order, at least one. */
  readonly files: readonly TorrentFile[];
  /** Whether the torrent is one file rather than a folder of files. */
  readonly isSingleFile: boolean;
  /** BEP 27. */
  readonly isPrivate: boolean;
  /** The tracker community's mark, which makes the info-hash its own; null if there is none. */
  readonly source: string | null;
  /** What was odd and taken all the same, a sentence part each. */
  readonly notes: readonly string[];
  /** A piece's SHA-1 (a view); a RangeError for an index that is not there. */
  pieceHash(index: number): Buffer;
  /** Bytes of one piece: `pieceLength`, or less for the last; a RangeError for an index that is not there. */
  pieceBytes(index: number): number;
}

/**
 * Reads an info dictionary (BEP 3, 27, 47) from its raw bytes, as peers send it (BEP 9). The result keeps `rawInfo`.
 * @throws BaeError bad-input that names what is wrong and where.
 */
export function parseInfo(rawInfo: Buffer): Info {
  return withPreface('This torrent metadata cannot be used: ', () => {
    if (rawInfo.length > MAX_INFO_BYTES) {
      throw new BaeError('bad-input', `${rawInfo.length} bytes are more than the ${MAX_INFO_BYTES} that are allowed.`);
    }
    return readInfo(decode(rawInfo));
  });
}

/** Runs `read` and puts `preface` before the sentence of a bad-input error, which goes on with a small letter. */
export function withPreface<T>(preface: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof BaeError) throw new BaeError(error.kind, preface + error.message.replace(/^The /, 'the '));
    throw error;
  }
}

/** As `parseInfo`, from an already decoded value. */
export function readInfo(info: BencodeValue): Info {
  const notes: string[] = [];
  if (!info.keysSorted) notes.push('the keys of the info dictionary are not sorted');
  checkVersion(info, notes);
  const name = readName(info);
  const pieceLength = info.need('piece length').integer(1, MAX_PIECE_LENGTH);
  const { files, totalLength, isSingleFile } = readFiles(info, name);
  const pieces = readPieces(info, pieceLength, totalLength);
  const pieceCount = pieces.length / HASH_BYTES;
  const checkIndex = (index: number) => {
    if (!Number.isInteger(index) || index < 0 || index >= pieceCount) {
      throw new RangeError(`piece ${index} of ${pieceCount}`);
    }
  };
  return {
    infoHash: createHash('sha1').update(info.raw).digest(),
    rawInfo: info.raw,
    name,
    pieceLength,
    pieceCount,
    pieces,
    totalLength,
    files,
    isSingleFile,
    isPrivate: (info.get('private')?.integer() ?? 0) !== 0,
    source: readSource(info),
    notes,
    pieceHash(index) {
      checkIndex(index);
      return pieces.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
    },
    pieceBytes(index) {
      checkIndex(index);
      return index === pieceCount - 1 ? totalLength - index * pieceLength : pieceLength;
    },
  };
}

function checkVersion(info: BencodeValue, notes: string[]): void {
  const version = info.get('meta version');
  if (version === undefined) return;
  if (info.get('pieces') === undefined) {
    throw info.fail(
      'is of BitTorrent version 2 only, which is not supported yet: it needs the version 1 or hybrid form',
    );
  }
  notes.push('a hybrid torrent: its version 1 part is used');
}

function readName(info: BencodeValue): string {
  const value = textKey(info, 'name');
  const name = value.text();
  if (name === '') throw value.fail('is empty');
  return cleanLabel(name);
}

/** The value under `key`, or its `.utf-8` variant where an older client wrote one beside it. */
function textKey(dictionary: BencodeValue, key: string): BencodeValue {
  return dictionary.get(`${key}.utf-8`) ?? dictionary.need(key);
}

function readSource(info: BencodeValue): string | null {
  const source = info.get('source');
  return source?.kind === 'bytes' ? cleanLabel(source.text()) : null;
}

interface FileList {
  files: TorrentFile[];
  totalLength: number;
  isSingleFile: boolean;
}

function readFiles(info: BencodeValue, name: string): FileList {
  const length = info.get('length');
  const list = info.get('files');
  if (length !== undefined && list !== undefined) throw info.fail('has both length and files');
  if (list === undefined) {
    const totalLength = info.need('length').integer(1);
    const file = { path: [name], length: totalLength, offset: 0, ...readAttributes(info) };
    return { files: [file], totalLength, isSingleFile: true };
  }
  const values = list.list();
  if (values.length === 0) throw list.fail('is empty');
  if (values.length > MAX_FILES) throw list.fail(`has ${values.length} files, and ${MAX_FILES} are allowed`);
  const files: TorrentFile[] = [];
  let offset = 0;
  for (const value of values) {
    const file = readFile(value, offset);
    files.push(file);
    offset += file.length;
    if (!Number.isSafeInteger(offset)) throw list.fail('has lengths whose sum is too large');
  }
  if (offset === 0) throw list.fail('has no bytes');
  return { files, totalLength: offset, isSingleFile: false };
}

function readFile(value: BencodeValue, offset: number): TorrentFile {
  const attributes = readAttributes(value);
  // A symbolic link takes none of the torrent's bytes, whatever its length says (BEP 47).
  const length = attributes.attributes.includes('l') ? 0 : value.need('length').integer(0);
  return { path: readPath(value), length, offset, ...attributes };
}

function readPath(file: BencodeValue): string[] {
  const value = textKey(file, 'path');
  const parts: string[] = [];
  for (const part of value.list()) {
    const text = part.text();
    if (text !== '') parts.push(cleanLabel(text));
  }
  if (parts.length === 0) throw value.fail('is empty');
  return parts;
}

function readAttributes(file: BencodeValue): { attributes: string; isPad: boolean } {
  const value = file.get('attr');
  const letters = value?.kind === 'bytes' ? value.text() : '';
  const attributes = ['x', 'h', 'p', 'l'].filter((letter) => letters.includes(letter)).join('');
  return { attributes, isPad: attributes.includes('p') };
}

function readPieces(info: BencodeValue, pieceLength: number, totalLength: number): Buffer {
  const value = info.need('pieces');
  const pieces = value.bytes();
  if (pieces.length % HASH_BYTES !== 0) throw value.fail(`has ${pieces.length} bytes, which is no multiple of 20`);
  const found = pieces.length / HASH_BYTES;
  const expected = Math.ceil(totalLength / pieceLength);
  if (found !== expected) {
    throw value.fail(`has ${found} hashes, and ${totalLength} bytes in pieces of ${pieceLength} need ${expected}`);
  }
  return pieces;
}
