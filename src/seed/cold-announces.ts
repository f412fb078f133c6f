import type { Database } from '../db/index.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { TimingWheel } from '../lib/wheel.ts';
import {
  type AnnounceHandle,
  type AnnounceScheduler,
  type PeerAddress,
  type RestedAnnounces,
  type RestedTracker,
  type SavedAnnounces,
  type SessionSpec,
  WANTED_SEEDING,
} from '../torrent/index.ts';
import { RestingCells } from './resting-cells.ts';
import { type AnnounceRow, announceRows, announcesWrite } from './session-rows.ts';
import type { TorrentIndex } from './torrent-index.ts';
import { WaitingSlots } from './waiting-slots.ts';

/** Cold torrents that are not announced for a reason that passes are tried again after this. */
const RETRY_SECONDS = 60;
/** Cold torrents told to trackers at a time, when bae stops. */
const STOPPED_AT_ONCE = 200;

export interface ColdAnnouncesDeps {
  readonly database: Database;
  readonly index: TorrentIndex;
  readonly scheduler: AnnounceScheduler;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Peer id for a new announce session. */
  readonly newPeerId: () => Buffer;
  /** A tracker names peers of a torrent, some of whom may want something of it. */
  readonly found: (torrentId: number, peers: readonly PeerAddress[]) => void;
}

/** An announce session as whoever wakes its torrent gets it. */
export interface ClaimedAnnounces {
  /** What the database is still to be told; null: it has it. */
  readonly unsaved: SavedAnnounces | null;
  readonly announcing: AnnounceHandle | RestedAnnounces;
}

/** A cold torrent whose announce is under way, or is still to be saved. */
interface Held {
  readonly slot: number;
  handle: AnnounceHandle | null;
  saved: SavedAnnounces;
  isSaved: boolean;
}

/**
 * The announces of all cold torrents. Between two of them a torrent is some cells and a place on the wheel; when one is due,
 * its row is read, with those of others, an announce session lives until the tracker has answered, and its outcome goes
 * back into the cells.
 */
export class ColdAnnounces {
  readonly #deps: ColdAnnouncesDeps;
  readonly #cells = new RestingCells();
  readonly #wheel: TimingWheel<number>;
  readonly #waiting = new WaitingSlots((slot) => this.#cells.nextOf(slot));
  /** Slots whose rows are being read. */
  readonly #loading = new Set<number>();
  readonly #held = new Map<number, Held>();
  #saving = false;

  constructor(deps: ColdAnnouncesDeps) {
    this.#deps = deps;
    this.#wheel = new TimingWheel(this.#seconds());
  }

  /** How many have more than cells now. */
  get held(): number {
    return this.#held.size + this.#loading.size;
  }

  /** A torrent is cold from now on. */
  add(slot: number, rested: RestedAnnounces): void {
    this.#cells.put(slot, rested);
    if (rested.next === null || rested.dueAt === null) return;
    if (rested.dueAt <= this.#seconds()) this.#waiting.push(slot);
    else this.#wheel.set(slot, rested.dueAt);
  }

  /** A torrent of which no announce is known in this run: due as soon as its tracker's turn comes. */
  addNew(slot: number, next: string | null): void {
    this.add(slot, { dueAt: this.#seconds(), next, trackers: [] });
  }

  /** Takes a torrent out, with an announce under way and all. */
  claim(slot: number): ClaimedAnnounces {
    this.#wheel.delete(slot);
    this.#waiting.delete(slot);
    this.#loading.delete(slot);
    const held = this.#held.get(slot);
    this.#held.delete(slot);
    const announcing = held?.handle ?? this.#cells.get(slot);
    this.#cells.clear(slot);
    return { unsaved: held === undefined || held.isSaved ? null : held.saved, announcing };
  }

  /** Once a second: what is due waits its turn at its tracker; what has its turn is announced. */
  tick(): void {
    for (const slot of this.#wheel.due(this.#seconds())) this.#waiting.push(slot);
    const slots = this.#waiting.take([...this.#held.keys(), ...this.#loading]);
    if (slots.length > 0) void this.#load(slots);
    if (!this.#saving) void this.save();
  }

  /** Gives back what was claimed: the torrent stays cold, and is announced after a while. */
  giveBack(slot: number, { unsaved, announcing }: ClaimedAnnounces): void {
    const later = { dueAt: this.#seconds() + RETRY_SECONDS, next: this.#cells.nextOf(slot), trackers: [] };
    const rested = 'session' in announcing ? announcing.rest() : announcing;
    if (rested === null && 'session' in announcing) announcing.leave();
    this.add(slot, rested ?? later);
    if (unsaved !== null) this.#held.set(slot, { slot, handle: null, saved: unsaved, isSaved: false });
  }

  /** The network is back: trackers that could not be reached are asked again as soon as their turn comes. */
  retryFailed(): void {
    const dueAt = this.#seconds();
    for (const slot of this.#cells.failing()) {
      // What is under way, or about to be, sees the network as it is now.
      if (this.#loading.has(slot) || this.#held.get(slot)?.handle) continue;
      const { next, trackers } = this.#cells.get(slot);
      this.#wheel.delete(slot);
      this.add(slot, { dueAt, next, trackers: trackers.map(asReachable) });
    }
  }

  /** Trackers of a cold torrent, as far as they were asked. */
  trackers(slot: number) {
    return this.#held.get(slot)?.handle?.session.rest() ?? this.#cells.trackers(slot);
  }

  /**
   * Tells trackers that torrents are not seeded any more, until the signal aborts; those that cannot be told go on at the
   * next start. Takes them out. Rejects as the database does.
   */
  async stop(slots: readonly number[], signal: AbortSignal): Promise<void> {
    for (let from = 0; from < slots.length && !signal.aborted; from += STOPPED_AT_ONCE) {
      const some = slots.slice(from, from + STOPPED_AT_ONCE);
      const claimed = new Map(some.map((slot) => [this.#deps.index.idOf(slot), this.claim(slot)]));
      const rows = await announceRows(this.#deps.database, [...claimed.keys()]);
      const ended = await Promise.all(
        rows.map((row) => this.#tellStopped(row, claimed.get(row.id) as ClaimedAnnounces, signal)),
      );
      const { db } = this.#deps.database;
      const now = this.#deps.clock.now();
      const writes = rows.flatMap(({ id }, at) => {
        const saved = ended[at];
        return saved === undefined ? [] : [announcesWrite(db, id, saved, now)];
      });
      await this.#deps.database.batch(writes);
    }
  }

  /** What is to be saved of it afterwards: null for a session that is over, undefined where nothing changed. */
  async #tellStopped(row: AnnounceRow, { unsaved, announcing }: ClaimedAnnounces, signal: AbortSignal) {
    const saved = unsaved ?? row.saved;
    if (saved === null) return undefined;
    const isHandle = 'session' in announcing;
    if (!isHandle && saved.startedWith.length === 0) return unsaved ?? undefined;
    const handle = isHandle
      ? announcing
      : this.#deps.scheduler.add(this.#spec(row, null, saved), { ...announcing, dueAt: null });
    await handle.stop(signal);
    const { startedWith } = handle.session;
    return startedWith.length === 0 ? null : { ...saved, startedWith };
  }

  async #load(slots: readonly number[]): Promise<void> {
    const { database, index, log } = this.#deps;
    for (const slot of slots) this.#loading.add(slot);
    const ids = new Map(slots.map((slot) => [index.idOf(slot), slot]));
    try {
      for (const row of await announceRows(database, [...ids.keys()])) {
        const slot = ids.get(row.id) as number;
        // It may have been claimed meanwhile.
        if (this.#loading.delete(slot) && index.slotOf(row.id) === slot) this.#announce(slot, row);
      }
    } catch (error) {
      log.warn('cold torrents could not be announced', { torrents: slots.length, reason: errorMessage(error) });
      for (const slot of slots) if (this.#loading.has(slot)) this.#wheel.set(slot, this.#seconds() + RETRY_SECONDS);
    }
    for (const slot of slots) this.#loading.delete(slot);
  }

  #announce(slot: number, row: AnnounceRow): void {
    const { scheduler, random, newPeerId } = this.#deps;
    const before = this.#held.get(slot);
    const fresh = { peerId: newPeerId(), key: random.int(2 ** 32), startedWith: [], completedSent: true };
    const saved = before?.saved ?? row.saved ?? { ...fresh, uploadedBytes: 0, downloadedBytes: 0 };
    const held: Held = { slot, handle: null, saved, isSaved: before?.isSaved ?? row.saved !== null };
    this.#held.set(slot, held);
    const due = { ...this.#cells.get(slot), dueAt: this.#seconds() };
    const handle = scheduler.add(this.#spec(row, held, saved), due);
    held.handle = handle;
    if (handle.isResting()) this.#settled(held);
  }

  #spec(row: AnnounceRow, held: Held | null, saved: SavedAnnounces): SessionSpec {
    const { infoHash, trackers, id } = row;
    const { peerId, key, startedWith, uploadedBytes, downloadedBytes } = saved;
    return {
      ...{ infoHash, peerId, key, trackers, startedWith },
      counters: async () => ({ uploaded: uploadedBytes, downloaded: downloadedBytes, left: 0 }),
      partial: () => false,
      wanted: () => WANTED_SEEDING,
      eager: () => false,
      found: (peers) => {
        const status = held?.handle?.session.status() ?? [];
        // Other seeds want nothing; a tracker that does not count leechers may have some.
        if (status.some(({ state, leechers }) => state === 'working' && leechers !== 0)) this.#deps.found(id, peers);
      },
      changed: (session) => {
        if (held === null || session.startedWith.join('\n') === held.saved.startedWith.join('\n')) return;
        held.saved = { ...held.saved, startedWith: session.startedWith };
        held.isSaved = false;
      },
      settled: () => {
        if (held !== null) this.#settled(held);
      },
    };
  }

  /** Its announce is over: back into the cells. */
  #settled(held: Held): void {
    const rested = this.#held.get(held.slot) === held ? held.handle?.rest() : null;
    if (rested === null || rested === undefined) return;
    held.handle = null;
    this.add(held.slot, rested);
    if (held.isSaved) this.#held.delete(held.slot);
  }

  /** Saves what changed: who we are to which trackers. Never rejects. */
  async save(): Promise<void> {
    const { database, index, clock, log } = this.#deps;
    const unsaved = [...this.#held.values()].filter(({ isSaved }) => !isSaved).map((held) => ({ held, ...held }));
    if (unsaved.length === 0) return;
    this.#saving = true;
    try {
      await database.batch(
        unsaved.map(({ slot, saved }) => announcesWrite(database.db, index.idOf(slot), saved, clock.now())),
      );
      for (const { held, saved } of unsaved) {
        held.isSaved = held.saved === saved;
        if (held.isSaved && held.handle === null && this.#held.get(held.slot) === held) this.#held.delete(held.slot);
      }
    } catch (error) {
      log.warn('announce sessions could not be saved', { torrents: unsaved.length, reason: errorMessage(error) });
    }
    this.#saving = false;
  }

  #seconds(): number {
    return this.#deps.clock.monotonic() / 1_000;
  }
}

/** Its pauses begin anew; what it said last stands until it says something else. */
function asReachable(tracker: RestedTracker): RestedTracker {
  if (tracker.state !== 'failing') return tracker;
  return { ...tracker, notBefore: Number.NEGATIVE_INFINITY, failures: 0 };
}
