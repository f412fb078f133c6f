import type { Connection } from '../ports.ts';
import type { KnownPeer } from './peer-book.ts';

/** How a torrent reaches its engine. */
export interface TorrentHome {
  /** There may be someone to dial, and time counts. */
  wake(): void;
  /** A dialled peer answered. */
  greet(connection: Connection, peer: KnownPeer): void;
}
