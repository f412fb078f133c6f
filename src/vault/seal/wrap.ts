import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { Random } from '../../lib/random.ts';
import { labelBytes } from './envelope.ts';
import { sealError } from './fault.ts';
import { ID_BYTES, KEY_BYTES, TAG_BYTES } from './layout.ts';

/** nonce ‖ ciphertext ‖ tag. */
export const WRAPPED_KEY_BYTES = 60;
const NONCE_BYTES = WRAPPED_KEY_BYTES - KEY_BYTES - TAG_BYTES;

/** What a wrapped key is, as its AAD says. */
export type WrapPurpose = 'bae bundle key' | 'bae naming key' | 'bae master key' | 'bae slot key' | 'bae old master';

export interface Wrapping {
  readonly wrapper: Uint8Array;
  readonly purpose: WrapPurpose;
  readonly libraryId: Uint8Array;
  /** 16 bytes: what the key belongs to. */
  readonly subject: Uint8Array;
}

/** A key of its own for one use of another key: HKDF-SHA256 with the library's id as salt. */
export function subkey(key: Uint8Array, libraryId: Uint8Array, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, libraryId, labelBytes(label), KEY_BYTES));
}

/** Wraps a 32-byte key: AES-256-GCM with a random nonce, WRAPPED_KEY_BYTES long. */
export function wrapKey(wrapping: Wrapping, key: Uint8Array, random: Random): Buffer {
  if (key.length !== KEY_BYTES) throw new RangeError(`key of ${key.length} bytes`);
  const nonce = random.bytes(NONCE_BYTES);
  const wrappingKey = subkey(wrapping.wrapper, wrapping.libraryId, 'bae wrap');
  const cipher = createCipheriv('aes-256-gcm', wrappingKey, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(wrapData(wrapping));
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}

/** Unwraps what `wrapKey` made; `corrupt` (wrong-key) when the wrapper, purpose, library or subject is another. */
export function unwrapKey(wrapping: Wrapping, wrapped: Uint8Array): Buffer {
  const name = wrapping.purpose.slice('bae '.length);
  if (wrapped.length !== WRAPPED_KEY_BYTES) throw sealError('altered', `A wrapped ${name} is cut short.`);
  const wrappingKey = subkey(wrapping.wrapper, wrapping.libraryId, 'bae wrap');
  const nonce = wrapped.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', wrappingKey, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(wrapData(wrapping));
  decipher.setAuthTag(wrapped.subarray(WRAPPED_KEY_BYTES - TAG_BYTES));
  const key = decipher.update(wrapped.subarray(NONCE_BYTES, WRAPPED_KEY_BYTES - TAG_BYTES));
  try {
    return Buffer.concat([key, decipher.final()]);
  } catch {
    throw sealError('wrong-key', `A wrapped ${name} does not open with this key.`);
  }
}

function wrapData({ purpose, libraryId, subject }: Wrapping): Buffer {
  if (libraryId.length !== ID_BYTES || subject.length !== ID_BYTES) throw new RangeError('an id is 16 bytes');
  return Buffer.concat([labelBytes(purpose), libraryId, subject]);
}
