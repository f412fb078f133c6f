import { HASH_BYTES } from './layout.ts';

/** The root object's name. */
export const ROOT_NAME = 'k/library';

const GENERATION_DIGITS = 16;
const MANIFEST_NAME = /^m\/([0-9a-f]{64})\/(\d{16})$/;

/** `c/<2 hex>/<SHA-256 in hex>`. */
export function chunkName(sha256: Uint8Array): string {
  const hex = hashHex(sha256);
  return `c/${hex.slice(0, 2)}/${hex}`;
}

/** `t/<SHA-256 in hex>`. */
export function tableName(sha256: Uint8Array): string {
  return `t/${hashHex(sha256)}`;
}

/** `m/<handle in hex>/<generation, 16 digits>`. */
export function manifestName(handle: Uint8Array, generation: number): string {
  if (!Number.isSafeInteger(generation) || generation < 1) throw new RangeError(`generation ${generation}`);
  return `m/${hashHex(handle)}/${String(generation).padStart(GENERATION_DIGITS, '0')}`;
}

/** Reads a manifest's name; null for any other. */
export function parseManifestName(name: string): { handle: Buffer; generation: number } | null {
  const found = MANIFEST_NAME.exec(name);
  const generation = Number(found?.[2]);
  if (found === null || !Number.isSafeInteger(generation) || generation < 1) return null;
  return { handle: Buffer.from(found[1] as string, 'hex'), generation };
}

function hashHex(hash: Uint8Array): string {
  if (hash.length !== HASH_BYTES) throw new RangeError(`a hash of ${hash.length} bytes`);
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString('hex');
}
