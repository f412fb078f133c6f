import type { Kysely } from 'kysely';
import type { Schema } from '../db/index.ts';
import type { BundleSettings } from '../vault/index.ts';
import type { LibraryFile, LibraryRelease, LibraryTorrent, LibraryTotals, LibraryTrack } from './rows.ts';

type Db = Kysely<Schema>;

/** Rows asked for at a time; a library has any number. */
const PAGE_ROWS = 1000;
/** The same for torrents, whose rows are large: what a page takes while it lives stays taken. */
export const TORRENTS_PER_PAGE = 60;

/** Which torrents a list is about; no word: all of the library. */
export interface TorrentFilter {
  readonly ids?: readonly number[];
  readonly onlySeeding?: boolean;
}

/** The library's torrents by ascending id, at most TORRENTS_PER_PAGE at a time; no page is empty. */
export async function* torrentPages(db: Db, filter: TorrentFilter = {}): AsyncGenerator<LibraryTorrent[]> {
  if (filter.ids?.length === 0) return;
  for (let after = 0; ; ) {
    const page = await pageOfTorrents(db, filter, after);
    if (page.length > 0) yield page;
    if (page.length < TORRENTS_PER_PAGE) return;
    after = (page.at(-1) as LibraryTorrent).id;
  }
}

/** All pages as one list. */
export async function listTorrents(db: Db, filter: TorrentFilter = {}): Promise<LibraryTorrent[]> {
  const torrents: LibraryTorrent[] = [];
  for await (const page of torrentPages(db, filter)) torrents.push(...page);
  return torrents;
}

async function pageOfTorrents(db: Db, filter: TorrentFilter, after: number): Promise<LibraryTorrent[]> {
  let query = db
    .selectFrom('torrents')
    .selectAll()
    .where('completed_at', 'is not', null)
    .where('id', '>', after)
    .orderBy('id')
    .limit(TORRENTS_PER_PAGE);
  if (filter.ids !== undefined) query = query.where('id', 'in', filter.ids);
  if (filter.onlySeeding) query = query.where('is_seeding', '=', true);
  const rows = await query.execute();
  const first = rows[0];
  const last = rows.at(-1);
  if (first === undefined || last === undefined) return [];
  const releases = await releasesOf(db, first.id, last.id);
  const bundles = await bundlesOf(db, first.id, last.id);
  return rows.map((row) => ({
    id: row.id,
    bundles: bundles.get(row.id) ?? [],
    releaseIds: releases.get(row.id) ?? [],
    name: row.name,
    infoHash: row.info_hash,
    totalBytes: row.total_length,
    pieceLength: row.piece_length,
    pieceCount: row.piece_count,
    isPrivate: row.is_private,
    isSeeding: row.is_seeding,
    cacheMode: row.cache_mode,
    uploadBytesPerSecond: row.upload_bytes_per_second,
    downloadBytesPerSecond: row.download_bytes_per_second,
    uploadedBytes: row.uploaded_bytes,
    downloadedBytes: row.downloaded_bytes,
    error: row.error,
    addedAt: row.added_at,
    completedAt: row.completed_at ?? row.added_at,
  }));
}

/** Release ids by torrent, for a run of torrent ids. */
async function releasesOf(db: Db, firstId: number, lastId: number): Promise<Map<number, number[]>> {
  const rows = await db
    .selectFrom('torrent_piece_mappings')
    .innerJoin('releases', 'releases.bundle', 'torrent_piece_mappings.bundle')
    .select(['torrent_piece_mappings.torrent_id', 'releases.id'])
    .distinct()
    .where('torrent_piece_mappings.torrent_id', '>=', firstId)
    .where('torrent_piece_mappings.torrent_id', '<=', lastId)
    .orderBy('releases.id')
    .execute();
  return byTorrent(rows);
}

/** Ids of the bundles torrents lie on, for a run of torrent ids. */
async function bundlesOf(db: Db, firstId: number, lastId: number): Promise<Map<number, number[]>> {
  const rows = await db
    .selectFrom('torrent_piece_mappings')
    .innerJoin('bundles', 'bundles.id', 'torrent_piece_mappings.bundle')
    .select(['torrent_piece_mappings.torrent_id', 'bundles.id'])
    .distinct()
    .where('torrent_piece_mappings.torrent_id', '>=', firstId)
    .where('torrent_piece_mappings.torrent_id', '<=', lastId)
    .orderBy('bundles.id')
    .execute();
  return byTorrent(rows);
}

function byTorrent(rows: readonly { torrent_id: number; id: number }[]): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const row of rows) {
    const list = found.get(row.torrent_id);
    if (list === undefined) found.set(row.torrent_id, [row.id]);
    else list.push(row.id);
  }
  return found;
}

/** Sums over the library's torrents, in one query. */
export async function totalsOf(db: Db): Promise<LibraryTotals> {
  const row = await db
    .selectFrom('torrents')
    .select(({ fn }) => [
      fn.countAll<number>().as('torrents'),
      fn.sum<number | null>('is_seeding').as('seeding'),
      fn.sum<number | null>('uploaded_bytes').as('uploaded'),
      fn.sum<number | null>('downloaded_bytes').as('downloaded'),
    ])
    .where('completed_at', 'is not', null)
    .executeTakeFirstOrThrow();
  const { torrents, seeding, uploaded, downloaded } = row;
  return {
    torrents,
    seeding: seeding ?? 0,
    uploadedBytes: uploaded ?? 0,
    downloadedBytes: downloaded ?? 0,
  };
}

/** The bundles a torrent's bytes lie on, in torrent order. */
export async function bundlesOfTorrent(db: Db, torrentId: number): Promise<number[]> {
  const rows = await db
    .selectFrom('torrent_piece_mappings')
    .select('bundle')
    .where('torrent_id', '=', torrentId)
    .where('bundle', 'is not', null)
    .orderBy('torrent_offset')
    .execute();
  return [...new Set(rows.flatMap(({ bundle }) => (bundle === null ? [] : [bundle])))];
}

/** How each torrent that lies on a bundle is seeded, by ascending id. */
export async function settingsOfTorrents(db: Db, bundle: number): Promise<BundleSettings['torrents']> {
  const rows = await db
    .selectFrom('torrent_piece_mappings')
    .innerJoin('torrents', 'torrents.id', 'torrent_piece_mappings.torrent_id')
    .select(['torrents.id', 'info_hash', 'trackers_json', 'is_seeding', 'cache_mode'])
    .select(['upload_bytes_per_second', 'download_bytes_per_second'])
    .distinct()
    .where('torrent_piece_mappings.bundle', '=', bundle)
    .orderBy('torrents.id')
    .execute();
  return rows.map((row) => ({
    infoHash: row.info_hash.toString('hex'),
    trackers: row.trackers_json,
    seeding: {
      seeding: row.is_seeding,
      cacheMode: row.cache_mode,
      uploadBytesPerSecond: row.upload_bytes_per_second,
      downloadBytesPerSecond: row.download_bytes_per_second,
    },
  }));
}

/** Ids of the library's torrents that lie on a release's bundle; null when there is no such release. */
export async function torrentsOfRelease(db: Db, releaseId: number): Promise<number[] | null> {
  const release = await db.selectFrom('releases').select('bundle').where('id', '=', releaseId).executeTakeFirst();
  if (release === undefined) return null;
  const rows = await db
    .selectFrom('torrent_piece_mappings')
    .innerJoin('torrents', 'torrents.id', 'torrent_piece_mappings.torrent_id')
    .select('torrents.id')
    .distinct()
    .where('torrent_piece_mappings.bundle', '=', release.bundle)
    .where('torrents.completed_at', 'is not', null)
    .orderBy('torrents.id')
    .execute();
  return rows.map(({ id }) => id);
}

/** A bundle's files, in order. */
export async function filesOf(db: Db, bundle: number): Promise<LibraryFile[]> {
  const files: LibraryFile[] = [];
  for (let after = -1; ; ) {
    const page = await db
      .selectFrom('files')
      .select(['file_index', 'path_json', 'length', 'is_pad'])
      .where('bundle', '=', bundle)
      .where('file_index', '>', after)
      .orderBy('file_index')
      .limit(PAGE_ROWS)
      .execute();
    for (const row of page) files.push({ path: row.path_json, length: row.length, pad: row.is_pad });
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return files;
    after = last.file_index;
  }
}

/** Releases on any of these bundles, by ascending id. */
export async function releasesOnBundles(db: Db, bundles: readonly number[]): Promise<LibraryRelease[]> {
  if (bundles.length === 0) return [];
  const rows = await db.selectFrom('releases').selectAll().where('bundle', 'in', bundles).orderBy('id').execute();
  return rows.map((row) => ({
    id: row.id,
    albumId: row.album_id,
    title: row.title,
    artist: row.artist,
    year: row.year,
    isProvisional: row.is_provisional,
  }));
}

/** A release's tracks, in order. */
export async function tracksOf(db: Db, releaseId: number): Promise<LibraryTrack[]> {
  const rows = await db
    .selectFrom('tracks')
    .selectAll()
    .where('release_id', '=', releaseId)
    .orderBy('disc_number')
    .orderBy('track_number')
    .execute();
  return rows.map((row) => ({
    disc: row.disc_number,
    track: row.track_number,
    title: row.title,
    artist: row.artist,
    durationMs: row.duration_ms,
    fileIndex: row.file_index,
  }));
}
