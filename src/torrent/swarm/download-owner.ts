import type { Bucket } from './bucket.ts';
import type { PeerSession } from './session.ts';

/** What the downloader tells its torrent. */
export interface DownloadOwner {
  readonly sessions: ReadonlySet<PeerSession>;
  /** Its own rate limits. */
  readonly buckets: { readonly down: Bucket };
  /** A piece was verified and written; `last`: none is missing any more. */
  onVerified(index: number, bytes: number, last: boolean): void;
  onWasted(bytes: number): void;
  onWriteFailed(error: unknown): void;
  /** A peer that sent wrong bytes. */
  onGuilty(session: PeerSession): void;
}
