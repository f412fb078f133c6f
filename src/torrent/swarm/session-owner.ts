import type { MetadataMessage } from '../wire/index.ts';
import type { SwarmContext } from './context.ts';
import type { PeerExchange } from './peer-exchange.ts';
import type { PeerSession } from './session.ts';
import type { UploadSource } from './uploader.ts';

/** What a session tells its torrent, which owns all state that several sessions share. */
export interface SessionOwner {
  readonly context: SwarmContext;
  readonly infoHash: Buffer;
  readonly isPrivate: boolean;
  /** All there is can be served, and nothing is wanted (BEP 21). */
  readonly uploadOnly: boolean;
  /** Null until there are metadata and an open store. */
  readonly source: UploadSource | null;
  /** Where what peers say of each other goes. */
  readonly members: { readonly exchange: PeerExchange };
  onPieces(session: PeerSession): void;
  onHave(session: PeerSession, index: number): void;
  onDontHave(session: PeerSession, index: number): void;
  onChoked(session: PeerSession): void;
  onUnchoked(session: PeerSession): void;
  onInterest(session: PeerSession): void;
  onBlock(session: PeerSession, index: number, begin: number, data: Buffer): void;
  onReject(session: PeerSession, index: number, begin: number): void;
  onExtensions(session: PeerSession): void;
  onMetadata(session: PeerSession, message: MetadataMessage): void;
  /** All messages of one read were handled: the moment to ask for more. */
  onTurn(session: PeerSession): void;
  onClosed(session: PeerSession, reason: string): void;
}
