import { BaeError } from '../../lib/errors.ts';

export type BencodeKind = 'integer' | 'bytes' | 'list' | 'dictionary';

/** What a container holds: a list's items, or a dictionary's values under their keys (each byte one Latin-1 character). */
type Content = BencodeValue[] | Map<string, BencodeValue> | null;

/**
 * One decoded bencode value (BEP 3): what it is, which bytes it came from, and where it stands, so that an accessor that
 * does not find what it wants says so by path and byte. Byte strings are views of the source, never copies.
 */
export class BencodeValue {
  readonly kind: BencodeKind;
  /** The whole input this value was decoded from. */
  readonly source: Buffer;
  /** First byte of the value in the source. */
  readonly start: number;
  /** The byte after the value's last one. */
  end: number;
  /** First byte after the length prefix or the type letter. */
  readonly bodyStart: number;
  /** Whether this dictionary and all below it have their keys in raw byte order, as BEP 3 asks. */
  keysSorted = true;
  readonly #parent: BencodeValue | null;
  readonly #key: string | number;
  readonly content: Content;

  constructor(
    kind: BencodeKind,
    source: Buffer,
    range: { start: number; end: number; bodyStart: number },
    parent: BencodeValue | null,
    key: string | number,
  ) {
    this.kind = kind;
    this.source = source;
    this.start = range.start;
    this.end = range.end;
    this.bodyStart = range.bodyStart;
    this.#parent = parent;
    this.#key = key;
    this.content = kind === 'list' ? [] : kind === 'dictionary' ? new Map() : null;
  }

  /** The value's own encoded bytes, exactly as they came (a view). */
  get raw(): Buffer {
    return this.source.subarray(this.start, this.end);
  }

  /** Where the value stands, for a person: `info.files[3].length`; empty for the outermost value. */
  get path(): string {
    if (this.#parent === null) return '';
    return pathOf(this.#parent, this.#key);
  }

  /** A bad-input error that names this value's path and byte and then the problem. */
  fail(problem: string): BaeError {
    return failAt(this.path, this.start, problem);
  }

  /** A whole number from `least` to `most` (default: JavaScript's safe range); else a bad-input error. */
  integer(least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER): number {
    if (this.kind !== 'integer') throw this.#unexpected('an integer');
    const value = Number(this.source.toString('latin1', this.bodyStart, this.end - 1));
    if (!Number.isSafeInteger(value)) throw this.fail('is too large a number');
    if (value < least || value > most) throw this.fail(`must be from ${least} to ${most}, and is ${value}`);
    return value;
  }

  /** The bytes of a byte string (a view), `length` of them if that is given; else a bad-input error. */
  bytes(length?: number): Buffer {
    if (this.kind !== 'bytes') throw this.#unexpected('a byte string');
    const bytes = this.source.subarray(this.bodyStart, this.end);
    if (length !== undefined && bytes.length !== length) {
      throw this.fail(`must have ${length} bytes, and has ${bytes.length}`);
    }
    return bytes;
  }

  /** A byte string as UTF-8; bytes that are not become U+FFFD. Not cleaned for display. */
  text(): string {
    return this.bytes().toString('utf8');
  }

  /** The items of a list; else a bad-input error. */
  list(): readonly BencodeValue[] {
    if (!Array.isArray(this.content)) throw this.#unexpected('a list');
    return this.content;
  }

  /** The values of a dictionary, in the order they came; a key's bytes are Latin-1 characters. Else a bad-input error. */
  dictionary(): ReadonlyMap<string, BencodeValue> {
    if (!(this.content instanceof Map)) throw this.#unexpected('a dictionary');
    return this.content;
  }

  /** A dictionary's value under a key, or undefined; a bad-input error if this is no dictionary. */
  get(key: string): BencodeValue | undefined {
    return this.dictionary().get(key);
  }

  /** A dictionary's value under a key; a bad-input error if it is missing. */
  need(key: string): BencodeValue {
    const value = this.get(key);
    if (value === undefined) throw failAt(pathOf(this, key), this.start, 'is missing');
    return value;
  }

  #unexpected(wanted: string): BaeError {
    const found = { integer: 'an integer', bytes: 'a byte string', list: 'a list', dictionary: 'a dictionary' };
    return this.fail(`must be ${wanted}, and is ${found[this.kind]}`);
  }
}

/** The longest piece of a key that an error repeats, in characters. */
const MAX_KEY_CHARS_IN_ERROR = 40;

/** The path of a container's child; keys are shown as printable ASCII only. */
export function pathOf(parent: BencodeValue | null, key: string | number): string {
  if (parent === null) return '';
  const above = parent.path;
  if (typeof key === 'number') return `${above}[${key}]`;
  const shown = key.slice(0, MAX_KEY_CHARS_IN_ERROR).replace(/[^\x20-\x7e]/g, '?');
  return above === '' ? shown : `${above}.${shown}`;
}

/** A bad-input error about what stands at a path and byte. */
export function failAt(path: string, byte: number, problem: string): BaeError {
  return new BaeError('bad-input', `${path === '' ? 'the outermost value' : path} ${problem} (byte ${byte}).`);
}
