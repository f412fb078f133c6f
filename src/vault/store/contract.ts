import { webcrypto } from 'node:crypto';
import { BaeError } from '../../lib/errors.ts';
import { type GetOptions, MAX_OBJECT_BYTES } from './ports.ts';

/** Longest object name, in characters; leaves room for a prefix within S3's 1,024. */
export const MAX_NAME_CHARACTERS = 512;

/** Whether the contract allows a name. */
export function isName(name: string): boolean {
  const parts = name.split('/');
  const bad = !/^[a-z0-9._/-]+$/.test(name) || parts.some((part) => part === '' || part === '.' || part === '..');
  return !bad && name.length <= MAX_NAME_CHARACTERS;
}

/** Refuses a name that the contract does not allow (BaeError bad-input). */
export function checkName(name: string): void {
  if (!isName(name)) throw new BaeError('bad-input', `${JSON.stringify(name.slice(0, 80))} cannot name an object.`);
}

/** Refuses a listing prefix that no name could start with (BaeError bad-input). */
export function checkPrefix(prefix: string): void {
  if (!/^[a-z0-9._/-]{0,512}$/.test(prefix) || /^\/|\/\/|(^|\/)\.{1,2}\//.test(prefix)) {
    throw new BaeError('bad-input', `${JSON.stringify(prefix.slice(0, 80))} cannot start an object's name.`);
  }
}

/** Refuses a body larger than the contract allows (BaeError bad-input). */
export function checkBody(name: string, body: Buffer): void {
  if (body.length > MAX_OBJECT_BYTES) {
    throw new BaeError('bad-input', `${name} has ${body.length} bytes; a store takes at most ${MAX_OBJECT_BYTES}.`);
  }
}

/** Refuses a range that the contract does not allow (BaeError bad-input). */
export function checkRange(range: GetOptions['range']): void {
  if (range === undefined) return;
  const whole = Number.isSafeInteger(range.offset) && Number.isSafeInteger(range.length);
  if (!whole || range.offset < 0 || range.length < 1 || range.length > MAX_OBJECT_BYTES) {
    throw new BaeError('bad-input', `Bytes ${range.offset}+${range.length} are no range of an object.`);
  }
}

/** Refuses a body that is not what its SHA-256 says (BaeError corrupt). Hashes in a thread of the pool. */
export async function checkDigest(name: string, body: Buffer, sha256: Buffer | undefined): Promise<void> {
  if (sha256 === undefined) return;
  const digest = await webcrypto.subtle.digest('SHA-256', body);
  if (!sha256.equals(Buffer.from(digest))) {
    throw new BaeError('corrupt', `${name} is not what its SHA-256 says and was not stored.`);
  }
}

/** Throws BaeError cancelled if the signal is aborted. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(signal);
}

/** The error of a call that its caller called off. */
export function cancelled(signal: AbortSignal): BaeError {
  return new BaeError('cancelled', 'The call to the store was called off.', { cause: signal.reason });
}

/** The error of a name that nothing has. */
export function missing(name: string, cause?: unknown): BaeError {
  return new BaeError('missing', `The store has no object ${name}.`, { cause });
}

/** The error of an object that ends before the range asked for does. */
export function tooShort(name: string, wanted: number, got: number): BaeError {
  return new BaeError('corrupt', `${name} gave ${got} bytes where ${wanted} should be.`);
}
