import { BencodeValue } from './bencode-value.ts';

/**
 * What can be bencoded: whole numbers, byte strings, text (as UTF-8), lists, and dictionaries as maps (keys as text or
 * bytes) or plain records (undefined values are left out). A decoded BencodeValue goes in as its own raw bytes.
 */
export type Encodable =
  | number
  | bigint
  | string
  | Uint8Array
  | BencodeValue
  | readonly Encodable[]
  | ReadonlyMap<string | Uint8Array, Encodable>
  | { readonly [key: string]: Encodable | undefined };

/**
 * Bencodes a value (BEP 3), dictionary keys sorted by their bytes.
 * @throws RangeError for a number that is not a safe integer and for the same key twice (both are bugs of the caller).
 */
export function encode(value: Encodable): Buffer {
  const parts: Uint8Array[] = [];
  append(value, parts);
  return Buffer.concat(parts);
}

function append(value: Encodable, parts: Uint8Array[]): void {
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new RangeError(`cannot bencode ${value}`);
    parts.push(Buffer.from(`i${value === 0 ? 0 : value}e`, 'latin1'));
  } else if (typeof value === 'string') {
    appendBytes(Buffer.from(value, 'utf8'), parts);
  } else if (value instanceof Uint8Array) {
    appendBytes(value, parts);
  } else if (value instanceof BencodeValue) {
    parts.push(value.raw);
  } else if (isList(value)) {
    parts.push(LIST);
    for (const item of value) append(item, parts);
    parts.push(END);
  } else {
    appendDictionary(value instanceof Map ? value : Object.entries(value), parts);
  }
}

const LIST = Buffer.from('l');
const DICTIONARY = Buffer.from('d');
const END = Buffer.from('e');

function isList(value: object): value is readonly Encodable[] {
  return Array.isArray(value);
}

function appendBytes(bytes: Uint8Array, parts: Uint8Array[]): void {
  parts.push(Buffer.from(`${bytes.length}:`, 'latin1'), bytes);
}

function appendDictionary(
  entries: Iterable<readonly [string | Uint8Array, Encodable | undefined]>,
  parts: Uint8Array[],
): void {
  const sorted: { key: Buffer; value: Encodable }[] = [];
  for (const [key, value] of entries) {
    if (value !== undefined) sorted.push({ key: Buffer.from(key as string), value });
  }
  sorted.sort((left, right) => left.key.compare(right.key));
  parts.push(DICTIONARY);
  let previous: Buffer | null = null;
  for (const { key, value } of sorted) {
    if (previous?.equals(key)) throw new RangeError('cannot bencode the same key twice');
    previous = key;
    appendBytes(key, parts);
    append(value, parts);
  }
  parts.push(END);
}
