import type { Database } from '../db/index.ts';
import { BaeError } from '../lib/errors.ts';
import { type Info, parseInfo, type RateLimits } from '../torrent/index.ts';

/** Rows that a start reads at a time: those of larger pages outlive the young generation, and 20 MiB of them wait to be collected. */
export const SEEDING_ROWS = 60;

/** All that a seed's session begins with. */
export interface SeedRow {
  readonly info: Info;
  /** Tiers (BEP 12); they may hold passkeys. */
  readonly trackers: readonly (readonly string[])[];
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly rateLimits: RateLimits;
  /** What was said to be wrong with it, in words. */
  readonly error: string | null;
}

/** A torrent's place in the store. */
export interface StoredRow {
  readonly id: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly totalLength: number;
}

/** @throws BaeError `not-found`; `corrupt` when the info dictionary is not what its info-hash says */
export async function seedRow(db: Database['db'], torrentId: number): Promise<SeedRow> {
  const row = await db
    .selectFrom('torrents')
    .innerJoin('torrent_metainfo', 'torrent_metainfo.torrent_id', 'torrents.id')
    .select(['info_hash', 'trackers_json', 'uploaded_bytes', 'downloaded_bytes', 'info', 'error'])
    .select(['upload_bytes_per_second', 'download_bytes_per_second'])
    .where('torrents.id', '=', torrentId)
    .executeTakeFirst();
  if (row === undefined) throw new BaeError('not-found', `There is no torrent t${torrentId}.`);
  const info = parseInfo(row.info);
  if (!info.infoHash.equals(row.info_hash)) {
    throw new BaeError('corrupt', `The metadata of torrent t${torrentId} does not match its info-hash.`);
  }
  return {
    info,
    trackers: row.trackers_json,
    uploadedBytes: row.uploaded_bytes,
    downloadedBytes: row.downloaded_bytes,
    rateLimits: {
      uploadBytesPerSecond: row.upload_bytes_per_second,
      downloadBytesPerSecond: row.download_bytes_per_second,
    },
    error: row.error,
  };
}

/** A torrent of the library as the store knows it. @throws BaeError `not-found` */
export async function storedRow(db: Database['db'], torrentId: number): Promise<StoredRow> {
  const row = await db
    .selectFrom('torrents')
    .select(['piece_length', 'piece_count', 'total_length'])
    .where('id', '=', torrentId)
    .where('completed_at', 'is not', null)
    .executeTakeFirst();
  if (row === undefined) throw new BaeError('not-found', `There is no torrent t${torrentId} in the library.`);
  return {
    id: torrentId,
    pieceLength: row.piece_length,
    pieceCount: row.piece_count,
    totalLength: row.total_length,
  };
}

/** Whether the torrent is in the library and to be seeded. */
export async function isToBeSeeded(db: Database['db'], torrentId: number): Promise<boolean> {
  const row = await db
    .selectFrom('torrents')
    .select('is_seeding')
    .where('id', '=', torrentId)
    .where('completed_at', 'is not', null)
    .executeTakeFirst();
  return row?.is_seeding ?? false;
}

/** A torrent that is to be seeded, as the start sees it. */
export interface SeedingRow {
  readonly id: number;
  readonly infoHash: Buffer;
  /** The announce URL that is tried first; null if there is none. It may hold a passkey. */
  readonly tracker: string | null;
  /** It cannot sleep: something is wrong with it, or the end of its download is still to be told. */
  readonly isRestless: boolean;
  /** Others may find it without a tracker, by the DHT or on the local network. */
  readonly isPublic: boolean;
}

/** All torrents of the library that are to be seeded, by ascending id, SEEDING_ROWS at a time. */
export async function* seedingRows(db: Database['db']): AsyncGenerator<SeedingRow[]> {
  for (let after = 0; ; ) {
    const rows = await db
      .selectFrom('torrents')
      .leftJoin('announce_sessions', 'announce_sessions.torrent_id', 'torrents.id')
      .select(['id', 'info_hash', 'trackers_json', 'error', 'is_completed_sent', 'is_private'])
      .where('completed_at', 'is not', null)
      .where('is_seeding', '=', true)
      .where('id', '>', after)
      .orderBy('id')
      .limit(SEEDING_ROWS)
      .execute();
    yield rows.map(({ id, info_hash, trackers_json, error, is_completed_sent, is_private }) => ({
      id,
      infoHash: info_hash,
      tracker: trackers_json.flat()[0] ?? null,
      isRestless: error !== null || is_completed_sent === false,
      isPublic: !is_private,
    }));
    const last = rows.at(-1);
    if (last === undefined || rows.length < SEEDING_ROWS) return;
    after = last.id;
  }
}
