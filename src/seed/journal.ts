import type { Compilable, Database } from '../db/index.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { SavedAnnounces, TorrentSession } from '../torrent/index.ts';

/** Changes gather for so long before they are saved together: what a crash can lose of the counters. */
export const SAVE_MILLISECONDS = 2_000;
/** Torrents saved in one transaction. */
export const SAVED_AT_ONCE = 500;

export interface JournalDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Keeps the payload counters and announce sessions of all torrents that peers know of, whoever owns their session. What
 * could not be saved is saved with the next change or the next try.
 */
export class SessionJournal {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Sessions that changed since they were saved. */
  #changed = new Set<TorrentSession>();
  #timer: Timer | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor({ database, clock, log }: JournalDeps) {
    this.#database = database;
    this.#clock = clock;
    this.#log = log;
  }

  /** A torrent's announce session of an earlier run; null if there is none. */
  async load(torrentId: number): Promise<SavedAnnounces | null> {
    const row = await this.#database.db
      .selectFrom('announce_sessions')
      .selectAll()
      .where('torrent_id', '=', torrentId)
      .executeTakeFirst();
    if (row === undefined) return null;
    return {
      peerId: row.peer_id,
      key: row.key,
      startedWith: row.started_with,
      completedSent: row.is_completed_sent,
      uploadedBytes: row.uploaded_bytes,
      downloadedBytes: row.downloaded_bytes,
    };
  }

  /** Something of a session is to be saved soon. */
  changed(session: TorrentSession): void {
    this.#changed.add(session);
    this.#timer ??= this.#clock.after(SAVE_MILLISECONDS, () => {
      this.#timer = null;
      this.flush().catch((error) => this.#log.warn('counters could not be saved', { reason: errorMessage(error) }));
    });
  }

  /** Saves what changed, now. Rejects as the database does; nothing is forgotten then. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    const saved = this.#saving.then(() => this.#save());
    this.#saving = saved.then(
      () => undefined,
      () => this.#again(),
    );
    return saved;
  }

  /** After a failure: the next try comes by itself. */
  #again(): void {
    const [session] = this.#changed;
    if (session !== undefined) this.changed(session);
  }

  async #save(): Promise<void> {
    const sessions = [...this.#changed];
    this.#changed = new Set();
    for (let from = 0; from < sessions.length; from += SAVED_AT_ONCE) {
      try {
        await this.#saveSome(sessions.slice(from, from + SAVED_AT_ONCE));
      } catch (error) {
        for (const session of sessions.slice(from)) this.#changed.add(session);
        throw error;
      }
    }
  }

  async #saveSome(sessions: readonly TorrentSession[]): Promise<void> {
    const { db } = this.#database;
    const ids = sessions.flatMap(({ torrent }) => (torrent.id === null ? [] : [torrent.id]));
    if (ids.length === 0) return;
    // One that is gone (its import was cancelled) has nothing to keep.
    const there = await db.selectFrom('torrents').select('id').where('id', 'in', ids).execute();
    const known = new Set(there.map(({ id }) => id));
    const writes = sessions.flatMap((session) =>
      session.torrent.id !== null && known.has(session.torrent.id) ? this.#writes(session, session.torrent.id) : [],
    );
    await this.#database.batch(writes);
  }

  #writes(session: TorrentSession, torrent_id: number): Compilable[] {
    const { db } = this.#database;
    const { uploadedBytes, downloadedBytes } = session.torrent.stats();
    const saved = session.saved();
    const values = {
      peer_id: saved.peerId,
      key: saved.key,
      started_with: saved.startedWith,
      is_completed_sent: saved.completedSent,
      uploaded_bytes: saved.uploadedBytes,
      downloaded_bytes: saved.downloadedBytes,
      updated_at: this.#clock.now(),
    };
    return [
      db
        .updateTable('torrents')
        .set({ uploaded_bytes: uploadedBytes, downloaded_bytes: downloadedBytes })
        .where('id', '=', torrent_id),
      db
        .insertInto('announce_sessions')
        .values({ torrent_id, ...values })
        .onConflict((conflict) => conflict.column('torrent_id').doUpdateSet(values)),
    ];
  }
}
