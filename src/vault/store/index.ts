export { storeConformance } from './conformance.ts';
export { directoryStore } from './directory.ts';
export { type Fault, type FaultyStore, faultyStore, type Mischief } from './faults.ts';
export { memoryStore } from './memory.ts';
export { type MeteredStore, metered, type StoreCall, type StoreCounts } from './meter.ts';
export { type Environment, openS3Store, openStore } from './open.ts';
export {
  type CallOptions,
  type GetOptions,
  MAX_OBJECT_BYTES,
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
} from './ports.ts';
export { type RetryOptions, retrying } from './retry.ts';
export { parseStoreSpec, type StoreSpec } from './spec.ts';
export { syncPath } from './sync.ts';
