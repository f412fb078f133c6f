// What every BitTorrent client of the tests can do, whichever program it is.
import { setTimeout as delay } from 'node:timers/promises';
import type { Part } from '../process.ts';

const PROGRESS_POLL_MILLISECONDS = 50;
const DEFAULT_TIMEOUT_MILLISECONDS = 60_000;

/** How a client is to behave; each keeps its own defaults for what it cannot do. */
export interface PeerOptions {
  /** Where it listens and dials from; default 127.0.0.1. */
  address?: string;
  uploadBytesPerSecond?: number;
  downloadBytesPerSecond?: number;
}

/** What to download: a torrent file or a magnet link, and where to (the content comes to lie in `downloadDir/<name>`). */
export interface LeechOptions extends PeerOptions {
  torrentPath?: string;
  magnet?: string;
  downloadDir: string;
  /** `host:port` of peers to dial besides the tracker's; only for clients whose `dials` is true. */
  peers?: readonly string[];
}

/** What to seed: `dataDir` is the folder that holds the torrent's top folder (or its single file). */
export interface SeedOptions extends PeerOptions {
  torrentPath: string;
  dataDir: string;
}

/** One client program with one torrent. It announces to the torrent's trackers; DHT, LSD, PEX, UPnP and uTP are off. */
export interface RunningPeer {
  readonly name: string;
  readonly pid: number;
  /** Where it listens. */
  readonly address: string;
  readonly port: number;
  /** 0 to 1; 0 while a magnet's metadata is missing. */
  progress(): Promise<number>;
  /** Resolves when all is downloaded and checked; throws after the timeout (default 60 s) or when the program ended. */
  untilComplete(timeoutMilliseconds?: number): Promise<void>;
  /** Dials a peer now. Throws for a client that cannot. */
  connect(peer: string): Promise<void>;
  /** Ends the program (`stopped` goes to the tracker unless `kill`) and removes its profile folder. Idempotent. */
  stop(how?: 'kill'): Promise<void>;
  /** The last lines of its log. */
  logTail(): string;
}

/** A client program. */
export interface PeerClient {
  readonly name: string;
  /** Whether it can be told a peer's address by hand (`peers`, `connect`). */
  readonly dials: boolean;
  /** Whether it dials 127.x; where false, give it and its peers a `loopbackAlias`, or let the other side dial it. */
  readonly dialsLoopback: boolean;
  seed(options: SeedOptions): Promise<RunningPeer>;
  leech(options: LeechOptions): Promise<RunningPeer>;
}

/** `host:port` (`[host]:port` for IPv6) as its parts. */
export function splitPeer(peer: string): { host: string; port: number } {
  const colon = peer.lastIndexOf(':');
  return { host: peer.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(peer.slice(colon + 1)) };
}

/** The part of RunningPeer that is the same for all: waiting with a message that says how far it came. */
export function completion(
  name: string,
  part: Part,
  progress: () => Promise<number>,
): (timeoutMilliseconds?: number) => Promise<void> {
  return async (timeoutMilliseconds = DEFAULT_TIMEOUT_MILLISECONDS) => {
    const deadline = performance.now() + timeoutMilliseconds;
    for (;;) {
      if (!part.running()) throw new Error(`${name} ended before its download was complete:\n${part.logTail()}`);
      const now = await progress();
      if (now >= 1) return;
      if (performance.now() > deadline) {
        const percent = (now * 100).toFixed(1);
        throw new Error(`${name} had ${percent} % after ${timeoutMilliseconds} ms:\n${part.logTail()}`);
      }
      await delay(PROGRESS_POLL_MILLISECONDS);
    }
  };
}
