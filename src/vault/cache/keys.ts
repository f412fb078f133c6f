import type { ChunkKey } from './ports.ts';

const BUNDLES = 2 ** 29;
/** Chunks of one bundle at most: 4 TiB. */
const CHUNKS_PER_BUNDLE = 2 ** 22;

/** A key as one safe integer, so that maps of many stay small. RangeError beyond 2^29 bundles or 2^22 chunks. */
export function packKey({ bundle, index }: ChunkKey): number {
  const fits = Number.isInteger(bundle) && bundle >= 0 && bundle < BUNDLES;
  if (!fits || !Number.isInteger(index) || index < 0 || index >= CHUNKS_PER_BUNDLE) {
    throw new RangeError(`chunk ${index} of bundle ${bundle}`);
  }
  return bundle * CHUNKS_PER_BUNDLE + index;
}

export function bundleOf(packed: number): number {
  return Math.floor(packed / CHUNKS_PER_BUNDLE);
}

export function unpackKey(packed: number): ChunkKey {
  return { bundle: bundleOf(packed), index: packed % CHUNKS_PER_BUNDLE };
}
