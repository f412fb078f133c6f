import { hash } from 'node:crypto';
import type { Transferable } from 'node:worker_threads';
import type { WorkerPool } from '../../lib/pool.ts';
import {
  type ChunkIds,
  explainFailure,
  type OpenSegments,
  openSegments,
  type SealChunk,
  sealChunk,
} from './chunk-object.ts';
import { CHUNK_PLAIN_BYTES, HEADER_BYTES, SEGMENT_BYTES, type Suite, segmentRange } from './layout.ts';
import { openPiece, type PieceIds, type SealPiece, sealPiece } from './piece-file.ts';

/** A chunk to seal into a file. */
export interface SealFile extends SealChunk {
  /** What is there already is replaced. */
  readonly path: string;
}

/** Segments to open straight from a file that holds a whole chunk object. */
export interface OpenFileSegments extends ChunkIds {
  readonly path: string;
  readonly salt: Uint8Array;
  readonly suite?: Suite;
  /** Segments [first, end). */
  readonly firstSegment: number;
  readonly endSegment: number;
  /** Where they are opened into: one of SEGMENT_BYTES for each, each a whole SharedArrayBuffer. */
  readonly into: readonly Uint8Array[];
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
  /**
   * Seals a chunk as `sealChunk` does, writes its object as a new file and returns its name (32 bytes). Nothing is synced
   * yet. `plaintext` is only read; a whole SharedArrayBuffer is not even copied, and must stay as it is until this settles.
   */
  sealFile(job: SealFile): Promise<Buffer>;
  /**
   * As `openSegments`. `into` is shared with the thread that opens (`sharedSegment`): after a rejection it must not be used
   * again for anything, since a thread that is being ended may still write there.
   */
  open(job: OpenSegments): Promise<void>;
  /** The same, from a file of the cache or spool: sealed bytes never cross the calling thread. */
  openFile(job: OpenFileSegments): Promise<void>;
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

/** Writes a file of its own (0600) in the place of what has the name; `unavailable` when the disk refuses. */
export type WriteNew = (path: string, bytes: Uint8Array) => void | Promise<void>;

/** The files of the thread that seals. */
export interface SealFiles {
  readonly read: ReadRange;
  readonly write: WriteNew;
}

export type SealRequest =
  | { readonly op: 'sealFile'; readonly job: SealFile }
  | { readonly op: 'open'; readonly job: OpenSegments }
  | { readonly op: 'openFile'; readonly job: OpenFileSegments }
  | { readonly op: 'sealPiece'; readonly job: SealPiece }
  | { readonly op: 'openPieceFile'; readonly job: OpenPieceFile }
  | { readonly op: 'sha256'; readonly data: Uint8Array };

/** Buffers whose meaning hangs on the operation; always in memory of their own, so that all can be moved. */
export type SealResponse = Uint8Array[];

/** Does one request in this thread. `scratch` holds the object while it is written, if it is not needed meanwhile. */
export async function answerSeal(request: SealRequest, files: SealFiles, scratch?: Buffer): Promise<SealResponse> {
  switch (request.op) {
    case 'sealFile': {
      const { object, name } = sealChunk(request.job, scratch);
      await files.write(request.job.path, object);
      return [name];
    }
    case 'open':
      openSegments(request.job);
      return [];
    case 'openFile':
      openFileSegments(request.job, files.read);
      return [];
    case 'sealPiece':
      return [sealPiece(request.job)];
    case 'openPieceFile':
      return [openPiece(files.read(request.job.path, 0), request.job)];
    case 'sha256':
      return [hash('sha256', request.data, 'buffer'), request.data];
  }
}

/** The ranged read, and on a failure the header too, to tell a wrong key from altered bytes. */
function openFileSegments(job: OpenFileSegments, readRange: ReadRange): void {
  const { offset, length } = segmentRange(job.firstSegment, job.endSegment);
  const sealed = readRange(job.path, offset, length);
  try {
    openSegments({ ...job, sealed });
  } catch (failure) {
    throw explainFailure(failure, readRange(job.path, 0, HEADER_BYTES), job);
  }
}

/** A sealer that works in this thread, for simulation and tools. */
export function inlineSealer(files: SealFiles): Sealer {
  return sealerOver((request) => answerSeal(request, files));
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
  const nothing = async (request: SealRequest) => void (await run(request));
  const pair = async (request: SealRequest) => (await buffers(request)) as [Buffer, Buffer];
  const one = async (request: SealRequest) => (await buffers(request))[0] as Buffer;
  return {
    sealFile: (job) => one({ op: 'sealFile', job }),
    open: (job) => nothing({ op: 'open', job }),
    openFile: (job) => nothing({ op: 'openFile', job }),
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
    case 'sealFile':
      return { op: 'sealFile', job: { ...request.job, ...slim(request.job), plaintext: share(request.job.plaintext) } };
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

/** Bytes as another thread may read them: shared memory itself, else a copy. */
function share(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof SharedArrayBuffer ? bytes : new Uint8Array(bytes);
}

interface Secrets {
  readonly bundleKey: Uint8Array;
  readonly libraryId: Uint8Array;
  readonly bundleId: Uint8Array;
  readonly salt?: Uint8Array;
}

/** A view's whole ArrayBuffer is copied between threads: the small ones go together in one of their own. */
function slim({ bundleKey, libraryId, bundleId, salt }: Secrets): Secrets {
  const parts = [bundleKey, libraryId, bundleId, ...(salt === undefined ? [] : [salt])];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  const own = (bytes: Uint8Array) => {
    all.set(bytes, end);
    end += bytes.length;
    return all.subarray(end - bytes.length, end);
  };
  const ids = { bundleKey: own(bundleKey), libraryId: own(libraryId), bundleId: own(bundleId) };
  return salt === undefined ? ids : { ...ids, salt: own(salt) };
}

/** Memory for one opened segment that the sealer's threads can write to. */
export function sharedSegment(): Buffer {
  return Buffer.from(new SharedArrayBuffer(SEGMENT_BYTES));
}

/** Memory for a chunk in clear that the sealer's threads can read. */
export function sharedChunk(): Buffer {
  return Buffer.from(new SharedArrayBuffer(CHUNK_PLAIN_BYTES));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
