// A PieceStore in memory, whose tiers, delays and faults a test decides.
import { Bitfield } from '../../src/lib/bitfield.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { BaeError } from '../../src/lib/errors.ts';
import type {
  ByteRange,
  Handle,
  Lease,
  LossHandler,
  PieceStore,
  StoredTorrent,
  Tier,
} from '../../src/torrent/ports.ts';

const SEGMENT_BYTES = 262_144;

export interface MemoryOptions {
  /** What it has from the start; nothing by default. With `pieces` only those of it. */
  readonly content?: Buffer;
  readonly pieces?: readonly number[];
  readonly unitBytes?: number;
  readonly maxOpenUnits?: number;
  /** With a clock and these, reads and writes take time. */
  readonly clock?: Clock;
  readonly readMilliseconds?: number;
  readonly writeMilliseconds?: number;
  /** Segments must be read (or hinted at) before `tryRead` gives them. */
  readonly cold?: boolean;
}

/** One torrent's bytes; open it once. */
export class MemoryPieces implements PieceStore {
  readonly #options: MemoryOptions;
  readonly #warm = new Set<number>();
  readonly #roomCalls = new Set<() => void>();
  readonly #lossHandlers = new Set<LossHandler>();
  #bytes: Buffer = Buffer.alloc(0);
  #have = new Bitfield(0);
  #torrent: StoredTorrent | null = null;
  #room = true;
  /** Set to make reads or writes fail. */
  readError: BaeError | null = null;
  writeError: BaeError | null = null;
  /** False: nothing may be fetched for peers. */
  fetching = true;
  /** Reads and writes that failed so. */
  failures = 0;
  /** Leases given and not released. */
  leases = 0;
  reads = 0;
  prefetches: ByteRange[] = [];
  /** Order of writes. */
  written: number[] = [];
  /** Buffers that were lent by writePiece, in the order of its calls. */
  readonly lent: Buffer[] = [];
  /** Units begun and not complete, the most there ever were. */
  mostOpenUnits = 0;

  constructor(options: MemoryOptions = {}) {
    this.#options = options;
  }

  get content(): Buffer {
    return this.#bytes;
  }

  open(torrent: StoredTorrent): Promise<Handle> {
    const { content, pieces, unitBytes = 1_048_576, maxOpenUnits = 64 } = this.#options;
    if (this.#torrent === null) {
      this.#torrent = torrent;
      this.#bytes = content === undefined ? Buffer.alloc(torrent.totalLength) : Buffer.from(content);
      this.#have = new Bitfield(Math.ceil(torrent.totalLength / torrent.pieceLength));
      if (pieces !== undefined) for (const index of pieces) this.#have.add(index);
      else if (content !== undefined) this.#have.fill();
    }
    return Promise.resolve({ torrent, unitBytes, maxOpenUnits });
  }

  close(): void {
    this.#roomCalls.clear();
  }

  have(): Bitfield {
    return this.#have;
  }

  onLost(_handle: Handle, handler: LossHandler): () => void {
    this.#lossHandlers.add(handler);
    return () => this.#lossHandlers.delete(handler);
  }

  /** Has lost pieces again. */
  find(pieces: readonly number[]): void {
    for (const index of pieces) this.#have.add(index);
    for (const handler of this.#lossHandlers) handler.found(pieces);
  }

  /** Forgets pieces, as a store does whose objects are gone. */
  lose(pieces: readonly number[]): void {
    for (const index of pieces) this.#have.delete(index);
    for (const handler of this.#lossHandlers) handler.lost(pieces);
  }

  tryRead(handle: Handle, offset: number, length: number): Lease | null {
    return this.tier(handle, offset, length) === 'ram' ? this.#lease(offset, length) : null;
  }

  tier(_handle: Handle, offset: number, length: number): Tier {
    if (this.#options.cold !== true) return 'ram';
    for (let at = first(offset); at <= last(offset, length); at++) if (!this.#warm.has(at)) return 'remote';
    return 'ram';
  }

  async read(_handle: Handle, offset: number, length: number): Promise<Lease> {
    this.reads++;
    await this.#wait(this.#options.readMilliseconds);
    this.#failWith(this.readError);
    this.#warmUp(offset, length);
    return this.#lease(offset, length);
  }

  mayFetch(): boolean {
    return this.fetching;
  }

  prefetch(_handle: Handle, ranges: readonly ByteRange[]): void {
    this.prefetches.push(...ranges);
    for (const { offset, length } of ranges) this.#warmUp(offset, length);
  }

  hotPieces(_handle: Handle, max: number): number[] {
    return Array.from({ length: this.#have.length }, (_, index) => index)
      .filter((index) => this.#have.has(index))
      .slice(0, max);
  }

  async writePiece(handle: Handle, index: number, data: Buffer): Promise<void> {
    this.lent.push(data);
    await this.#wait(this.#options.writeMilliseconds);
    this.#failWith(this.writeError);
    const { pieceLength } = handle.torrent;
    data.copy(this.#bytes, index * pieceLength);
    this.#have.add(index);
    this.written.push(index);
    this.mostOpenUnits = Math.max(this.mostOpenUnits, this.#openUnits(handle));
  }

  hasRoom(): boolean {
    return this.#room;
  }

  setRoom(room: boolean): void {
    this.#room = room;
    if (room) for (const call of this.#roomCalls) call();
  }

  onRoom(_handle: Handle, room: () => void): () => void {
    this.#roomCalls.add(room);
    return () => this.#roomCalls.delete(room);
  }

  #failWith(error: BaeError | null): void {
    if (error === null) return;
    this.failures++;
    throw error;
  }

  #openUnits({ torrent, unitBytes }: Handle): number {
    let open = 0;
    for (let offset = 0; offset < torrent.totalLength; offset += unitBytes) {
      const end = Math.min(offset + unitBytes, torrent.totalLength);
      const from = Math.floor(offset / torrent.pieceLength);
      const to = Math.floor((end - 1) / torrent.pieceLength);
      let had = 0;
      for (let index = from; index <= to; index++) if (this.#have.has(index)) had++;
      if (had > 0 && had <= to - from) open++;
    }
    return open;
  }

  #lease(offset: number, length: number): Lease {
    const views: Buffer[] = [];
    for (let at = offset; at < offset + length; ) {
      const end = Math.min(offset + length, (first(at) + 1) * SEGMENT_BYTES);
      views.push(this.#bytes.subarray(at, end));
      at = end;
    }
    this.leases++;
    let released = false;
    const release = () => {
      if (released) throw new Error('a lease was released twice');
      released = true;
      this.leases--;
    };
    return { views, pinnedBytes: views.length * SEGMENT_BYTES, release };
  }

  #warmUp(offset: number, length: number): void {
    for (let at = first(offset); at <= last(offset, length); at++) this.#warm.add(at);
  }

  async #wait(milliseconds: number | undefined): Promise<void> {
    const { clock } = this.#options;
    if (clock === undefined || milliseconds === undefined) return;
    await new Promise<void>((resolve) => clock.after(milliseconds, resolve));
  }
}

/** An error as a store gives it when it cannot be reached. */
export const unavailable = () => new BaeError('unavailable', 'the store does not answer');

const first = (offset: number) => Math.floor(offset / SEGMENT_BYTES);
const last = (offset: number, length: number) => Math.floor((offset + length - 1) / SEGMENT_BYTES);
