import type { Lease } from '../ports.ts';
import { PIECE_HEADER_BYTES, writePieceHeader } from '../wire/index.ts';

/** Headers made in one allocation. */
const SLAB_HEADERS = 32;
/** In place of a block's piece index: it was cancelled. */
export const CANCELLED = -1;

/**
 * A run of blocks, one behind the other in the torrent, as a flat list: piece index (or CANCELLED), begin, bytes, for
 * each. No object for each block: this is the path every byte served takes.
 */
export type BlockRun = number[];

/** A lease's bytes in a buffer of their own, the lease released. */
export function copyOut(lease: Lease): Lease {
  const copy = Buffer.concat(lease.views);
  lease.release();
  return { views: [copy], pinnedBytes: copy.length, release: () => undefined };
}

/** Writes piece messages as headers and views, many at a time. */
export class PieceWriter {
  #slab = Buffer.alloc(0);
  #used = 0;

  /** Appends the run's messages to `buffers`, with the lease's views as their data; returns the payload bytes. */
  append(buffers: Buffer[], run: BlockRun, views: readonly Buffer[]): number {
    let viewAt = 0;
    let position = 0;
    let payload = 0;
    for (let at = 0; at < run.length; at += 3) {
      const index = run[at] as number;
      const bytes = run[at + 2] as number;
      if (index !== CANCELLED) {
        buffers.push(this.#header(index, run[at + 1] as number, bytes));
        payload += bytes;
      }
      let rest = bytes;
      while (rest > 0) {
        const view = views[viewAt] as Buffer;
        const taken = Math.min(view.length - position, rest);
        if (index !== CANCELLED && taken > 0) {
          buffers.push(taken === view.length ? view : view.subarray(position, position + taken));
        }
        rest -= taken;
        position += taken;
        if (position === view.length) {
          viewAt++;
          position = 0;
        }
      }
    }
    return payload;
  }

  #header(index: number, begin: number, bytes: number): Buffer {
    if (this.#used === this.#slab.length) {
      this.#slab = Buffer.allocUnsafe(SLAB_HEADERS * PIECE_HEADER_BYTES);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used = writePieceHeader(this.#slab, start, index, begin, bytes);
    return this.#slab.subarray(start, this.#used);
  }
}
