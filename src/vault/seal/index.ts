// The formats of docs/format.md: chunk objects, content tables, manifests, keys.
export {
  type ChunkIds,
  explainFailure,
  type OpenSegments,
  openChunk,
  openSegments,
  type SealChunk,
  type SealedChunk,
  sealChunk,
} from './chunk-object.ts';
export { type SealReason, sealReason } from './fault.ts';
export { readFileRange } from './file-range.ts';
export {
  CHUNK_OBJECT_BYTES,
  HASH_BYTES,
  HEADER_BYTES,
  ID_BYTES,
  KEY_BYTES,
  SALT_BYTES,
  SEALED_SEGMENT_BYTES,
  SEGMENT_BYTES,
  SEGMENTS_PER_CHUNK,
  segmentRange,
  segmentsOf,
} from './layout.ts';
export { openPiece, type PieceIds, type SealPiece, sealPiece } from './piece-file.ts';
export {
  inlineSealer,
  type OpenFileSegments,
  type OpenPieceFile,
  type ReadRange,
  type Sealer,
  type SealRequest,
  type SealResponse,
  workerSealer,
} from './sealer.ts';

/** The module of a WorkerPool for `workerSealer`. */
export const SEAL_WORKER_URL = new URL('./seal.worker.ts', import.meta.url);
