import { sleep, type Timer } from '../lib/clock.ts';
import { BaeError, errorMessage } from '../lib/errors.ts';
import type { PieceStore } from '../torrent/ports.ts';
import { type Bundle, SPOOLED, STORED } from './bundle.ts';
import { createBundle } from './create.ts';
import { changedBundles } from './manifest-changes.ts';
import type { BundleContent, BundleProgress, BundleRequest, Vault, VaultStats } from './ports.ts';
import { type Recovered, recover } from './recovery.ts';
import { CHUNK_OBJECT_BYTES, SEGMENT_BYTES } from './seal/index.ts';
import { assemble, type Works, type WorksOptions } from './works.ts';

/** How often unfinished chunks that get no bytes are looked for. */
const IDLE_LOOK_MILLISECONDS = 10_000;
/** At close, what is being sealed or put may take so long. */
const CLOSE_GRACE_MILLISECONDS = 3_000;

export interface OpenVaultOptions extends Omit<WorksOptions, 'stop' | 'committed'> {
  readonly unlock: () => void;
}

/** An open vault: says who does what, and in which order it starts and stops. */
export class OpenVault implements Vault {
  readonly libraryId: string;
  readonly pieces: PieceStore;
  readonly #options: OpenVaultOptions;
  readonly #works: Works;
  readonly #stop: AbortController;
  /** Bundles being written; each is held. */
  readonly #importing = new Map<number, Bundle>();
  readonly #idleLook: Timer;
  #closing: Promise<void> | null = null;
  /** One createBundle at a time, so that two for one torrent give one bundle. */
  #creating: Promise<unknown> = Promise.resolve();

  private constructor(options: OpenVaultOptions, works: Works, stop: AbortController) {
    this.#options = options;
    this.#works = works;
    this.#stop = stop;
    this.libraryId = options.keys.libraryId.toString('hex');
    this.pieces = works.pieces;
    this.#idleLook = options.clock.every(IDLE_LOOK_MILLISECONDS, () => {
      works.open.makeRoom();
      this.#behind('Saving idle pieces', works.open.saveIdle());
    });
  }

  static async open(options: OpenVaultOptions): Promise<OpenVault> {
    const stop = new AbortController();
    const committed = (bundle: Bundle) => vault.#committed(bundle);
    const works = await assemble({ ...options, stop: stop.signal, committed });
    const vault: OpenVault = new OpenVault(options, works, stop);
    try {
      vault.#resume(await recover({ ...works, log: options.log }));
      for (const id of await changedBundles(options.database.db)) works.manifests.changed(id);
      await works.pins.restore();
    } catch (error) {
      vault.#idleLook.cancel();
      stop.abort(error);
      await works.cache.close();
      throw error;
    }
    return vault;
  }

  async createBundle(request: BundleRequest): Promise<number> {
    this.#assertOpen();
    const creating = this.#creating.then(() => createBundle(this.#options, request));
    this.#creating = Promise.allSettled([creating]);
    const id = await creating;
    if (this.#importing.has(id)) return id;
    const bundle = await this.#works.bundles.hold(id);
    if (bundle.state === 'importing' && !this.#importing.has(id)) this.#importing.set(id, bundle);
    else this.#works.bundles.release(id);
    return id;
  }

  async flush(torrentId: number): Promise<void> {
    const map = await this.#works.torrents.map(torrentId);
    for (const id of new Set(map.extents.map((extent) => extent.bundle))) {
      const bundle = id === null ? undefined : this.#importing.get(id);
      if (bundle === undefined || (await this.#works.open.flush(bundle))) continue;
      throw new BaeError('unavailable', 'The spool has no room to save all pieces in memory.');
    }
  }

  async commit(bundleId: number, content: BundleContent, options: { signal?: AbortSignal } = {}): Promise<void> {
    this.#assertOpen();
    await this.#works.commits.commit(bundleId, content, options.signal);
  }

  manifestChanged(bundleId: number): void {
    this.#works.manifests.changed(bundleId);
  }

  async abandon(bundleId: number): Promise<void> {
    this.#assertOpen();
    await this.#works.abandons.abandon(bundleId);
    this.#letGo(bundleId);
  }

  async progress(bundleId: number): Promise<BundleProgress> {
    const bundle = this.#importing.get(bundleId);
    const localBytes = this.#localBytes(bundleId);
    if (bundle !== undefined) {
      const storedChunks = bundle.count(STORED);
      const sealedChunks = storedChunks + bundle.count(SPOOLED);
      return { state: 'writing', chunks: bundle.chunkCount, sealedChunks, storedChunks, localBytes };
    }
    const { db } = this.#options.database;
    const query = db.selectFrom('bundles').select(['chunk_count', 'state']).where('id', '=', bundleId);
    const row = await query.executeTakeFirst();
    const chunks = row?.chunk_count ?? 0;
    if (row?.state !== 'committed') return { state: 'abandoned', chunks, sealedChunks: 0, storedChunks: 0, localBytes };
    return { state: 'committed', chunks, sealedChunks: chunks, storedChunks: chunks, localBytes };
  }

  pinChunks(torrentId: number): Promise<void> {
    return this.#works.pins.pin(torrentId);
  }

  unpinChunks(torrentId: number): Promise<void> {
    return this.#works.pins.unpin(torrentId);
  }

  setEgressLimit(bytesPerDay: number): void {
    this.#works.egress.setLimit(bytesPerDay);
  }

  cachedBytes(bundles: readonly number[]): number {
    return bundles.reduce((bytes, id) => bytes + this.#localBytes(id), 0);
  }

  stats(): VaultStats {
    const { cache, ram, spool, open, uploads, sealing, fetcher, egress, segments } = this.#works;
    const { waiting, queuedChunks } = uploads.state;
    return {
      cacheBytes: cache.usedBytes,
      cacheBudgetBytes: cache.budgetBytes,
      pinnedBytes: cache.pinnedBytes,
      pinBudgetBytes: this.#options.pinBytes,
      ramBytes: ram.usedBytes,
      leasedBytes: ram.pinnedBytes,
      spoolBytes: spool.budget.used,
      spoolBudgetBytes: spool.budget.total,
      openChunks: open.count,
      fetchedBytes: fetcher.fetchedBytes,
      egress: egress.state,
      uploadedBytes: uploads.uploadedBytes,
      reads: { ...segments.reads },
      openedBytes: (segments.reads.disk + segments.reads.remote) * SEGMENT_BYTES,
      uploads: { queuedChunks, waiting: waiting ?? sealing.waiting },
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #resume({ importing, cancelling, unfinished }: Recovered): void {
    const { uploads, open, commits, abandons, bundles } = this.#works;
    for (const bundle of importing) {
      this.#importing.set(bundle.id, bundle);
      for (let index = 0; index < bundle.chunkCount; index++)
        if (bundle.inSpool.has(index)) uploads.add(bundle, index, false);
      this.#behind('Sealing saved pieces', open.sealSaved(bundle));
    }
    for (const bundle of cancelling) abandons.clearStore(bundle);
    for (const { id } of unfinished) {
      this.#behind(
        'A manifest',
        commits.writeChange(id).finally(() => bundles.release(id)),
      );
    }
  }

  #committed(bundle: Bundle): void {
    this.#letGo(bundle.id);
    this.#works.pins.fillAll();
    // What changed while the commit went on.
    this.#works.manifests.changed(bundle.id);
  }

  #letGo(bundleId: number): void {
    if (this.#importing.delete(bundleId)) this.#works.bundles.release(bundleId);
  }

  #localBytes(bundleId: number): number {
    const spooled = this.#importing.get(bundleId)?.inSpool.count ?? 0;
    return this.#works.cache.cachedBytes(bundleId) + spooled * CHUNK_OBJECT_BYTES;
  }

  /** Work that nobody waits for: its failure is told. */
  #behind(what: string, work: Promise<unknown>): void {
    work.catch((error) => {
      if (this.#stop.signal.aborted) return;
      this.#options.log.warn(`${what}: ${errorMessage(error)}`);
    });
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new BaeError('cancelled', 'The vault is closed.');
  }

  async #close(): Promise<void> {
    const { open, sealing, uploads, bundles, journal, cache, abandons, pins, manifests, egress } = this.#works;
    const { clock, log, owner, unlock } = this.#options;
    this.#idleLook.cancel();
    const grace = () => sleep(clock, CLOSE_GRACE_MILLISECONDS);
    try {
      await Promise.race([sealing.close(), grace()]);
      const saving = [...this.#importing.values()].map((bundle) => open.flush(bundle));
      await Promise.race([Promise.all([...saving, manifests.flush()]), grace()]);
    } catch (error) {
      log.warn('Not all pieces in memory could be saved.', { error: errorMessage(error) });
    }
    const closed = new BaeError('cancelled', 'The vault is closed.');
    this.#stop.abort(closed);
    const held = await bundles.held();
    for (const bundle of held) {
      bundle.stop.abort(closed);
      bundle.wake();
    }
    const quiet = Promise.all([
      uploads.close(),
      abandons.settled(),
      pins.settled(),
      manifests.settled(),
      ...held.map((one) => one.quiet()),
    ]);
    await Promise.race([quiet, grace()]);
    await Promise.all([journal.settled(), egress.close()]);
    await cache.close();
    await owner.release().catch((error) => log.warn('The claim to the library stays.', { error: errorMessage(error) }));
    unlock();
  }
}
