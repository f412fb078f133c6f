export { storeConformance } from './conformance.ts';
export { directoryStore } from './directory.ts';
export { memoryStore } from './memory.ts';
export { type Environment, openS3Store, openStore } from './open.ts';
export {
  type CallOptions,
  type GetOptions,
  MAX_OBJECT_BYTES,
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
} from './ports.ts';
export { parseStoreSpec, type StoreSpec } from './spec.ts';
