import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CHUNK_BYTES,
  chunkContentLength,
  chunkCount,
  chunksOfPiece,
  chunksOfRange,
  type Extent,
  identityMap,
  PieceMap,
  pieceCount,
  pieceLengthAt,
  piecesOfChunk,
  type Span,
} from './index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const TIB = 1024 * 1024 * MIB;

/** BitTorrent's usual lengths, 16 KiB to 64 MiB, and odd ones. */
const pieceLengths = [
  ...Array.from({ length: 13 }, (_, power) => 16 * KIB * 2 ** power),
  1,
  300_000,
  1_048_575,
  1_048_577,
];
const anyPieceLength = fc.constantFrom(...pieceLengths);
/** Lengths at and around borders, small, large, and beyond 2^32. */
const anyLength = fc.oneof(
  fc.constantFrom(0, 1, 2, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 5 * TIB + 3),
  fc.integer({ min: 0, max: 8 * MIB }),
  fc.integer({ min: 0, max: 64 * TIB }),
);
const runs = { numRuns: 300 };

/** A non-empty range inside [0, total), at most `most` long, from two numbers in [0, 1). */
function pick(total: number, most: number, at: number, share: number): [offset: number, length: number] {
  const offset = Math.min(total - 1, Math.floor(at * total));
  return [offset, 1 + Math.floor(share * (Math.min(most, total - offset) - 1))];
}
const share = fc.double({ min: 0, max: 0.999_999, noNaN: true });

describe('arithmetic', () => {
  it('cuts a stream into chunks that add up', () => {
    fc.assert(
      fc.property(anyLength, (length) => {
        const count = chunkCount(length);
        if (length === 0) return count === 0;
        const last = chunkContentLength(count - 1, length);
        return last >= 1 && last <= CHUNK_BYTES && (count - 1) * CHUNK_BYTES + last === length;
      }),
      runs,
    );
  });

  it('cuts a torrent into pieces that add up', () => {
    fc.assert(
      fc.property(anyLength, anyPieceLength, (total, pieceLength) => {
        const count = pieceCount(total, pieceLength);
        if (total === 0) return count === 0;
        const last = pieceLengthAt(count - 1, pieceLength, total);
        return last >= 1 && last <= pieceLength && (count - 1) * pieceLength + last === total;
      }),
      runs,
    );
  });

  it('chunksOfPiece and piecesOfChunk are each other turned round', () => {
    fc.assert(
      fc.property(anyLength, anyPieceLength, share, (total, pieceLength, at) => {
        if (total === 0) return;
        const piece = Math.floor(at * pieceCount(total, pieceLength));
        const chunks = chunksOfPiece(piece, pieceLength, total);
        expect(chunks.end).toBeGreaterThan(chunks.first);
        for (const chunk of [chunks.first, chunks.end - 1]) {
          const pieces = piecesOfChunk(chunk, pieceLength, total);
          expect(piece >= pieces.first && piece < pieces.end).toBe(true);
        }
        for (const chunk of [chunks.first - 1, chunks.end]) {
          if (chunk < 0 || chunk >= chunkCount(total)) continue;
          const pieces = piecesOfChunk(chunk, pieceLength, total);
          expect(piece >= pieces.first && piece < pieces.end).toBe(false);
        }
      }),
      runs,
    );
  });

  it('knows the borders', () => {
    expect([chunkCount(0), chunkCount(1), chunkCount(CHUNK_BYTES), chunkCount(CHUNK_BYTES + 1)]).toEqual([0, 1, 1, 2]);
    expect(chunksOfPiece(0, 16 * KIB, 1)).toEqual({ first: 0, end: 1 });
    expect(chunksOfPiece(3, 300_000, 2_000_000)).toEqual({ first: 0, end: 2 });
    expect(piecesOfChunk(0, 300_000, 2_000_000)).toEqual({ first: 0, end: 4 });
    expect(piecesOfChunk(1, 300_000, 2_000_000)).toEqual({ first: 3, end: 7 });
    expect(chunksOfRange(CHUNK_BYTES, 0)).toEqual({ first: 1, end: 1 });
    expect(chunksOfPiece(40_000, 64 * MIB, 3 * TIB)).toEqual({ first: 2_560_000, end: 2_560_064 });
  });

  it('refuses what is out of range or no whole number', () => {
    for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => chunkCount(bad)).toThrow(RangeError);
      expect(() => pieceCount(10, bad)).toThrow(RangeError);
      expect(() => pieceLengthAt(bad, 16, 100)).toThrow(RangeError);
      expect(() => identityMap(1, 100).locate(bad, 1)).toThrow(RangeError);
    }
    expect(() => pieceCount(10, 0)).toThrow(RangeError);
    expect(() => chunkContentLength(1, CHUNK_BYTES)).toThrow(RangeError);
    expect(() => piecesOfChunk(0, 16, 0)).toThrow(RangeError);
    expect(() => pieceLengthAt(7, 16, 100)).toThrow(RangeError);
  });
});

/** Spans must have bytes, lie inside one chunk and add up. */
function checkSpans(spans: readonly Span[], length: number): void {
  for (const span of spans) {
    expect(span.length).toBeGreaterThan(0);
    if (span.bundle !== null) expect(span.chunkOffset + span.length).toBeLessThanOrEqual(CHUNK_BYTES);
  }
  expect(spans.reduce((sum, span) => sum + span.length, 0)).toBe(length);
}

describe('PieceMap', () => {
  it('of one bundle locates every range where it is, in as few spans as there are chunks', () => {
    fc.assert(
      fc.property(anyLength, share, share, (total, at, part) => {
        if (total === 0) return;
        const [offset, length] = pick(total, 8 * MIB, at, part);
        const spans = identityMap(9, total).locate(offset, length);
        checkSpans(spans, length);
        let expected = offset;
        for (const span of spans) {
          if (span.bundle === null) throw new Error('zeros in an identity map');
          expect([span.bundle, span.chunkIndex * CHUNK_BYTES + span.chunkOffset]).toEqual([9, expected]);
          expected += span.length;
        }
        const chunks = chunksOfRange(offset, length);
        expect(spans.length).toBe(chunks.end - chunks.first);
      }),
      runs,
    );
  });

  const anyExtents = fc
    .array(
      fc.record({
        length: fc.oneof(fc.integer({ min: 1, max: 3 * MIB }), fc.constant(2 ** 33)),
        bundle: fc.constantFrom(null, 1, 2),
        bundleOffset: fc.oneof(fc.integer({ min: 0, max: 3 * MIB }), fc.constant(2 ** 40 + 1)),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .map((runs) => {
      let torrentOffset = 0;
      return runs.map((run): Extent => {
        const extent = { ...run, torrentOffset, bundleOffset: run.bundle === null ? 0 : run.bundleOffset };
        torrentOffset += run.length;
        return extent;
      });
    });

  it('of many extents locates each byte as its extent says', () => {
    fc.assert(
      fc.property(anyExtents, share, share, (extents, at, part) => {
        const map = new PieceMap(extents);
        const [offset, length] = pick(map.length, 8 * MIB, at, part);
        const spans = map.locate(offset, length);
        checkSpans(spans, length);
        let position = offset;
        for (const span of spans) {
          const here = position;
          const extent = extents.find((one) => here >= one.torrentOffset && here < one.torrentOffset + one.length);
          expect(span.bundle).toBe(extent?.bundle);
          if (span.bundle !== null && extent !== undefined) {
            const inBundle = extent.bundleOffset + here - extent.torrentOffset;
            expect(span.chunkIndex * CHUNK_BYTES + span.chunkOffset).toBe(inBundle);
          }
          position += span.length;
        }
      }),
      runs,
    );
  });

  it('finds for a chunk exactly the pieces whose spans touch it', () => {
    fc.assert(
      fc.property(anyExtents, fc.constantFrom(300_000, MIB, 3 * MIB), share, (extents, pieceLength, at) => {
        const map = new PieceMap(extents);
        const piece = Math.floor(at * pieceCount(map.length, pieceLength));
        for (const span of map.locatePiece(piece, pieceLength)) {
          if (span.bundle === null) continue;
          const ranges = map.piecesOfChunk(span.bundle, span.chunkIndex, pieceLength);
          expect(ranges.some(({ first, end }) => piece >= first && piece < end)).toBe(true);
          for (const { first, end } of ranges) {
            for (const one of [first, end - 1]) {
              const touches = map
                .locatePiece(one, pieceLength)
                .some((other) => other.bundle === span.bundle && other.chunkIndex === span.chunkIndex);
              expect(touches).toBe(true);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('of an empty torrent is empty', () => {
    const map = identityMap(1, 0);
    expect([map.length, map.extents, map.locate(0, 0)]).toEqual([0, [], []]);
    expect(() => map.locate(0, 1)).toThrow(RangeError);
    expect(map.piecesOfChunk(1, 0, 16)).toEqual([]);
  });

  it('refuses extents with gaps, overlaps, no bytes or too far out', () => {
    const good = { torrentOffset: 0, length: 5, bundle: 1, bundleOffset: 0 };
    const bad: Extent[][] = [
      [{ ...good, torrentOffset: 1 }],
      [good, { ...good, torrentOffset: 6 }],
      [good, { ...good, torrentOffset: 4 }],
      [{ ...good, length: 0 }],
      [{ ...good, bundleOffset: -1 }],
      [{ ...good, bundle: null, bundleOffset: 1 }],
      [{ ...good, bundleOffset: 2 ** 53 - 3 }],
      [
        { ...good, length: 2 ** 53 - 1 },
        { ...good, torrentOffset: 2 ** 53 - 1 },
      ],
    ];
    for (const extents of bad) expect(() => new PieceMap(extents)).toThrow(RangeError);
  });
});
