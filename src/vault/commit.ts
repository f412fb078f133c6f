import type { Database } from '../db/index.ts';
import { BaeError } from '../lib/errors.ts';
import type { Random } from '../lib/random.ts';
import { ABSENT, type Bundle, LOST, STORED } from './bundle.ts';
import type { Bundles } from './bundles.ts';
import { type Documents, ManifestConflict, sha256 } from './documents.ts';
import { changesWritten, unwrittenRevision } from './manifest-changes.ts';
import type { OpenChunks } from './open-chunks.ts';
import type { Patience } from './patience.ts';
import type { BundleContent, BundleSettings } from './ports.ts';
import {
  bundleHandle,
  DEFAULT_SUITE,
  type LibraryKeys,
  type Manifest,
  manifestName,
  SALT_BYTES,
  sealManifest,
  sealTable,
  tableName,
} from './seal/index.ts';

export interface CommitParts {
  readonly database: Database;
  readonly bundles: Bundles;
  readonly open: OpenChunks;
  readonly documents: Documents;
  readonly patience: Patience;
  readonly keys: LibraryKeys;
  readonly random: Random;
  readonly mayWrite: () => Promise<void>;
  /** See VaultOptions.describe. */
  readonly describe: (bundleId: number) => Promise<BundleSettings>;
  /** A bundle became part of the library. */
  readonly committed: (bundle: Bundle) => void;
}

/** The commit of an import, and later generations of its manifest. One at a time for each bundle; each step may be the last. */
export class Commits {
  readonly #deps: CommitParts;
  readonly #last = new Map<number, Promise<unknown>>();

  constructor(deps: CommitParts) {
    this.#deps = deps;
  }

  /** See Vault.commit. */
  commit(id: number, content: BundleContent, signal?: AbortSignal): Promise<void> {
    return this.#inTurn(id, (bundle) => this.#commit(bundle, content, signal));
  }

  /** Writes the next generation of a committed bundle's manifest if changes are noted, or a crash left one in the spool. */
  writeChange(id: number): Promise<void> {
    return this.#inTurn(id, async (bundle) => {
      if (bundle.state !== 'committed') return;
      await this.#finish(bundle, null);
      const stop = bundle.stop.signal;
      const revision = await this.#until(stop, () => unwrittenRevision(this.#deps.database.db, id));
      if (revision === null) return;
      // Read after the revision: so it is at least as new.
      const settings = await this.#until(stop, () => this.#deps.describe(id));
      await this.#sealNext(bundle, settings);
      await this.#finish(bundle, revision);
    });
  }

  async #inTurn<Result>(id: number, work: (bundle: Bundle) => Promise<Result>): Promise<Result> {
    const before = this.#last.get(id) ?? Promise.resolve();
    const turn = Promise.allSettled([before]);
    const done = turn.then(() => this.#deps.bundles.with(id, (bundle) => bundle.work(() => work(bundle))));
    this.#last.set(id, done);
    try {
      return await done;
    } finally {
      if (this.#last.get(id) === done) this.#last.delete(id);
    }
  }

  async #commit(bundle: Bundle, content: BundleContent, signal?: AbortSignal): Promise<void> {
    if (bundle.state === 'committed') return;
    const stop = signal === undefined ? bundle.stop.signal : AbortSignal.any([signal, bundle.stop.signal]);
    try {
      await this.#allStored(bundle, stop);
      const { documents } = this.#deps;
      const table = await this.#until(stop, () =>
        documents.findOrSeal(bundle, 'table', 1, () => this.#sealTable(bundle, content)),
      );
      const name = sha256(table);
      await this.#until(stop, () => this.#setRow(bundle, { table_name: name }));
      await this.#until(stop, () => documents.put(tableName(name), table));
      const { wrapped_key: bundleKey } = await this.#row(bundle);
      const manifest = await this.#until(stop, () =>
        documents.findOrSeal(bundle, 'manifest', 1, () =>
          this.#sealManifest(bundle, { ...numbered(content), generation: 1, previous: null, bundleKey, name }),
        ),
      );
      await this.#until(stop, () => documents.putOnce(this.#manifestName(bundle, 1), manifest));
      const row = { state: 'committed' as const, generation: 1, manifest_hash: sha256(manifest) };
      await this.#until(stop, () => this.#setRow(bundle, row));
      bundle.state = 'committed';
      bundle.generation = 1;
      await this.#until(stop, () => documents.forget(bundle));
    } catch (error) {
      if (stop.aborted) throw new BaeError('cancelled', 'The commit was called off.', { cause: error });
      throw error;
    }
    this.#deps.committed(bundle);
  }

  /** Waits until every chunk is in the store; `refused` if one can never be. */
  async #allStored(bundle: Bundle, stop: AbortSignal): Promise<void> {
    let lookAgain = true;
    const look = () => {
      lookAgain = true;
      bundle.wake();
    };
    const listener = { lost: look, found: look };
    const wake = () => bundle.wake();
    bundle.listeners.add(listener);
    stop.addEventListener('abort', wake, { once: true });
    try {
      while (bundle.count(STORED) < bundle.chunkCount) {
        stop.throwIfAborted();
        if (lookAgain) this.#checkComplete(bundle);
        lookAgain = false;
        await bundle.changed();
      }
    } finally {
      bundle.listeners.delete(listener);
      stop.removeEventListener('abort', wake);
    }
  }

  #checkComplete(bundle: Bundle): void {
    for (let index = 0; index < bundle.chunkCount; index++) {
      const state = bundle.chunkState(index);
      if (state !== ABSENT && state !== LOST) continue;
      const filled = this.#deps.open.get(bundle, index)?.filled() ?? bundle.savedRanges(index);
      if (filled.covers(0, bundle.contentLength(index))) continue;
      throw new BaeError('refused', `Bundle ${bundle.id} cannot be committed: pieces of it are missing.`);
    }
  }

  async #sealNext(bundle: Bundle, settings: BundleSettings): Promise<void> {
    const stop = bundle.stop.signal;
    const row = await this.#until(stop, () => this.#row(bundle));
    const generation = row.generation + 1;
    const { table_name: name, manifest_hash: previous, wrapped_key: bundleKey } = row;
    if (name === null || previous === null)
      throw new BaeError('corrupt', `Bundle ${bundle.id} has no manifest on record.`);
    const seal = () => this.#sealManifest(bundle, { ...numbered(settings), generation, previous, bundleKey, name });
    await this.#until(stop, () => this.#deps.documents.findOrSeal(bundle, 'manifest', generation, seal));
  }

  /** Puts the next generation if its sealed bytes are in the spool; it has the changes up to `revision`, if that is known. */
  async #finish(bundle: Bundle, revision: number | null): Promise<void> {
    const { database, documents } = this.#deps;
    const { db } = database;
    const stop = bundle.stop.signal;
    const generation = (await this.#until(stop, () => this.#row(bundle))).generation + 1;
    const sealed = await this.#until(stop, () => documents.find(bundle, 'manifest', generation));
    if (sealed !== null) {
      await this.#until(stop, () => documents.putOnce(this.#manifestName(bundle, generation), sealed));
      const row = { generation, manifest_hash: sha256(sealed) };
      const written = [db.updateTable('bundles').set(row).where('id', '=', bundle.id)];
      const noted = revision === null ? [] : [changesWritten(db, bundle.id, revision)];
      await this.#until(stop, () => database.batch([...written, ...noted]));
      bundle.generation = generation;
    }
    await this.#until(stop, () => documents.forget(bundle));
  }

  #sealTable(bundle: Bundle, content: BundleContent): Buffer {
    const { keys, random } = this.#deps;
    const records: Buffer[] = [];
    for (let at = 0; at < bundle.chunkCount; at++) records.push(bundle.nameOf(at), bundle.saltOf(at));
    const table = {
      bundleId: bundle.bundleId,
      generation: 1,
      suite: DEFAULT_SUITE,
      length: bundle.totalLength,
      files: content.files,
      torrents: content.metainfo.map(({ infoHash, rawInfo }) => ({ infoHash, info: rawInfo, extents: null })),
      records: Buffer.concat(records),
    };
    const ids = { bundleKey: bundle.key, libraryId: keys.libraryId };
    return sealTable(ids, table, random.bytes(SALT_BYTES)).object;
  }

  #sealManifest(
    bundle: Bundle,
    { name, ...rest }: Omit<Manifest, 'bundleId' | 'table'> & { readonly name: Buffer },
  ): Buffer {
    const { keys, random } = this.#deps;
    const manifest = { ...rest, bundleId: bundle.bundleId, table: { name, generation: 1 } };
    return sealManifest(keys, manifest, random.bytes(SALT_BYTES));
  }

  #manifestName(bundle: Bundle, generation: number): string {
    return manifestName(bundleHandle(this.#deps.keys, bundle.bundleId), generation);
  }

  #until<Result>(stop: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    const attempt = async () => {
      await this.#deps.mayWrite();
      return work();
    };
    return this.#deps.patience.until('Writing a manifest', stop, attempt, isHopeless);
  }

  #row(bundle: Bundle) {
    const { db } = this.#deps.database;
    return db
      .selectFrom('bundles')
      .select(['generation', 'table_name', 'manifest_hash', 'wrapped_key'])
      .where('id', '=', bundle.id)
      .executeTakeFirstOrThrow();
  }

  /** Changes a bundle's row, unless it is being abandoned. */
  async #setRow(
    bundle: Bundle,
    row: { state?: 'committed'; generation?: number; table_name?: Buffer; manifest_hash?: Buffer },
  ): Promise<void> {
    const { db } = this.#deps.database;
    const query = db.updateTable('bundles').set(row).where('id', '=', bundle.id).where('state', '!=', 'cancelling');
    const { numUpdatedRows } = await query.executeTakeFirst();
    if (numUpdatedRows === 0n) throw new BaeError('cancelled', `Bundle ${bundle.id} is being deleted.`);
  }
}

/** Settings as the manifest has them. */
function numbered(settings: BundleSettings) {
  const torrents = settings.torrents.map(({ infoHash, trackers, seeding }) => {
    return { infoHash: Buffer.from(infoHash, 'hex'), trackers, seeding };
  });
  return { torrents, releases: [...settings.releases] };
}

/** What no time mends: the content itself cannot be written, or another manifest is there. */
export function isHopeless(error: unknown): boolean {
  if (!(error instanceof BaeError) || error instanceof ManifestConflict) return true;
  return !error.retryable && error.kind !== 'refused';
}
