import type { Kysely } from 'kysely';
import type { JsonObject, Schema } from '../db/index.ts';
import { BaeError } from '../lib/errors.ts';
import type { RateLimitChanges, RateLimits } from '../torrent/index.ts';
import { noteManifestChange } from '../vault/index.ts';

type Db = Kysely<Schema>;

const NO_LIMITS: RateLimits = { uploadBytesPerSecond: 0, downloadBytesPerSecond: 0 };

/**
 * The rate limits of the torrent that an import brings. They are its row's; a magnet link has none before its metadata are
 * there, so until then they wait among the import's options.
 */
export async function importLimits(db: Db, importId: number): Promise<RateLimits> {
  const row = await db
    .selectFrom('imports')
    .leftJoin('torrents', 'torrents.id', 'imports.torrent_id')
    .select(['options_json', 'imports.torrent_id', 'upload_bytes_per_second', 'download_bytes_per_second'])
    .where('imports.id', '=', importId)
    .executeTakeFirst();
  if (row === undefined) throw new BaeError('not-found', `There is no import i${importId}.`);
  if (row.torrent_id === null) return waiting(row.options_json);
  return {
    uploadBytesPerSecond: row.upload_bytes_per_second ?? 0,
    downloadBytesPerSecond: row.download_bytes_per_second ?? 0,
  };
}

export interface SavedLimits {
  readonly limits: RateLimits;
  /** bundles.id of the one whose manifest is to say so; null when there is none yet. */
  readonly bundle: number | null;
}

/** Saves limits for an import's torrent, and notes that its bundle's manifest is to say so; those not named stay. */
export async function saveImportLimits(db: Db, importId: number, changes: RateLimitChanges): Promise<SavedLimits> {
  return db.transaction().execute(async (tx) => {
    const limits = merged(await importLimits(tx, importId), changes);
    const { torrent_id, bundle, options_json } = await tx
      .selectFrom('imports')
      .select(['torrent_id', 'bundle', 'options_json'])
      .where('id', '=', importId)
      .executeTakeFirstOrThrow();
    if (torrent_id === null) {
      const options: JsonObject = { ...options_json, limits: { ...limits } };
      await tx.updateTable('imports').set({ options_json: options }).where('id', '=', importId).execute();
    } else {
      await saveTorrentLimits(tx, torrent_id, limits);
      if (bundle !== null) await noteManifestChange(tx, [bundle]);
    }
    return { limits, bundle };
  });
}

/** Gives a magnet's torrent the limits that waited for it. */
export async function giveWaitingLimits(tx: Db, importId: number, torrentId: number): Promise<void> {
  const row = await tx
    .selectFrom('imports')
    .select('options_json')
    .where('id', '=', importId)
    .where('torrent_id', 'is', null)
    .executeTakeFirst();
  if (row?.options_json.limits !== undefined) await saveTorrentLimits(tx, torrentId, waiting(row.options_json));
}

async function saveTorrentLimits(tx: Db, torrentId: number, limits: RateLimits): Promise<void> {
  const change = {
    upload_bytes_per_second: limits.uploadBytesPerSecond,
    download_bytes_per_second: limits.downloadBytesPerSecond,
  };
  await tx.updateTable('torrents').set(change).where('id', '=', torrentId).execute();
}

/** As `saveImportLimits` wrote them. */
function waiting(options: JsonObject): RateLimits {
  return { ...NO_LIMITS, ...(options.limits as unknown as RateLimits | undefined) };
}

function merged(
  before: RateLimits,
  { uploadBytesPerSecond: up, downloadBytesPerSecond: down }: RateLimitChanges,
): RateLimits {
  return {
    uploadBytesPerSecond: up ?? before.uploadBytesPerSecond,
    downloadBytesPerSecond: down ?? before.downloadBytesPerSecond,
  };
}
