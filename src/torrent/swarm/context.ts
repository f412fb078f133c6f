import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Network, PieceHasher, PieceStore } from '../ports.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { Slabs } from './batch.ts';
import type { Choker } from './choker.ts';
import type { LoopTurn } from './loop-turn.ts';
import type { OwnAddress } from './own-address.ts';
import type { DhtPort, EngineLimits } from './types.ts';

/** A count of bytes that several owners share. */
export interface Account {
  bytes: number;
}

/** What all torrents of one engine share. */
export interface SwarmContext {
  readonly store: PieceStore;
  readonly hasher: PieceHasher;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly version: string;
  readonly limits: EngineLimits;
  /** Memory that leases under way to peers keep. */
  readonly leased: Account;
  readonly slabs: Slabs;
  readonly bandwidth: Bandwidth;
  /** What is read from all peers, and given to their connections, in one turn of the event loop. */
  readonly turns: { readonly reading: LoopTurn; readonly sending: LoopTurn };
  readonly choker: Choker;
  /** Pieces being downloaded, hashed or written. */
  readonly pieceMemory: Account;
  /** Established connections. */
  readonly connections: { count: number };
  readonly listenPort: () => number | null;
  /** Null where there is no DHT. */
  readonly dht: DhtPort | null;
  readonly ownAddress: OwnAddress;
  /** Whether the IP filter forbids an address (no brackets). */
  readonly blocks: (address: string) => boolean;
}
