import type { Database } from '../db/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import type { Turns } from '../lib/turns.ts';
import type { AnnounceScheduler, Dht, LocalDiscovery, Sessions, TorrentStats } from '../torrent/index.ts';
import type { SessionJournal } from './journal.ts';

/** What Seeds needs. */
export interface SeedsDeps {
  readonly database: Database;
  readonly sessions: Sessions;
  readonly journal: SessionJournal;
  readonly scheduler: AnnounceScheduler;
  /** Absent where they are not used. */
  readonly dht?: Pick<Dht, 'follow'>;
  readonly local?: Pick<LocalDiscovery, 'dormant'>;
  readonly random: Random;
  readonly newPeerId: () => Buffer;
  readonly clock: Clock;
  readonly log: Log;
  /** One step at a time for each torrent. */
  readonly turns: Turns<number>;
  /** Something is wrong with a torrent. Never rejects. */
  readonly failed: (torrentId: number, error: unknown) => Promise<void>;
  /** How many pieces of a torrent cannot be served. */
  readonly missing: (torrentId: number, pieces: number) => Promise<void>;
}

/** A torrent that is seeded now. */
export interface SeedView {
  /** Null for a cold one: what its row says is true. */
  readonly stats: TorrentStats | null;
  /** Why no tracker has us, in words; null when one has, or none said why. */
  readonly refusal: string | null;
}
