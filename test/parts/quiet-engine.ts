import { BaeError } from '../../src/lib/errors.ts';
import type {
  Dormant,
  Engine,
  RateLimitChanges,
  Torrent,
  TorrentListener,
  TorrentStats,
} from '../../src/torrent/index.ts';

type Spec = Parameters<Engine['add']>[0];

/** A torrent of a QuietEngine; tests turn its counters and call its listener. */
export class QuietTorrent implements Torrent {
  readonly spec: Spec;
  readonly handle = null;
  readonly state = 'seeding';
  listener: TorrentListener;
  seeding: boolean;
  /** What `setLimits` was told. */
  readonly limits: RateLimitChanges[] = [];
  /** Never idle, unless a test says so. */
  idleSince: number | null = null;
  uploadedBytes: number;
  downloadedBytes: number;
  /** How often its peers had to go. */
  peersLeft = 0;

  constructor(spec: Spec) {
    this.spec = spec;
    this.listener = spec.listener ?? {};
    this.seeding = spec.seeding ?? true;
    this.uploadedBytes = spec.uploadedBytes ?? 0;
    this.downloadedBytes = spec.downloadedBytes ?? 0;
  }

  get infoHash(): Buffer {
    return this.spec.infoHash;
  }

  get id(): number | null {
    return this.spec.id;
  }

  get info(): Torrent['info'] {
    return this.spec.info;
  }

  get peerId(): Buffer {
    return this.spec.peerId as Buffer;
  }

  get isPrivate(): boolean {
    return this.spec.info?.isPrivate ?? false;
  }

  get left(): number {
    return 0;
  }

  leavePeers(): void {
    this.peersLeft++;
  }

  setSeeding(on: boolean): void {
    this.seeding = on;
  }

  stats(): TorrentStats {
    return {
      state: 'seeding',
      uploadedBytes: this.uploadedBytes,
      downloadedBytes: this.downloadedBytes,
      wastedBytes: 0,
      peers: 0,
      peerList: [],
      progress: 1,
      uploadBytesPerSecond: 0,
      downloadBytesPerSecond: 0,
      requestsInFlight: 0,
      lastProgressAt: 0,
      waiting: null,
    };
  }

  addPeers(): number {
    return 0;
  }

  hasRange(): boolean {
    return true;
  }

  provide(): void {
    throw new Error('a quiet torrent has its metadata');
  }

  setPriorities(): void {
    throw new Error('a quiet torrent downloads nothing');
  }

  pause(): void {
    throw new Error('a quiet torrent downloads nothing');
  }

  setOtherSeeds(): void {
    // Nobody to steer.
  }

  setLimits(limits: RateLimitChanges): void {
    this.limits.push(limits);
  }

  setMode(): void {
    throw new Error('a quiet torrent downloads nothing');
  }
}

/** An engine without network, for tests of those who drive one. */
export class QuietEngine implements Engine {
  readonly port = 6881;
  dormant: Dormant | null = null;
  readonly added = new Map<string, QuietTorrent>();

  async listen(): Promise<{ port: number }> {
    return { port: this.port };
  }

  add(spec: Spec): QuietTorrent {
    const infoHash = spec.infoHash.toString('hex');
    if (this.added.has(infoHash)) throw new BaeError('refused', 'this torrent is there already');
    const torrent = new QuietTorrent(spec);
    this.added.set(infoHash, torrent);
    queueMicrotask(() => torrent.listener.onMissing?.(0));
    return torrent;
  }

  get(infoHash: string): QuietTorrent | null {
    return this.added.get(infoHash) ?? null;
  }

  torrents(): readonly QuietTorrent[] {
    return [...this.added.values()];
  }

  async remove(torrent: Torrent): Promise<void> {
    this.added.delete(torrent.infoHash.toString('hex'));
  }

  setLimits(): void {
    // Nothing flows.
  }

  stats(): ReturnType<Engine['stats']> {
    return { connections: 0, pendingConnections: 0, halfOpenConnections: 0, leasedBytes: 0 };
  }

  async close(): Promise<void> {
    this.added.clear();
  }
}
