import { createHash } from 'node:crypto';
import { BaeError } from '../lib/errors.ts';
import type { Bundle } from './bundle.ts';
import type { Spool } from './spool.ts';
import type { ObjectStore } from './store/index.ts';

/** Another manifest has the name: waiting does not help. */
export class ManifestConflict extends BaeError {
  constructor(name: string) {
    super('refused', `The store has another manifest ${name}: somebody else writes to this library.`);
  }
}

export type DocumentKind = 'table' | 'manifest';

/**
 * Sealed tables and manifests on their way into the store. Sealing draws a new salt each time, so the sealed bytes go to the
 * spool before the first PUT: after a crash the same bytes are put again, and a lost reply is told from a conflict.
 */
export class Documents {
  readonly #spool: Spool;
  readonly #store: ObjectStore;

  constructor(spool: Spool, store: ObjectStore) {
    this.#spool = spool;
    this.#store = store;
  }

  /** The sealed bytes in the spool; null if there are none. */
  find(bundle: Bundle, kind: DocumentKind, generation: number): Promise<Buffer | null> {
    return this.#spool.read(this.#spool.documentPath(bundle.id, kind, generation));
  }

  /** The sealed bytes in the spool, made and saved durably first if there are none. */
  async findOrSeal(bundle: Bundle, kind: DocumentKind, generation: number, seal: () => Buffer): Promise<Buffer> {
    const found = await this.find(bundle, kind, generation);
    if (found !== null) return found;
    const sealed = seal();
    const path = this.#spool.documentPath(bundle.id, kind, generation);
    await this.#spool.budget.reserve(sealed.length, bundle.stop.signal);
    try {
      await this.#spool.write(bundle.id, path, sealed);
    } catch (error) {
      this.#spool.budget.release(sealed.length);
      throw error;
    }
    bundle.documents.set(path, sealed.length);
    return sealed;
  }

  /** Puts a sealed manifest where none is; `refused` when another one is there. */
  async putOnce(name: string, sealed: Buffer): Promise<void> {
    if ((await this.#store.put(name, sealed, { ifAbsent: true })) === 'stored') return;
    const there = await this.#store.get(name);
    if (there.equals(sealed)) return;
    throw new ManifestConflict(name);
  }

  async put(name: string, sealed: Buffer): Promise<void> {
    await this.#store.put(name, sealed, { sha256: sha256(sealed) });
  }

  /** Deletes a bundle's documents from the spool. */
  async forget(bundle: Bundle): Promise<void> {
    for (const [path, bytes] of [...bundle.documents]) {
      await this.#spool.remove(path);
      if (bundle.documents.delete(path)) this.#spool.budget.release(bytes);
    }
  }
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
