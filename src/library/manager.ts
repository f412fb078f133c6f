import type { Transaction, Updateable } from 'kysely';
import type { CacheMode, Database, JsonObject, Schema, TorrentsTable } from '../db/index.ts';
import type { Clock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { type BundleSettings, noteManifestChange } from '../vault/index.ts';
import { Listeners } from './listeners.ts';
import { describeProvisional, type FileTags, type ReleaseFile } from './provisional.ts';
import {
  bundlesOfTorrent,
  filesOf,
  listTorrents,
  releasesOnBundles,
  settingsOfTorrents,
  type TorrentFilter,
  torrentPages,
  torrentsOfRelease,
  totalsOf,
  tracksOf,
} from './queries.ts';
import type {
  LibraryReleaseDetail,
  LibraryTorrent,
  LibraryTorrentDetail,
  LibraryTotals,
  LibraryTrack,
  LimitChanges,
} from './rows.ts';
import { removeReleases, replaceRelease, saveRelease } from './save.ts';

export interface LibraryDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
}

/** A torrent's seeding flag was saved. */
export interface SeedingChange {
  readonly torrentId: number;
  readonly isSeeding: boolean;
}

export interface NewRelease {
  /** bundles.id */
  readonly bundle: number;
  /** The torrent's name. */
  readonly name: string;
  readonly files: readonly ReleaseFile[];
}

/** Albums, releases, tracks, and which torrents are in the library. Owns no bytes and no sessions. */
export class LibraryManager {
  readonly #db: Database['db'];
  readonly #clock: Clock;
  readonly #seedingChanges: Listeners<SeedingChange>;
  /** Of bundles. */
  readonly #manifestChanges: Listeners<number>;

  constructor({ database, clock, log }: LibraryDeps) {
    this.#db = database.db;
    this.#clock = clock;
    this.#seedingChanges = new Listeners('seeding', log);
    this.#manifestChanges = new Listeners('manifest', log);
  }

  /**
   * Makes the release that a bundle's own names describe, with its album, artist and tracks. Safe to call again: a bundle
   * that has a release keeps it.
   */
  async addProvisionalRelease({ bundle, name, files }: NewRelease): Promise<void> {
    const described = describeProvisional(name, files);
    await this.#db.transaction().execute((trx) => saveRelease(trx, bundle, described, this.#clock.now()));
  }

  /**
   * Makes a bundle's provisional release the one that its names and the tags of its files describe together; its id stays.
   * Safe to call again. A release that is no longer provisional is left alone.
   */
  addTags({ bundle, name, files }: NewRelease, tags: readonly FileTags[]): Promise<void> {
    const described = describeProvisional(name, files, tags);
    return this.#redescribe(async (trx) => {
      return (await replaceRelease(trx, bundle, described, this.#clock.now())) ? [bundle] : [];
    });
  }

  /** Takes back what addProvisionalRelease made of a bundle that does not come into the library. Safe to call again. */
  removeProvisionalRelease(bundle: number): Promise<void> {
    return this.#db.transaction().execute((trx) => removeReleases(trx, bundle));
  }

  /** What a bundle's manifest keeps besides its content, as it is now. */
  async describe(bundle: number): Promise<BundleSettings> {
    const torrents = await settingsOfTorrents(this.#db, bundle);
    return { torrents, releases: await this.#describeReleases(bundle) };
  }

  async #describeReleases(bundle: number): Promise<JsonObject[]> {
    return (await this.#releases([bundle])).map(({ title, artist, year, isProvisional, tracks }) => {
      return { title, artist, year, provisional: isProvisional, tracks: tracks.map(asJson) };
    });
  }

  /** The library's torrents, by ascending id. */
  torrents(filter?: TorrentFilter): Promise<LibraryTorrent[]> {
    return listTorrents(this.#db, filter);
  }

  /** The same, some at a time: all of a large library take much memory. */
  torrentPages(): AsyncGenerator<LibraryTorrent[]> {
    return torrentPages(this.#db);
  }

  /** Sums over all torrents of the library. */
  totals(): Promise<LibraryTotals> {
    return totalsOf(this.#db);
  }

  /** The library's torrents that are to be seeded. */
  getSeedingTorrents(): Promise<LibraryTorrent[]> {
    return listTorrents(this.#db, { onlySeeding: true });
  }

  /** @throws BaeError `not-found` */
  async torrent(torrentId: number): Promise<LibraryTorrentDetail> {
    const [torrent] = await listTorrents(this.#db, { ids: [torrentId] });
    if (torrent === undefined) throw noTorrent();
    const bundles = await bundlesOfTorrent(this.#db, torrentId);
    const files = await Promise.all(bundles.map((bundle) => filesOf(this.#db, bundle)));
    const { trackers_json } = await this.#db
      .selectFrom('torrents')
      .select('trackers_json')
      .where('id', '=', torrentId)
      .executeTakeFirstOrThrow(noTorrent);
    const releases = await this.#releases(bundles);
    return { ...torrent, files: files.flat(), releases, trackers: trackers_json };
  }

  /** Ids of all torrents of a release's bundle. @throws BaeError `not-found` */
  async torrentsOfRelease(releaseId: number): Promise<number[]> {
    const ids = await torrentsOfRelease(this.#db, releaseId);
    if (ids === null) throw new BaeError('not-found', 'There is no such release.');
    return ids;
  }

  /**
   * Saves whether a torrent is to be seeded and tells it; resolves when those who listen have acted.
   * @throws BaeError `not-found` for a torrent that is not in the library
   */
  async setTorrentSeeding(torrentId: number, isSeeding: boolean): Promise<void> {
    await this.#set(torrentId, { is_seeding: isSeeding });
    await this.#seedingChanges.emit({ torrentId, isSeeding });
  }

  /** Saves a torrent's cache mode, no more: the pins are the seeder's. @throws BaeError `not-found` */
  setCacheMode(torrentId: number, cacheMode: CacheMode): Promise<void> {
    return this.#set(torrentId, { cache_mode: cacheMode });
  }

  /** Saves a torrent's own rate limits, whole bytes per second; those not named stay. @throws BaeError `not-found` */
  setLimits(torrentId: number, limits: LimitChanges): Promise<void> {
    const { uploadBytesPerSecond: up, downloadBytesPerSecond: down } = limits;
    return this.#set(torrentId, {
      ...(up !== undefined && { upload_bytes_per_second: up }),
      ...(down !== undefined && { download_bytes_per_second: down }),
    });
  }

  /** Saves what is wrong with a torrent, in one sentence, or that nothing is. @throws BaeError `not-found` */
  async setTorrentError(torrentId: number, error: string | null): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable('torrents')
      .set({ error })
      .where('id', '=', torrentId)
      .where('completed_at', 'is not', null)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw noTorrent();
  }

  /** Calls after each setTorrentSeeding, in order; returns the way to stop listening. */
  onSeedingChange(listener: (change: SeedingChange) => void | Promise<void>): () => void {
    return this.#seedingChanges.add(listener);
  }

  /** Calls with a bundle after each change of what `describe` says of it; returns the way to stop listening. */
  onManifestChange(listener: (bundle: number) => void): () => void {
    return this.#manifestChanges.add(listener);
  }

  /** Changes, in one transaction, what `describe` says of the bundles that `work` names, and tells it. */
  async #redescribe(work: (trx: Transaction<Schema>) => Promise<readonly number[]>): Promise<void> {
    const bundles = await this.#db.transaction().execute(async (trx) => {
      const changed = await work(trx);
      await noteManifestChange(trx, changed);
      return changed;
    });
    for (const bundle of bundles) await this.#manifestChanges.emit(bundle);
  }

  /** Saves a setting of a torrent that its manifest keeps too; one that it has already is no change. */
  #set(torrentId: number, values: SeedingUpdate): Promise<void> {
    return this.#redescribe(async (trx) => {
      const row = await trx
        .selectFrom('torrents')
        .select(['is_seeding', 'cache_mode', 'upload_bytes_per_second', 'download_bytes_per_second'])
        .where('id', '=', torrentId)
        .where('completed_at', 'is not', null)
        .executeTakeFirst();
      if (row === undefined) throw noTorrent();
      const names = Object.keys(values) as (keyof SeedingUpdate)[];
      if (names.every((name) => values[name] === row[name])) return [];
      await trx.updateTable('torrents').set(values).where('id', '=', torrentId).execute();
      return bundlesOfTorrent(trx, torrentId);
    });
  }

  async #releases(bundles: readonly number[]): Promise<LibraryReleaseDetail[]> {
    const detailed: LibraryReleaseDetail[] = [];
    for (const release of await releasesOnBundles(this.#db, bundles)) {
      detailed.push({ ...release, tracks: await tracksOf(this.#db, release.id) });
    }
    return detailed;
  }
}

type SeedingUpdate = Pick<
  Updateable<TorrentsTable>,
  'is_seeding' | 'cache_mode' | 'upload_bytes_per_second' | 'download_bytes_per_second'
>;

function asJson({ disc, track, title, artist, durationMs, fileIndex }: LibraryTrack): JsonObject {
  return { disc, track, title, artist, durationMs, fileIndex };
}

function noTorrent(): BaeError {
  return new BaeError('not-found', 'There is no such torrent in the library.');
}
