import type { Lease } from '../torrent/ports.ts';
import type { RamCache, Segment } from './cache/index.ts';

/** Views of leased segments and of memory that belongs to the lease alone. */
export class SegmentLease implements Lease {
  readonly views: readonly Buffer[];
  readonly pinnedBytes: number;
  readonly #ram: RamCache;
  #segments: readonly Segment[] | null;

  /** Takes over one lease of each of `segments`; `ownBytes` are those of views that lie in none of them. */
  constructor(ram: RamCache, views: readonly Buffer[], segments: readonly Segment[], ownBytes: number) {
    this.#ram = ram;
    this.views = views;
    let pinned = ownBytes;
    for (const segment of segments) pinned += segment.bytes.length;
    this.pinnedBytes = pinned;
    this.#segments = segments;
  }

  release(): void {
    const segments = this.#segments;
    if (segments === null) return;
    this.#segments = null;
    for (const segment of segments) this.#ram.release(segment);
  }
}

const ZEROS = Buffer.alloc(65_536);

/** `length` zero bytes, as views of one small buffer. */
export function zeroViews(length: number): Buffer[] {
  const views: Buffer[] = [];
  for (let rest = length; rest > 0; rest -= ZEROS.length) views.push(ZEROS.subarray(0, Math.min(rest, ZEROS.length)));
  return views;
}
