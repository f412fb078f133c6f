import { Bitfield } from '../../src/lib/bitfield.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { BaeError } from '../../src/lib/errors.ts';
import type {
  Engine,
  HostPort,
  Info,
  Priorities,
  RateLimitChanges,
  Torrent,
  TorrentListener,
  TorrentStats,
} from '../../src/torrent/index.ts';
import type { ByteRange, Handle, PieceStore } from '../../src/torrent/ports.ts';

type Spec = Parameters<Engine['add']>[0];

/** A seed of the scripted swarm. */
export interface ScriptedSeed {
  readonly host: string;
  readonly port: number;
  /** Hex. */
  readonly infoHash: string;
  readonly rawInfo: Buffer;
  readonly content: Buffer;
  /** Pieces it still gives; what it has given is taken off. */
  allowance: number;
  /** Whether it sends the metadata. */
  givesMetadata: boolean;
}

/** A torrent of a ScriptedEngine: it takes the pieces it wants from the seeds it was told of, one after the other. */
export class ScriptedTorrent implements Torrent {
  readonly infoHash: Buffer;
  readonly peerId: Buffer;
  readonly isPrivate = false;
  readonly idleSince = null;
  listener: TorrentListener;
  id: number | null;
  info: Info | null;
  handle: Handle | null = null;
  /** What `stats` says of why nothing is requested. */
  waiting: string | null = null;
  /** Indexes in the order in which they were fetched. */
  readonly fetched: number[] = [];
  /** What `setLimits` was told. */
  readonly limits: RateLimitChanges[] = [];
  readonly #engine: ScriptedEngine;
  readonly #seeds = new Set<ScriptedSeed>();
  #mode: 'download' | 'seed';
  #priorities: Priorities;
  #lastProgressAt: number;
  #isOn: boolean;
  #isGone = false;
  #working: Promise<void> = Promise.resolve();
  #isComplete = false;
  #downloadedBytes: number;
  readonly #uploadedBytes: number;

  constructor(spec: Spec, engine: ScriptedEngine) {
    this.infoHash = spec.infoHash;
    this.peerId = spec.peerId as Buffer;
    this.listener = spec.listener ?? {};
    this.id = spec.id;
    this.info = spec.info;
    this.#engine = engine;
    this.#mode = spec.mode;
    this.#priorities = spec.priorities ?? { ranges: [], rest: 'normal' };
    this.#lastProgressAt = engine.clock.now();
    this.#isOn = spec.seeding ?? true;
    this.#downloadedBytes = spec.downloadedBytes ?? 0;
    this.#uploadedBytes = spec.uploadedBytes ?? 0;
    if (this.info !== null) this.work();
  }

  get state(): TorrentStats['state'] {
    if (!this.#isOn) return 'stopped';
    if (this.info === null) return 'metadata';
    if (this.handle === null) return 'opening';
    return this.#mode === 'download' && this.left > 0 ? 'downloading' : 'seeding';
  }

  get left(): number {
    const { info, handle } = this;
    if (info === null || handle === null) return info?.totalLength ?? 16_384;
    const have = this.#engine.store.have(handle);
    let left = 0;
    for (let index = 0; index < info.pieceCount; index++) if (!have.has(index)) left += info.pieceBytes(index);
    return left;
  }

  /** Does what can be done now, behind what is being done. */
  work(): void {
    this.#working = this.#working
      .then(() => this.#work())
      .catch((error: unknown) => this.listener.onError?.(error as Error));
  }

  /** Resolves when nothing is left to do now. */
  async settled(): Promise<void> {
    for (let last: unknown = null; last !== this.#working; ) {
      last = this.#working;
      await this.#working;
    }
  }

  provide(info: Info, id: number): void {
    this.info = info;
    this.id = id;
    this.work();
  }

  hasRange({ offset, length }: ByteRange): boolean {
    const { info, handle } = this;
    if (info === null || handle === null) return false;
    const have = this.#engine.store.have(handle);
    const last = Math.floor((offset + length - 1) / info.pieceLength);
    for (let index = Math.floor(offset / info.pieceLength); index <= last; index++) if (!have.has(index)) return false;
    return true;
  }

  setPriorities(priorities: Priorities): void {
    this.#priorities = priorities;
    this.work();
  }

  addPeers(peers: readonly HostPort[]): number {
    for (const peer of peers) for (const seed of this.#engine.seedsAt(peer, this.infoHash)) this.#seeds.add(seed);
    this.work();
    return peers.length;
  }

  leavePeers(): void {
    this.#seeds.clear();
  }

  setSeeding(on: boolean): void {
    this.#isOn = on;
    this.work();
  }

  pause(): void {
    throw new Error('nobody pauses an import');
  }

  setOtherSeeds(): void {
    // Its peers ask for nothing.
  }

  setLimits(limits: RateLimitChanges): void {
    this.limits.push(limits);
  }

  setMode(mode: 'download' | 'seed'): void {
    this.#mode = mode;
  }

  stats(): TorrentStats {
    const total = this.info?.totalLength ?? 0;
    return {
      state: this.state,
      uploadedBytes: this.#uploadedBytes,
      downloadedBytes: this.#downloadedBytes,
      wastedBytes: 0,
      peers: this.#seeds.size,
      peerList: [],
      progress: total === 0 || this.handle === null ? 0 : 1 - this.left / total,
      uploadBytesPerSecond: 0,
      downloadBytesPerSecond: 0,
      requestsInFlight: 0,
      lastProgressAt: this.#lastProgressAt,
      waiting: this.waiting,
    };
  }

  async close(): Promise<void> {
    this.#isGone = true;
    await this.settled();
    if (this.handle !== null) this.#engine.store.close(this.handle);
    this.handle = null;
  }

  async #work(): Promise<void> {
    if (this.#isGone || !this.#isOn) return;
    if (this.info === null) {
      const seed = [...this.#seeds].find(({ givesMetadata }) => givesMetadata);
      if (seed === undefined) return;
      this.#lastProgressAt = this.#engine.clock.now();
      this.listener.onMetadata?.(seed.rawInfo);
      return;
    }
    if (this.handle === null) {
      const { info, id } = this;
      const { pieceLength, totalLength } = info;
      this.handle = await this.#engine.store.open({ id: id as number, pieceLength, totalLength });
      this.#isComplete = this.left === 0;
      this.listener.onWanted?.();
    }
    await this.#fetch(this.info, this.handle);
  }

  async #fetch(info: Info, handle: Handle): Promise<void> {
    while (!this.#isGone && this.#isOn && this.#mode === 'download') {
      const index = this.#next(info, handle);
      const seed = [...this.#seeds].find(({ allowance }) => allowance > 0);
      if (index === null || seed === undefined) break;
      seed.allowance--;
      const offset = index * info.pieceLength;
      const data = Buffer.from(seed.content.subarray(offset, offset + info.pieceBytes(index)));
      this.fetched.push(index);
      await this.#engine.store.writePiece(handle, index, data);
      this.#downloadedBytes += data.length;
      this.#lastProgressAt = this.#engine.clock.now();
      this.listener.onPiece?.(index);
    }
    if (this.left > 0 || this.#isComplete) return;
    this.#isComplete = true;
    this.listener.onWanted?.();
    this.listener.onComplete?.();
  }

  /** The first missing piece of the highest priority; null when nothing wanted is missing. */
  #next(info: Info, handle: Handle): number | null {
    const have = this.#engine.store.have(handle);
    const high = new Bitfield(info.pieceCount);
    for (const { offset, length, priority } of this.#priorities.ranges) {
      const last = Math.floor((offset + length - 1) / info.pieceLength);
      if (priority === 'high') for (let at = Math.floor(offset / info.pieceLength); at <= last; at++) high.add(at);
    }
    const missing = Array.from({ length: info.pieceCount }, (_, index) => index).filter((index) => !have.has(index));
    const wanted = this.#priorities.rest === 'skip' ? [] : missing;
    return missing.find((index) => high.has(index)) ?? wanted[0] ?? null;
  }
}

/** An engine over a PieceStore whose swarm is a list of seeds, for tests of those who drive one. */
export class ScriptedEngine implements Engine {
  readonly port = 6881;
  readonly dormant = null;
  readonly store: PieceStore;
  readonly clock: Clock;
  readonly #seeds: readonly ScriptedSeed[];
  readonly #added = new Map<string, ScriptedTorrent>();

  constructor(store: PieceStore, clock: Clock, seeds: readonly ScriptedSeed[]) {
    this.store = store;
    this.clock = clock;
    this.#seeds = seeds;
  }

  seedsAt({ host, port }: HostPort, infoHash: Buffer): ScriptedSeed[] {
    const hash = infoHash.toString('hex');
    return this.#seeds.filter((seed) => seed.host === host && seed.port === port && seed.infoHash === hash);
  }

  async listen(): Promise<{ port: number }> {
    return { port: this.port };
  }

  add(spec: Spec): ScriptedTorrent {
    const infoHash = spec.infoHash.toString('hex');
    if (this.#added.has(infoHash)) throw new BaeError('refused', 'this torrent is there already');
    const torrent = new ScriptedTorrent(spec, this);
    this.#added.set(infoHash, torrent);
    return torrent;
  }

  get(infoHash: string): ScriptedTorrent | null {
    return this.#added.get(infoHash) ?? null;
  }

  torrents(): readonly ScriptedTorrent[] {
    return [...this.#added.values()];
  }

  async remove(torrent: Torrent): Promise<void> {
    const infoHash = torrent.infoHash.toString('hex');
    await this.#added.get(infoHash)?.close();
    this.#added.delete(infoHash);
  }

  setLimits(): void {
    // Nothing flows.
  }

  stats(): ReturnType<Engine['stats']> {
    return { connections: 0, pendingConnections: 0, halfOpenConnections: 0, leasedBytes: 0 };
  }

  async close(): Promise<void> {
    await Promise.all(this.torrents().map((torrent) => this.remove(torrent)));
  }
}
