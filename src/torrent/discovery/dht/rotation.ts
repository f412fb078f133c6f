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

export interface DhtHandle {
  /** No lookup begins any more, and nothing is found; the announce is forgotten by others after a while. */
  stop(): void;
}

interface Entry {
  readonly torrent: DhtTorrent;
  isOver: boolean;
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

/** Takes all torrents in turn: a few lookups at a time, those that hunger first, each again after a quarter of an hour. */
export class Rotation {
  readonly #options: RotationOptions;
  readonly #wheel: TimingWheel<Entry>;
  readonly #hungry = new Set<Entry>();
  readonly #ready = new Set<Entry>();
  #running = 0;
  #nowSeconds: number;

  constructor(options: RotationOptions) {
    this.#options = options;
    this.#nowSeconds = options.nowSeconds;
    this.#wheel = new TimingWheel(options.nowSeconds);
  }

  get running(): number {
    return this.#running;
  }

  /** Torrents that wait for a lookup that is due. */
  get waiting(): number {
    return this.#hungry.size + this.#ready.size;
  }

  add(torrent: DhtTorrent): DhtHandle {
    const entry: Entry = { torrent, isOver: false, hungry: 0 };
    this.#due(entry);
    this.#run();
    return {
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
