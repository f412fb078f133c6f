import type { Random } from '../lib/random.ts';
import type { AnnounceHandle, AnnounceScheduler, Dht, DhtHandle, TrackerStatus } from './discovery/index.ts';
import type { Info } from './metainfo/index.ts';
import type { Engine, Torrent, TorrentListener, TorrentSpec } from './swarm/index.ts';

/** What must outlive a restart so that trackers see one session: the same identity, counters that only grow. */
export interface SavedAnnounces {
  /** 20 bytes. */
  readonly peerId: Buffer;
  /** 32 bits. */
  readonly key: number;
  /** The tracker that acknowledged `started`; it may hold a passkey. */
  readonly startedWith: string | null;
  /** False while a download's `completed` is still to be told. */
  readonly completedSent: boolean;
  /** Payload since `started`, as announced. */
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
}

export interface BeginSpec extends Omit<TorrentSpec, 'peerId'> {
  /** Tiers (BEP 12). */
  readonly trackers: readonly (readonly string[])[];
  /** From an earlier run; null begins a new announce session. */
  readonly announces: SavedAnnounces | null;
}

export interface SessionsOptions {
  readonly engine: Engine;
  readonly scheduler: AnnounceScheduler;
  /** Absent where there is no DHT. */
  readonly dht?: Pick<Dht, 'add'>;
  readonly random: Random;
  /** Peer id for a new announce session. */
  readonly newPeerId: () => Buffer;
  /** Something that should be saved changed: counters or what trackers know. */
  readonly changed: (session: TorrentSession) => void;
  /** Saves what changed, now. */
  readonly save: () => Promise<void>;
}

/** Peers that would be welcome, told to trackers as numwant. */
const WANTED_DOWNLOADING = 100;
const WANTED_SEEDING = 30;
/** Who has fewer and lacks bytes is looked up in the DHT again soon. */
const FEW_PEERS = 5;

/** All torrents that peers and trackers know of now: the engine's side and the trackers' side of each, as one. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, TorrentSession>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** Adds a torrent to the engine and tells its trackers, unless `seeding` is false. `refused` if it is there already. */
  begin(spec: BeginSpec): TorrentSession {
    const session = new TorrentSession(spec, this.#options, () => this.#sessions.delete(spec.infoHash.toString('hex')));
    this.#sessions.set(spec.infoHash.toString('hex'), session);
    return session;
  }

  /** By info-hash, 40 hex digits. */
  get(infoHash: string): TorrentSession | null {
    return this.#sessions.get(infoHash) ?? null;
  }

  all(): readonly TorrentSession[] {
    return [...this.#sessions.values()];
  }
}

/** One torrent with its announces. Its owner is first the import, then the seeder: `listener` says who hears of it. */
export class TorrentSession {
  readonly torrent: Torrent;
  listener: TorrentListener;
  readonly #options: SessionsOptions;
  readonly #trackers: readonly (readonly string[])[];
  readonly #forget: () => void;
  readonly #key: number;
  #startedWith: string | null;
  #completedSent: boolean;
  /** Lifetime counters at the session's `started`. */
  #base: { uploadedBytes: number; downloadedBytes: number };
  #announces: AnnounceHandle | null = null;
  #lookups: DhtHandle | null = null;
  /** Begun as a whole torrent: nothing is left to fetch, also before the store has said so. */
  readonly #whole: boolean;

  constructor(spec: BeginSpec, options: SessionsOptions, forget: () => void) {
    const { trackers, announces, listener, ...rest } = spec;
    this.#options = options;
    this.#trackers = trackers;
    this.#forget = forget;
    this.listener = listener ?? {};
    this.#whole = spec.mode === 'seed';
    this.#key = announces?.key ?? options.random.int(2 ** 32);
    this.#startedWith = announces?.startedWith ?? null;
    this.#completedSent = announces?.completedSent ?? this.#whole;
    this.#base = {
      uploadedBytes: (spec.uploadedBytes ?? 0) - (announces?.uploadedBytes ?? 0),
      downloadedBytes: (spec.downloadedBytes ?? 0) - (announces?.downloadedBytes ?? 0),
    };
    const peerId = announces?.peerId ?? options.newPeerId();
    this.torrent = options.engine.add({ ...rest, peerId, listener: this.#relay() });
    if (spec.seeding === false) return;
    this.#announce();
    if (!this.torrent.isPrivate) this.#lookUp();
  }

  /** The trackers with what they said; hosts only. */
  trackers(): TrackerStatus[] {
    return this.#announces?.session.status() ?? [];
  }

  saved(): SavedAnnounces {
    const { uploaded, downloaded } = this.#counters();
    return {
      peerId: this.torrent.peerId,
      key: this.#key,
      startedWith: this.#startedWith,
      completedSent: this.#completedSent,
      uploadedBytes: uploaded,
      downloadedBytes: downloaded,
    };
  }

  provide(info: Info, id: number): void {
    if (info.isPrivate) this.#stopLookups();
    this.torrent.provide(info, id);
  }

  /**
   * Takes the torrent from the engine. With `tell`, its tracker gets `stopped`, and that is saved when this resolves, so
   * that nobody goes on with a session that its tracker has ended; without, it may go on at the next start.
   */
  async end(tell: boolean): Promise<void> {
    const announces = this.#announces;
    this.#announces = null;
    this.#stopLookups();
    this.torrent.setSeeding(false);
    try {
      await Promise.all([announces?.stop(tell), this.#options.engine.remove(this.torrent)]);
    } finally {
      this.#options.changed(this);
      this.#forget();
    }
    if (tell) await this.#options.save();
  }

  get #left(): number {
    return this.#whole && this.torrent.handle === null ? 0 : this.torrent.left;
  }

  #counters(): { uploaded: number; downloaded: number; left: number } {
    const { uploadedBytes, downloadedBytes } = this.torrent.stats();
    return {
      uploaded: uploadedBytes - this.#base.uploadedBytes,
      downloaded: downloadedBytes - this.#base.downloadedBytes,
      left: this.#left,
    };
  }

  #announce(): void {
    if (this.#startedWith === null) {
      const { uploadedBytes, downloadedBytes } = this.torrent.stats();
      this.#base = { uploadedBytes, downloadedBytes };
    }
    this.#announces = this.#options.scheduler.add({
      infoHash: this.torrent.infoHash,
      peerId: this.torrent.peerId,
      key: this.#key,
      trackers: this.#trackers,
      startedWith: this.#startedWith,
      counters: () => this.#counters(),
      wanted: () => (this.#left > 0 ? WANTED_DOWNLOADING : WANTED_SEEDING),
      found: (peers) => this.torrent.addPeers(peers, 'tracker'),
      changed: (announced) => {
        this.#startedWith = announced.startedWith;
        if (announced.completedSent) this.#completedSent = true;
        // A seed is one of those it is told of.
        this.torrent.setOtherSeeds(announced.status().some(({ seeders }) => (seeders ?? 0) > 1));
        this.#options.changed(this);
      },
    });
    // Told at last what a crash kept from being told: the download had ended and the tracker counts us as a leecher.
    if (!this.#completedSent && this.#startedWith !== null && this.#left === 0) this.#announces.completed();
  }

  /** In the DHT, for as long as the torrent is not known to be private (BEP 27). */
  #lookUp(): void {
    this.#lookups =
      this.#options.dht?.add({
        infoHash: this.torrent.infoHash,
        found: (peers) => this.torrent.addPeers(peers, 'dht'),
        isHungry: () => this.#left > 0 && this.torrent.stats().peers < FEW_PEERS,
      }) ?? null;
  }

  #stopLookups(): void {
    this.#lookups?.stop();
    this.#lookups = null;
  }

  /** The engine's words go to whoever owns the session now. */
  #relay(): TorrentListener {
    return {
      onMetadata: (rawInfo) => this.listener.onMetadata?.(rawInfo),
      onPiece: (index) => this.listener.onPiece?.(index),
      onWanted: () => this.listener.onWanted?.(),
      onMissing: (pieces) => this.listener.onMissing?.(pieces),
      onError: (error) => this.listener.onError?.(error),
      onComplete: () => {
        if (!this.#completedSent) this.#announces?.completed();
        this.listener.onComplete?.();
      },
      onCounters: (counters) => {
        this.#options.changed(this);
        this.listener.onCounters?.(counters);
      },
    };
  }
}
