import type { Selectable } from 'kysely';
import type { AnnounceSessionsTable, Compilable, Database } from '../db/index.ts';
import type { SavedAnnounces, TorrentSession } from '../torrent/index.ts';
import type { CounterRecord } from './counter-record.ts';

/** Between the announce URLs of `started_with`: no URL holds one. */
const SEPARATOR = '\n';
/** Rows asked for, and written, at a time. */
const ROWS_AT_ONCE = 500;

/** A torrent's announce session as it was saved last; null if there is none. */
export async function loadAnnounces({ db }: Database, torrentId: number): Promise<SavedAnnounces | null> {
  const row = await db
    .selectFrom('announce_sessions')
    .selectAll()
    .where('torrent_id', '=', torrentId)
    .executeTakeFirst();
  return row === undefined ? null : savedOf(row);
}

function savedOf(row: Selectable<AnnounceSessionsTable>): SavedAnnounces {
  return {
    peerId: row.peer_id,
    key: row.key,
    startedWith: row.started_with?.split(SEPARATOR) ?? [],
    completedSent: row.is_completed_sent,
    uploadedBytes: row.uploaded_bytes,
    downloadedBytes: row.downloaded_bytes,
  };
}

/** What an announce of a torrent needs. */
export interface AnnounceRow {
  readonly id: number;
  readonly infoHash: Buffer;
  /** Tiers (BEP 12); they may hold passkeys. */
  readonly trackers: readonly (readonly string[])[];
  /** Null if there is no announce session. */
  readonly saved: SavedAnnounces | null;
}

/** The rows of these torrents, of which ROWS_AT_ONCE are read at a time; those that are gone are left out. */
export async function announceRows({ db }: Database, ids: readonly number[]): Promise<AnnounceRow[]> {
  const found: AnnounceRow[] = [];
  for (let from = 0; from < ids.length; from += ROWS_AT_ONCE) {
    const some = ids.slice(from, from + ROWS_AT_ONCE);
    const torrents = await db
      .selectFrom('torrents')
      .select(['id', 'info_hash', 'trackers_json'])
      .where('id', 'in', some)
      .execute();
    const sessions = await db.selectFrom('announce_sessions').selectAll().where('torrent_id', 'in', some).execute();
    const byId = new Map(sessions.map((row) => [row.torrent_id, savedOf(row)]));
    for (const { id, info_hash, trackers_json } of torrents) {
      found.push({ id, infoHash: info_hash, trackers: trackers_json, saved: byId.get(id) ?? null });
    }
  }
  return found;
}

/** Saves sessions and their torrents' counters as they are now, in one transaction. */
export async function saveSessions(
  database: Database,
  sessions: readonly TorrentSession[],
  now: number,
): Promise<void> {
  const ids = sessions.flatMap(({ torrent }) => (torrent.id === null ? [] : [torrent.id]));
  if (ids.length === 0) return;
  // One that is gone (its import was cancelled) has nothing to keep.
  const there = await database.db.selectFrom('torrents').select('id').where('id', 'in', ids).execute();
  const known = new Set(there.map(({ id }) => id));
  const writes = sessions.flatMap((session) =>
    session.torrent.id !== null && known.has(session.torrent.id)
      ? writesOf(database, session, session.torrent.id, now)
      : [],
  );
  await database.batch(writes);
}

function writesOf({ db }: Database, session: TorrentSession, torrent_id: number, now: number): Compilable[] {
  const { uploadedBytes, downloadedBytes } = session.torrent.stats();
  const totals = db
    .updateTable('torrents')
    .set({ uploaded_bytes: uploadedBytes, downloaded_bytes: downloadedBytes })
    .where('id', '=', torrent_id);
  return [totals, announcesWrite(db, torrent_id, session.saved(), now)];
}

/** The write that keeps an announce session, or forgets one that is over. */
export function announcesWrite(
  db: Database['db'],
  torrent_id: number,
  saved: SavedAnnounces | null,
  now: number,
): Compilable {
  if (saved === null) return db.deleteFrom('announce_sessions').where('torrent_id', '=', torrent_id);
  const values = {
    peer_id: saved.peerId,
    key: saved.key,
    started_with: saved.startedWith.length === 0 ? null : saved.startedWith.join(SEPARATOR),
    is_completed_sent: saved.completedSent,
    uploaded_bytes: saved.uploadedBytes,
    downloaded_bytes: saved.downloadedBytes,
    updated_at: now,
  };
  return db
    .insertInto('announce_sessions')
    .values({ torrent_id, ...values })
    .onConflict((conflict) => conflict.column('torrent_id').doUpdateSet(values));
}

/**
 * Raises the database's counters to what the records say, never lowers one; returns of how many torrents. A record counts
 * only for the very session the database knows: its peer id tells, since each session has its own. A record of one that
 * is over, or of a torrent that had the same number once, says nothing of this one.
 */
export async function recoverCounters(database: Database, records: readonly CounterRecord[]): Promise<number> {
  const { db } = database;
  const newest = new Map<string, CounterRecord>();
  for (const record of records) {
    const name = `${record.torrentId} ${record.peerId.toString('hex')}`;
    const other = newest.get(name);
    if (other === undefined || bytesOf(record) > bytesOf(other)) newest.set(name, record);
  }
  let raised = 0;
  const all = [...newest.values()];
  for (let from = 0; from < all.length; from += ROWS_AT_ONCE) {
    const some = all.slice(from, from + ROWS_AT_ONCE);
    const rows = await db
      .selectFrom('announce_sessions')
      .innerJoin('torrents', 'torrents.id', 'announce_sessions.torrent_id')
      .select(['torrents.id', 'info_hash', 'peer_id'])
      .select(['announce_sessions.uploaded_bytes', 'announce_sessions.downloaded_bytes'])
      .where(
        'torrents.id',
        'in',
        some.map(({ torrentId }) => torrentId),
      )
      .execute();
    const byId = new Map(rows.map((row) => [row.id, row]));
    const higher = some.filter((record) => {
      const row = byId.get(record.torrentId);
      if (row === undefined || !row.peer_id.equals(record.peerId) || !row.info_hash.equals(record.infoHash))
        return false;
      return bytesOf(record) > row.uploaded_bytes + row.downloaded_bytes;
    });
    await database.batch(higher.flatMap((record) => raise(database, record)));
    raised += higher.length;
  }
  return raised;
}

function raise({ db }: Database, record: CounterRecord): Compilable[] {
  return [
    db
      .updateTable('torrents')
      .set({ uploaded_bytes: record.totalUploadedBytes, downloaded_bytes: record.totalDownloadedBytes })
      .where('id', '=', record.torrentId),
    db
      .updateTable('announce_sessions')
      .set({ uploaded_bytes: record.uploadedBytes, downloaded_bytes: record.downloadedBytes })
      .where('torrent_id', '=', record.torrentId),
  ];
}

/** Of one session, the record with more bytes is the later one: neither counter ever falls. */
const bytesOf = ({ uploadedBytes, downloadedBytes }: CounterRecord) => uploadedBytes + downloadedBytes;
