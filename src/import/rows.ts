import type { Selectable, Updateable } from 'kysely';
import type { Database, ImportState, ImportsTable } from '../db/index.ts';
import type { Clock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import { type Info, parseInfo, type RateLimitChanges, type RateLimits } from '../torrent/index.ts';
import type { BundleFile } from '../vault/index.ts';
import { giveWaitingLimits, importLimits, type SavedLimits, saveImportLimits } from './limits.ts';

export type ImportRow = Selectable<ImportsTable>;

/** Imports shown at once, the newest first. */
const SHOWN = 1_000;
/** Rows of one insert: SQLite takes 32,766 values a query, PostgreSQL 65,535. */
const ROWS_A_QUERY = 1_000;

export interface NewRow {
  readonly infoHash: Buffer;
  readonly name: string | null;
  readonly magnet: string | null;
  readonly trackers: readonly (readonly string[])[];
  readonly info: Info | null;
  readonly peers: readonly string[];
  readonly asIs: boolean;
}

/** The table `imports` and what an import writes of its torrent. */
export class ImportRows {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** The import of this info-hash that is neither done nor cancelled. */
  async live(infoHash: Buffer): Promise<ImportRow | null> {
    const row = await this.#database.db
      .selectFrom('imports')
      .selectAll()
      .where('info_hash', '=', infoHash)
      .where('state', 'not in', ['done', 'cancelled'])
      .executeTakeFirst();
    return row ?? null;
  }

  async get(id: number): Promise<ImportRow> {
    const row = await this.#database.db.selectFrom('imports').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new BaeError('not-found', `There is no import i${id}.`);
    return row;
  }

  list(): Promise<ImportRow[]> {
    return this.#database.db.selectFrom('imports').selectAll().orderBy('id', 'desc').limit(SHOWN).execute();
  }

  unfinished(): Promise<ImportRow[]> {
    return this.#database.db
      .selectFrom('imports')
      .selectAll()
      .where('state', 'not in', ['done', 'cancelled', 'failed'])
      .orderBy('id')
      .execute();
  }

  /** Imports that are done and whose tags were not read to the end. */
  async unidentified(): Promise<number[]> {
    const rows = await this.#database.db
      .selectFrom('imports')
      .select('id')
      .where('state', '=', 'done')
      .where('identification', 'in', ['waiting', 'looking'])
      .orderBy('id')
      .execute();
    return rows.map(({ id }) => id);
  }

  /** A new job. `refused` when the torrent is in the library. */
  async insert(row: NewRow): Promise<ImportRow> {
    const now = this.#clock.now();
    return this.#database.db.transaction().execute(async (tx) => {
      await refuseWhole(tx, row.infoHash);
      const torrentId = row.info === null ? null : await insertTorrent(tx, row.info, row.trackers, now);
      return tx
        .insertInto('imports')
        .values({
          info_hash: row.infoHash,
          torrent_id: torrentId,
          name: row.name,
          source: row.magnet === null ? 'torrent' : 'magnet',
          magnet: row.magnet,
          state: 'queued',
          is_retryable: false,
          peers_json: row.peers,
          options_json: { asIs: row.asIs },
          created_at: now,
          updated_at: now,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
    });
  }

  async update(id: number, change: Updateable<ImportsTable>): Promise<void> {
    await this.#database.db
      .updateTable('imports')
      .set({ ...change, updated_at: this.#clock.now() })
      .where('id', '=', id)
      .execute();
  }

  /** A job's next state; false, and nothing changed, when the job was cancelled. */
  step(id: number, change: Updateable<ImportsTable> & { state: ImportState }): Promise<boolean> {
    return this.#move(id, ['done', 'cancelled', 'cancelling'], change);
  }

  /** Marks a job so that it is cancelled even after a crash; false when it has come to its end. */
  markCancelling(id: number): Promise<boolean> {
    return this.#move(id, ['done', 'cancelled'], { state: 'cancelling', reason: null, is_retryable: false });
  }

  /** Lets a failed job begin anew; false when it has not failed. `unsaved`: it has, and the row does not say so. */
  requeue(id: number, unsaved: boolean): Promise<boolean> {
    const ended: ImportState[] = ['done', 'cancelled', 'cancelling'];
    const moving: ImportState[] = ['queued', 'metadata', 'clues', 'downloading', 'committing'];
    const change = { state: 'queued' as ImportState, reason: null, is_retryable: false };
    return this.#move(id, unsaved ? ended : [...ended, ...moving], change);
  }

  async #move(id: number, notFrom: readonly ImportState[], change: Updateable<ImportsTable>): Promise<boolean> {
    const { numUpdatedRows } = await this.#database.db
      .updateTable('imports')
      .set({ ...change, updated_at: this.#clock.now() })
      .where('id', '=', id)
      .where('state', 'not in', notFrom)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /** The bundle that a torrent's bytes lie on; null when there is none, or no torrent. */
  async bundleOf(torrentId: number | null): Promise<number | null> {
    if (torrentId === null) return null;
    const row = await this.#database.db
      .selectFrom('torrent_piece_mappings')
      .select('bundle')
      .where('torrent_id', '=', torrentId)
      .where('bundle', 'is not', null)
      .executeTakeFirst();
    return row?.bundle ?? null;
  }

  /** A magnet's metadata came: its torrent begins to exist. Again: the one that is there. */
  async addTorrent(importId: number, info: Info, trackers: readonly (readonly string[])[]): Promise<number> {
    const now = this.#clock.now();
    return this.#database.db.transaction().execute(async (tx) => {
      const torrent = await insertTorrent(tx, info, trackers, now);
      await giveWaitingLimits(tx, importId, torrent);
      const change = { torrent_id: torrent, name: info.name, updated_at: now };
      await tx.updateTable('imports').set(change).where('id', '=', importId).execute();
      return torrent;
    });
  }

  /** Rate limits of the import's torrent. */
  limits(id: number): Promise<RateLimits> {
    return importLimits(this.#database.db, id);
  }

  /** Saves them; those not named stay. */
  setLimits(id: number, limits: RateLimitChanges): Promise<SavedLimits> {
    return saveImportLimits(this.#database.db, id, limits);
  }

  /** The import that is bringing a torrent into the library now; null for none. */
  async bringing(torrentId: number): Promise<number | null> {
    const row = await this.#database.db
      .selectFrom('imports')
      .select('id')
      .where('torrent_id', '=', torrentId)
      .where('state', 'not in', ['done', 'cancelled', 'cancelling'])
      .executeTakeFirst();
    return row?.id ?? null;
  }

  async torrent(id: number) {
    const row = await this.#database.db
      .selectFrom('torrents')
      .innerJoin('torrent_metainfo', 'torrent_metainfo.torrent_id', 'torrents.id')
      .select([
        'torrents.trackers_json',
        'torrents.uploaded_bytes',
        'torrents.downloaded_bytes',
        'torrent_metainfo.info',
      ])
      .where('torrents.id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw new BaeError('missing', `The metadata of torrent t${id} is gone from the database.`);
    return { ...row, info: parseInfo(row.info) };
  }

  /** The bundle's file table; again: as it is. */
  async addFiles(bundle: number, files: readonly BundleFile[]): Promise<void> {
    let offset = 0;
    const rows = files.map(({ path, length, pad }, index) => {
      const row = { bundle, file_index: index, path_json: path, length, byte_offset: offset, is_pad: pad === true };
      offset += length;
      return row;
    });
    await this.#database.db.transaction().execute(async (tx) => {
      for (let at = 0; at < rows.length; at += ROWS_A_QUERY) {
        const some = rows.slice(at, at + ROWS_A_QUERY);
        await tx
          .insertInto('files')
          .values(some)
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      }
    });
  }

  /** The import's end, whatever was asked of it meanwhile: the torrent is whole and in the store. */
  async finish(importId: number, torrentId: number): Promise<void> {
    const now = this.#clock.now();
    await this.#database.db.transaction().execute(async (tx) => {
      await tx.updateTable('torrents').set({ completed_at: now }).where('id', '=', torrentId).execute();
      const change = { state: 'done' as ImportState, progress: 1, reason: null, updated_at: now };
      await tx.updateTable('imports').set(change).where('id', '=', importId).execute();
    });
  }

  /** The cancelled import's end: its torrent goes with it. */
  async forget(importId: number, torrentId: number | null): Promise<void> {
    await this.#database.db.transaction().execute(async (tx) => {
      const change = { state: 'cancelled' as ImportState, torrent_id: null, bundle: null, reason: null };
      await tx
        .updateTable('imports')
        .set({ ...change, updated_at: this.#clock.now() })
        .where('id', '=', importId)
        .execute();
      if (torrentId === null) return;
      await tx.deleteFrom('torrents').where('id', '=', torrentId).where('completed_at', 'is', null).execute();
    });
  }
}

type Transaction = Parameters<Parameters<ReturnType<Database['db']['transaction']>['execute']>[0]>[0];

async function refuseWhole(tx: Transaction, infoHash: Buffer): Promise<void> {
  const row = await tx
    .selectFrom('torrents')
    .select('id')
    .where('info_hash', '=', infoHash)
    .where('completed_at', 'is not', null)
    .executeTakeFirst();
  if (row !== undefined) throw new BaeError('refused', `This torrent is already in the library as t${row.id}.`);
}

async function insertTorrent(tx: Transaction, info: Info, trackers: readonly (readonly string[])[], now: number) {
  const there = await tx.selectFrom('torrents').select('id').where('info_hash', '=', info.infoHash).executeTakeFirst();
  if (there !== undefined) return there.id;
  const { id } = await tx
    .insertInto('torrents')
    .values({
      info_hash: info.infoHash,
      name: info.name,
      total_length: info.totalLength,
      piece_length: info.pieceLength,
      piece_count: info.pieceCount,
      is_private: info.isPrivate,
      is_seeding: true,
      trackers_json: trackers,
      added_at: now,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await tx.insertInto('torrent_metainfo').values({ torrent_id: id, info: info.rawInfo }).execute();
  return id;
}
