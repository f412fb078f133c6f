import { BaeError } from '../../lib/errors.ts';
import type { HostPort, Info } from '../metainfo/index.ts';
import type { ByteRange, Connection, Handle } from '../ports.ts';
import type { SwarmContext } from './context.ts';
import { Counters } from './counters.ts';
import type { DialingTorrent } from './dialler.ts';
import { WRITE_RETRY_MILLISECONDS } from './limits.ts';
import { TorrentLoop } from './loop.ts';
import { OwnerVoice } from './owner-voice.ts';
import type { KnownPeer } from './peer-book.ts';
import { hadBytes, hasRange, loopStats } from './stats.ts';
import type { TorrentHome } from './torrent-home.ts';
import type {
  PeerSource,
  Priorities,
  RateLimitChanges,
  Torrent,
  TorrentListener,
  TorrentSpec,
  TorrentState,
  TorrentStats,
} from './types.ts';

/** What a tracker is told is missing while the size is not known: anything but 0, which means complete. */
const UNKNOWN_LEFT_BYTES = 16_384;
const ALL_NORMAL: Priorities = { ranges: [], rest: 'normal' };

/** A torrent from its start to its removal: asks the store for it, then lets the loop serve and fetch. */
export class SwarmTorrent implements Torrent, DialingTorrent {
  readonly infoHash: Buffer;
  readonly peerId: Buffer;
  isPrivate: boolean;
  info: Info | null;
  id: number | null;
  handle: Handle | null = null;
  readonly loop: TorrentLoop;
  readonly #context: SwarmContext;
  readonly #home: TorrentHome;
  readonly #owner: OwnerVoice;
  readonly #counters: Counters;
  #mode: TorrentSpec['mode'];
  #seeding: boolean;
  #paused = false;
  #priorities: Priorities;
  #removed = false;
  #opening: Promise<void> | null = null;
  #openAgainAt: number | null = null;
  #failed = false;
  #forgetStore: () => void = () => undefined;
  #lastProgressAt: number;

  constructor(spec: TorrentSpec, peerId: Buffer, context: SwarmContext, home: TorrentHome) {
    this.#context = context;
    this.#home = home;
    this.infoHash = Buffer.from(spec.infoHash);
    this.peerId = peerId;
    this.info = spec.info;
    this.id = spec.id;
    this.isPrivate = spec.info?.isPrivate ?? spec.isPrivate ?? false;
    this.#owner = new OwnerVoice(spec.listener ?? {}, context.log);
    this.#mode = spec.mode;
    this.#seeding = spec.seeding ?? true;
    this.#priorities = spec.priorities ?? ALL_NORMAL;
    this.#lastProgressAt = context.clock.now();
    this.loop = new TorrentLoop(context, this, spec.info?.rawInfo ?? null, {
      onRawInfo: (rawInfo) => this.#progressed((listener) => listener.onMetadata?.(rawInfo)),
      onVerified: (index) => this.#progressed((listener) => listener.onPiece?.(index)),
      onWanted: () => this.#owner.tell((listener) => listener.onWanted?.()),
      onComplete: () => this.#owner.tell((listener) => listener.onComplete?.()),
      onWriteFailed: (error) => this.#owner.error(error),
    });
    this.setLimits(spec.rateLimits ?? {});
    this.#counters = new Counters(spec, this.loop.uploaded, this.loop.downloaded);
  }

  /** Begins; the engine can route to it from now on. */
  start(): void {
    this.#open();
    this.#letIn();
  }

  get listener(): TorrentListener {
    return this.#owner.listener;
  }

  set listener(listener: TorrentListener) {
    this.#owner.listener = listener;
  }

  get state(): TorrentState {
    if (this.#removed || !this.#seeding || this.#failed) return 'stopped';
    if (this.info === null) return 'metadata';
    if (this.handle === null) return 'opening';
    return (this.loop.downloader?.picker.wanted.count ?? 0) > 0 ? 'downloading' : 'seeding';
  }

  /** While the store is being asked for a torrent that will take peers: resolves when it has answered. */
  get opening(): Promise<void> | null {
    return this.handle === null && this.#seeding && !this.#failed && !this.#removed ? this.#opening : null;
  }

  get idleSince(): number | null {
    return this.opening !== null || this.#openAgainAt !== null ? null : this.loop.members.idleSince;
  }

  get left(): number {
    if (this.info === null) return UNKNOWN_LEFT_BYTES;
    return this.info.totalLength - hadBytes(this.info, this.loop.source?.have);
  }

  provide(info: Info, id: number): void {
    if (this.info !== null) return;
    if (!info.infoHash.equals(this.infoHash)) throw new RangeError('the metadata of another torrent');
    this.info = info;
    this.id = id;
    // Only now is it known that the torrent is private: peers from elsewhere must go (BEP 27).
    if (info.isPrivate && !this.isPrivate) this.loop.becomePrivate();
    this.isPrivate = info.isPrivate;
    this.#open();
  }

  hasRange(range: ByteRange): boolean {
    const { source } = this.loop;
    return source !== null && hasRange(source.info, source.have, range);
  }

  setPriorities(priorities: Priorities): void {
    this.#priorities = priorities;
    this.loop.setPriorities(priorities);
  }

  addPeers(peers: readonly HostPort[], source: PeerSource): number {
    const added = this.loop.addPeers(peers, source);
    this.#home.wake();
    return added;
  }

  leavePeers(): void {
    this.loop.members.leave();
  }

  setSeeding(on: boolean): void {
    if (this.#removed || this.#seeding === on) return;
    this.#seeding = on;
    if (on) {
      this.#download();
      this.#letIn();
    } else {
      this.loop.isOpen = false;
      this.loop.members.closeAll('seeding is off');
      this.#owner.behind(this.loop.stopDownload());
    }
  }

  pause(on: boolean): void {
    this.#paused = on;
    const { downloader } = this.loop;
    if (downloader === null) return;
    downloader.paused = on;
    if (!on) downloader.fillStarved();
  }

  setOtherSeeds(known: boolean): void {
    this.loop.suggesting = known;
  }

  setMode(mode: 'download' | 'seed'): void {
    this.#mode = mode;
    if (mode === 'download') this.#download();
    else this.#owner.behind(this.loop.stopDownload());
  }

  setLimits(limits: RateLimitChanges): void {
    this.#context.bandwidth.setLimitsOf(this.loop.buckets, limits);
    if ((limits.downloadBytesPerSecond ?? 0) > 0) this.loop.downloader?.recall();
  }

  stats(): TorrentStats {
    return {
      state: this.state,
      ...this.#counters.now,
      ...loopStats(this.loop),
      progress: this.info === null ? 0 : hadBytes(this.info, this.loop.source?.have) / this.info.totalLength,
      lastProgressAt: this.#lastProgressAt,
    };
  }

  /** Whether time means anything to it now. */
  get isActive(): boolean {
    const { sessions, members } = this.loop;
    return sessions.size > 0 || members.book.size > 0 || this.#openAgainAt !== null || this.#counters.untold;
  }

  /** Once a second, while it is active. */
  tick(now: number, milliseconds: number): void {
    if (this.#openAgainAt !== null && now >= this.#openAgainAt) this.#open();
    this.loop.tick(now, milliseconds);
    this.#tellCounters(now);
    if (this.loop.isOpen && this.loop.members.book.size > 0) this.#home.wake();
  }

  nextPeer(now: number): KnownPeer | null {
    return this.loop.members.nextPeer(now);
  }

  dialled(peer: KnownPeer, connection: Connection): void {
    if (this.loop.isOpen) this.#home.greet(connection, peer);
    else {
      connection.destroy();
      this.loop.dialFailed(peer, 'nobody is wanted now');
    }
  }

  dialFailed(peer: KnownPeer, reason: string): void {
    this.loop.dialFailed(peer, reason);
  }

  /** Ends everything; resolves when nothing is being written. */
  async remove(): Promise<void> {
    if (this.#removed) return;
    this.#removed = true;
    this.loop.isOpen = false;
    this.loop.members.closeAll('the torrent is removed');
    await this.loop.stopDownload();
    await this.#opening;
    this.#tellCounters(Number.POSITIVE_INFINITY);
    this.#forgetStore();
    if (this.handle !== null) this.#context.store.close(this.handle);
  }

  /** Asks the store for the torrent, once it can be named. */
  #open(): void {
    this.#openAgainAt = null;
    const { info, id } = this;
    if (info === null || id === null) return;
    const { pieceLength, totalLength } = info;
    this.#opening = this.#context.store.open({ id, pieceLength, totalLength }).then(
      (handle) => this.#opened(info, handle),
      (error: unknown) => {
        this.#failed = true;
        const again = error instanceof BaeError && error.retryable;
        if (again) this.#home.wake();
        if (again) this.#openAgainAt = this.#context.clock.monotonic() + WRITE_RETRY_MILLISECONDS;
        this.#owner.error(error);
      },
    );
  }

  #opened(info: Info, handle: Handle): void {
    this.handle = handle;
    this.#failed = false;
    if (this.#removed) return;
    const { store } = this.#context;
    this.#forgetStore = store.onLost(handle, {
      lost: (pieces) => {
        this.loop.lost(pieces);
        this.#download();
        this.#tellMissing();
      },
      found: (pieces) => {
        this.loop.found(pieces);
        this.#tellMissing();
      },
    });
    const uploaded = (bytes: number) => this.loop.uploaded.add(bytes);
    this.loop.provide({ info, handle, have: store.have(handle), bucket: this.loop.buckets.up, uploaded });
    this.#download();
    this.#letIn();
    this.#tellMissing();
  }

  /** Peers may come: for a torrent that can be served, or whose metadata are wanted. */
  #letIn(): void {
    this.loop.isOpen = (this.info === null || this.handle !== null) && this.#seeding && !this.#removed;
    if (this.loop.isOpen) this.#home.wake();
  }

  #download(): void {
    const { source } = this.loop;
    if (this.#mode !== 'download' || !this.#seeding || this.#removed || source === null || source.have.full) return;
    this.loop.download(this.#priorities);
    if (this.loop.downloader !== null) this.loop.downloader.paused = this.#paused;
  }

  #progressed(tell: (listener: TorrentListener) => void): void {
    this.#lastProgressAt = this.#context.clock.now();
    this.#owner.tell(tell);
  }

  #tellMissing(): void {
    const have = this.loop.source?.have;
    if (have !== undefined && this.#mode === 'seed')
      this.#owner.tell((listener) => listener.onMissing?.(have.length - have.count));
  }

  #tellCounters(now: number): void {
    const due = this.#counters.due(now);
    if (due !== null) this.#owner.tell((listener) => listener.onCounters?.(due));
  }
}
