import type { Database } from '../db/index.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { SavedAnnounces, SessionKeeper, TorrentSession } from '../torrent/index.ts';
import type { CounterRecord } from './counter-record.ts';
import { type CountersFile, openCountersFile, SLOTS } from './counters-file.ts';
import { loadAnnounces, recoverCounters, saveSessions } from './session-rows.ts';

/** Who we are to trackers is in the database after this long. */
export const SAVE_MILLISECONDS = 1_000;
/** Counters are in the file with every change, and in the database after this long. */
export const COUNTERS_SAVE_MILLISECONDS = 30_000;
/** Torrents saved in one transaction. */
export const SAVED_AT_ONCE = 500;

export interface JournalDeps {
  readonly database: Database;
  readonly file: CountersFile;
  readonly clock: Clock;
  readonly log: Log;
}

/** One session's way into the file. */
interface Place {
  readonly slot: number;
  /** What the file has, of both counters together: they only grow. */
  bytes: number;
}

/**
 * Keeps the payload counters and announce sessions of all torrents that peers know of, whoever owns their session. The
 * database has all of them; what moved since it was told is in the counters file too. Nothing is ever lost that was told
 * to a tracker: at the start, the larger of the two counts. What could not be saved is saved with the next change or the
 * next try.
 */
export class SessionJournal implements SessionKeeper {
  readonly #deps: JournalDeps;
  /** Sessions that changed since the database was told. */
  #changed = new Set<TorrentSession>();
  /** Those that it is being told of. */
  #underWay: ReadonlySet<TorrentSession> = new Set();
  #timer: { readonly timer: Timer; readonly at: number } | null = null;
  #saving: Promise<void> = Promise.resolve();
  readonly #places = new Map<TorrentSession, Place>();
  readonly #freeSlots = Array.from({ length: SLOTS }, (_, index) => SLOTS - 1 - index);
  /** Sessions whose counters go into the file next. */
  #counted = new Set<TorrentSession>();
  #writing: Promise<unknown> = Promise.resolve();
  /** The round of writes that has not begun. */
  #nextRound: Promise<void> | null = null;

  constructor(deps: JournalDeps) {
    this.#deps = deps;
  }

  /** Takes over what an earlier run could not tell the database. To be called before anything is loaded. */
  async recover(): Promise<void> {
    const { database, file, log } = this.#deps;
    const records = await file.read();
    const recovered = await recoverCounters(database, records);
    if (recovered > 0) log.info('counters of the last seconds were recovered', { torrents: recovered });
    await file.clear();
  }

  /** A torrent's announce session of an earlier run or time; null if there is none. */
  async load(torrentId: number): Promise<SavedAnnounces | null> {
    await this.settle(torrentId);
    return loadAnnounces(this.#deps.database, torrentId);
  }

  /** Resolves when the database has all that was counted of a torrent. Rejects as the database does. */
  async settle(torrentId: number): Promise<void> {
    // It may have ended a moment ago: what it counted must not be forgotten. Saves of others are not waited for.
    const isOfIt = ({ torrent }: TorrentSession) => torrent.id === torrentId;
    if ([...this.#underWay].some(isOfIt)) await this.#saving;
    if ([...this.#changed].some(isOfIt)) await this.flush();
  }

  changed(session: TorrentSession): void {
    this.#changed.add(session);
    this.#saveWithin(SAVE_MILLISECONDS);
  }

  counted(session: TorrentSession): void {
    this.keep(session).catch((error) =>
      this.#deps.log.warn('counters could not be saved', { reason: errorMessage(error) }),
    );
  }

  /** Rejects only when neither the file nor the database takes them. */
  async keep(session: TorrentSession): Promise<void> {
    this.#changed.add(session);
    this.#saveWithin(COUNTERS_SAVE_MILLISECONDS);
    this.#counted.add(session);
    this.#nextRound ??= this.#writing.then(() => this.#writeRound());
    await this.#nextRound;
  }

  /** Saves what changed, now. Rejects as the database does; nothing is forgotten then. */
  flush(): Promise<void> {
    this.#timer?.timer.cancel();
    this.#timer = null;
    const saved = this.#saving.then(() => this.#save());
    this.#saving = saved.catch(() => {
      // The one who flushed is told; the next try comes by itself.
      if (this.#changed.size > 0) this.#saveWithin(SAVE_MILLISECONDS);
    });
    return saved;
  }

  /** Saves what changed and lets the file go. */
  async close(): Promise<void> {
    await this.flush();
    await Promise.allSettled([this.#nextRound ?? this.#writing]);
    await this.#deps.file.close();
  }

  #saveWithin(milliseconds: number): void {
    const { clock, log } = this.#deps;
    const at = clock.monotonic() + milliseconds;
    if (this.#timer !== null && this.#timer.at <= at) return;
    this.#timer?.timer.cancel();
    const timer = clock.after(milliseconds, () => {
      this.#timer = null;
      this.flush().catch((error) => log.warn('counters could not be saved', { reason: errorMessage(error) }));
    });
    this.#timer = { timer, at };
  }

  #writeRound(): Promise<void> {
    this.#nextRound = null;
    const sessions = this.#counted;
    this.#counted = new Set();
    const written = this.#writeAll(sessions);
    // Whoever waits is told; the next round is tried on its own.
    this.#writing = Promise.allSettled([written]);
    return written;
  }

  async #writeAll(sessions: ReadonlySet<TorrentSession>): Promise<void> {
    try {
      for (const session of sessions) await this.#write(session);
    } catch (error) {
      this.#deps.log.warn('counters go to the database instead', { reason: errorMessage(error) });
      for (const session of sessions) this.#changed.add(session);
      await this.flush();
    }
  }

  async #write(session: TorrentSession): Promise<void> {
    const record = recordOf(session);
    if (record === null) return;
    const bytes = record.uploadedBytes + record.downloadedBytes;
    let place = this.#places.get(session);
    if (place === undefined) {
      const slot = this.#freeSlots.pop();
      if (slot === undefined) throw new Error(`more than ${SLOTS} torrents`);
      place = { slot, bytes: -1 };
      this.#places.set(session, place);
      // The slot comes free when the database has been told.
      this.#changed.add(session);
      this.#saveWithin(COUNTERS_SAVE_MILLISECONDS);
    }
    if (place.bytes === bytes) return;
    await this.#deps.file.write(place.slot, record);
    place.bytes = bytes;
  }

  async #save(): Promise<void> {
    this.#underWay = this.#changed;
    this.#changed = new Set();
    const sessions = [...this.#underWay];
    for (let from = 0; from < sessions.length; from += SAVED_AT_ONCE) {
      const some = sessions.slice(from, from + SAVED_AT_ONCE);
      try {
        await saveSessions(this.#deps.database, some, this.#deps.clock.now());
      } catch (error) {
        for (const session of sessions.slice(from)) this.#changed.add(session);
        throw error;
      }
      for (const session of some) this.#giveUpPlace(session);
    }
    this.#underWay = new Set();
  }

  /** The database has all its counters: the file need not, and what it still says is not larger. */
  #giveUpPlace(session: TorrentSession): void {
    const place = this.#places.get(session);
    if (place === undefined || this.#changed.has(session) || this.#counted.has(session)) return;
    this.#places.delete(session);
    this.#freeSlots.push(place.slot);
  }
}

/** The journal with its counters file at `path`, and what an earlier run left in that taken over. */
export async function openJournal(path: string, deps: Omit<JournalDeps, 'file'>): Promise<SessionJournal> {
  const file = await openCountersFile(path);
  try {
    const journal = new SessionJournal({ ...deps, file });
    await journal.recover();
    return journal;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Null where there is nothing to keep: no metadata yet, or a session that is over (the database is told at once). */
function recordOf(session: TorrentSession): CounterRecord | null {
  const { torrent } = session;
  const saved = session.saved();
  if (torrent.id === null || saved === null) return null;
  const { uploadedBytes, downloadedBytes } = torrent.stats();
  return {
    torrentId: torrent.id,
    infoHash: torrent.infoHash,
    peerId: saved.peerId,
    uploadedBytes: saved.uploadedBytes,
    downloadedBytes: saved.downloadedBytes,
    totalUploadedBytes: uploadedBytes,
    totalDownloadedBytes: downloadedBytes,
  };
}
