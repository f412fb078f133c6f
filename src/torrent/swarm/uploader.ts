import type { Bitfield } from '../../lib/bitfield.ts';
import type { Info } from '../metainfo/index.ts';
import type { Connection, Handle, Lease } from '../ports.ts';
import { BLOCK_BYTES, encodeReject } from '../wire/index.ts';
import type { Taker } from './bandwidth.ts';
import { Batch, SLAB_BYTES } from './batch.ts';
import { Bucket } from './bucket.ts';
import { type ColdOwner, ColdReads } from './cold-reads.ts';
import type { SwarmContext } from './context.ts';
import { type BlockRun, bytesOf, CANCELLED } from './leases.ts';
import * as limits from './limits.ts';
import { Rate } from './rate.ts';
import { RequestQueue } from './request-queue.ts';
import { SendPace } from './send-pace.ts';

/** Where a torrent's bytes are served from. */
export interface UploadSource {
  readonly info: Info;
  readonly handle: Handle;
  readonly have: Bitfield;
  /** The torrent's upload limit. */
  readonly bucket: Bucket;
  /** The system took payload bytes. */
  uploaded(bytes: number): void;
}

/** What the uploader needs of its session. */
export interface UploadPeer {
  readonly connection: Connection;
  /** Both speak BEP 6. */
  readonly fast: boolean;
  /** Queues a message to go out before the next blocks. */
  send(message: Buffer): void;
  /** Something may be sent now. */
  flush(): void;
  close(reason: string): void;
}

/** Answers one peer's requests: judges and queues them, then hands blocks to its connection, as much as it takes. */
export class Uploader implements ColdOwner, Taker {
  readonly rate = new Rate();
  /** We choke the peer. */
  choking = true;
  /** Pieces it may ask for while choked (BEP 6). */
  readonly allowedFast = new Set<number>();
  heldBytes = 0;
  credit = 0;
  readonly bucket: Bucket;
  readonly own = new Bucket();
  readonly #peer: UploadPeer;
  readonly #source: UploadSource;
  readonly #context: SwarmContext;
  readonly #queue = new RequestQueue();
  readonly #cold: ColdReads;
  readonly #pace = new SendPace();
  /** What the system has and has not taken yet. */
  #batch: Batch | null = null;
  readonly #goOn = () => this.flush();
  #slow = false;
  #invalidRequests = 0;
  #closed = false;

  constructor(peer: UploadPeer, source: UploadSource, context: SwarmContext) {
    this.#peer = peer;
    this.#source = source;
    this.bucket = source.bucket;
    this.#context = context;
    this.#cold = new ColdReads(this, source, context, this.#queue);
  }

  get fast(): boolean {
    return this.#peer.fast;
  }

  /** Where rates are limited no more is read at once than one share of them. */
  get runBytes(): number {
    return this.#context.bandwidth.up.limits(this) ? limits.SHARE_BYTES : limits.RUN_BYTES;
  }

  request(index: number, begin: number, length: number): void {
    const { info, have } = this.#source;
    if (!inRange(info, index, begin, length)) {
      this.#reject(index, begin, length);
      if (++this.#invalidRequests >= limits.INVALID_REQUESTS) this.#peer.close('too many impossible requests');
    } else if ((this.choking && !this.allowedFast.has(index)) || !have.has(index)) {
      this.#reject(index, begin, length);
    } else if (!this.#queue.push(index, begin, length) && !this.#queue.has(index, begin)) {
      this.#reject(index, begin, length);
    }
  }

  /** BEP 6 wants every request answered: a cancelled one by a reject. */
  cancel(index: number, begin: number, length: number): void {
    if (this.#queue.remove(index, begin) || this.#cold.cancel(index, begin)) this.#reject(index, begin, length);
  }

  /** Refuses what is queued: the peer was choked, or pieces were lost. `keep` says which pieces are served all the same. */
  cancelAll(keep: (index: number) => boolean): void {
    const refused: number[] = [];
    const gather = (index: number, begin: number, length: number) => {
      if (!keep(index)) refused.push(index, begin, length);
      return true;
    };
    this.#queue.scan(gather);
    this.#cold.scan(gather);
    for (let at = 0; at < refused.length; at += 3) {
      this.cancel(refused[at] as number, refused[at + 1] as number, refused[at + 2] as number);
    }
  }

  refuse(run: BlockRun): void {
    for (let at = 0; at < run.length; at += 3) {
      if (run[at] !== CANCELLED) this.#reject(run[at] as number, run[at + 1] as number, run[at + 2] as number);
    }
  }

  /**
   * Appends a batch of blocks to `buffers`; returns what to call when the system took it. There is one batch at a time:
   * the system has a buffer of its own to send from, and large batches are cheap.
   */
  collect(buffers: Buffer[]): (() => void) | undefined {
    if (this.#closed || this.#batch !== null || (this.#queue.length === 0 && this.#cold.size === 0)) return undefined;
    const { bandwidth, slabs, clock, turns } = this.#context;
    if (turns.sending.isOver) {
      turns.sending.later(this.#goOn);
      return undefined;
    }
    const allowance = bandwidth.up.allowance(this);
    if (allowance === 0) return undefined;
    const batch = new Batch(buffers, slabs, clock.monotonic());
    const room = Math.min(this.#room, allowance);
    this.#collectArrived(batch, room);
    this.#collectQueued(batch, room);
    batch.finish();
    turns.sending.spend(batch.payloadBytes + batch.blocks * limits.BLOCK_WORK);
    if (this.credit > 0) bandwidth.up.spent(this, batch.payloadBytes);
    if (batch.payloadBytes === 0) {
      // All of what arrived had been cancelled.
      this.#release(batch);
      return undefined;
    }
    this.#batch = batch;
    return () => this.#written(batch);
  }

  /** The connection has copied the batch: what was lent goes back now, and the copy counts instead. */
  copied(): void {
    const batch = this.#batch;
    if (batch === null) return;
    const before = batch.heldBytes;
    batch.copied();
    this.hold(batch.heldBytes - before);
  }

  /** What it would send now if rates were not limited, in bytes. */
  wanted(): number {
    if (this.#batch !== null) return 0;
    return Math.min(this.#room, this.#queue.totalBytes + this.#cold.arrivedBytes);
  }

  /** Something was read, or may be sent. */
  flush(): void {
    this.#peer.flush();
  }

  /** Bytes per second it takes at most now; infinitely many for one who waits for us: for the store, or for a rate limit. */
  paceAt(now: number): number {
    const waitsForUs = this.#batch === null && this.#room > 0 && (this.#queue.length > 0 || this.#cold.size > 0);
    return waitsForUs ? Number.POSITIVE_INFINITY : this.#pace.at(now, this.rate.bytesPerSecond, this.#batch);
  }

  hold(bytes: number): void {
    this.heldBytes += bytes;
    this.#context.leased.bytes += bytes;
  }

  /** Once a second: retries, and leases that have been held too long. */
  tick(now: number, milliseconds: number): void {
    this.rate.tick(milliseconds);
    this.#cold.tick(now);
    const batch = this.#batch;
    if (batch === null || now - batch.at <= limits.LEASE_MILLISECONDS) return;
    // The system still has the bytes: they cannot be swapped for copies, but no more are lent, and where memory is short
    // the connection goes.
    this.#slow = true;
    const { leased, limits: set } = this.#context;
    if (batch.heldBytes > 0 && leased.bytes > set.leasedBytes / 2) this.#peer.close('too slow for what it holds');
  }

  /** Gives back what is held; what the system has comes back by itself. */
  close(): void {
    this.#closed = true;
    this.#context.bandwidth.up.leave(this);
    this.#context.turns.sending.forget(this.#goOn);
    this.#queue.clear();
    this.#cold.close();
  }

  /** Bytes to be given to the connection now. */
  get #room(): number {
    return Math.min(this.#pace.batchBytes, limits.SEND_BUFFER_BYTES - this.#peer.connection.queuedBytes);
  }

  #reject(index: number, begin: number, length: number): void {
    if (this.#peer.fast) this.#peer.send(encodeReject(index, begin, length));
  }

  #collectArrived(batch: Batch, room: number): void {
    while (batch.payloadBytes < room) {
      const arrived = this.#cold.next();
      if (arrived === null) return;
      this.#give(batch, arrived.run, arrived.lease);
    }
  }

  #collectQueued(batch: Batch, room: number): void {
    const { info, handle } = this.#source;
    const { store } = this.#context;
    while (this.#queue.length > 0 && batch.payloadBytes < room) {
      const offset = this.#queue.index * info.pieceLength + this.#queue.begin;
      // A run that ends where the store's segments do pins one of them.
      const most = Math.min(limits.RUN_BYTES - (offset % limits.RUN_BYTES), room - batch.payloadBytes);
      let bytes = this.#queue.runBytes(info.pieceLength, most);
      let lease = store.tryRead(handle, offset, bytes);
      if (lease === null && bytes > this.#queue.bytes) {
        bytes = this.#queue.bytes;
        lease = store.tryRead(handle, offset, bytes);
      }
      if (lease === null) {
        if (!this.#cold.start(offset, batch.at)) return;
      } else if (this.#mustCopy(bytes, lease) && !this.#hasRoomToCopy(batch, bytes)) {
        lease.release();
        return;
      } else this.#give(batch, this.#queue.takeRun(bytes), lease);
    }
  }

  /** Whether so many bytes are to be copied, since their lease would keep too much, or for too long. */
  #mustCopy(bytes: number, { pinnedBytes }: Lease): boolean {
    const { leased, limits: set } = this.#context;
    if (this.#slow || pinnedBytes > limits.PINNED_PER_SENT * bytes) return true;
    return this.heldBytes + pinnedBytes > limits.PEER_HELD_BYTES || leased.bytes + pinnedBytes > set.leasedBytes;
  }

  /** Whether a copy needs no slab more than one peer may hold; else it waits until something was given back. */
  #hasRoomToCopy(batch: Batch, bytes: number): boolean {
    return batch.copyRoom >= bytes || this.heldBytes + SLAB_BYTES <= limits.PEER_HELD_BYTES;
  }

  #give(batch: Batch, run: BlockRun, lease: Lease): void {
    const before = batch.heldBytes;
    if (this.#mustCopy(bytesOf(run), lease)) batch.copy(run, lease);
    else batch.lend(run, lease);
    this.hold(batch.heldBytes - before);
  }

  #release(batch: Batch): void {
    batch.release();
    this.hold(-batch.heldBytes);
  }

  #written(batch: Batch): void {
    this.#batch = null;
    this.#release(batch);
    const now = this.#context.clock.monotonic();
    this.#slow = now - batch.at > limits.LEASE_MILLISECONDS;
    this.#pace.taken(batch, now);
    if (this.#closed) return;
    this.rate.add(batch.payloadBytes);
    this.#cold.taken(batch.payloadBytes);
    this.#source.uploaded(batch.payloadBytes);
    if (this.#queue.length > 0 || this.#cold.size > 0) this.#peer.flush();
  }
}

function inRange(info: Info, index: number, begin: number, length: number): boolean {
  if (index >= info.pieceCount || length === 0 || length > BLOCK_BYTES) return false;
  return begin + length <= info.pieceLength && index * info.pieceLength + begin + length <= info.totalLength;
}
