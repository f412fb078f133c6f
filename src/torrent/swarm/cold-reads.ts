import { errorKind } from '../../lib/errors.ts';
import type { ByteRange, Lease } from '../ports.ts';
import { SLAB_BYTES } from './batch.ts';
import { ColdBudget } from './cold-budget.ts';
import type { SwarmContext } from './context.ts';
import { type BlockRun, bytesOf, CANCELLED, copyOut } from './leases.ts';
import * as limits from './limits.ts';
import { ParkedRequests } from './parked-requests.ts';
import type { RequestQueue } from './request-queue.ts';
import type { UploadSource } from './uploader.ts';

/** What arrives may have to be copied into a slab, which is a little larger than the segment that it frees. */
const MOST_HELD_BYTES = limits.PEER_HELD_BYTES - (SLAB_BYTES - limits.COLD_UNIT_BYTES);

/** Blocks that are not in memory and are being read. */
export interface ColdRead {
  readonly run: BlockRun;
  /** What it is counted with: the segments it will pin, then what its lease pins. */
  heldBytes: number;
  lease: Lease | null;
  arrivedAt: number;
}

export interface ColdOwner {
  /** Bytes held for the peer in all. */
  readonly heldBytes: number;
  /** The peer can be told that a request is not answered (BEP 6). */
  readonly fast: boolean;
  /** Bytes to be read and sent as one, at most. */
  readonly runBytes: number;
  hold(bytes: number): void;
  refuse(run: BlockRun): void;
  /** Something has arrived. */
  flush(): void;
}

/** One peer's reads of what is not in memory: few at a time, with hints along its queue, as much as it is entitled to. */
export class ColdReads {
  readonly #owner: ColdOwner;
  readonly #source: UploadSource;
  readonly #context: SwarmContext;
  readonly #queue: RequestQueue;
  readonly #budget: ColdBudget;
  readonly #reads: ColdRead[] = [];
  readonly #parked = new ParkedRequests();
  #retryAt = 0;

  constructor(owner: ColdOwner, source: UploadSource, context: SwarmContext, queue: RequestQueue) {
    this.#owner = owner;
    this.#source = source;
    this.#context = context;
    this.#queue = queue;
    this.#budget = new ColdBudget(context.clock.monotonic());
  }

  get size(): number {
    return this.#reads.length;
  }

  /** Bytes that have arrived and are not sent. */
  get arrivedBytes(): number {
    let bytes = 0;
    for (const { run, lease } of this.#reads) if (lease !== null) bytes += bytesOf(run);
    return bytes;
  }

  /** The peer took payload. */
  taken(bytes: number): void {
    this.#budget.taken(bytes);
  }

  /** Takes the first run out of the queue and reads it, or parks it to be refused; false if that must wait. */
  start(offset: number, now: number): boolean {
    if (this.#retryAt !== 0 || this.#reads.length >= limits.COLD_READS) return false;
    const { store } = this.#context;
    const { handle, info } = this.#source;
    // A run that ends where the store's segments do pins one of them.
    const most = Math.min(this.#owner.runBytes, limits.COLD_UNIT_BYTES - (offset % limits.COLD_UNIT_BYTES));
    const bytes = this.#queue.runBytes(info.pieceLength, most);
    const pinnedBytes = pinnedBy(offset, bytes);
    if (this.#owner.heldBytes + pinnedBytes > MOST_HELD_BYTES) return false;
    const run = this.#queue.takeRun(bytes);
    if (store.tier(handle, offset, bytes) === 'remote' && !this.#mayRead(offset, bytes, now)) {
      if (!this.#parked.add(run, now)) this.#owner.refuse(run);
      return true;
    }
    const read: ColdRead = { run, heldBytes: pinnedBytes, lease: null, arrivedAt: 0 };
    this.#reads.push(read);
    this.#owner.hold(pinnedBytes);
    store.read(handle, offset, bytes).then(
      (lease) => this.#arrived(read, lease),
      (error: unknown) => this.#failed(read, error),
    );
    this.#prefetch();
    return true;
  }

  /** What has arrived, to be sent now; its share of the held bytes goes to the caller. Null if there is nothing. */
  next(): { run: BlockRun; lease: Lease } | null {
    const read = this.#reads.find(({ lease }) => lease !== null);
    if (read === undefined || read.lease === null) return null;
    this.#drop(read);
    return { run: read.run, lease: read.lease };
  }

  /** True if the block was being read, or was parked, and will not be sent. */
  cancel(index: number, begin: number): boolean {
    if (this.#parked.cancel(index, begin)) return true;
    for (const { run } of this.#reads) {
      for (let at = 0; at < run.length; at += 3) {
        if (run[at] !== index || run[at + 1] !== begin) continue;
        run[at] = CANCELLED;
        return true;
      }
    }
    return false;
  }

  /** Calls for each block being read or parked. */
  scan(call: (index: number, begin: number, length: number) => void): void {
    this.#parked.scan(call);
    for (const { run } of this.#reads) {
      for (let at = 0; at < run.length; at += 3) {
        if (run[at] !== CANCELLED) call(run[at] as number, run[at + 1] as number, run[at + 2] as number);
      }
    }
  }

  /** Once a second: what arrived and could not be sent is copied out, what failed is tried again. */
  tick(now: number): void {
    this.#owner.refuse(this.#parked.due(now));
    for (const read of this.#reads) {
      if (read.lease === null || now - read.arrivedAt <= limits.LEASE_MILLISECONDS) continue;
      read.lease = copyOut(read.lease);
      this.#hold(read, read.lease.pinnedBytes);
      read.arrivedAt = Number.POSITIVE_INFINITY;
    }
    if (this.#retryAt === 0 || now < this.#retryAt) return;
    this.#retryAt = 0;
    this.#owner.flush();
  }

  close(): void {
    for (const read of [...this.#reads]) {
      this.#drop(read);
      read.lease?.release();
    }
  }

  /** Hints at what is queued behind, as far as one peer may have fetched. */
  #prefetch(): void {
    const { pieceLength } = this.#source.info;
    const ranges: { offset: number; length: number }[] = [];
    let bytes = 0;
    this.#queue.scan((index, begin, length) => {
      const offset = index * pieceLength + begin;
      const last = ranges.at(-1);
      if (last !== undefined && last.offset + last.length === offset) {
        last.length += length;
        bytes += length;
      } else {
        ranges.push({ offset, length });
        // What a range is fetched with: whole units, so scattered blocks reach the limit soon.
        bytes += limits.COLD_UNIT_BYTES;
      }
      return bytes < limits.COLD_BYTES;
    });
    const wanted = ranges.filter((range) => this.#mayFetch(range));
    if (wanted.length > 0) this.#context.store.prefetch(this.#source.handle, wanted);
  }

  /** Whether bytes are far away and the peer is entitled to them; counts them if so. */
  #mayFetch({ offset, length }: ByteRange): boolean {
    if (this.#context.store.tier(this.#source.handle, offset, length) !== 'remote') return false;
    return this.#mayRead(offset, length, this.#context.clock.monotonic());
  }

  /** Whether bytes that are far away may be fetched for the peer now; counts them if so. */
  #mayRead(offset: number, length: number, now: number): boolean {
    return this.#context.store.mayFetch?.() !== false && this.#budget.fetch(offset, length, now);
  }

  #arrived(read: ColdRead, lease: Lease): void {
    if (!this.#reads.includes(read)) {
      lease.release();
      return;
    }
    this.#hold(read, lease.pinnedBytes);
    read.lease = lease;
    read.arrivedAt = this.#context.clock.monotonic();
    this.#owner.flush();
  }

  /** What the store cannot give now is rejected, or, for a peer that knows no reject, waited for. */
  #failed(read: ColdRead, error: unknown): void {
    if (!this.#reads.includes(read)) return;
    this.#drop(read);
    if (errorKind(error) === 'unavailable' && !this.#owner.fast) {
      this.#retryAt = this.#context.clock.monotonic() + limits.READ_RETRY_MILLISECONDS;
      this.#queue.pushRun(read.run);
    } else {
      this.#context.log.warn('blocks for a peer cannot be read', { error });
      this.#owner.refuse(read.run);
    }
    this.#owner.flush();
  }

  #hold(read: ColdRead, bytes: number): void {
    this.#owner.hold(bytes - read.heldBytes);
    read.heldBytes = bytes;
  }

  #drop(read: ColdRead): void {
    this.#reads.splice(this.#reads.indexOf(read), 1);
    this.#owner.hold(-read.heldBytes);
  }
}

/** Bytes of the segments that a run of torrent bytes lies in, where the store's segments begin with the torrent's first byte. */
function pinnedBy(offset: number, length: number): number {
  const first = Math.floor(offset / limits.COLD_UNIT_BYTES);
  return (Math.floor((offset + length - 1) / limits.COLD_UNIT_BYTES) + 1 - first) * limits.COLD_UNIT_BYTES;
}
