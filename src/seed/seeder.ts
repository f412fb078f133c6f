import type { CacheMode, Database } from '../db/index.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import { BaeError, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { Turns } from '../lib/turns.ts';
import type { LibraryManager } from '../library/index.ts';
import type {
  AnnounceScheduler,
  Dht,
  Dormant,
  LocalDiscovery,
  RateLimitChanges,
  Sessions,
  TorrentSession,
  TrackerStatus,
} from '../torrent/index.ts';
import type { Vault } from '../vault/index.ts';
import type { SessionJournal } from './journal.ts';
import { readPiece } from './read.ts';
import { isToBeSeeded, storedRow } from './rows.ts';
import { RETRY_MILLISECONDS, Seeds } from './seeds.ts';
import type { SeedView } from './seeds-deps.ts';

export interface SeederDeps {
  readonly database: Database;
  readonly library: LibraryManager;
  readonly vault: Vault;
  readonly sessions: Sessions;
  readonly journal: SessionJournal;
  readonly scheduler: AnnounceScheduler;
  /** Absent where peers are not looked for there. */
  readonly dht?: Pick<Dht, 'follow'>;
  readonly local?: Pick<LocalDiscovery, 'dormant'>;
  readonly random: Random;
  /** Peer id for a new announce session. */
  readonly newPeerId: () => Buffer;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long a stop waits for trackers that are being told of an earlier one. */
export const STOP_MILLISECONDS = 3_000;

/**
 * Makes what the library wants seeded be seeded. The flag in the database is the wish; each change of it, each finished
 * import and each start brings that one torrent in line with it, one step at a time. A torrent that nobody asks for is cold:
 * it has a place in an index, its announces go on, and a peer that comes wakes it.
 */
export class TorrentSeeder {
  readonly #deps: SeederDeps;
  readonly #turns = new Turns<number>();
  readonly #seeds: Seeds;
  #stopListening: (() => void) | null = null;
  #stopped = false;

  constructor(deps: SeederDeps) {
    this.#deps = deps;
    this.#seeds = new Seeds({
      ...deps,
      turns: this.#turns,
      failed: (id, error) => this.#fail(id, error),
      missing: (id, pieces) => this.#say(id, pieces === 0 ? null : missingPieces(pieces)),
    });
  }

  /** For the engine. */
  get dormant(): Dormant {
    return this.#seeds.dormant;
  }

  /** Seeds again all that is to be seeded. What cannot be is told at its torrent and hinders no other. */
  async start(): Promise<void> {
    this.#stopListening = this.#deps.library.onSeedingChange(({ torrentId }) => this.#follow(torrentId));
    await this.#seeds.start();
  }

  /**
   * Refuses peers and tells trackers `stopped`, of awake torrents first, as far as the time allows: what is not told goes on
   * at the next start as if nothing had been.
   */
  async sayGoodbye(milliseconds: number): Promise<void> {
    this.#halt();
    await this.#seeds.sayGoodbye(milliseconds);
  }

  /** Leaves the swarms with announce sessions that the next start goes on with. */
  async stop(): Promise<void> {
    this.#halt();
    await Promise.race([this.#turns.idle(), sleep(this.#deps.clock, STOP_MILLISECONDS)]);
    await this.#seeds.close();
    await this.#deps.journal.flush();
  }

  #halt(): void {
    this.#stopped = true;
    this.#stopListening?.();
    this.#seeds.halt();
  }

  /** Takes over the session of a finished import, connections, rate limits and all. */
  async adopt(torrentId: number, session: TorrentSession): Promise<void> {
    this.#seeds.own(torrentId, session);
    if (this.#stopped) await this.#seeds.leave(torrentId);
    else await this.#follow(torrentId);
  }

  /** The network is back: trackers are asked again, for imports too. */
  retryAll(): void {
    this.#seeds.retryAll();
  }

  /** Seeds every torrent of a release's bundle. @throws BaeError `not-found` */
  async startSeeding(releaseId: number): Promise<void> {
    await this.#setReleaseSeeding(releaseId, true);
  }

  /** Stops every torrent of a release's bundle: peers are refused at once, trackers are told. @throws BaeError `not-found` */
  async stopSeeding(releaseId: number): Promise<void> {
    await this.#setReleaseSeeding(releaseId, false);
  }

  /**
   * One piece of a torrent of the library, seeded or not.
   * @throws BaeError `not-found`, `bad-input` for a piece it does not have, else as the store says
   */
  async readPiece(torrentId: number, pieceIndex: number): Promise<Buffer> {
    const torrent = await storedRow(this.#deps.database.db, torrentId);
    // A handle of its own: the session's goes when its seeding stops.
    return readPiece(this.#deps.vault.pieces, torrent, pieceIndex);
  }

  /**
   * Sets where a torrent's chunks are kept: `pinned` fetches them all and keeps them local.
   * @throws BaeError `not-found`; `refused` when the pin budget has no room, and for `auto`
   */
  async setCacheMode(torrentId: number, mode: CacheMode): Promise<void> {
    if (mode === 'auto')
      throw new BaeError('refused', 'The cache mode auto is not there yet: use pinned or on-demand.');
    await storedRow(this.#deps.database.db, torrentId);
    await this.#turns.take(torrentId, async () => {
      if (mode === 'pinned') await this.#deps.vault.pinChunks(torrentId);
      else await this.#deps.vault.unpinChunks(torrentId);
      await this.#deps.library.setCacheMode(torrentId, mode);
    });
  }

  /**
   * Sets a torrent's own rate limits, from now on and over restarts; those not named stay.
   * @throws BaeError `not-found` for a torrent that is not in the library
   */
  async setLimits(torrentId: number, limits: RateLimitChanges): Promise<void> {
    await storedRow(this.#deps.database.db, torrentId);
    await this.#turns.take(torrentId, async () => {
      if (Object.values(limits).every((limit) => limit === undefined)) return;
      await this.#deps.library.setLimits(torrentId, limits);
      this.#seeds.awake.get(torrentId)?.torrent.setLimits(limits);
    });
  }

  /** What a torrent does now; null when it is not seeded. */
  view(torrentId: number): SeedView | null {
    return this.#seeds.view(torrentId);
  }

  /** What trackers said of a torrent, as far as they were asked; hosts only. */
  trackers(torrentId: number): TrackerStatus[] {
    return this.#seeds.trackers(torrentId);
  }

  /** The torrents that are awake: of all others, their rows tell the truth. */
  awake(): number[] {
    return [...this.#seeds.awake.keys()];
  }

  async #setReleaseSeeding(releaseId: number, on: boolean): Promise<void> {
    for (const id of await this.#deps.library.torrentsOfRelease(releaseId)) {
      await this.#deps.library.setTorrentSeeding(id, on);
    }
  }

  /** Brings a torrent in line with its flag. Resolves when peers feel it; never rejects: a failure is the torrent's. */
  #follow(torrentId: number): Promise<void> {
    return new Promise((felt) => {
      this.#turns
        .take(torrentId, () => this.#step(torrentId, felt))
        .catch((error) => {
          if (error instanceof BaeError && error.retryable) {
            this.#deps.clock.after(RETRY_MILLISECONDS, () => void this.#follow(torrentId));
          }
          return this.#fail(torrentId, error);
        })
        .finally(felt);
    });
  }

  /** One step; it lasts until trackers were told, `felt` is called before that. */
  async #step(torrentId: number, felt: () => void): Promise<void> {
    if (this.#stopped) return;
    const on = await isToBeSeeded(this.#deps.database.db, torrentId);
    if (!on) {
      const ended = this.#seeds.end(torrentId);
      felt();
      await ended;
    } else if (this.#seeds.has(torrentId)) {
      // A person who wants seeded what is seeded wants its trackers asked again.
      await this.#seeds.retry(torrentId);
    } else await this.#seeds.begin(torrentId);
  }

  /** Says at the torrent what is wrong, unless it mends itself. */
  async #fail(torrentId: number, error: unknown): Promise<void> {
    const reason = errorMessage(error);
    this.#deps.log.warn('a torrent is not seeded as it should be', { torrent: torrentId, reason });
    if (!(error instanceof BaeError && error.retryable)) await this.#say(torrentId, reason);
  }

  async #say(torrentId: number, error: string | null): Promise<void> {
    try {
      await this.#deps.library.setTorrentError(torrentId, error);
    } catch (failure) {
      this.#deps.log.warn('an error could not be saved', { torrent: torrentId, reason: errorMessage(failure) });
    }
  }
}

function missingPieces(count: number): string {
  const what = count === 1 ? '1 piece is not served' : `${count} pieces are not served`;
  return `${what}, since objects in the store are missing or damaged: restore them, and bae serves them again by itself.`;
}
