import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import type { AnnounceHandle, AnnounceScheduler, Dht, LocalDiscovery, RestedAnnounces } from './discovery/index.ts';
import type { Engine, TorrentSpec } from './swarm/index.ts';
import type { TorrentSession } from './torrent-session.ts';

/** What must outlive a restart so that trackers see one session: the same identity, counters that only grow. */
export interface SavedAnnounces {
  /** 20 bytes. */
  readonly peerId: Buffer;
  /** 32 bits. */
  readonly key: number;
  /** The trackers that acknowledged `started`; they may hold passkeys. */
  readonly startedWith: readonly string[];
  /** False while a download's `completed` is still to be told. */
  readonly completedSent: boolean;
  /** Payload under this peer id; never falls. */
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
}

export interface BeginSpec extends Omit<TorrentSpec, 'peerId'> {
  /** Tiers (BEP 12). */
  readonly trackers: readonly (readonly string[])[];
  /** From an earlier run; null begins a new announce session. */
  readonly announces: SavedAnnounces | null;
  /** Its announces of this run, where it has some: under way, or resting. */
  readonly announcing?: AnnounceHandle | RestedAnnounces | null;
  /** When the DHT was asked for it last in this run, in seconds of the clock; null or absent: not yet. */
  readonly lookedUpAt?: number | null;
}

export interface SessionsOptions {
  readonly engine: Engine;
  readonly scheduler: AnnounceScheduler;
  /** Absent where peers are not looked for there. */
  readonly dht?: Pick<Dht, 'add'>;
  readonly local?: Pick<LocalDiscovery, 'add'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Peer id for a new announce session. */
  readonly newPeerId: () => Buffer;
  readonly keeper: SessionKeeper;
}

/** Where sessions are kept over restarts. */
export interface SessionKeeper {
  /** Identity, or what trackers know, changed: to be saved at once. */
  changed(session: TorrentSession): void;
  /** Its counters grew: to be saved within a second. */
  counted(session: TorrentSession): void;
  /** Resolves when its counters are where the end of this process cannot lose them. */
  keep(session: TorrentSession): Promise<void>;
  /** Saves what changed, now. */
  flush(): Promise<void>;
}
