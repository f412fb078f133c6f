import { hash } from 'node:crypto';
import { deriveEnvelope, type EnvelopeKey, openHeader, SegmentCipher, sealEnvelope, u64 } from './envelope.ts';
import { sealError, sealReason } from './fault.ts';
import {
  CHUNK_OBJECT_BYTES,
  CHUNK_PLAIN_BYTES,
  DEFAULT_SUITE,
  HEADER_BYTES,
  ID_BYTES,
  SEALED_SEGMENT_BYTES,
  SEGMENT_BYTES,
  SEGMENTS_PER_CHUNK,
  type Suite,
} from './layout.ts';

/** Which chunk of which bundle of which library, and the bundle's key (32 bytes). Ids are 16 bytes. */
export interface ChunkIds {
  readonly bundleKey: Uint8Array;
  readonly libraryId: Uint8Array;
  readonly bundleId: Uint8Array;
  readonly chunkIndex: number;
}

export interface SealChunk extends ChunkIds {
  /** 24 random bytes that no other object has: a salt is never used twice. */
  readonly salt: Uint8Array;
  /** 1 to 1,048,576 bytes; what is short is padded with zeros. */
  readonly plaintext: Uint8Array;
  readonly suite?: Suite;
}

export interface SealedChunk {
  /** Always CHUNK_OBJECT_BYTES long. */
  readonly object: Buffer;
  /** SHA-256 of the object (32 bytes): its name in the store. */
  readonly name: Buffer;
}

export interface OpenSegments extends ChunkIds {
  readonly salt: Uint8Array;
  readonly suite?: Suite;
  /** The number of the first sealed segment given. */
  readonly firstSegment: number;
  /** One or more whole sealed segments (SEALED_SEGMENT_BYTES each), in order. */
  readonly sealed: Uint8Array;
  /** Where they are opened into: one of SEGMENT_BYTES for each. */
  readonly into: readonly Uint8Array[];
}

/**
 * Seals one chunk into its object and names it. The same arguments give the same bytes. The object is made in `into`
 * (CHUNK_OBJECT_BYTES) if that is given.
 */
export function sealChunk(job: SealChunk, into?: Buffer): SealedChunk {
  if (job.plaintext.length === 0 || job.plaintext.length > CHUNK_PLAIN_BYTES) {
    throw new RangeError(`a chunk of ${job.plaintext.length} bytes`);
  }
  let plaintext = job.plaintext;
  if (plaintext.length < CHUNK_PLAIN_BYTES) {
    plaintext = Buffer.alloc(CHUNK_PLAIN_BYTES);
    plaintext.set(job.plaintext);
  }
  const header = { suite: job.suite ?? DEFAULT_SUITE, salt: job.salt };
  const object = sealEnvelope(chunkEnvelope(job), header, plaintext, into);
  return { object, name: hash('sha256', object, 'buffer') };
}

/** Opens a whole chunk object: CHUNK_PLAIN_BYTES bytes, padding included; `corrupt` with a sealReason else. */
export function openChunk(object: Uint8Array, ids: ChunkIds): Buffer {
  if (object.length !== CHUNK_OBJECT_BYTES) throw sealError('altered', 'A chunk object is not of its one size.');
  const opener = openHeader(chunkEnvelope(ids), object);
  const plaintext = Buffer.allocUnsafeSlow(CHUNK_PLAIN_BYTES);
  const into = Array.from({ length: SEGMENTS_PER_CHUNK }, (_, at) =>
    plaintext.subarray(at * SEGMENT_BYTES, (at + 1) * SEGMENT_BYTES),
  );
  openBody(opener, 0, object.subarray(HEADER_BYTES), into);
  return plaintext;
}

/**
 * Opens single segments from a ranged read, without the object's header: the salt is known from the content table or
 * the database, the rest of the header follows from it. When it throws, nothing of `into` may be used. `corrupt` says
 * `altered` for a wrong key too, since the commitment was not read: see `explainFailure`.
 */
export function openSegments(job: OpenSegments): void {
  const suite = job.suite ?? DEFAULT_SUITE;
  const derived = deriveEnvelope(chunkEnvelope(job), { suite, salt: job.salt });
  openBody(new SegmentCipher('chunk', suite, derived), job.firstSegment, job.sealed, job.into);
}

/**
 * Why segments did not open, once the object's first HEADER_BYTES bytes are at hand: the better error of the two. A header
 * of these ids and salt leaves `failure` as it is (the body was altered); any other says so.
 */
export function explainFailure(failure: unknown, header: Uint8Array, ids: ChunkIds): unknown {
  if (sealReason(failure) !== 'altered') return failure;
  try {
    openHeader(chunkEnvelope(ids), header);
    return failure;
  } catch (better) {
    return better;
  }
}

/** label and header aside, a chunk's key is bound to library id ‖ bundle id ‖ chunk index u64. */
function chunkEnvelope(ids: ChunkIds): EnvelopeKey {
  return { kind: 'chunk', key: ids.bundleKey, binding: bundleBinding(ids.libraryId, ids.bundleId, ids.chunkIndex) };
}

/** library id (16) ‖ bundle id (16) ‖ number u64 big-endian. */
export function bundleBinding(libraryId: Uint8Array, bundleId: Uint8Array, number: number): Buffer {
  if (libraryId.length !== ID_BYTES || bundleId.length !== ID_BYTES) throw new RangeError('an id is 16 bytes');
  return Buffer.concat([libraryId, bundleId, u64(number)]);
}

function openBody(opener: SegmentCipher, firstSegment: number, sealed: Uint8Array, into: readonly Uint8Array[]): void {
  const count = Math.ceil(sealed.length / SEALED_SEGMENT_BYTES);
  if (!Number.isInteger(firstSegment) || firstSegment < 0 || firstSegment + count > SEGMENTS_PER_CHUNK) {
    throw new RangeError(`segments ${firstSegment} to ${firstSegment + count} of a chunk`);
  }
  if (count === 0 || sealed.length % SEALED_SEGMENT_BYTES !== 0) throw sealError('altered', 'A chunk is cut short.');
  if (into.length !== count) throw new RangeError(`${count} segments to open into ${into.length}`);
  for (const [at, target] of into.entries()) {
    const segment = firstSegment + at;
    const bytes = sealed.subarray(at * SEALED_SEGMENT_BYTES, (at + 1) * SEALED_SEGMENT_BYTES);
    opener.openInto(target, segment, segment === SEGMENTS_PER_CHUNK - 1, bytes);
  }
}
