// What a careless or hostile sender makes of good bytes.
import type { Random } from '../../src/lib/random.ts';

const MOST_BENDS = 6;
/** The longest that bending makes, in bytes: what is repeated again and again would grow without end. */
const MOST_BYTES = 256 * 1024;
/** Bytes that parsers tell apart: ends of ranges, digits, the letters and signs of bencode. */
const TELLING = Buffer.from([0, 1, 0x7f, 0x80, 0xff, ...Buffer.from('0129:-deil%&=.')]);
const NUMBERS = [0, 1, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const WORDS = [
  '9'.repeat(30),
  '-1',
  '00',
  '2147483648',
  '4294967296',
  '9007199254740993',
  'e',
  'l'.repeat(2_000),
  'd0:'.repeat(500),
  '0:',
  'i0e',
  'le',
  '%00',
  '\ud800',
  '\r\n',
  '"',
  'null',
].map((word) => Buffer.from(word));

type Bend = (bytes: Buffer, at: number, value: number) => Buffer;

const BENDS: readonly Bend[] = [
  (bytes, at, value) => overwritten(bytes, at, Buffer.of(value & 0xff)),
  (bytes, at, value) => overwritten(bytes, at, Buffer.of((bytes[at] ?? 0) ^ (1 << (value & 7)))),
  (bytes, at, value) => overwritten(bytes, at, Buffer.of(TELLING[value % TELLING.length] as number)),
  (bytes, at, value) => inserted(bytes, at, Buffer.of(TELLING[value % TELLING.length] as number)),
  (bytes, at, value) => overwritten(bytes, at, uint32(NUMBERS[value % NUMBERS.length] as number)),
  (bytes, at, value) => inserted(bytes, at, WORDS[value % WORDS.length] as Buffer),
  (bytes, at) => bytes.subarray(0, at),
  (bytes, at) => bytes.subarray(at),
  (bytes, at, value) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (value % 16))]),
  (bytes, at, value) => inserted(bytes, at, bytes.subarray(at, at + 1 + (value % 64))),
  (bytes, at, value) => inserted(bytes, at, Buffer.alloc(1 + (value % 300), value & 0xff)),
];

/** `good` bent in one to a few places; never `good` itself, which stays as it is. */
export function bent(random: Random, good: Buffer): Buffer {
  let bytes = good;
  for (let bends = 1 + random.int(MOST_BENDS); bends > 0; bends--) {
    const bend = BENDS[random.int(BENDS.length)] as Bend;
    bytes = bend(bytes, random.int(bytes.length + 1), random.int(65_536)).subarray(0, MOST_BYTES);
  }
  return Buffer.from(bytes);
}

/** The beginning of one, and the end of another. */
export function spliced(random: Random, one: Buffer, other: Buffer): Buffer {
  return Buffer.concat([one.subarray(0, random.int(one.length + 1)), other.subarray(random.int(other.length + 1))]);
}

function overwritten(bytes: Buffer, at: number, part: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + part.length)]);
}

function inserted(bytes: Buffer, at: number, part: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
