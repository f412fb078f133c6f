// Everything that can be done to sealed bytes without the key must be noticed.
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../lib/random.ts';
import {
  CHUNK_OBJECT_BYTES,
  HEADER_BYTES,
  openChunk,
  openPiece,
  openSegments,
  SEALED_SEGMENT_BYTES,
  SEGMENT_BYTES,
  SEGMENTS_PER_CHUNK,
  type Suite,
  sealChunk,
  sealPiece,
  sealReason,
  segmentRange,
  segmentsOf,
} from './index.ts';

const random = seededRandom(3);
const ids = { bundleKey: random.bytes(32), libraryId: random.bytes(16), bundleId: random.bytes(16), chunkIndex: 41 };
const salt = random.bytes(24);
const plaintext = Buffer.alloc(1_048_576, random.bytes(1_021));

/** The reason why it does not open; fails when it does. */
function refusal(open: () => unknown): string | null {
  try {
    open();
  } catch (error) {
    const reason = sealReason(error);
    if (reason === null) throw error;
    return reason;
  }
  throw new Error('it opened');
}

function flip(bytes: Buffer, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const bad = Buffer.from(bytes);
  flip(bad, bit);
  return bad;
}

describe.each([1, 2] as Suite[])('a chunk object of suite %i', (suite) => {
  const { object } = sealChunk({ ...ids, salt, plaintext, suite });
  const sealedSegment = (segment: number) => {
    const { offset, length } = segmentRange(segment);
    return object.subarray(offset, offset + length);
  };
  const openOne = (segment: number, sealed: Uint8Array, changed = {}) => {
    const opened = Buffer.alloc(SEGMENT_BYTES, 1);
    try {
      openSegments({ ...ids, salt, suite, firstSegment: segment, sealed, into: [opened], ...changed });
    } catch (error) {
      // Nothing of what did not open is left to be read by mistake.
      expect([0, 1]).toContain(opened[0]);
      expect(opened.equals(Buffer.alloc(SEGMENT_BYTES, opened[0]))).toBe(true);
      throw error;
    }
    return opened;
  };

  it('opens whole and by segments', () => {
    expect(openChunk(object, ids).equals(plaintext)).toBe(true);
    for (let segment = 0; segment < SEGMENTS_PER_CHUNK; segment++) {
      const opened = openOne(segment, sealedSegment(segment));
      expect(opened.equals(plaintext.subarray(segment * SEGMENT_BYTES, (segment + 1) * SEGMENT_BYTES))).toBe(true);
    }
  });

  it('does not open with any bit of its header flipped', () => {
    const seen = new Map<string, number>();
    const bad = Buffer.from(object);
    for (let bit = 0; bit < HEADER_BYTES * 8; bit++) {
      flip(bad, bit);
      const reason = refusal(() => openChunk(bad, ids)) ?? '';
      flip(bad, bit);
      seen.set(reason, (seen.get(reason) ?? 0) + 1);
    }
    // Magic; version, suite, segment length and flags; salt and commitment.
    expect(seen.get('altered')).toBe(32);
    expect(seen.get('unsupported')).toBe(32);
    expect(seen.get('wrong-key')).toBe(448);
  });

  it('does not open with any of 500 bits of its body flipped', () => {
    for (let sample = 0; sample < 500; sample++) {
      const segment = sample % SEGMENTS_PER_CHUNK;
      const sealed = sealedSegment(segment);
      // One in four falls into the tag.
      const bit = sample % 16 < 4 ? sealed.length * 8 - 1 - random.int(128) : random.int(sealed.length * 8);
      expect(refusal(() => openOne(segment, flipped(sealed, bit)))).toBe('altered');
    }
  });

  it('does not open when cut or lengthened anywhere', () => {
    const borders = [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 1];
    for (let segment = 1; segment <= SEGMENTS_PER_CHUNK; segment++) {
      const border = HEADER_BYTES + segment * SEALED_SEGMENT_BYTES;
      borders.push(border - 17, border - 16, border - 15, border - 1, border, border + 1);
    }
    const longer = Buffer.concat([object, Buffer.alloc(1)]);
    for (const length of [...borders, ...Array.from({ length: 50 }, () => random.int(CHUNK_OBJECT_BYTES))]) {
      if (length === CHUNK_OBJECT_BYTES) continue;
      const cut = longer.subarray(0, length);
      expect(refusal(() => openChunk(cut, ids))).toBe('altered');
    }
    const last = sealedSegment(3);
    for (const sealed of [Buffer.alloc(0), last.subarray(1), last.subarray(0, last.length - 1), last.subarray(0, 16)]) {
      expect(refusal(() => openOne(3, sealed))).toBe('altered');
    }
  });

  it('does not open with segments in another order, or a segment in another place', () => {
    for (const order of [
      [1, 0, 2, 3],
      [0, 1, 3, 2],
      [0, 0, 2, 3],
      [3, 1, 2, 0],
    ]) {
      const moved = Buffer.concat([object.subarray(0, HEADER_BYTES), ...order.map(sealedSegment)]);
      expect(refusal(() => openChunk(moved, ids))).toBe('altered');
    }
    expect(refusal(() => openOne(1, sealedSegment(2)))).toBe('altered');
    const into = [Buffer.alloc(SEGMENT_BYTES), Buffer.alloc(SEGMENT_BYTES)];
    expect(refusal(() => openOne(0, Buffer.concat([sealedSegment(0), sealedSegment(2)]), { into }))).toBe('altered');
  });

  it('does not open in another place, bundle or library, nor with another key', () => {
    const others = [
      { chunkIndex: 40 },
      { chunkIndex: 41 + 2 ** 32 },
      { bundleId: random.bytes(16) },
      { libraryId: random.bytes(16) },
      { libraryId: ids.bundleId, bundleId: ids.libraryId },
      { bundleKey: random.bytes(32) },
    ];
    for (const other of others) {
      expect(refusal(() => openChunk(object, { ...ids, ...other }))).toBe('wrong-key');
      expect(refusal(() => openOne(0, sealedSegment(0), other))).toBe('altered');
    }
    expect(refusal(() => openOne(0, sealedSegment(0), { salt: random.bytes(24) }))).toBe('altered');
    expect(refusal(() => openOne(0, sealedSegment(0), { suite: suite === 1 ? 2 : 1 }))).toBe('altered');
  });

  it('does not open with its body from another object', () => {
    const again = sealChunk({ ...ids, salt: random.bytes(24), plaintext, suite }).object;
    const mixed = Buffer.concat([object.subarray(0, HEADER_BYTES), again.subarray(HEADER_BYTES)]);
    expect(refusal(() => openChunk(mixed, ids))).toBe('altered');
  });
});

describe('tags', () => {
  it.each([4, 8, 12, 13, 14, 15])('of %i bytes are refused: what is there counts as 16', (tagBytes) => {
    // A forger who may choose the tag's length would need far fewer tries.
    const { object } = sealChunk({ ...ids, salt, plaintext });
    const last = segmentRange(SEGMENTS_PER_CHUNK - 1);
    const short = object.subarray(last.offset, last.offset + last.length - 16 + tagBytes);
    const job = { ...ids, salt, firstSegment: 3, into: [Buffer.alloc(SEGMENT_BYTES)] };
    expect(refusal(() => openSegments({ ...job, sealed: short }))).toBe('altered');
    const padded = Buffer.concat([short, Buffer.alloc(16 - tagBytes)]);
    expect(refusal(() => openSegments({ ...job, sealed: padded }))).toBe('altered');
    const piece = sealPiece({ ...ids, number: 1, salt, plaintext: random.bytes(100) });
    const shortPiece = piece.subarray(0, piece.length - 16 + tagBytes);
    expect(refusal(() => openPiece(shortPiece, { ...ids, number: 1 }))).toBe('altered');
  });
});

describe('a sealed piece', () => {
  it.each([1, 16, 17, 16_384, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES + 5])(
    'of %i bytes opens, and not when cut or flipped',
    (length) => {
      const piece = Buffer.alloc(length, random.bytes(509));
      const sealed = sealPiece({ ...ids, number: 7, salt, plaintext: piece });
      expect(openPiece(sealed, { ...ids, number: 7 }).equals(piece)).toBe(true);
      expect(refusal(() => openPiece(sealed, { ...ids, number: 8 }))).toBe('wrong-key');
      for (let sample = 0; sample < 8; sample++) {
        const bit = HEADER_BYTES * 8 + random.int((sealed.length - HEADER_BYTES) * 8);
        expect(refusal(() => openPiece(flipped(sealed, bit), { ...ids, number: 7 }))).toBe('altered');
        const cut = sealed.subarray(0, random.int(sealed.length));
        expect(refusal(() => openPiece(cut, { ...ids, number: 7 }))).toBe('altered');
      }
      const whole = Math.floor((sealed.length - HEADER_BYTES) / SEALED_SEGMENT_BYTES);
      const atBorder = sealed.subarray(0, HEADER_BYTES + whole * SEALED_SEGMENT_BYTES);
      if (atBorder.length < sealed.length) {
        expect(refusal(() => openPiece(atBorder, { ...ids, number: 7 }))).toBe('altered');
      }
    },
  );

  it('is no chunk, and a chunk is no piece', () => {
    const sealed = sealPiece({ ...ids, number: 41, salt, plaintext });
    expect(sealed.length).toBe(CHUNK_OBJECT_BYTES);
    expect(refusal(() => openChunk(sealed, ids))).toBe('altered');
    const renamed = Buffer.concat([Buffer.from('baeC'), sealed.subarray(4)]);
    expect(refusal(() => openChunk(renamed, ids))).toBe('wrong-key');
  });
});

describe('arguments', () => {
  it('of wrong sizes are refused before anything is sealed', () => {
    const job = { ...ids, salt, plaintext: Buffer.alloc(1) };
    const bad = [
      { plaintext: Buffer.alloc(0) },
      { plaintext: Buffer.alloc(1_048_577) },
      { salt: Buffer.alloc(23) },
      { bundleKey: Buffer.alloc(31) },
      { bundleId: Buffer.alloc(15) },
      { libraryId: Buffer.alloc(17) },
      { chunkIndex: -1 },
      { chunkIndex: 0.5 },
      { chunkIndex: 2 ** 53 },
    ];
    for (const change of bad) expect(() => sealChunk({ ...job, ...change })).toThrow(RangeError);
    const sealed = Buffer.alloc(SEALED_SEGMENT_BYTES);
    const into = [Buffer.alloc(SEGMENT_BYTES)];
    expect(() => openSegments({ ...ids, salt, firstSegment: 4, sealed, into })).toThrow(RangeError);
    expect(() => openSegments({ ...ids, salt, firstSegment: -1, sealed, into })).toThrow(RangeError);
    for (const wrong of [
      [],
      [...into, ...into],
      [Buffer.alloc(SEGMENT_BYTES - 1)],
      [Buffer.alloc(SEGMENT_BYTES + 1)],
    ]) {
      expect(() => openSegments({ ...ids, salt, firstSegment: 0, sealed, into: wrong })).toThrow(RangeError);
    }
  });

  it('of ranges give whole segments', () => {
    expect(segmentsOf(0, 1)).toEqual({ first: 0, end: 1 });
    expect(segmentsOf(SEGMENT_BYTES - 1, 2)).toEqual({ first: 0, end: 2 });
    expect(segmentsOf(5, 0)).toEqual({ first: 0, end: 0 });
    expect(segmentsOf(0, 1_048_576)).toEqual({ first: 0, end: 4 });
    expect(segmentRange(0, 4)).toEqual({ offset: HEADER_BYTES, length: CHUNK_OBJECT_BYTES - HEADER_BYTES });
    for (const [offset, length] of [
      [-1, 1],
      [1_048_576, 1],
      [Number.NaN, 1],
    ] as const) {
      expect(() => segmentsOf(offset, length)).toThrow(RangeError);
    }
    for (const [first, end] of [
      [0, 0],
      [-1, 1],
      [3, 5],
      [0.5, 1],
    ] as const) {
      expect(() => segmentRange(first, end)).toThrow(RangeError);
    }
  });
});
