import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { HostPort, Info } from '../metainfo/index.ts';
import type { ByteRange, Handle, Network, PieceHasher, PieceStore } from '../ports.ts';

/**
 * Message Stream Encryption (MSE/PE). `prefer`: peers may come plain or encrypted; we dial encrypted first, then plain, and
 * let plaintext follow the handshake where the peer allows it. `require`: RC4 in both directions, or no connection.
 * `off`: plain only.
 */
export type Encryption = 'prefer' | 'require' | 'off';

/** What the engine is made of; all of it can be virtual. */
export interface EngineOptions {
  readonly store: PieceStore;
  readonly hasher: PieceHasher;
  readonly network: Network;
  readonly clock: Clock;
  /** Calls in the next turn of the event loop; default: by the clock, at once. */
  readonly nextTurn?: (call: () => void) => void;
  readonly random: Random;
  readonly log: Log;
  /** What peers see of us: `version` like 0.1.0 goes into the peer id and, after our name, into the extension handshake. */
  readonly version: string;
  readonly limits?: Partial<EngineLimits>;
  /** Default: prefer. */
  readonly encryption?: Encryption;
  /** Absent where there is no DHT. */
  readonly dht?: DhtPort;
  /** While seeding, peers near the start or the end of their download come sooner; default false. */
  readonly antiLeech?: boolean;
  /** Over all torrents, and of each peer. */
  readonly rateLimits?: EngineRateChanges;
  /** Default: nobody is blocked. */
  readonly filter?: AddressFilter;
}

/** Whom peers may not be, dialled or coming, whoever names them. */
export interface AddressFilter {
  /** An IP address without brackets. */
  blocks(address: string): boolean;
}

/** What peers and our DHT node tell each other (BEP 5). */
export interface DhtPort {
  /** Our node's UDP port; null while there is none. */
  readonly port: number | null;
  /** A peer of a public torrent says that it runs a node. */
  heard(host: string, port: number): void;
}

/** Payload in whole bytes per second; 0: no limit, as where nothing is said. */
export interface RateLimits {
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
}

/** Limits to set; those not named stay. */
export type RateLimitChanges = { readonly [Name in keyof RateLimits]?: RateLimits[Name] | undefined };

/** Limits of an engine: over all its torrents, and what one connection with a peer may be sent. */
export interface EngineRateChanges extends RateLimitChanges {
  readonly peerUploadBytesPerSecond?: number | undefined;
}

/** The limits that a person may set; the fixed ones are in limits.ts. */
export interface EngineLimits {
  /** Established connections of the process. */
  readonly connections: number;
  readonly connectionsPerTorrent: number;
  /** Memory, in bytes, that blocks under way to peers may keep from being reused; above it they are copied out. */
  readonly leasedBytes: number;
  /** Bytes of pieces being downloaded, hashed or written, over all torrents; two pieces of a torrent always fit. */
  readonly pieceBytes: number;
  /** Peers from trackers, PEX and DHT may have loopback and private addresses. */
  readonly allowPrivateAddresses: boolean;
  /** Address limits and bans apply to loopback too. */
  readonly limitLoopback: boolean;
}

/** Torrents that an engine does not have and can get when a peer comes for one. */
export interface Dormant {
  /**
   * Adds the torrent to the engine; null when there is none with this info-hash (20 bytes, valid during the call). Resolves
   * when it was added or cannot be, soon; never rejects. For one that is being woken already, it waits for that.
   */
  wake(infoHash: Buffer): Promise<void> | null;
  /** The info-hash that an encrypted handshake names so: HASH('req2', info-hash); null for none. */
  findObfuscated(hash: Buffer): Buffer | null;
}

/** Peers and bytes of many torrents behind one listener. Knows no trackers: addresses come by `Torrent.addPeers`. */
export interface Engine {
  /**
   * Listens on each address, all with the same port (0: a free one). `refused` if the port is in use; an address the
   * machine does not have is `refused` too, unless another one could be used.
   */
  listen(options: { addresses: readonly string[]; port: number }): Promise<{ port: number }>;
  /** The listening port; null before `listen`. */
  readonly port: number | null;
  /** Starts a torrent. `refused` if its info-hash is there already. */
  add(spec: TorrentSpec): Torrent;
  /** By info-hash, 40 hex digits. */
  get(infoHash: string): Torrent | null;
  torrents(): readonly Torrent[];
  /** Who has the torrents that are not here; null at first. Set by their owner. */
  dormant: Dormant | null;
  /** Closes its connections and forgets it; what it was writing to the store is waited for. */
  remove(torrent: Torrent): Promise<void>;
  /** Limits over all torrents and of each peer, from now on; those not named stay. @throws RangeError */
  setLimits(limits: EngineRateChanges): void;
  stats(): EngineStats;
  /** Stops listening and removes all torrents. */
  close(): Promise<void>;
}

export interface EngineStats {
  readonly connections: number;
  /** Incoming ones before their handshake. */
  readonly pendingConnections: number;
  readonly halfOpenConnections: number;
  /** Memory that blocks under way to peers keep from being reused. */
  readonly leasedBytes: number;
}

export interface TorrentSpec {
  /** 20 bytes. */
  readonly infoHash: Buffer;
  /** The store's number for it; null as long as there is no metadata. */
  readonly id: number | null;
  /** Null for a magnet link: fetched from peers (BEP 9), told by `onMetadata`, given back by `provide`. */
  readonly info: Info | null;
  /** BEP 27; when `info` is there its own word counts. */
  readonly isPrivate?: boolean;
  /**
   * `download`: fetch what is missing, serve what is there. `seed`: the same, for a torrent that is thought complete:
   * nothing is fetched, even if pieces are missing.
   */
  readonly mode: 'download' | 'seed';
  /** False: neither dials nor answers until `setSeeding(true)`; default true. */
  readonly seeding?: boolean;
  /** 20 bytes; the announce session's. Default: a new one. */
  readonly peerId?: Buffer;
  /** Payload bytes of earlier runs. */
  readonly uploadedBytes?: number;
  readonly downloadedBytes?: number;
  readonly priorities?: Priorities;
  /** Of its own, within those over all torrents. */
  readonly rateLimits?: RateLimitChanges;
  readonly listener?: TorrentListener;
}

export type Priority = 'high' | 'normal' | 'skip';

/** Which bytes to fetch. A piece has the highest priority of the ranges that touch it, else `rest`. */
export interface Priorities {
  readonly ranges: readonly (ByteRange & { readonly priority: Priority })[];
  readonly rest: Priority;
}

/** What a torrent tells its owner, one call at a time. */
export interface TorrentListener {
  /** The metadata is there; its SHA-1 is the info-hash. Answer with `provide` once a store can take its pieces. */
  onMetadata?(rawInfo: Buffer): void;
  /** A piece was verified and the store can serve it. */
  onPiece?(index: number): void;
  /** All pieces that are not skipped are there; again after each change of priorities that leaves nothing to fetch. */
  onWanted?(): void;
  /** The last missing piece was downloaded now: not called for a torrent that is complete from the start. */
  onComplete?(): void;
  /** How many pieces a seed cannot serve: when the store has been opened, and when it lost some or found them again. */
  onMissing?(pieces: number): void;
  /** Something failed that a person should know; the torrent goes on by itself if `error.retryable`. */
  onError?(error: Error): void;
  /** Payload counters grew; once a second and once at the end. */
  onCounters?(counters: { uploadedBytes: number; downloadedBytes: number }): void;
}

/**
 * - opening: the store is being asked
 * - metadata: waiting for peers to send the info dictionary, then for `provide`
 * - downloading: pieces that are wanted are missing
 * - seeding: nothing (wanted) is missing, peers are served
 * - stopped: seeding is off, paused, or the store failed
 */
export type TorrentState = 'opening' | 'metadata' | 'downloading' | 'seeding' | 'stopped';

/** Where an address comes from: a person, a tracker, PEX, DHT or the local network. */
export type PeerSource = 'hand' | 'tracker' | 'pex' | 'dht' | 'lsd';

export interface Torrent {
  /** 20 bytes. */
  readonly infoHash: Buffer;
  readonly id: number | null;
  readonly info: Info | null;
  readonly peerId: Buffer;
  readonly isPrivate: boolean;
  readonly state: TorrentState;
  /** The store's handle; null until it is open. */
  readonly handle: Handle | null;
  /** May be replaced at any time. */
  listener: TorrentListener;
  /** Gives a magnet's torrent its metadata and its number in the store. Connections stay. */
  provide(info: Info, id: number): void;
  /** True when all bytes of the range are verified and can be read from the store. */
  hasRange(range: ByteRange): boolean;
  setPriorities(priorities: Priorities): void;
  /** Addresses to dial; those not allowed (BEP 27, private addresses, banned) are left out. Returns how many were new. */
  addPeers(peers: readonly HostPort[], source: PeerSource): number;
  /** Ends all connections and forgets all addresses but those given by hand (BEP 27: its tracker is another one now). */
  leavePeers(): void;
  /** Off: connections are closed at once and nobody is dialled or answered; on: as before. */
  setSeeding(on: boolean): void;
  /** Stops requesting (true) and goes on (false); what peers ask for is served all the same. */
  pause(on: boolean): void;
  /** Whether others have all pieces too: only then are peers steered to what is at hand (BEP 6), since rare pieces must spread. */
  setOtherSeeds(known: boolean): void;
  /** From downloading to only seeding and back. */
  setMode(mode: 'download' | 'seed'): void;
  /** Limits of its own, from now on; those not named stay. @throws RangeError */
  setLimits(limits: RateLimitChanges): void;
  /** Clock.monotonic() since when it has had no peer and dialled none; null while it has or does, or asks the store. */
  readonly idleSince: number | null;
  /** Bytes of missing pieces (a tracker's `left`); without metadata 16,384, since it is not 0. */
  readonly left: number;
  stats(): TorrentStats;
}

export interface TorrentStats {
  readonly state: TorrentState;
  /** Payload bytes sent and verified payload bytes received, earlier runs included. */
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  /** Payload bytes received for nothing since start: duplicates, bad pieces, what nobody asked for. */
  readonly wastedBytes: number;
  /** Established connections. */
  readonly peers: number;
  readonly peerList: readonly PeerStats[];
  /** 0 to 1, by bytes verified of the whole torrent; 0 without metadata. */
  readonly progress: number;
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  /** Blocks asked for and not yet received. */
  readonly requestsInFlight: number;
  /** Clock.now() of the last verified piece or metadata, or of the start. */
  readonly lastProgressAt: number;
  /** Why nothing is requested now, for people; null while nothing hinders. */
  readonly waiting: string | null;
}

export interface PeerStats extends HostPort {
  readonly client: string;
  readonly incoming: boolean;
  /** header: the handshake alone was encrypted; rc4: all is. */
  readonly encryption: 'plain' | 'header' | 'rc4';
  readonly progress: number;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  /** It wants from us; we want from it. */
  readonly interested: boolean;
  readonly interesting: boolean;
  /** We choke it; it chokes us. */
  readonly choked: boolean;
  readonly choking: boolean;
}
