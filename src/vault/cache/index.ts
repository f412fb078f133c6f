export { type DiskCacheOptions, openDiskCache } from './disk.ts';
export type { ChunkKey, DiskCache, HeldObject, PinOwner, RamCache, Segment } from './ports.ts';
export { ramCache } from './ram.ts';
