import { assertInside, assertWhole, CHUNK_BYTES, coveringRange, type IndexRange, pieceLengthAt } from './arithmetic.ts';

/** A run of a torrent's bytes that lies in one piece on one bundle's stream, or is zeros stored nowhere (bundle null). */
export interface Extent {
  readonly torrentOffset: number;
  readonly length: number;
  readonly bundle: number | null;
  /** Where the run starts in the bundle's stream; 0 for zeros. */
  readonly bundleOffset: number;
}

/** A run of bytes inside one chunk. */
export interface ChunkSpan {
  readonly bundle: number;
  readonly chunkIndex: number;
  readonly chunkOffset: number;
  readonly length: number;
}

/** A run of zeros that is stored nowhere (a pad file, BEP 47). */
export interface ZeroSpan {
  readonly bundle: null;
  readonly length: number;
}

export type Span = ChunkSpan | ZeroSpan;

/** How a torrent's bytes lie on bundles' bytes; immutable. From here on, piece to chunks is arithmetic. */
export class PieceMap {
  readonly extents: readonly Extent[];
  /** The torrent's length in bytes. */
  readonly length: number;

  /** Takes extents sorted by torrentOffset, without gaps from 0 on, each with at least one byte; else RangeError. */
  constructor(extents: readonly Extent[]) {
    let next = 0;
    for (const extent of extents) {
      assertWhole(extent.length, 'extent length', 1);
      assertWhole(extent.bundleOffset, 'bundle offset');
      assertWhole(extent.bundleOffset + extent.length, 'bundle end');
      if (extent.torrentOffset !== next) throw new RangeError(`extent at ${extent.torrentOffset}, expected at ${next}`);
      if (extent.bundle === null && extent.bundleOffset !== 0) throw new RangeError('zeros with a bundle offset');
      next += extent.length;
      assertWhole(next, 'torrent length');
    }
    this.extents = extents.map((extent) => ({ ...extent }));
    this.length = next;
  }

  /** The torrent's bytes [offset, offset + length) as spans, in order; RangeError when out of range. */
  locate(offset: number, length: number): Span[] {
    assertInside(offset, length, this.length);
    const spans: Span[] = [];
    const end = offset + length;
    let at = offset;
    for (let index = this.#extentAt(offset); at < end; index++) {
      const extent = this.extents[index] as Extent;
      const stop = Math.min(end, extent.torrentOffset + extent.length);
      if (extent.bundle === null) spans.push({ bundle: null, length: stop - at });
      else pushChunkSpans(spans, extent.bundle, extent.bundleOffset + (at - extent.torrentOffset), stop - at);
      at = stop;
    }
    return spans;
  }

  /** The spans of piece `index`. */
  locatePiece(index: number, pieceLength: number): Span[] {
    const length = pieceLengthAt(index, pieceLength, this.length);
    return this.locate(index * pieceLength, length);
  }

  /** The pieces that have bytes in one chunk of `bundle`: sorted ranges that neither overlap nor touch. */
  piecesOfChunk(bundle: number, chunkIndex: number, pieceLength: number): IndexRange[] {
    assertWhole(chunkIndex, 'chunk index');
    assertWhole(pieceLength, 'piece length', 1);
    const chunkStart = chunkIndex * CHUNK_BYTES;
    const ranges: { first: number; end: number }[] = [];
    for (const extent of this.extents) {
      if (extent.bundle !== bundle) continue;
      const start = Math.max(chunkStart, extent.bundleOffset);
      const end = Math.min(chunkStart + CHUNK_BYTES, extent.bundleOffset + extent.length);
      if (start >= end) continue;
      const range = coveringRange(extent.torrentOffset + (start - extent.bundleOffset), end - start, pieceLength);
      const last = ranges.at(-1);
      if (last !== undefined && range.first <= last.end) last.end = Math.max(last.end, range.end);
      else ranges.push({ ...range });
    }
    return ranges;
  }

  /** The index of the extent that holds the byte at `offset`, by halving. */
  #extentAt(offset: number): number {
    let low = 0;
    let high = this.extents.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.extents[middle] as Extent).torrentOffset <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** The map of a torrent whose bytes are one bundle's stream, from its first byte to its last. */
export function identityMap(bundle: number, totalLength: number): PieceMap {
  assertWhole(totalLength, 'total length');
  if (totalLength === 0) return new PieceMap([]);
  return new PieceMap([{ torrentOffset: 0, length: totalLength, bundle, bundleOffset: 0 }]);
}

/** Cuts a run of a bundle's stream at chunk borders. */
function pushChunkSpans(spans: Span[], bundle: number, offset: number, length: number): void {
  let at = offset;
  const end = offset + length;
  while (at < end) {
    const chunkIndex = Math.floor(at / CHUNK_BYTES);
    const stop = Math.min(end, (chunkIndex + 1) * CHUNK_BYTES);
    spans.push({ bundle, chunkIndex, chunkOffset: at - chunkIndex * CHUNK_BYTES, length: stop - at });
    at = stop;
  }
}
