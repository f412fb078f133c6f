export { memoryStore } from './memory.ts';
export {
  type CallOptions,
  type GetOptions,
  MAX_OBJECT_BYTES,
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
} from './ports.ts';
