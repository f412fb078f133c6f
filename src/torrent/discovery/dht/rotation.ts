import type { Random } from '../../../lib/random.ts';
import { TimingWheel } from '../../../lib/wheel.ts';
import type { HostPort } from '../../metainfo/index.ts';
import * as limits from './limits.ts';

/** A public torrent whose peers are looked for. */
export interface DhtTorrent {
  /** 20 bytes. */
  readonly infoHash: Buffer;
  found(peers: readonly HostPort[]): void;
  /** It lacks bytes, or even its metadata, and hardly has peers: it is looked up again soon. */
  isHungry(): boolean;
}

/** Public torrents that are looked up without an object each: whoever has them says whose turn it is. */
export interface LookupSource {
  /**
   * Takes the turn of the one that was looked up longest ago; null if that is not `pauseSeconds` ago yet. `infoHash` is the
   * caller's.
   */
  next(nowSeconds: number, pauseSeconds: number): Pick<DhtTorrent, 'infoHash' | 'found'> | null;
}

export interface DhtHandle {
  /** When its last lookup began, in seconds of the clock; null: there was none yet. */
  readonly lookedUpAt: number | null;
  /** No lookup begins any more, and nothing is found; the announce is forgotten by others after a while. */
  stop(): void;
}

interface Entry {
  readonly torrent: DhtTorrent;
  isOver: boolean;
  lookedUpAt: number | null;
  /** Lookups in a row after which it was still hungry. */
  hungry: number;
}

export interface RotationOptions {
  readonly random: Random;
  readonly nowSeconds: number;
  /** Whether a lookup makes sense now. */
  readonly isReady: () => boolean;
  /** Looks a torrent up, and announces it; `done` is called once. */
  look(infoHash: Buffer, found: (peers: readonly HostPort[]) => void, done: () => void): void;
}

/**
 * Takes all torrents in turn: a few lookups at a time, those that hunger first, each again after a quarter of an hour. Beside
 * them those of a source, one a second at most: of more than 900 the turn comes later than that, of 5,000 every 83 minutes.
 */
export class Rotation {
  readonly #options: RotationOptions;
  readonly #wheel: TimingWheel<Entry>;
  readonly #hungry = new Set<Entry>();
  readonly #ready = new Set<Entry>();
  #running = 0;
  #nowSeconds: number;
  #source: LookupSource | null = null;
  #sourceRunning = 0;
  #sourceAt = Number.NEGATIVE_INFINITY;

  constructor(options: RotationOptions) {
    this.#options = options;
    this.#nowSeconds = options.nowSeconds;
    this.#wheel = new TimingWheel(options.nowSeconds);
  }

  /** Lookups under way. */
  get running(): number {
    return this.#running + this.#sourceRunning;
  }

  /** Torrents that wait for a lookup that is due. */
  get waiting(): number {
    return this.#hungry.size + this.#ready.size;
  }

  /** Looks up what a source has from now on, too. */
  follow(source: LookupSource): void {
    this.#source = source;
  }

  /** `lookedUpAt`: it was looked up before, in seconds of the clock, and has its next turn when that is long enough ago. */
  add(torrent: DhtTorrent, lookedUpAt: number | null = null): DhtHandle {
    const entry: Entry = { torrent, isOver: false, hungry: 0, lookedUpAt };
    if (lookedUpAt === null || torrent.isHungry()) this.#due(entry);
    else this.#wheel.set(entry, lookedUpAt + limits.ANNOUNCE_SECONDS);
    this.#run();
    return {
      get lookedUpAt() {
        return entry.lookedUpAt;
      },
      stop: () => {
        entry.isOver = true;
        this.#wheel.delete(entry);
        this.#hungry.delete(entry);
        this.#ready.delete(entry);
      },
    };
  }

  /** Often; also where a lookup was not possible before and may be now. */
  tick(nowSeconds: number): void {
    this.#nowSeconds = nowSeconds;
    for (const entry of this.#wheel.due(nowSeconds)) this.#due(entry);
    this.#run();
    this.#runSource();
  }

  #due(entry: Entry): void {
    (entry.torrent.isHungry() ? this.#hungry : this.#ready).add(entry);
  }

  #run(): void {
    while (this.#running < limits.LOOKUPS_AT_ONCE && this.waiting > 0 && this.#options.isReady()) {
      const among = this.#hungry.size > 0 ? this.#hungry : this.#ready;
      const entry = among.values().next().value as Entry;
      among.delete(entry);
      this.#running++;
      entry.lookedUpAt = this.#nowSeconds;
      const { infoHash } = entry.torrent;
      this.#options.look(
        infoHash,
        (peers) => {
          if (!entry.isOver) entry.torrent.found(peers);
        },
        () => this.#ended(entry),
      );
    }
  }

  /** Awake torrents have their own turns, which these neither wait for nor hold up. */
  #runSource(): void {
    if (this.#source === null || this.#sourceRunning >= limits.SOURCE_LOOKUPS_AT_ONCE) return;
    if (this.#nowSeconds - this.#sourceAt < limits.SOURCE_PAUSE_SECONDS || !this.#options.isReady()) return;
    const torrent = this.#source.next(this.#nowSeconds, limits.ANNOUNCE_SECONDS);
    if (torrent === null) return;
    this.#sourceAt = this.#nowSeconds;
    this.#sourceRunning++;
    this.#options.look(
      torrent.infoHash,
      (peers) => torrent.found(peers),
      () => {
        this.#sourceRunning--;
      },
    );
  }

  #ended(entry: Entry): void {
    this.#running--;
    if (!entry.isOver) {
      entry.hungry = entry.torrent.isHungry() ? entry.hungry + 1 : 0;
      const pause = entry.hungry === 0 ? limits.ANNOUNCE_SECONDS : limits.HUNGRY_SECONDS * 2 ** (entry.hungry - 1);
      const spread = entry.hungry === 0 ? this.#options.random.int(limits.ANNOUNCE_SPREAD_SECONDS) : 0;
      this.#wheel.set(entry, this.#nowSeconds + Math.min(pause, limits.ANNOUNCE_SECONDS) + spread);
    }
    this.#run();
  }
}
