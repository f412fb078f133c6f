import type { Bitfield } from '../lib/bitfield.ts';

/**
 * What the engine asks of its surroundings. The engine knows peers and bytes; where bytes lie is the store's business.
 * `PieceStore` is met by vault/pieces.ts and, in tests, by small stores in memory.
 */

/** What a store must know of a torrent to place its bytes. `id` is the caller's own number for it, fixed for life. */
export interface StoredTorrent {
  readonly id: number;
  /** Bytes; the last piece may be shorter. */
  readonly pieceLength: number;
  /** Bytes of the whole torrent, pad files included. */
  readonly totalLength: number;
}

/** An open torrent in a store; made by `open`, ended by `close`. Opaque to the engine but for these. */
export interface Handle {
  readonly torrent: StoredTorrent;
  /**
   * The store lays bytes down in units of this many bytes, unit 0 at torrent offset 0: it is glad of pieces that complete
   * a unit it has begun.
   */
  readonly unitBytes: number;
  /** How many begun units it wants at most; the engine's picker keeps below, the store never loses bytes over it. */
  readonly maxOpenUnits: number;
}

/**
 * Bytes lent by the store, in order; together exactly the bytes asked for. They stay as they are until `release`, which
 * must be called once, soon (DESIGN section 5: 2 s), whatever happens to the peer.
 */
export interface Lease {
  readonly views: readonly Buffer[];
  /** Bytes of memory this lease keeps from being reused: whole segments, not only what was asked for. */
  readonly pinnedBytes: number;
  release(): void;
}

/** Where bytes would come from now: memory, local disk (spool or cache), or the remote store. */
export type Tier = 'ram' | 'disk' | 'remote';

export interface ByteRange {
  /** Torrent offset in bytes. */
  readonly offset: number;
  readonly length: number;
}

/** Who must know what became of pieces that `have` told. */
export interface LossHandler {
  lost(pieces: readonly number[]): void;
  /** Never for a torrent that takes pieces: what it lost it fetches. */
  found(pieces: readonly number[]): void;
}

export interface ReadOptions {
  /** Aborts the wait, not a fetch that others wait for too. */
  readonly signal?: AbortSignal;
}

/**
 * The one interface between engine and vault.
 *
 * A store serves every piece whose `writePiece` has resolved, wherever it lies. Errors are BaeErrors: `unavailable` (ask
 * again later, nothing is lost), `corrupt` and `missing` (the piece is reported through `onLost` as well).
 */
export interface PieceStore {
  open(torrent: StoredTorrent): Promise<Handle>;
  /** Open leases stay valid. */
  close(handle: Handle): void;
  /** The pieces that can be read, by index; the store's own live set: copy it to keep it. */
  have(handle: Handle): Bitfield;
  /** Calls when pieces can no longer be read, or can be again; returns the way to stop listening. */
  onLost(handle: Handle, handler: LossHandler): () => void;
  /** The bytes if they are in memory, with no promise; else null. `length` > 0, within the torrent and pieces had. */
  tryRead(handle: Handle, offset: number, length: number): Lease | null;
  tier(handle: Handle, offset: number, length: number): Tier;
  /** One fetch serves all who wait for the same bytes. */
  read(handle: Handle, offset: number, length: number, options?: ReadOptions): Promise<Lease>;
  /**
   * False while nothing may be fetched from the remote store for peers: an amount that a person set is used up. Absent: it
   * always may. Who reads all the same is answered.
   */
  mayFetch?(): boolean;
  /** A hint: these ranges will be read soon. Bounded by the store; never fails. */
  prefetch(handle: Handle, ranges: readonly ByteRange[]): void;
  /** Up to `max` pieces that are whole in memory or on disk. */
  hotPieces(handle: Handle, max: number): number[];
  /**
   * Takes one whole verified piece (its SHA-1 was right). Resolves when reads can serve it; the buffer is the store's until
   * then, and the caller's again once it settles. A store that has no room makes it wait; a piece that it has already is dropped.
   */
  writePiece(handle: Handle, index: number, data: Buffer): Promise<void>;
  /** False while the store wants no new pieces (its spool is full); the engine then stops requesting. */
  hasRoom(handle: Handle): boolean;
  /** Calls each time `hasRoom` turns true again; returns the way to stop listening. */
  onRoom(handle: Handle, room: () => void): () => void;
}

/** Hashing off the event loop. */
export interface PieceHasher {
  /** SHA-1 (20 bytes) of `data`, which may be moved to another thread and is handed back whole. */
  sha1(data: Buffer): Promise<{ digest: Buffer; data: Buffer }>;
}

/** A connected byte stream to a peer or tracker; the adapter over node:net, or a virtual one. */
export interface Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Set by the owner, and by the next when it is handed on. No data arrives before the first. */
  handlers: ConnectionHandlers | null;
  /**
   * Queues bytes in order, as one write where it can. The buffers must stay unchanged until `written`: the system took them
   * all, or, when `closed` was called before it, does not want them any more.
   */
  write(buffers: readonly Buffer[], written?: () => void): void;
  /** What MSE has made of it: only its handshake was encrypted, or all is (RC4). Absent: it is plain. */
  encryption?: 'header' | 'rc4';
  /** `write` copies what it is given: the buffers are free again when it returns. */
  readonly copies?: true;
  /** Bytes queued and not yet taken by the system. */
  readonly queuedBytes: number;
  /** Stops or goes on with reading (back-pressure). */
  pause(): void;
  resume(): void;
  /** Ends at once, `closed` is called once. */
  destroy(): void;
}

export interface ConnectionHandlers {
  /** The chunk is valid during the call only, and may be changed. */
  data(chunk: Buffer): void;
  /** All queued bytes were taken. */
  drained(): void;
  /** Called exactly once, last. */
  closed(error?: Error): void;
}

/** The network as an argument. Hosts are IP addresses, never names. */
export interface Network {
  /** True while there is no address to dial from: nobody is to be dialled. Absent: there always is. */
  isDown?(): boolean;
  /**
   * Resolves when connected; rejects (BaeError unavailable) after `timeoutMilliseconds` or on refusal. `localAddress`: the
   * one of ours that it must come from; default: the system's choice.
   */
  connect(host: string, port: number, timeoutMilliseconds: number, localAddress?: string): Promise<Connection>;
  /** Listens on one address; port 0 takes a free one. Rejects with `refused` if the port is in use. */
  listen(
    host: string,
    port: number,
    accept: (connection: Connection) => void,
  ): Promise<{ port: number; close(): Promise<void> }>;
}

/** A bound UDP socket. Hosts are IP addresses without brackets. */
export interface DatagramSocket {
  readonly port: number;
  /** Sends one packet as it is now; it may be lost without a word. */
  send(packet: Buffer, host: string, port: number): void;
  /** No packet arrives afterwards. */
  close(): void;
}

export interface DatagramHandlers {
  /** The packet is the receiver's own. */
  received(packet: Buffer, host: string, port: number): void;
  /** The socket is of no use any more. */
  failed(error: Error): void;
}

/** UDP as an argument. */
export interface DatagramNetwork {
  /** Binds one address; port 0 takes a free one. Rejects with `refused` where that cannot be. */
  bind(host: string, port: number, handlers: DatagramHandlers): Promise<DatagramSocket>;
}

/** UDP to all who joined a group, as an argument. */
export interface MulticastNetwork {
  /**
   * Joins a group (an IP address) on a port that other programs may share, on the network of `localAddress`, or, for null,
   * on the one that the system takes. What is sent to the group stays on that network. Rejects with `refused`.
   */
  join(group: string, port: number, localAddress: string | null, handlers: DatagramHandlers): Promise<DatagramSocket>;
}

/** The addresses that all traffic must come from, where a person has said so. */
export interface SourceAddress {
  /** Ours of this family; null while there is none: then nothing of this family may be sent. */
  localAddress(family: 4 | 6): string | null;
  /** Calls when an address is another or gone; returns the way to stop listening. */
  onChange(changed: () => void): () => void;
}
