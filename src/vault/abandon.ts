import type { Database } from '../db/index.ts';
import { BaeError, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { Budget } from './budget.ts';
import type { Bundle } from './bundle.ts';
import type { Bundles } from './bundles.ts';
import type { DiskCache, RamCache } from './cache/index.ts';
import type { OpenChunks } from './open-chunks.ts';
import type { Patience } from './patience.ts';
import {
  bundleHandle,
  CHUNK_OBJECT_BYTES,
  chunkName,
  type LibraryKeys,
  manifestName,
  tableName,
} from './seal/index.ts';
import type { Spool } from './spool.ts';
import type { ObjectStore } from './store/index.ts';

/** Objects deleted side by side. */
const MAX_DELETES = 8;

export interface AbandonParts {
  readonly database: Database;
  readonly bundles: Bundles;
  readonly store: ObjectStore;
  readonly spool: Spool;
  readonly cache: DiskCache;
  readonly ram: RamCache;
  readonly open: OpenChunks;
  readonly patience: Patience;
  readonly keys: LibraryKeys;
  readonly log: Log;
  readonly mayWrite: () => Promise<void>;
  readonly stop: AbortSignal;
}

/** Cancels bundles: first the mark, then the local files, then the objects by their names, last the rows. */
export class Abandons {
  readonly #deps: AbandonParts;
  readonly #under = new Map<number, Promise<void>>();

  constructor(deps: AbandonParts) {
    this.#deps = deps;
  }

  /** See Vault.abandon. */
  async abandon(id: number): Promise<void> {
    const { db } = this.#deps.database;
    const marked = await db.transaction().execute(async (transaction) => {
      const row = await transaction.selectFrom('bundles').select('state').where('id', '=', id).executeTakeFirst();
      if (row?.state === 'committed') {
        throw new BaeError('refused', `Bundle ${id} is committed: remove it from the library instead.`);
      }
      if (row === undefined) return false;
      await transaction.updateTable('bundles').set({ state: 'cancelling' }).where('id', '=', id).execute();
      await transaction.deleteFrom('torrent_piece_mappings').where('bundle', '=', id).execute();
      return true;
    });
    if (!marked) return;
    const bundle = await this.#deps.bundles.hold(id);
    try {
      await this.#clearLocal(bundle);
    } catch (error) {
      this.#deps.bundles.release(id);
      throw error;
    }
    this.clearStore(bundle);
  }

  /** Goes on, behind, with a bundle that is marked and held; releases it at the end. */
  clearStore(bundle: Bundle): void {
    if (this.#under.has(bundle.id)) {
      this.#deps.bundles.release(bundle.id);
      return;
    }
    const work = this.#clearStore(bundle)
      .catch((error) => {
        if (this.#deps.stop.aborted) return;
        this.#deps.log.error('A cancelled bundle could not be deleted.', {
          bundle: bundle.id,
          error: errorMessage(error),
        });
      })
      .finally(() => {
        this.#under.delete(bundle.id);
        this.#deps.bundles.release(bundle.id);
      });
    this.#under.set(bundle.id, work);
  }

  /** Resolves when nothing is being deleted. */
  async settled(): Promise<void> {
    await Promise.all(this.#under.values());
  }

  async #clearLocal(bundle: Bundle): Promise<void> {
    const { spool, cache, ram, open } = this.#deps;
    bundle.state = 'cancelling';
    bundle.stop.abort(new BaeError('cancelled', `Bundle ${bundle.id} is cancelled.`));
    bundle.wake();
    for (const chunk of open.of(bundle)) open.remove(chunk);
    await spool.removeBundle(bundle.id);
    this.#releaseRoom(bundle);
    ram.dropBundle(bundle.id);
    await cache.dropBundle(bundle.id);
  }

  #releaseRoom(bundle: Bundle): void {
    const { spool } = this.#deps;
    for (const parts of bundle.parts.values()) for (const part of parts) spool.releasePart(part.fileBytes);
    bundle.parts.clear();
    for (const bytes of bundle.documents.values()) spool.budget.release(bytes);
    bundle.documents.clear();
    for (let index = 0; index < bundle.chunkCount; index++) {
      if (bundle.inSpool.delete(index)) spool.budget.release(CHUNK_OBJECT_BYTES);
    }
  }

  async #clearStore(bundle: Bundle): Promise<void> {
    const { spool, cache, keys } = this.#deps;
    await bundle.quiet();
    // What was being written while the mark was made.
    await this.#until(() => spool.removeBundle(bundle.id));
    this.#releaseRoom(bundle);
    await cache.dropBundle(bundle.id);
    // The manifest first: from then on nothing leads to the rest.
    await this.#delete(manifestName(bundleHandle(keys, bundle.bundleId), 1));
    const { db } = this.#deps.database;
    const row = await db.selectFrom('bundles').select('table_name').where('id', '=', bundle.id).executeTakeFirst();
    if (row?.table_name) await this.#delete(tableName(row.table_name));
    await this.#deleteChunks(bundle.id);
    await this.#until(() =>
      this.#deps.database.batch([
        db.deleteFrom('chunks').where('bundle', '=', bundle.id),
        db.deleteFrom('bundles').where('id', '=', bundle.id),
      ]),
    );
  }

  async #deleteChunks(id: number): Promise<void> {
    const { db } = this.#deps.database;
    const rows = await db.selectFrom('chunks').select('name').where('bundle', '=', id).execute();
    const slots = new Budget(MAX_DELETES);
    await Promise.all(
      rows.map(async ({ name }) => {
        await slots.reserve(1, this.#deps.stop);
        await this.#delete(chunkName(name)).finally(() => slots.release(1));
      }),
    );
  }

  #delete(name: string): Promise<void> {
    return this.#until(async () => {
      await this.#deps.mayWrite();
      await this.#deps.store.delete(name);
    });
  }

  #until<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#deps.patience.until('Deleting a cancelled import', this.#deps.stop, work);
  }
}
