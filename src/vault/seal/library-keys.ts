import { createHmac } from 'node:crypto';
import type { Random } from '../../lib/random.ts';
import { u64 } from './envelope.ts';
import { sealReason } from './fault.ts';
import { unwrapKey, type Wrapping, wrapKey } from './wrap.ts';

/** A master key by its number. */
export interface MasterKey {
  /** 1 for the first; a key change adds one. */
  readonly epoch: number;
  readonly key: Buffer;
}

/** The opened keys of a library; in memory only. */
export interface LibraryKeys {
  readonly libraryId: Buffer;
  /** Names bundles in the store; fixed for the library's life. */
  readonly namingKey: Buffer;
  readonly master: MasterKey;
  /** Earlier master keys that manifests may still need, newest first. */
  readonly previous: readonly MasterKey[];
}

/** What a bundle is called in the store: HMAC-SHA256(naming key, bundle id), 32 bytes. */
export function bundleHandle(keys: LibraryKeys, bundleId: Uint8Array): Buffer {
  return createHmac('sha256', keys.namingKey).update(bundleId).digest();
}

/** The bundle's key wrapped by the master key (60 bytes), for the database and the manifest. */
export function wrapBundleKey(keys: LibraryKeys, bundleId: Uint8Array, key: Uint8Array, random: Random): Buffer {
  return wrapKey(bundleWrapping(keys, keys.master, bundleId), key, random);
}

/** Unwraps a bundle's key (32 bytes), also one that an earlier master key wrapped; `corrupt` (wrong-key) else. */
export function unwrapBundleKey(keys: LibraryKeys, bundleId: Uint8Array, wrapped: Uint8Array): Buffer {
  return withEachMaster(keys, (master) => unwrapKey(bundleWrapping(keys, master, bundleId), wrapped));
}

/** Tries the master key, then the earlier ones as long as the answer is wrong-key; the first failure is told. */
export function withEachMaster<Result>(keys: LibraryKeys, attempt: (master: MasterKey) => Result): Result {
  let failure: unknown;
  for (const master of [keys.master, ...keys.previous]) {
    try {
      return attempt(master);
    } catch (error) {
      if (sealReason(error) !== 'wrong-key') throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** The subject of an earlier master key: 8 zero bytes ‖ epoch u64. */
export function epochSubject(epoch: number): Buffer {
  return Buffer.concat([Buffer.alloc(8), u64(epoch)]);
}

function bundleWrapping(keys: LibraryKeys, master: MasterKey, bundleId: Uint8Array): Wrapping {
  return { wrapper: master.key, purpose: 'bae bundle key', libraryId: keys.libraryId, subject: bundleId };
}
