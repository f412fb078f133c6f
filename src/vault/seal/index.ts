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
export { MAX_MANIFEST_BYTES, MAX_TABLE_BYTES } from './document.ts';
export { type SealReason, sealReason } from './fault.ts';
export { sealFiles } from './files.ts';
export { formatKeyFile, MAX_KEY_FILE_BYTES, parseKeyFile, type SlotKey } from './key-file.ts';
export {
  CHUNK_OBJECT_BYTES,
  DEFAULT_SUITE,
  HASH_BYTES,
  HEADER_BYTES,
  ID_BYTES,
  KEY_BYTES,
  SALT_BYTES,
  SEALED_SEGMENT_BYTES,
  SEGMENT_BYTES,
  SEGMENTS_PER_CHUNK,
  type Suite,
  segmentRange,
  segmentsOf,
} from './layout.ts';
export { bundleHandle, type LibraryKeys, type MasterKey, unwrapBundleKey, wrapBundleKey } from './library-keys.ts';
export { type Manifest, type ManifestTorrent, openManifest, sealManifest } from './manifest.ts';
export { chunkName, manifestName, parseManifestName, ROOT_NAME, tableName } from './names.ts';
export { openPiece, type PieceIds, type SealPiece, sealPiece } from './piece-file.ts';
export { createRoot, isRoot, MAX_ROOT_BYTES, newSlotKey, openRoot } from './root.ts';
export type { JsonObject } from './schema.ts';
export {
  inlineSealer,
  type OpenFileSegments,
  type OpenPieceFile,
  type ReadRange,
  type Sealer,
  type SealFiles,
  type SealRequest,
  type SealResponse,
  sharedChunk,
  sharedSegment,
  workerSealer,
} from './sealer.ts';
export {
  type ContentTable,
  openTable,
  RECORD_BYTES,
  sealTable,
  type TableExtent,
  type TableFile,
  type TableIds,
  type TableTorrent,
  tableRecord,
} from './table.ts';

/** The module of a WorkerPool for `workerSealer`. */
export const SEAL_WORKER_URL = new URL('./seal.worker.ts', import.meta.url);
