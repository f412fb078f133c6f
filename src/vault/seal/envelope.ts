import { createCipheriv, createDecipheriv, hkdfSync, timingSafeEqual } from 'node:crypto';
import { freeMemory } from '../../lib/memory.ts';
import { sealError } from './fault.ts';
import {
  COMMITMENT_BYTES,
  HEADER_BYTES,
  KEY_BYTES,
  SALT_BYTES,
  SEALED_SEGMENT_BYTES,
  SEGMENT_BYTES,
  SEGMENT_LOG2,
  SUITES,
  type Suite,
  TAG_BYTES,
} from './layout.ts';

/** The four kinds of sealed bytes: magic (4 ASCII bytes) and label (ASCII, zero-padded to 16 bytes). */
export const ENVELOPES = {
  chunk: { magic: 'baeC', label: 'bae chunk' },
  table: { magic: 'baeT', label: 'bae table' },
  manifest: { magic: 'baeM', label: 'bae manifest' },
  piece: { magic: 'baeP', label: 'bae piece' },
} as const;
export type EnvelopeKind = keyof typeof ENVELOPES;

/** What a sealed object is bound to and opened with; `binding` is the kind's own byte string in docs/format.md. */
export interface EnvelopeKey {
  readonly kind: EnvelopeKind;
  readonly key: Uint8Array;
  readonly binding: Uint8Array;
}

export interface Header {
  readonly suite: Suite;
  readonly salt: Uint8Array;
}

const VERSION = 1;
const NONCE_BYTES = 12;
/** Given to the cipher at a time: what it returns is freed at once, and so small that the same warm memory serves again. */
const SLICE_BYTES = 65_536;
const LABEL_BYTES = 16;
/** Segment numbers are u32. */
const MAX_SEGMENTS = 2 ** 32;

/** ASCII, zero-padded to 16 bytes, so that no label is the start of another. */
export function labelBytes(label: string): Buffer {
  const bytes = Buffer.alloc(LABEL_BYTES);
  if (bytes.write(label, 'latin1') !== label.length) throw new RangeError(`label ${label}`);
  return bytes;
}

/** Eight bytes, big-endian. */
export function u64(value: number): Buffer {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} as u64`);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** The object's own key and whole header (64 bytes) from what is known of it: one HKDF-SHA256 (RFC 5869). */
export function deriveEnvelope(envelope: EnvelopeKey, header: Header): { key: Buffer; header: Buffer } {
  if (header.salt.length !== SALT_BYTES) throw new RangeError(`salt of ${header.salt.length} bytes`);
  if (envelope.key.length !== KEY_BYTES) throw new RangeError(`key of ${envelope.key.length} bytes`);
  const { magic, label } = ENVELOPES[envelope.kind];
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(magic, 0, 'latin1');
  bytes[4] = VERSION;
  bytes[5] = header.suite;
  bytes[6] = SEGMENT_LOG2;
  bytes.set(header.salt, 8);
  const info = Buffer.concat([labelBytes(label), bytes.subarray(0, 8), envelope.binding]);
  const derived = Buffer.from(hkdfSync('sha256', envelope.key, header.salt, info, KEY_BYTES + COMMITMENT_BYTES));
  derived.copy(bytes, 8 + SALT_BYTES, KEY_BYTES);
  return { key: derived.subarray(0, KEY_BYTES), header: bytes };
}

/** Reads the first 8 + 24 bytes of a header; `corrupt` when they are not of this kind and format. */
export function parseHeader(kind: EnvelopeKind, bytes: Uint8Array): Header {
  if (bytes.length < HEADER_BYTES) throw sealError('altered', `A sealed ${kind} is cut inside its header.`);
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic !== ENVELOPES[kind].magic) throw sealError('altered', `These bytes are not a sealed ${kind}.`);
  const [version, suite, segmentLog2, flags] = bytes.subarray(4, 8) as unknown as [number, number, number, number];
  const known = version === VERSION && Object.hasOwn(SUITES, suite) && segmentLog2 === SEGMENT_LOG2;
  if (!known || flags !== 0) {
    const seen = `version ${version}, suite ${suite}, segments 2^${segmentLog2}, flags ${flags}`;
    throw sealError('unsupported', `A sealed ${kind} is of a format this version does not know (${seen}).`);
  }
  return { suite: suite as Suite, salt: bytes.subarray(8, 8 + SALT_BYTES) };
}

/** Derives the object's key and compares the commitment: `corrupt` (wrong-key) when this key did not seal it. */
export function openHeader(envelope: EnvelopeKey, object: Uint8Array): SegmentCipher {
  const header = parseHeader(envelope.kind, object);
  const derived = deriveEnvelope(envelope, header);
  if (!timingSafeEqual(derived.header, object.subarray(0, HEADER_BYTES))) {
    throw sealError('wrong-key', `A sealed ${envelope.kind} was sealed with another key or for another place.`);
  }
  return new SegmentCipher(envelope.kind, header.suite, derived);
}

/** Seals and opens the segments of one object. A segment is opened whole or not at all. */
export class SegmentCipher {
  readonly #kind: EnvelopeKind;
  readonly #suite: Suite;
  readonly #key: Buffer;
  readonly header: Buffer;

  constructor(kind: EnvelopeKind, suite: Suite, derived: { key: Buffer; header: Buffer }) {
    this.#kind = kind;
    this.#suite = suite;
    this.#key = derived.key;
    this.header = derived.header;
  }

  /** Writes ciphertext and tag into `target` at `offset`; returns the offset after them. */
  sealInto(target: Buffer, offset: number, segment: number, last: boolean, plaintext: Uint8Array): number {
    const nonce = segmentNonce(segment, last);
    const cipher = createCipheriv(SUITES[this.#suite] as 'aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(this.header);
    let at = offset;
    const put = (part: Buffer) => {
      target.set(part, at);
      at += part.length;
      freeMemory(part);
    };
    for (let start = 0; start < plaintext.length; start += SLICE_BYTES) {
      put(cipher.update(plaintext.subarray(start, start + SLICE_BYTES)));
    }
    put(cipher.final());
    put(cipher.getAuthTag());
    return at;
  }

  /** The plaintext of one sealed segment (ciphertext, then tag), in memory of its own; `corrupt` (altered) else. */
  open(segment: number, last: boolean, sealed: Uint8Array): Buffer {
    const plaintext = Buffer.allocUnsafeSlow(Math.max(0, sealed.length - TAG_BYTES));
    this.openInto(plaintext, segment, last, sealed);
    return plaintext;
  }

  /** Writes the plaintext into `target`, which is exactly as long; after `corrupt` (altered) it holds only zeros. */
  openInto(target: Uint8Array, segment: number, last: boolean, sealed: Uint8Array): void {
    if (sealed.length <= TAG_BYTES) throw sealError('altered', `A sealed ${this.#kind} is cut short.`);
    const nonce = segmentNonce(segment, last);
    const decipher = createDecipheriv(SUITES[this.#suite] as 'aes-256-gcm', this.#key, nonce, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(this.header);
    const border = sealed.length - TAG_BYTES;
    decipher.setAuthTag(sealed.subarray(border));
    if (target.length !== border) throw new RangeError(`${border} bytes to open into ${target.length}`);
    try {
      // Both suites give a byte for a byte; what a block cipher held back would come with final().
      let at = 0;
      const put = (part: Buffer) => {
        target.set(part, at);
        at += part.length;
        freeMemory(part);
      };
      for (let start = 0; start < border; start += SLICE_BYTES) {
        put(decipher.update(sealed.subarray(start, Math.min(start + SLICE_BYTES, border))));
      }
      put(decipher.final());
    } catch {
      target.fill(0);
      throw sealError('altered', `Segment ${segment} of a sealed ${this.#kind} does not open: its bytes were changed.`);
    }
  }
}

/** Seals `plaintext` (at least one byte) whole: header, then segments, the last maybe shorter; in `into`, if it fits exactly. */
export function sealEnvelope(envelope: EnvelopeKey, header: Header, plaintext: Uint8Array, into?: Buffer): Buffer {
  const count = Math.ceil(plaintext.length / SEGMENT_BYTES);
  if (count === 0) throw new RangeError('nothing to seal');
  if (count >= MAX_SEGMENTS) throw new RangeError(`${plaintext.length} bytes to seal`);
  const cipher = new SegmentCipher(envelope.kind, header.suite, deriveEnvelope(envelope, header));
  const bytes = HEADER_BYTES + plaintext.length + count * TAG_BYTES;
  const object = into?.length === bytes ? into : Buffer.allocUnsafeSlow(bytes);
  object.set(cipher.header, 0);
  let at = HEADER_BYTES;
  for (let segment = 0; segment < count; segment++) {
    const part = plaintext.subarray(segment * SEGMENT_BYTES, (segment + 1) * SEGMENT_BYTES);
    at = cipher.sealInto(object, at, segment, segment === count - 1, part);
  }
  return object;
}

/** Opens what `sealEnvelope` made; throws `corrupt` before any byte is handed out if any segment is not right. */
export function openEnvelope(envelope: EnvelopeKey, object: Uint8Array): Buffer {
  const opener = openHeader(envelope, object);
  const body = object.subarray(HEADER_BYTES);
  const count = Math.ceil(body.length / SEALED_SEGMENT_BYTES);
  if (count === 0) throw sealError('altered', `A sealed ${envelope.kind} is cut short.`);
  const parts: Buffer[] = [];
  for (let segment = 0; segment < count; segment++) {
    const sealed = body.subarray(segment * SEALED_SEGMENT_BYTES, (segment + 1) * SEALED_SEGMENT_BYTES);
    parts.push(opener.open(segment, segment === count - 1, sealed));
  }
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

/** 7 zero bytes, the segment's number as u32 big-endian, 1 for the last segment and 0 for the others. */
function segmentNonce(segment: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUInt32BE(segment, 7);
  nonce[11] = last ? 1 : 0;
  return nonce;
}
