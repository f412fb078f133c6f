import { hash } from 'node:crypto';
import type { Transferable } from 'node:worker_threads';
import type { WorkerPool } from '../../lib/pool.ts';
import {
  type ChunkIds,
  explainFailure,
  type OpenSegments,
  openSegments,
  type SealChunk,
  type SealedChunk,
  sealChunk,
} from './chunk-object.ts';
import { HEADER_BYTES, type Suite, segmentRange } from './layout.ts';
import { openPiece, type PieceIds, type SealPiece, sealPiece } from './piece-file.ts';

/** Segments to open straight from a file that holds a whole chunk object. */
export interface OpenFileSegments extends ChunkIds {
  readonly path: string;
  readonly salt: Uint8Array;
  readonly suite?: Suite;
  /** Segments [first, end). */
  readonly firstSegment: number;
  readonly endSegment: number;
}

/** A sealed piece in a file of the spool. */
export interface OpenPieceFile extends PieceIds {
  readonly path: string;
}

/**
 * Sealing, opening and hashing, off the event loop. Buffers given in `plaintext`, `sealed` and `data` belong to the sealer
 * from the call on (they may move to another thread); what it returns is the caller's. Errors: `corrupt` with a
 * sealReason; `missing` or `unavailable` for a file.
 */
export interface Sealer {
  /** As `sealChunk`. */
  seal(job: SealChunk): Promise<SealedChunk>;
  /** As `openSegments`: one buffer of SEGMENT_BYTES a segment, in order, each in memory of its own. */
  open(job: OpenSegments): Promise<Buffer[]>;
  /** The same, from a file of the cache or spool: sealed bytes never cross the calling thread. */
  openFile(job: OpenFileSegments): Promise<Buffer[]>;
  sealPiece(job: SealPiece): Promise<Buffer>;
  openPieceFile(job: OpenPieceFile): Promise<Buffer>;
  /** SHA-256 (32 bytes) of `data`, which is handed back. */
  sha256(data: Buffer): Promise<{ digest: Buffer; data: Buffer }>;
}

/**
 * Reads bytes of a file: exactly `length` or, without a length, all; `missing`, `unavailable` or `corrupt` (cut). What it
 * returns need only last until its next call.
 */
export type ReadRange = (path: string, offset: number, length?: number) => Buffer;

export type SealRequest =
  | { readonly op: 'seal'; readonly job: SealChunk }
  | { readonly op: 'open'; readonly job: OpenSegments }
  | { readonly op: 'openFile'; readonly job: OpenFileSegments }
  | { readonly op: 'sealPiece'; readonly job: SealPiece }
  | { readonly op: 'openPieceFile'; readonly job: OpenPieceFile }
  | { readonly op: 'sha256'; readonly data: Uint8Array };

/** Buffers whose meaning hangs on the operation; always in memory of their own, so that all can be moved. */
export type SealResponse = Uint8Array[];

/** Does one request in this thread. */
export function answerSeal(request: SealRequest, readRange: ReadRange): SealResponse {
  switch (request.op) {
    case 'seal': {
      const { object, name } = sealChunk(request.job);
      return [object, name];
    }
    case 'open':
      return openSegments(request.job);
    case 'openFile':
      return openFileSegments(request.job, readRange);
    case 'sealPiece':
      return [sealPiece(request.job)];
    case 'openPieceFile':
      return [openPiece(readRange(request.job.path, 0), request.job)];
    case 'sha256':
      return [hash('sha256', request.data, 'buffer'), request.data];
  }
}

/** The ranged read, and on a failure the header too, to tell a wrong key from altered bytes. */
function openFileSegments(job: OpenFileSegments, readRange: ReadRange): Buffer[] {
  const { offset, length } = segmentRange(job.firstSegment, job.endSegment);
  const sealed = readRange(job.path, offset, length);
  try {
    return openSegments({ ...job, sealed });
  } catch (failure) {
    throw explainFailure(failure, readRange(job.path, 0, HEADER_BYTES), job);
  }
}

/** A sealer that works in this thread, for simulation and tools. */
export function inlineSealer(readRange: ReadRange): Sealer {
  return sealerOver(async (request) => answerSeal(request, readRange));
}

/** A sealer that works in the pool's threads (seal.worker.ts). */
export function workerSealer(pool: WorkerPool<SealRequest, SealResponse>): Sealer {
  return sealerOver((request) => {
    const transfer: Transferable[] = [];
    return pool.run(movable(request, transfer), transfer);
  });
}

function sealerOver(run: (request: SealRequest) => Promise<SealResponse>): Sealer {
  const buffers = async (request: SealRequest) => (await run(request)).map(asBuffer);
  const pair = async (request: SealRequest) => (await buffers(request)) as [Buffer, Buffer];
  const one = async (request: SealRequest) => (await buffers(request))[0] as Buffer;
  return {
    async seal(job) {
      const [object, name] = await pair({ op: 'seal', job });
      return { object, name };
    },
    open: (job) => buffers({ op: 'open', job }),
    openFile: (job) => buffers({ op: 'openFile', job }),
    sealPiece: (job) => one({ op: 'sealPiece', job }),
    openPieceFile: (job) => one({ op: 'openPieceFile', job }),
    async sha256(data) {
      const [digest, back] = await pair({ op: 'sha256', data });
      return { digest, data: back };
    },
  };
}

/** The request with its bulk in `transfer`: moved where it is a whole ArrayBuffer, else copied once. */
function movable(request: SealRequest, transfer: Transferable[]): SealRequest {
  const move = (bytes: Uint8Array): Uint8Array => {
    const whole = bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
    transfer.push(whole.buffer as ArrayBuffer);
    return whole;
  };
  switch (request.op) {
    case 'seal':
      return { op: 'seal', job: { ...request.job, ...slim(request.job), plaintext: move(request.job.plaintext) } };
    case 'sealPiece':
      return { op: 'sealPiece', job: { ...request.job, ...slim(request.job), plaintext: move(request.job.plaintext) } };
    case 'open':
      return { op: 'open', job: { ...request.job, ...slim(request.job), sealed: move(request.job.sealed) } };
    case 'openFile':
      return { op: 'openFile', job: { ...request.job, ...slim(request.job) } };
    case 'openPieceFile':
      return { op: 'openPieceFile', job: { ...request.job, ...slim(request.job) } };
    case 'sha256':
      return { op: 'sha256', data: move(request.data) };
  }
}

interface Secrets {
  readonly bundleKey: Uint8Array;
  readonly libraryId: Uint8Array;
  readonly bundleId: Uint8Array;
  readonly salt?: Uint8Array;
}

/** A view's whole ArrayBuffer is copied between threads: cut the small ones out of what they may be part of. */
function slim(job: Secrets): Secrets {
  const own = (bytes: Uint8Array) => new Uint8Array(bytes);
  const ids = { bundleKey: own(job.bundleKey), libraryId: own(job.libraryId), bundleId: own(job.bundleId) };
  return job.salt === undefined ? ids : { ...ids, salt: own(job.salt) };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
