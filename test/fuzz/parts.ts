// What several targets draw and do.
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { BaeError } from '../../src/lib/errors.ts';
import { seededRandom } from '../../src/lib/random.ts';

export const isBadInput = (error: unknown) => error instanceof BaeError && error.kind === 'bad-input';

/** Up to so many bytes. */
export const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((some) => Buffer.from(some));
/** Exactly so many. */
export const buffer = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((some) => Buffer.from(some));
export const text = fc.oneof(fc.string({ maxLength: 30 }), fc.string({ unit: 'binary', maxLength: 30 }));

const MOST_CUTS = 8;

/** The input in pieces as a network may cut it: copies, at places that follow from the input, sometimes byte by byte. */
export function cut(input: Buffer): Buffer[] {
  const random = seededRandom(crc32(input));
  if (random.int(8) === 0 && input.length <= 1_024) return Array.from(input, (byte) => Buffer.of(byte));
  const places = Array.from({ length: random.int(MOST_CUTS) }, () => random.int(input.length + 1));
  const sorted = [0, ...places.sort((a, b) => a - b), input.length];
  return sorted.slice(1).map((end, at) => Buffer.from(input.subarray(sorted[at], end)));
}

/** An input of several parts, each with its length in two bytes before it. */
export function joined(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts.flatMap((part) => [Buffer.of(part.length >> 8, part.length & 0xff), part]));
}

/** The parts of any input; a length that goes beyond the end is cut. */
export function partsOf(input: Buffer, most: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at + 2 <= input.length && parts.length < most; ) {
    const length = input.readUInt16BE(at);
    parts.push(input.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return parts;
}
