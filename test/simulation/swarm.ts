// Whole swarms in memory: engines with stores in memory on a virtual network, repeatable from a seed.
import { createHash } from 'node:crypto';
import { type Log, silentLog } from '../../src/lib/log.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import {
  AnnounceScheduler,
  type Dht,
  type LocalDiscovery,
  makePeerId,
  type SavedAnnounces,
  type SessionKeeper,
  Sessions,
  type TorrentSession,
  type TrackerClient,
} from '../../src/torrent/index.ts';
import { encode, type Info, parseInfo } from '../../src/torrent/metainfo/index.ts';
import type { Network, PieceHasher } from '../../src/torrent/ports.ts';
import {
  type AddressFilter,
  createEngine,
  type DhtPort,
  type Encryption,
  type Engine,
  type EngineLimits,
  type Torrent,
  type TorrentListener,
  type TorrentSpec,
} from '../../src/torrent/swarm/index.ts';
import { type MemoryOptions, MemoryPieces } from './memory-pieces.ts';
import { VirtualClock } from './virtual-clock.ts';
import { type HostOptions, VirtualNetwork } from './virtual-network.ts';

const hasher: PieceHasher = {
  sha1: (data) => Promise.resolve({ digest: createHash('sha1').update(data).digest(), data }),
};

/** `length` bytes that follow from `seed`. */
export function bytesOf(seed: number, length: number): Buffer {
  const random = seededRandom(seed);
  const block = random.bytes(Math.min(length, 65_521));
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += block.length) {
    block.copy(bytes, at);
    bytes.writeUInt8(random.int(256), at);
  }
  return bytes;
}

/** The metadata of a torrent with one file. */
export function infoOf(content: Buffer, pieceLength: number, more: Record<string, number | string> = {}): Info {
  const hashes: Buffer[] = [];
  for (let at = 0; at < content.length; at += pieceLength) {
    hashes.push(
      createHash('sha1')
        .update(content.subarray(at, at + pieceLength))
        .digest(),
    );
  }
  const dictionary = { ...more, length: content.length, name: 'file', 'piece length': pieceLength };
  return parseInfo(encode({ ...dictionary, pieces: Buffer.concat(hashes) }));
}

/** One engine of a simulation, with one torrent. */
export interface Node {
  readonly address: string;
  readonly port: number;
  readonly engine: Engine;
  readonly store: MemoryPieces;
  readonly torrent: Torrent;
  /** Null without trackers. */
  readonly session: TorrentSession | null;
  /** What its listener was told, in order: `piece 3`, `wanted`, `complete`, `metadata`, `missing 0`, `error …`. */
  readonly told: string[];
  /** Tells its tracker that it stops, if it has one and `tell`, and ends it. */
  end(tell?: boolean): Promise<void>;
}

export interface NodeOptions extends HostOptions, MemoryOptions {
  readonly address?: string;
  readonly limits?: Partial<EngineLimits>;
  readonly encryption?: Encryption;
  readonly dht?: DhtPort;
  readonly filter?: AddressFilter;
  /** In place of the clock's. */
  readonly nextTurn?: (call: () => void) => void;
  /** In place of the host's own. */
  readonly network?: Network;
  readonly spec?: Partial<TorrentSpec>;
  /** One that it had before; the options of memory then mean nothing. */
  readonly store?: MemoryPieces;
  readonly log?: Log;
  /** Without them nobody is announced to, and peers come by `introduce`. */
  readonly trackers?: NodeTrackers;
}

export interface NodeTrackers {
  /** Tiers. */
  readonly urls: readonly (readonly string[])[];
  readonly client: TrackerClient;
  readonly announces: SavedAnnounces | null;
  /** Other ways to find peers. */
  readonly finders?: { readonly dht: Dht | null; readonly local: LocalDiscovery | null };
}

export class Simulation {
  readonly clock = new VirtualClock();
  readonly network: VirtualNetwork;
  readonly content: Buffer;
  readonly info: Info;
  readonly #seed: number;
  readonly #nodes: Node[] = [];
  #count = 0;

  constructor(options: { seed?: number; bytes: number; pieceLength: number; info?: Record<string, number | string> }) {
    this.#seed = options.seed ?? 1;
    this.network = new VirtualNetwork(this.clock, seededRandom(this.#seed));
    this.content = bytesOf(this.#seed, options.bytes);
    this.info = infoOf(this.content, options.pieceLength, options.info);
  }

  /** A node that has all from the start. */
  seed(options: NodeOptions = {}): Promise<Node> {
    return this.node({ content: this.content, ...options, spec: { mode: 'seed', ...options.spec } });
  }

  /** A node that has nothing, unless `content` is given. */
  async node(options: NodeOptions = {}): Promise<Node> {
    const number = ++this.#count;
    const address = options.address ?? `20.${number}.${number}.1`;
    const store = options.store ?? new MemoryPieces({ clock: this.clock, ...options });
    const random = seededRandom(this.#seed * 1000 + number);
    const log = options.log ?? silentLog;
    const engine = createEngine({
      ...{ store, hasher, random, log, clock: this.clock, version: '0.1.0' },
      network: options.network ?? this.network.host(address, options),
      limits: options.limits ?? {},
      ...(options.encryption !== undefined && { encryption: options.encryption }),
      ...(options.dht !== undefined && { dht: options.dht }),
      ...(options.filter !== undefined && { filter: options.filter }),
      ...(options.nextTurn !== undefined && { nextTurn: options.nextTurn }),
    });
    const { port } = await engine.listen({ addresses: ['0.0.0.0'], port: 6881 });
    const told: string[] = [];
    const spec: TorrentSpec = {
      ...{ infoHash: this.info.infoHash, info: this.info, id: number, mode: 'download' },
      listener: tellTo(told),
      ...options.spec,
    };
    const announced = this.#announced(engine, spec, options.trackers, { random, log });
    const torrent = announced?.session.torrent ?? engine.add(spec);
    const node: Node = {
      ...{ address, port, engine, store, torrent, told, session: announced?.session ?? null },
      end: async (tell = true) => {
        await announced?.session.end(tell);
        announced?.scheduler.close();
        await engine.close();
      },
    };
    this.#nodes.push(node);
    return node;
  }

  /** Tells one node of others. */
  introduce(node: Node, ...others: Node[]): void {
    node.torrent.addPeers(
      others.map(({ address, port }) => ({ host: address, port })),
      'hand',
    );
  }

  /** Lets time pass until a node has all of it; throws if it does not within the time. */
  async complete(node: Node, milliseconds: number): Promise<void> {
    await this.clock.until(() => node.store.content.length > 0 && node.torrent.left === 0, milliseconds);
    if (!node.store.content.equals(this.content)) throw new Error('the bytes are not the same');
  }

  /** Ends all nodes and checks that nothing is held any more, and that nothing is still to come. */
  async end(): Promise<void> {
    const closing = Promise.all(this.#nodes.map((node) => node.end()));
    await this.clock.run(END_MILLISECONDS);
    await closing;
    await this.clock.run(END_MILLISECONDS);
    for (const { store, engine } of this.#nodes) {
      const { leasedBytes, connections, pendingConnections } = engine.stats();
      const held = store.leases + leasedBytes + connections + pendingConnections;
      if (held !== 0)
        throw new Error(`held at the end: ${store.leases} leases, ${leasedBytes} B, ${connections} connections`);
    }
    // What slow lines still carry is nobody's any more.
    const timers = this.clock.pending - this.network.pending;
    if (timers !== 0) throw new Error(`${timers} timers are left at the end`);
  }

  #announced(
    engine: Engine,
    spec: TorrentSpec,
    trackers: NodeTrackers | undefined,
    { random, log }: { random: Random; log: Log },
  ): { scheduler: AnnounceScheduler; session: TorrentSession } | null {
    if (trackers === undefined) return null;
    const clients = new Map([['http:', trackers.client]]);
    const port = () => engine.port ?? 0;
    const scheduler = new AnnounceScheduler({
      ...{ clients, random, log, port, clock: this.clock, allowPrivateAddresses: false },
    });
    const newPeerId = () => makePeerId(random, '0.1.0');
    const { dht = null, local = null } = trackers.finders ?? {};
    const sessions = new Sessions({
      ...{ engine, scheduler, random, log, newPeerId, clock: this.clock, keeper: NOBODY },
      ...(dht !== null && { dht }),
      ...(local !== null && { local }),
    });
    return { scheduler, session: sessions.begin({ ...spec, trackers: trackers.urls, announces: trackers.announces }) };
  }
}

/** What a restart needs is taken from the session itself. */
const NOBODY: SessionKeeper = {
  changed: () => undefined,
  counted: () => undefined,
  keep: () => Promise.resolve(),
  flush: () => Promise.resolve(),
};

/** Longer than a dial or a `stopped` takes to end. */
const END_MILLISECONDS = 120_000;

function tellTo(told: string[]): TorrentListener {
  return {
    onMetadata: () => told.push('metadata'),
    onPiece: (index) => told.push(`piece ${index}`),
    onWanted: () => told.push('wanted'),
    onComplete: () => told.push('complete'),
    onMissing: (pieces) => told.push(`missing ${pieces}`),
    onError: (error) => told.push(`error ${error.message}`),
  };
}
