import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Connection, Network } from '../ports.ts';
import { DIALS_PER_SECOND, HALF_OPEN_CONNECTIONS, HANDSHAKE_MILLISECONDS } from './limits.ts';
import type { KnownPeer } from './peer-book.ts';

/** A torrent that may want to dial. */
export interface DialingTorrent {
  /** The next peer to dial, marked as busy; null if nobody is to be dialled now. */
  nextPeer(now: number): KnownPeer | null;
  dialled(peer: KnownPeer, connection: Connection): void;
  dialFailed(peer: KnownPeer, reason: string): void;
}

/** Dials for all torrents, one in turn after the other, not too many at once and not too fast. */
export class Dialler {
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #waiting = new Set<DialingTorrent>();
  #halfOpen = 0;
  #tokens = DIALS_PER_SECOND;
  #countedAt: number;
  #closed = false;

  constructor(network: Network, clock: Clock) {
    this.#network = network;
    this.#clock = clock;
    this.#countedAt = clock.monotonic();
  }

  get halfOpen(): number {
    return this.#halfOpen;
  }

  /** A torrent may have someone to dial. */
  want(torrent: DialingTorrent): void {
    this.#waiting.add(torrent);
    this.pump();
  }

  forget(torrent: DialingTorrent): void {
    this.#waiting.delete(torrent);
  }

  /** Dials as many as may be now; to be called at least once a second. */
  pump(): void {
    const now = this.#clock.monotonic();
    const earned = ((now - this.#countedAt) * DIALS_PER_SECOND) / 1000;
    this.#tokens = Math.min(DIALS_PER_SECOND, this.#tokens + earned);
    this.#countedAt = now;
    // A dial that cannot be is no failure of the peer's: it waits.
    if (this.#network.isDown?.() === true) return;
    while (!this.#closed && this.#tokens >= 1 && this.#halfOpen < HALF_OPEN_CONNECTIONS) {
      const torrent = this.#waiting.values().next().value;
      if (torrent === undefined) return;
      this.#waiting.delete(torrent);
      const peer = torrent.nextPeer(now);
      if (peer === null) continue;
      this.#waiting.add(torrent);
      this.#dial(torrent, peer);
    }
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
  }

  #dial(torrent: DialingTorrent, peer: KnownPeer): void {
    this.#tokens--;
    this.#halfOpen++;
    this.#network.connect(peer.host, peer.port, HANDSHAKE_MILLISECONDS).then(
      (connection) => {
        this.#halfOpen--;
        torrent.dialled(peer, connection);
        this.pump();
      },
      (error: unknown) => {
        this.#halfOpen--;
        torrent.dialFailed(peer, errorMessage(error));
        this.pump();
      },
    );
  }
}
