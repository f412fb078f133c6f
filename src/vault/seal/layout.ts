/** Sizes of docs/format.md, in bytes. */
export const HEADER_BYTES = 64;
export const SALT_BYTES = 24;
export const COMMITMENT_BYTES = 32;
export const TAG_BYTES = 16;
export const KEY_BYTES = 32;
export const ID_BYTES = 16;
export const HASH_BYTES = 32;

/** Segments of format 1 hold 2^18 bytes. */
export const SEGMENT_LOG2 = 18;
export const SEGMENT_BYTES = 2 ** SEGMENT_LOG2;
export const SEALED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES;

/** What a chunk object holds, and its one size. */
export const CHUNK_PLAIN_BYTES = 1_048_576;
export const SEGMENTS_PER_CHUNK = CHUNK_PLAIN_BYTES / SEGMENT_BYTES;
export const CHUNK_OBJECT_BYTES = HEADER_BYTES + SEGMENTS_PER_CHUNK * SEALED_SEGMENT_BYTES;

/** AEADs by their number in the header; both with 256-bit keys, 96-bit nonces and 128-bit tags. */
export const SUITES = { 1: 'aes-256-gcm', 2: 'aes-256-ocb' } as const;
export type Suite = keyof typeof SUITES;

/** What is sealed from now on; docs/decisions/0010-suite-and-segment.md. */
export const DEFAULT_SUITE: Suite = 1;

/** A run of whole segments, by number: `first` up to and without `end`. */
export interface SegmentRange {
  readonly first: number;
  readonly end: number;
}

/** The segments of a chunk that hold its bytes [chunkOffset, chunkOffset + length); RangeError outside a chunk. */
export function segmentsOf(chunkOffset: number, length: number): SegmentRange {
  if (!(chunkOffset >= 0 && length >= 0 && chunkOffset + length <= CHUNK_PLAIN_BYTES)) {
    throw new RangeError(`bytes ${chunkOffset} to ${chunkOffset + length} of a chunk`);
  }
  const first = Math.floor(chunkOffset / SEGMENT_BYTES);
  return { first, end: length === 0 ? first : Math.ceil((chunkOffset + length) / SEGMENT_BYTES) };
}

/** Where sealed segments [first, end) lie in a chunk object: what a ranged read asks for. */
export function segmentRange(first: number, end = first + 1): { offset: number; length: number } {
  if (!(Number.isInteger(first) && Number.isInteger(end) && first >= 0 && first < end && end <= SEGMENTS_PER_CHUNK)) {
    throw new RangeError(`segments ${first} to ${end} of a chunk`);
  }
  return { offset: HEADER_BYTES + first * SEALED_SEGMENT_BYTES, length: (end - first) * SEALED_SEGMENT_BYTES };
}
