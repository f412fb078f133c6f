// Peers and torrents as the choker sees them, second by second, for its tests.
import { seededRandom } from '../../lib/random.ts';
import { Choker } from './choker.ts';
import type { PeerSession } from './session.ts';

const SECOND = 1_000;

/** A peer as the choker sees it, with a line of so many bytes a second. */
export class Peer {
  interested = true;
  isClosed = false;
  servedSeconds = 0;
  longestWaitSeconds = 0;
  readonly startedAt: number;
  readonly uploader;
  readonly pieces = { progress: 0 };
  readonly requests = { rate: { bytesPerSecond: 0 } };
  /** Bytes a second it takes at most. */
  line: number;
  #waitSeconds = 0;

  constructor(line: number, startedAt = 0) {
    this.line = line;
    this.startedAt = startedAt;
    const rate = { total: 0, bytesPerSecond: 0 };
    this.uploader = { choking: true, rate, paceAt: () => rate.bytesPerSecond };
  }

  setChoked(choked: boolean): void {
    this.uploader.choking = choked;
  }

  /** A second passes; `most` is what our line has for it. */
  second(most: number): void {
    const isServed = this.interested && !this.uploader.choking;
    const bytes = isServed ? Math.min(this.line, most) : 0;
    this.uploader.rate.total += bytes;
    this.uploader.rate.bytesPerSecond = bytes;
    if (isServed) this.servedSeconds++;
    this.#waitSeconds = isServed || !this.interested ? 0 : this.#waitSeconds + 1;
    this.longestWaitSeconds = Math.max(this.longestWaitSeconds, this.#waitSeconds);
  }
}

/** Torrents whose peers share a line, and a choker for them. */
export class Scene {
  readonly choker: Choker;
  readonly torrents: { sessions: Set<PeerSession>; downloader: object | null }[] = [];
  readonly peers: Peer[] = [];
  readonly #line: number;
  now = 0;

  constructor(line: number, antiLeech = false) {
    this.#line = line;
    this.choker = new Choker(seededRandom(1), antiLeech);
  }

  torrent(peers: Peer[], downloading = false): void {
    const sessions = new Set(peers as unknown as PeerSession[]);
    this.torrents.push({ sessions, downloader: downloading ? {} : null });
    this.peers.push(...peers);
    for (const session of sessions) this.choker.interest(session, this.now);
  }

  get served(): Peer[] {
    return this.peers.filter(({ uploader }) => !uploader.choking);
  }

  run(seconds: number, each: () => void = () => undefined): void {
    for (let second = 0; second < seconds; second++) {
      this.now += SECOND;
      const share = this.#line / Math.max(1, this.served.length);
      for (const peer of this.peers) peer.second(share);
      each();
      this.choker.tick(this.torrents, this.now);
    }
  }
}

export const peersOf = (count: number, line = 100_000) => Array.from({ length: count }, () => new Peer(line));
