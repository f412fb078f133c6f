import { BencodeValue, failAt, pathOf } from './bencode-value.ts';

/** What a decoder takes at most. */
export interface BencodeLimits {
  /** Bytes of the whole input. */
  readonly maxBytes: number;
  /** Lists and dictionaries inside one another. */
  readonly maxDepth: number;
  /** Values and dictionary keys in all. */
  readonly maxTokens: number;
}

/** A torrent file's limits: 10 MiB, 32 deep, 500,000 tokens. */
export const BENCODE_LIMITS: BencodeLimits = { maxBytes: 10 * 1024 * 1024, maxDepth: 32, maxTokens: 500_000 };

/** Digits of the largest 64-bit number and a sign. */
const MAX_INTEGER_CHARS = 20;
/** Digits of a byte string's length: more cannot be within the largest input. */
const MAX_LENGTH_CHARS = 10;

const COLON = 0x3a;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const LETTER_D = 0x64;
const LETTER_E = 0x65;
const LETTER_I = 0x69;
const LETTER_L = 0x6c;
const MINUS = 0x2d;

/**
 * Decodes exactly one bencoded value (BEP 3) that fills the whole input. Refused with a bad-input error that names path
 * and byte: anything over the limits, duplicate keys, leading zeros, -0, bytes after the value. Unsorted keys are taken
 * as they are (`keysSorted` is then false). The result keeps views of the input: do not change it while it is in use.
 */
export function decode(input: Uint8Array, limits: BencodeLimits = BENCODE_LIMITS): BencodeValue {
  const value = decodePrefix(input, limits);
  if (value.end !== value.source.length) {
    throw failAt('', value.end, `has ${value.source.length - value.end} bytes after it`);
  }
  return value;
}

/** As `decode`, but bytes may follow: they start at the value's `end` (ut_metadata, BEP 9). */
export function decodePrefix(input: Uint8Array, limits: BencodeLimits = BENCODE_LIMITS): BencodeValue {
  if (input.length > limits.maxBytes) {
    throw failAt('', 0, `is ${input.length} bytes long, and ${limits.maxBytes} are allowed`);
  }
  return new Decoder(input, limits).value(null, '', 0);
}

class Decoder {
  readonly #source: Buffer;
  readonly #limits: BencodeLimits;
  #at = 0;
  #tokens = 0;

  constructor(input: Uint8Array, limits: BencodeLimits) {
    this.#source = Buffer.isBuffer(input) ? input : Buffer.from(input.buffer, input.byteOffset, input.byteLength);
    this.#limits = limits;
  }

  value(parent: BencodeValue | null, key: string | number, depth: number): BencodeValue {
    this.#count(parent, key);
    const start = this.#at;
    switch (this.#source[start]) {
      case LETTER_I:
        return this.#integer(parent, key);
      case LETTER_L:
      case LETTER_D:
        return this.#container(parent, key, depth + 1);
      case undefined:
        throw failAt(pathOf(parent, key), start, 'is cut off');
    }
    const bodyStart = this.#stringStart(parent, key);
    const range = { start, end: this.#at, bodyStart };
    return new BencodeValue('bytes', this.#source, range, parent, key);
  }

  #count(parent: BencodeValue | null, key: string | number): void {
    if (++this.#tokens > this.#limits.maxTokens) {
      throw failAt(pathOf(parent, key), this.#at, `is beyond the ${this.#limits.maxTokens} values that are allowed`);
    }
  }

  #integer(parent: BencodeValue | null, key: string | number): BencodeValue {
    const source = this.#source;
    const start = this.#at;
    const bodyStart = start + 1;
    const firstDigit = source[bodyStart] === MINUS ? bodyStart + 1 : bodyStart;
    let at = firstDigit;
    while (isDigit(source[at]) && at - bodyStart < MAX_INTEGER_CHARS) at++;
    if (at === source.length) throw failAt(pathOf(parent, key), start, 'is cut off');
    if (source[at] !== LETTER_E || at === firstDigit) throw failAt(pathOf(parent, key), start, 'is not a whole number');
    if (source[firstDigit] === DIGIT_0 && (at - firstDigit > 1 || firstDigit !== bodyStart)) {
      throw failAt(pathOf(parent, key), start, 'has a leading zero or is -0');
    }
    this.#at = at + 1;
    return new BencodeValue('integer', source, { start, end: at + 1, bodyStart }, parent, key);
  }

  /** Reads a length prefix, moves behind the string and returns where its bytes start. */
  #stringStart(parent: BencodeValue | null, key: string | number): number {
    const source = this.#source;
    const start = this.#at;
    let at = start;
    let length = 0;
    while (at - start < MAX_LENGTH_CHARS && isDigit(source[at]))
      length = length * 10 + (source[at++] as number) - DIGIT_0;
    if (source[at] === COLON && at > start) {
      if (source[start] === DIGIT_0 && at - start > 1) {
        throw failAt(pathOf(parent, key), start, 'has a length with a leading zero');
      }
      if (length > source.length - at - 1) {
        throw failAt(
          pathOf(parent, key),
          start,
          `has ${length} bytes by its length and ${source.length - at - 1} follow`,
        );
      }
      this.#at = at + 1 + length;
      return at + 1;
    }
    if (at === source.length) throw failAt(pathOf(parent, key), start, 'is cut off');
    if (source[start] === MINUS) throw failAt(pathOf(parent, key), start, 'has a negative length');
    throw failAt(pathOf(parent, key), start, 'is not bencoded');
  }

  #container(parent: BencodeValue | null, key: string | number, depth: number): BencodeValue {
    const source = this.#source;
    const start = this.#at;
    if (depth > this.#limits.maxDepth) {
      throw failAt(pathOf(parent, key), start, `is more than ${this.#limits.maxDepth} levels deep`);
    }
    const kind = source[start] === LETTER_L ? 'list' : 'dictionary';
    const container = new BencodeValue(kind, source, { start, end: start, bodyStart: start + 1 }, parent, key);
    this.#at = start + 1;
    if (Array.isArray(container.content)) this.#items(container, container.content, depth);
    else if (container.content !== null) this.#entries(container, container.content, depth);
    this.#at++;
    container.end = this.#at;
    return container;
  }

  #items(container: BencodeValue, items: BencodeValue[], depth: number): void {
    while (this.#source[this.#at] !== LETTER_E) {
      const item = this.value(container, items.length, depth);
      if (!item.keysSorted) container.keysSorted = false;
      items.push(item);
    }
  }

  #entries(container: BencodeValue, entries: Map<string, BencodeValue>, depth: number): void {
    let previous: string | null = null;
    while (this.#source[this.#at] !== LETTER_E) {
      const keyStart = this.#at;
      this.#count(container, '(key)');
      const bodyStart = this.#stringStart(container, '(key)');
      const key = this.#source.toString('latin1', bodyStart, this.#at);
      if (entries.has(key)) throw failAt(pathOf(container, key), keyStart, 'is there twice');
      if (previous !== null && key < previous) container.keysSorted = false;
      const value = this.value(container, key, depth);
      if (!value.keysSorted) container.keysSorted = false;
      entries.set(key, value);
      previous = key;
    }
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= DIGIT_0 && byte <= DIGIT_9;
}
