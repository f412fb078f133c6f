/** A chunk's share of its bundle's stream, in bytes; the last chunk is zero-padded to this. */
export const CHUNK_BYTES = 1_048_576;

/** A run of whole things by index: `first` up to and without `end`. Empty when they are equal. */
export interface IndexRange {
  readonly first: number;
  readonly end: number;
}

/** Throws RangeError unless `value` is a whole number of at least `least` that a double holds exactly. */
export function assertWhole(value: number, name: string, least = 0): void {
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`${name} is ${value}`);
}

/** The last byte that [offset, offset + length) may touch is inside [0, total), else RangeError. */
export function assertInside(offset: number, length: number, total: number): void {
  assertWhole(offset, 'offset');
  assertWhole(length, 'length');
  if (offset + length > total) throw new RangeError(`bytes ${offset} to ${offset + length} of ${total}`);
}

/** How many chunks a stream of `length` bytes has; 0 for an empty one. */
export function chunkCount(length: number): number {
  assertWhole(length, 'stream length');
  return Math.ceil(length / CHUNK_BYTES);
}

/** How many bytes of the stream chunk `index` carries; what follows them in the chunk is zeros. */
export function chunkContentLength(index: number, streamLength: number): number {
  assertWhole(index, 'chunk index');
  if (index >= chunkCount(streamLength)) throw new RangeError(`chunk ${index} of ${chunkCount(streamLength)}`);
  return Math.min(CHUNK_BYTES, streamLength - index * CHUNK_BYTES);
}

/** The chunks that hold the stream's bytes [offset, offset + length). */
export function chunksOfRange(offset: number, length: number): IndexRange {
  assertWhole(offset, 'offset');
  assertWhole(length, 'length');
  return coveringRange(offset, length, CHUNK_BYTES);
}

/** How many pieces a torrent of `totalLength` bytes has (BEP 3); 0 for an empty one. */
export function pieceCount(totalLength: number, pieceLength: number): number {
  assertWhole(totalLength, 'total length');
  assertWhole(pieceLength, 'piece length', 1);
  return Math.ceil(totalLength / pieceLength);
}

/** The length in bytes of piece `index`: the last one may be shorter. */
export function pieceLengthAt(index: number, pieceLength: number, totalLength: number): number {
  assertWhole(index, 'piece index');
  const count = pieceCount(totalLength, pieceLength);
  if (index >= count) throw new RangeError(`piece ${index} of ${count}`);
  return Math.min(pieceLength, totalLength - index * pieceLength);
}

/** The chunks that piece `index` touches, where the torrent's bytes are the stream's (the common case). */
export function chunksOfPiece(index: number, pieceLength: number, totalLength: number): IndexRange {
  const length = pieceLengthAt(index, pieceLength, totalLength);
  return coveringRange(index * pieceLength, length, CHUNK_BYTES);
}

/** The pieces that chunk `index` touches, where the torrent's bytes are the stream's (the common case). */
export function piecesOfChunk(index: number, pieceLength: number, totalLength: number): IndexRange {
  assertWhole(pieceLength, 'piece length', 1);
  const length = chunkContentLength(index, totalLength);
  return coveringRange(index * CHUNK_BYTES, length, pieceLength);
}

/** The units of `unit` bytes that cover [offset, offset + length): none for an empty range. */
export function coveringRange(offset: number, length: number, unit: number): IndexRange {
  const first = Math.floor(offset / unit);
  return { first, end: length === 0 ? first : Math.ceil((offset + length) / unit) };
}
