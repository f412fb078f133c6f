import type { Lease } from '../ports.ts';

/** In place of a block's piece index: it was cancelled. */
export const CANCELLED = -1;

/**
 * A run of blocks, one behind the other in the torrent, as a flat list: piece index (or CANCELLED), begin, bytes, for
 * each. No object for each block: this is the path every byte served takes.
 */
export type BlockRun = number[];

/** Bytes of a run's blocks. */
export function bytesOf(run: BlockRun): number {
  let bytes = 0;
  for (let at = 2; at < run.length; at += 3) bytes += run[at] as number;
  return bytes;
}

/** A lease's bytes in a buffer of their own, the lease released. */
export function copyOut(lease: Lease): Lease {
  const copy = Buffer.concat(lease.views);
  lease.release();
  return { views: [copy], pinnedBytes: copy.length, release: () => undefined };
}
