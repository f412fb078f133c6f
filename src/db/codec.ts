import { BaeError } from '../lib/errors.ts';

/** What every dialect stores. */
export type SqlValue = null | number | bigint | string | Uint8Array;

const INT32_MAX = 0x7fff_ffff;
const INT32_MIN = -0x8000_0000;

/**
 * A query's parameter as the database takes it: booleans as 0 and 1, whole numbers as integers whatever their size, byte
 * arrays as bytes of their own (a view would drag its whole ArrayBuffer through the worker's door), other objects as
 * JSON. Throws a BaeError `failed` on what cannot be stored and read back unchanged.
 */
export function encodeParameter(value: unknown): SqlValue {
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
      return value ? 1 : 0;
    case 'number':
      return encodeNumber(value);
    case 'bigint':
      if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER))
        throw unstorable('bigint');
      return encodeNumber(Number(value));
    case 'object':
      if (value === null) return null;
      if (value instanceof Uint8Array) return ownBytes(value);
      return JSON.stringify(value);
    default:
      throw unstorable(typeof value);
  }
}

function encodeNumber(value: number): number | bigint {
  if (Number.isInteger(value)) {
    if (!Number.isSafeInteger(value)) throw unstorable('number beyond 2^53');
    // A driver may send a large JavaScript number as a floating one; a bigint is always an integer.
    return value > INT32_MAX || value < INT32_MIN ? BigInt(value) : value;
  }
  if (!Number.isFinite(value)) throw unstorable(String(value));
  return value;
}

function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

function unstorable(what: string): BaeError {
  return new BaeError('failed', `A ${what} cannot be stored in the database.`);
}

type Decode = (value: unknown) => unknown;

/**
 * Rows as queries see them, changed in place: `is_…` become booleans, `…_json` is parsed, bytes become Buffers. All rows
 * have the first one's columns. Throws a BaeError `corrupt` on JSON that is none.
 */
export function decodeRows(rows: Record<string, unknown>[]): Record<string, unknown>[] {
  const first = rows[0];
  if (first === undefined) return rows;
  for (const column of Object.keys(first)) {
    const decode = decoderOf(column);
    for (const row of rows) {
      const value = row[column];
      if (value !== null && typeof value !== 'undefined') row[column] = decode(value);
    }
  }
  return rows;
}

function decoderOf(column: string): Decode {
  if (column.startsWith('is_')) return (value) => value === 1 || value === true;
  if (column.endsWith('_json')) return (value) => (typeof value === 'string' ? parse(column, value) : value);
  return (value) =>
    value instanceof Uint8Array && !Buffer.isBuffer(value)
      ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      : value;
}

function parse(column: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BaeError('corrupt', `The database holds no JSON in ${column}.`, { cause });
  }
}
