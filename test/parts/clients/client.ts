// What every BitTorrent client of the tests can do, whichever program it is.
import { setTimeout as delay } from 'node:timers/promises';
import { freshLoopback } from '../addresses.ts';
import type { Part } from '../process.ts';

const PROGRESS_POLL_MILLISECONDS = 50;
const DEFAULT_TIMEOUT_MILLISECONDS = 60_000;

/** How a client is to behave; each keeps its own defaults for what it cannot do. */
export interface PeerOptions {
  /** Where it listens and dials from. Default: 127.0.0.1 for a seed, a `freshLoopback` for a leech. */
  address?: string;
  uploadBytesPerSecond?: number;
  downloadBytesPerSecond?: number;
  /** `require`: it makes and takes only connections encrypted with RC4 (MSE). Default: what it does by itself. */
  encryption?: 'require';
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
  /** Whether it dials 127.x; where false, its peers must be at a `loopbackAlias`, or dial it. */
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

const START_ATTEMPTS = 3;

/** A client on fresh ports; another program may have taken a free port in between, so a failed start is tried again. */
export async function startWithRetries(start: () => Promise<RunningPeer>): Promise<RunningPeer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      if (attempt >= START_ATTEMPTS) throw error;
    }
  }
}

/** A program with a profile folder of its own, and what the adapters need to know of it. */
export interface Program {
  part: Part;
  address: string;
  port: number;
  progress(): Promise<number>;
  connect?(peer: string): Promise<void>;
  removeProfile(): Promise<void>;
}

/** Joins a started program and `name` into a RunningPeer. */
export function runningPeer(name: string, program: Program): RunningPeer {
  const { part, progress } = program;
  return {
    name,
    pid: part.pid,
    address: program.address,
    port: program.port,
    progress,
    untilComplete: completion(name, part, progress),
    async connect(peer) {
      if (program.connect === undefined) throw new Error(`${name} cannot be told a peer by hand`);
      await program.connect(peer);
    },
    async stop(how) {
      await part.stop(how === 'kill' ? 'SIGKILL' : 'SIGTERM');
      await program.removeProfile();
    },
    logTail: () => part.logTail(),
  };
}

/** Runs the start of a client; when it fails, nothing of it stays. The error ends with the program's last words. */
export async function orCleanUp<T>(
  part: Part,
  removeProfile: () => Promise<void>,
  start: () => Promise<T>,
): Promise<T> {
  try {
    return await start();
  } catch (error) {
    const words = part.logTail();
    await part.stop('SIGKILL');
    await removeProfile();
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${words}`, { cause: error });
  }
}

/** Where a client listens when the test does not say. */
export function addressOf(options: SeedOptions | LeechOptions): string {
  return options.address ?? ('dataDir' in options ? '127.0.0.1' : freshLoopback());
}

/** What to add, from seed or leech options: where the content lies and the torrent's bytes' path or magnet link. */
export function sourceOf(options: SeedOptions | LeechOptions): { folder: string; source: string; isMagnet: boolean } {
  const folder = 'dataDir' in options ? options.dataDir : options.downloadDir;
  const magnet = 'magnet' in options ? options.magnet : undefined;
  const source = options.torrentPath ?? magnet;
  if (source === undefined) throw new Error('neither a torrent file nor a magnet link was given');
  return { folder, source, isMagnet: options.torrentPath === undefined };
}
