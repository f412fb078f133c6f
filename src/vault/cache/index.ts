export type { ChunkKey, DiskCache, HeldObject, PinOwner, RamCache, Segment } from './ports.ts';
export { ramCache } from './ram.ts';
