import type { Lease } from '../ports.ts';
import { PIECE_HEADER_BYTES, writePieceHeader } from '../wire/index.ts';
import { type BlockRun, CANCELLED } from './leases.ts';
import { QUEUED_REQUESTS, RUN_BYTES } from './limits.ts';

/** Headers made in one allocation. */
const HEADERS_AT_ONCE = 32;
/** Room for the messages of any run, however small its blocks. */
export const SLAB_BYTES = RUN_BYTES + QUEUED_REQUESTS * PIECE_HEADER_BYTES;
/** Slabs kept for the next who copies. */
export const FREE_SLABS = 8;

/** Memory that blocks are copied into, used again and again: fresh memory costs more than the copy. */
export class Slabs {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  }

  give(slab: Buffer): void {
    if (this.#free.length < FREE_SLABS) this.#free.push(slab);
  }
}

/** Piece messages that are given to the connection in one write, and the memory they keep until it has taken them. */
export class Batch {
  /** Monotonic time. */
  readonly at: number;
  /** Leased segments and slabs. */
  heldBytes = 0;
  payloadBytes = 0;
  /** Blocks, those too that were cancelled. */
  blocks = 0;
  readonly #buffers: Buffer[];
  readonly #slabs: Slabs;
  readonly #leases: Lease[] = [];
  readonly #taken: Buffer[] = [];
  /** Where the messages being copied into the last slab start and end. */
  #start = 0;
  #end = 0;
  #headers: Buffer | null = null;
  #headersUsed = 0;

  /** Messages are appended to `buffers`. */
  constructor(buffers: Buffer[], slabs: Slabs, at: number) {
    this.#buffers = buffers;
    this.#slabs = slabs;
    this.at = at;
  }

  /** Payload that fits into the slab begun, however small its blocks; 0 where there is none. */
  get copyRoom(): number {
    const last = this.#taken.at(-1);
    return last === undefined ? 0 : Math.max(0, last.length - this.#end - (SLAB_BYTES - RUN_BYTES));
  }

  /** Adds the run's messages with the lease's views as their data. */
  lend(run: BlockRun, lease: Lease): void {
    this.finish();
    this.#leases.push(lease);
    this.blocks += run.length / 3;
    this.heldBytes += lease.pinnedBytes;
    const buffers = this.#buffers;
    let view = 0;
    let position = 0;
    for (let at = 0; at < run.length; at += 3) {
      const index = run[at] as number;
      if (index !== CANCELLED) buffers.push(this.#header(index, run[at + 1] as number, run[at + 2] as number));
      for (let rest = run[at + 2] as number; rest > 0; ) {
        const bytes = lease.views[view] as Buffer;
        const taken = Math.min(bytes.length - position, rest);
        if (index !== CANCELLED) {
          buffers.push(taken === bytes.length ? bytes : bytes.subarray(position, position + taken));
          this.payloadBytes += taken;
        }
        rest -= taken;
        position += taken;
        if (position === bytes.length) {
          view++;
          position = 0;
        }
      }
    }
  }

  /** Adds the run's messages with copies of the data, and releases the lease. */
  copy(run: BlockRun, lease: Lease): void {
    const slab = this.#slabFor(run);
    this.blocks += run.length / 3;
    let view = 0;
    let position = 0;
    let end = this.#end;
    for (let at = 0; at < run.length; at += 3) {
      const index = run[at] as number;
      const bytes = run[at + 2] as number;
      if (index !== CANCELLED) {
        end = writePieceHeader(slab, end, index, run[at + 1] as number, bytes);
        this.payloadBytes += bytes;
      }
      for (let rest = bytes; rest > 0; ) {
        const from = lease.views[view] as Buffer;
        const taken = Math.min(from.length - position, rest);
        if (index !== CANCELLED) end += from.copy(slab, end, position, position + taken);
        rest -= taken;
        position += taken;
        if (position === from.length) {
          view++;
          position = 0;
        }
      }
    }
    this.#end = end;
    lease.release();
  }

  /** Hands over what was copied; to be called when nothing more is added. */
  finish(): void {
    if (this.#end > this.#start) this.#buffers.push((this.#taken.at(-1) as Buffer).subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  /** The system took it all. */
  release(): void {
    for (const lease of this.#leases.splice(0)) lease.release();
    for (const slab of this.#taken.splice(0)) this.#slabs.give(slab);
  }

  /** The connection holds a copy of it all until the system took it. */
  copied(): void {
    this.release();
    this.heldBytes = this.payloadBytes;
  }

  #slabFor(run: BlockRun): Buffer {
    let needed = 0;
    for (let at = 2; at < run.length; at += 3) needed += PIECE_HEADER_BYTES + (run[at] as number);
    const last = this.#taken.at(-1);
    if (last !== undefined && this.#end + needed <= last.length) return last;
    this.finish();
    const slab = this.#slabs.take();
    this.#taken.push(slab);
    this.heldBytes += slab.length;
    this.#start = 0;
    this.#end = 0;
    return slab;
  }

  #header(index: number, begin: number, bytes: number): Buffer {
    if (this.#headers === null || this.#headersUsed === this.#headers.length) {
      this.#headers = Buffer.allocUnsafe(HEADERS_AT_ONCE * PIECE_HEADER_BYTES);
      this.#headersUsed = 0;
    }
    const start = this.#headersUsed;
    this.#headersUsed = writePieceHeader(this.#headers, start, index, begin, bytes);
    return this.#headers.subarray(start, this.#headersUsed);
  }
}
