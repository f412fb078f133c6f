import type { Database, IdentificationState, ImportState } from '../db/index.ts';
import type { TagReader } from '../identify/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { LibraryManager } from '../library/index.ts';
import type { HostPort, SavedAnnounces, Sessions, TorrentSession } from '../torrent/index.ts';
import type { Vault } from '../vault/index.ts';

export interface ImportSettings {
  /** An import without progress for so long, while nothing of ours holds it up, has failed. */
  readonly stallMilliseconds: number;
}

export interface ImportOptions {
  readonly database: Database;
  readonly vault: Vault;
  readonly sessions: Sessions;
  readonly library: LibraryManager;
  readonly tags: TagReader;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: ImportSettings;
  /** Addresses of a host name that a person gave; an address is its own. */
  readonly resolveHost: (host: string) => Promise<readonly string[]>;
  /** What trackers know of a torrent from an earlier run; null if nothing. */
  readonly savedAnnounces: (torrentId: number) => Promise<SavedAnnounces | null>;
  /** A torrent file of a public torrent names DHT nodes (BEP 5). */
  readonly onNodes: (nodes: readonly HostPort[]) => void;
  /** A finished import hands its session over, connections and all. */
  readonly onDone: (torrentId: number, session: TorrentSession) => void;
}

export interface ImportRequest {
  readonly source: { readonly torrent: Uint8Array } | { readonly magnet: string };
  readonly peers: readonly HostPort[];
  readonly asIs: boolean;
}

/** An import as others see it. */
export interface ImportSnapshot {
  readonly id: number;
  readonly name: string | null;
  /** 20 bytes. */
  readonly infoHash: Buffer;
  readonly state: ImportState;
  readonly identification: IdentificationState;
  /** 0 to 1. */
  readonly progress: number;
  /** Why it failed, or what it waits for now. */
  readonly error: string | null;
  readonly retryable: boolean;
  readonly torrentId: number | null;
}
