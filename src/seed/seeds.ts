import { sleep, type Timer } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import {
  type Dormant,
  type PeerAddress,
  restedRefusal,
  STOPPED_WAIT_MILLISECONDS,
  statusOf,
  type TorrentSession,
  type TrackerStatus,
} from '../torrent/index.ts';
import { ColdAnnounces } from './cold-announces.ts';
import { ColdLookups } from './cold-lookups.ts';
import { coolable } from './cooling.ts';
import { faultListener } from './faults.ts';
import { seedingRows, seedRow } from './rows.ts';
import type { SeedsDeps, SeedView } from './seeds-deps.ts';
import { loadAnnounces } from './session-rows.ts';
import { TorrentIndex } from './torrent-index.ts';
import { Wakes } from './wakes.ts';

/** A torrent whose session could not begin, or be saved, for a reason that passes is tried again after this. */
export const RETRY_MILLISECONDS = 30_000;
/** Cold torrents are announced, and idle ones looked at, this often. */
const TICK_MILLISECONDS = 1_000;
/** Torrents that are woken to dial peers of which a tracker, the DHT or the local network told, at once: who dials us comes first. */
export const WOKEN_TO_DIAL = 100;

/**
 * All torrents that are seeded. One that nobody asks for is cold: it has a slot in an index and some cells, its announces go
 * on, and a peer that comes wakes it; without peers it goes cold again. `begin`, `end` and `retry` are to be called in the
 * torrent's turn.
 */
export class Seeds {
  readonly dormant: Dormant = {
    wake: (infoHash) => {
      const id = this.#halted ? null : this.#index.find(infoHash);
      return id === null ? null : this.#wakes.take(id);
    },
    findObfuscated: (hash) => (this.#halted ? null : this.#index.findObfuscated(hash)),
  };
  /** By torrent id: the sessions of those that are awake. */
  readonly awake = new Map<number, TorrentSession>();
  readonly #deps: SeedsDeps;
  /** Of all. */
  readonly #index = new TorrentIndex();
  readonly #cold: ColdAnnounces;
  /** Of cold public ones. */
  readonly #lookups: ColdLookups;
  readonly #wakes = new Wakes((id) => this.#wake(id));
  readonly #cooling = new Set<number>();
  #timer: Timer | null = null;
  #halted = false;

  constructor(deps: SeedsDeps) {
    this.#deps = deps;
    const index = this.#index;
    this.#cold = new ColdAnnounces({ ...deps, index, found: (id, peers) => void this.#dial(id, peers, 'tracker') });
    this.#lookups = new ColdLookups({ index, found: (id, peers, source) => void this.#dial(id, peers, source) });
  }

  /** All that is to be seeded is cold at first, but for what is restless. */
  async start(): Promise<void> {
    const { clock, database, dht, local } = this.#deps;
    const restless: number[] = [];
    for await (const rows of seedingRows(database.db)) {
      for (const { id, infoHash, tracker, isRestless, isPublic } of rows) {
        if (this.has(id)) continue;
        const slot = this.#index.add(id, infoHash);
        this.#cold.addNew(slot, tracker);
        if (isPublic) this.#lookups.add(slot, { lookedUpAt: null });
        if (isRestless) restless.push(id);
      }
    }
    this.#timer = clock.every(TICK_MILLISECONDS, () => this.#tick());
    dht?.follow(this.#lookups);
    if (local !== undefined) local.dormant = (infoHash) => this.#lookups.sought(infoHash);
    for (const id of restless) void this.#wakes.take(id);
    this.#tick();
  }

  /** From now on nothing is woken, put to sleep or announced. */
  halt(): void {
    this.#halted = true;
    this.#timer?.cancel();
  }

  /** See TorrentSeeder.sayGoodbye. After `halt`. */
  async sayGoodbye(milliseconds: number): Promise<void> {
    const { clock, sessions, log } = this.#deps;
    const late = new AbortController();
    const timer = clock.after(milliseconds, () => late.abort());
    const asleep = this.#index.slots().filter((slot) => !this.awake.has(this.#index.idOf(slot)));
    await sessions.sayGoodbye(milliseconds);
    await this.#cold
      .stop(asleep, late.signal)
      .catch((error) => log.warn('stops could not be saved', { reason: errorMessage(error) }));
    timer.cancel();
  }

  /** Ends all sessions without a word to trackers. After `halt`. */
  async close(): Promise<void> {
    await Promise.all([...this.awake.keys()].map((id) => this.leave(id)));
    await this.#cold.save();
  }

  has(torrentId: number): boolean {
    return this.#index.slotOf(torrentId) !== null;
  }

  /** What a torrent does now; null when it is not seeded. */
  view(torrentId: number): SeedView | null {
    const session = this.awake.get(torrentId);
    if (session !== undefined) return { stats: session.torrent.stats(), refusal: session.refusal };
    const slot = this.#index.slotOf(torrentId);
    if (slot === null) return null;
    const trackers = this.#cold.trackers(slot);
    const works = trackers.some(({ state }) => state === 'working');
    return {
      stats: null,
      refusal: works ? null : (trackers.map(restedRefusal).find((words) => words !== null) ?? null),
    };
  }

  /** What trackers said of a torrent, as far as they were asked; hosts only. */
  trackers(torrentId: number): TrackerStatus[] {
    const session = this.awake.get(torrentId);
    if (session !== undefined) return session.trackers();
    const slot = this.#index.slotOf(torrentId);
    return slot === null ? [] : this.#cold.trackers(slot).map((one) => statusOf(new URL(one.text), one));
  }

  /** Once a second. */
  #tick(): void {
    this.#cold.tick();
    for (const id of coolable(this.awake, this.#deps.clock.monotonic())) {
      if (this.#cooling.has(id)) continue;
      this.#cooling.add(id);
      this.#deps.turns
        .take(id, () => this.#cool(id))
        .catch((error) => this.#deps.failed(id, error))
        .finally(() => this.#cooling.delete(id));
    }
  }

  /** Never rejects: a failure is the torrent's. */
  async #wake(torrentId: number): Promise<void> {
    try {
      await this.#deps.turns.take(torrentId, async () => {
        const isCold = !this.awake.has(torrentId) && this.#index.slotOf(torrentId) !== null;
        if (isCold && !this.#halted) await this.begin(torrentId);
      });
    } catch (error) {
      await this.#deps.failed(torrentId, error);
    }
  }

  /** Wakes a torrent for peers that cannot come by themselves, perhaps. */
  async #dial(torrentId: number, peers: readonly PeerAddress[], source: 'tracker' | 'dht' | 'lsd'): Promise<void> {
    if (this.#halted || (this.awake.size >= WOKEN_TO_DIAL && !this.awake.has(torrentId))) return;
    await this.#wakes.take(torrentId);
    this.awake.get(torrentId)?.torrent.addPeers(peers, source);
  }

  /** Puts an awake torrent to sleep, unless somebody came or something is to be told. */
  async #cool(torrentId: number): Promise<void> {
    const session = this.awake.get(torrentId);
    const slot = this.#index.slotOf(torrentId);
    if (session === undefined || slot === null || this.#halted || session.torrent.idleSince === null) return;
    const rested = session.rest();
    if (rested === null) return;
    const { lookedUpAt, torrent } = session;
    await this.leave(torrentId);
    await this.#saved();
    this.#cold.add(slot, rested);
    if (!torrent.isPrivate) this.#lookups.add(slot, { lookedUpAt });
  }

  /** A cold torrent's counters are its row's, so that must have them all. */
  async #saved(): Promise<void> {
    while (!this.#halted) {
      try {
        await this.#deps.journal.flush();
        return;
      } catch (error) {
        this.#deps.log.warn('a torrent stays awake until it can be saved', { reason: errorMessage(error) });
        await sleep(this.#deps.clock, RETRY_MILLISECONDS);
      }
    }
  }

  /** Wakes a torrent, if it is asleep, and has its trackers asked again. Rejects as `begin`. */
  async retry(torrentId: number): Promise<void> {
    if (!this.awake.has(torrentId)) await this.begin(torrentId);
    this.awake.get(torrentId)?.retry();
  }

  /** The network is back: of all sessions, and of cold torrents where they had failed, trackers are asked again. */
  retryAll(): void {
    if (this.#halted) return;
    for (const session of this.#deps.sessions.all()) session.retry();
    this.#cold.retryFailed();
  }

  /** Ends a torrent's seeding: peers are refused at once, then trackers are told. Never rejects for one that is awake. */
  async end(torrentId: number): Promise<void> {
    const slot = this.#index.slotOf(torrentId);
    if (slot === null) return;
    this.#lookups.claim(slot);
    const ended = this.awake.has(torrentId) ? this.leave(torrentId, true) : this.#endCold(slot);
    this.#index.remove(torrentId);
    await ended;
  }

  async #endCold(slot: number): Promise<void> {
    const late = new AbortController();
    const timer = this.#deps.clock.after(STOPPED_WAIT_MILLISECONDS, () => late.abort());
    await this.#cold.stop([slot], late.signal).finally(() => timer.cancel());
  }

  /** Begins a session. Rejects when its rows cannot be read or used; a cold one stays cold then. */
  async begin(torrentId: number): Promise<void> {
    const { database, journal, sessions } = this.#deps;
    const slot = this.#index.slotOf(torrentId);
    const claimed = slot === null ? null : this.#cold.claim(slot);
    const looked = slot === null ? null : this.#lookups.claim(slot);
    try {
      // In this order: what the session before this one counted is in the database then.
      await journal.settle(torrentId);
      const [saved, row] = await Promise.all([loadAnnounces(database, torrentId), seedRow(database.db, torrentId)]);
      const { info, error, ...rest } = row;
      // Still the import's: it hands it over right now.
      if (sessions.get(info.infoHash.toString('hex')) !== null) return;
      const [announces, announcing] = [claimed?.unsaved ?? saved, claimed?.announcing ?? null];
      const identity = { infoHash: info.infoHash, id: torrentId, info, mode: 'seed' } as const;
      const lookedUpAt = looked?.lookedUpAt ?? null;
      const session = sessions.begin({ ...identity, announces, announcing, lookedUpAt, ...rest });
      this.own(torrentId, session, error === null);
      if (claimed?.unsaved) journal.changed(session);
    } catch (error) {
      if (slot !== null && claimed !== null) this.#cold.giveBack(slot, claimed);
      if (slot !== null && looked !== null) this.#lookups.add(slot, looked);
      throw error;
    }
  }

  /** Takes over a session. `isWell`: its row is known to say that nothing is wrong, which need not be said again. */
  own(torrentId: number, session: TorrentSession, isWell = false): void {
    this.awake.set(torrentId, session);
    this.#index.add(torrentId, session.torrent.infoHash);
    session.listener = faultListener(isWell, {
      failed: (error) => void this.#deps.failed(torrentId, error),
      missing: (pieces) => void this.#deps.missing(torrentId, pieces),
    });
  }

  /** Ends a torrent's session; peers feel it before the first wait. Never rejects. */
  async leave(torrentId: number, tell = false): Promise<void> {
    const session = this.awake.get(torrentId);
    this.awake.delete(torrentId);
    try {
      await session?.end(tell);
    } catch (error) {
      this.#deps.log.error('a torrent could not be ended', { torrent: torrentId, reason: errorMessage(error) });
    }
  }
}
