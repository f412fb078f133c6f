import type { LookupFunction } from 'node:net';

/** A peer's address as a tracker gives it; host is an IP address without brackets. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** BEP 3's events, BEP 21's `paused`; null is a regular announce. */
export type AnnounceEvent = 'started' | 'completed' | 'stopped' | 'paused' | null;

export interface AnnounceRequest {
  /** 20 bytes. */
  readonly infoHash: Buffer;
  /** 20 bytes; the same for one announce session. */
  readonly peerId: Buffer;
  /** 32 bits; tells a tracker that a changed address is still us (BEP 7, 15). */
  readonly key: number;
  /** Our listening port. */
  readonly port: number;
  /** True payload bytes since the session's `started`. */
  readonly uploaded: number;
  readonly downloaded: number;
  /** Bytes still to come. */
  readonly left: number;
  readonly event: AnnounceEvent;
  /** How many peers we would like. */
  readonly wanted: number;
  /** What this tracker gave before, to be given back (BEP 3 `trackerid`). */
  readonly trackerId: Buffer | null;
  /**
   * Called when the tracker has been reached, before the first byte of the request leaves: that waits until this resolves,
   * and is given up where it rejects. Called again where the request is sent again.
   */
  sending?(): Promise<void>;
}

export interface AnnounceReply {
  readonly intervalSeconds: number;
  readonly minIntervalSeconds: number | null;
  readonly seeders: number | null;
  readonly leechers: number | null;
  readonly peers: readonly PeerAddress[];
  readonly warning: string | null;
  readonly trackerId: Buffer | null;
}

/** One kind of tracker. Rejects with TrackerError only. */
export interface TrackerClient {
  announce(url: URL, request: AnnounceRequest, signal: AbortSignal): Promise<AnnounceReply>;
}

/** Names to addresses, with the rule of who may be spoken to applied at each connect. */
export interface Resolver {
  /** For node:http's `lookup` option. */
  readonly lookup: LookupFunction;
  /** All allowed addresses of a name or literal address. @throws TrackerError */
  resolve(host: string): Promise<readonly { address: string; family: 4 | 6 }[]>;
}

/** An announce that brought nothing. The message is for a person and holds no path or query of the tracker's URL. */
export class TrackerError extends Error {
  /**
   * - unreachable: no answer, a broken one, or none allowed; try again with growing pauses
   * - refused: the tracker answered with a failure reason
   * - never: the tracker said that trying again is of no use (BEP 31 `never`)
   */
  readonly kind: 'unreachable' | 'refused' | 'never';
  /** The tracker's own wish (BEP 31). */
  readonly retryInSeconds: number | null;
  /** Of what is unreachable: its server answered with an error, so the announce did not count. */
  readonly isUncounted: boolean;

  constructor(
    kind: 'unreachable' | 'refused' | 'never',
    message: string,
    retryInSeconds: number | null = null,
    isUncounted = false,
  ) {
    super(message);
    this.name = 'TrackerError';
    this.kind = kind;
    this.retryInSeconds = retryInSeconds;
    this.isUncounted = isUncounted;
  }
}
