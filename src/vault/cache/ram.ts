import { SEGMENT_BYTES, sharedSegment } from '../seal/index.ts';
import type { RamCache, Segment } from './ports.ts';

/** Memory of evicted segments kept for the next: fresh memory costs more than what is done with it. */
export const MAX_FREE_SEGMENTS = 64;

/** Segments of one chunk object at most; a key is chunk × this + segment. */
const MAX_SEGMENTS_PER_CHUNK = 16;

/** A segment in the list of eviction: next is read longer ago, previous more lately. */
interface Entry extends Segment {
  leases: number;
  /** Found by tryGet; false once dropped, replaced or never kept. */
  kept: boolean;
  /** Leased by somebody else than who put it. */
  read: boolean;
  previous: Entry;
  next: Entry;
}

/**
 * A RamCache within `budgetBytes`. An intrusive list, since a lease must hold an entry in its place: with a general LRU, taking
 * leased entries out and in again costs more than the read itself.
 */
export function ramCache(budgetBytes: number): RamCache {
  return new SegmentList(budgetBytes);
}

class SegmentList implements RamCache {
  readonly budgetBytes: number;
  usedBytes = 0;
  pinnedBytes = 0;
  unreadBytes = 0;
  readonly #bundles = new Map<number, Map<number, Entry>>();
  readonly #free: Buffer[] = [];
  /** Before the first and after the last; holds no bytes. */
  readonly #ends: Entry;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
    const ends = {
      bundle: -1,
      chunk: -1,
      index: -1,
      bytes: Buffer.alloc(0),
      leases: 0,
      kept: true,
      read: true,
    } as Entry;
    ends.previous = ends;
    ends.next = ends;
    this.#ends = ends;
  }

  tryGet(bundle: number, chunk: number, index: number): Segment | null {
    const entry = this.#bundles.get(bundle)?.get(chunk * MAX_SEGMENTS_PER_CHUNK + index);
    if (entry === undefined) return null;
    if (this.#ends.next !== entry) {
      unlink(entry);
      this.#linkFirst(entry);
    }
    return entry;
  }

  has(bundle: number, chunk: number, index: number): boolean {
    return this.#bundles.get(bundle)?.has(chunk * MAX_SEGMENTS_PER_CHUNK + index) ?? false;
  }

  take(): Buffer {
    return this.#free.pop() ?? sharedSegment();
  }

  put(bundle: number, chunk: number, index: number, bytes: Buffer): Segment {
    if (bytes.buffer.byteLength !== bytes.length) {
      throw new RangeError(`a segment of ${bytes.length} bytes is a view of ${bytes.buffer.byteLength}`);
    }
    if (index < 0 || index >= MAX_SEGMENTS_PER_CHUNK) throw new RangeError(`segment ${index} of a chunk`);
    const key = chunk * MAX_SEGMENTS_PER_CHUNK + index;
    const older = this.#bundles.get(bundle)?.get(key);
    if (older !== undefined) this.#drop(older);
    const entry = { bundle, chunk, index, bytes, leases: 0, kept: false, read: false } as Entry;
    entry.previous = entry;
    entry.next = entry;
    if (this.pinnedBytes + bytes.length <= this.budgetBytes && this.#makeRoom(bytes.length)) this.#keep(entry, key);
    this.#hold(entry);
    return entry;
  }

  #keep(entry: Entry, key: number): void {
    const { bundle, bytes } = entry;
    let chunks = this.#bundles.get(bundle);
    if (chunks === undefined) {
      chunks = new Map();
      this.#bundles.set(bundle, chunks);
    }
    chunks.set(key, entry);
    entry.kept = true;
    this.usedBytes += bytes.length;
    this.unreadBytes += bytes.length;
    this.#linkFirst(entry);
  }

  lease(segment: Segment): void {
    const entry = segment as Entry;
    this.#markRead(entry);
    this.#hold(entry);
  }

  #markRead(entry: Entry): void {
    if (entry.kept && !entry.read) this.unreadBytes -= entry.bytes.length;
    entry.read = true;
  }

  #hold(entry: Entry): void {
    if (entry.leases++ > 0) return;
    this.pinnedBytes += entry.bytes.length;
    if (entry.kept) return;
    this.usedBytes += entry.bytes.length;
    this.#makeRoom(0);
  }

  release(segment: Segment): void {
    const entry = segment as Entry;
    if (entry.leases === 0) throw new Error('a segment was released more often than leased');
    if (--entry.leases > 0) return;
    this.pinnedBytes -= entry.bytes.length;
    if (!entry.kept) this.#letGo(entry);
  }

  dropChunk(bundle: number, chunk: number): void {
    const chunks = this.#bundles.get(bundle);
    for (let index = 0; index < MAX_SEGMENTS_PER_CHUNK && chunks !== undefined; index++) {
      const entry = chunks.get(chunk * MAX_SEGMENTS_PER_CHUNK + index);
      if (entry !== undefined) this.#drop(entry);
    }
  }

  dropBundle(bundle: number): void {
    for (const entry of [...(this.#bundles.get(bundle)?.values() ?? [])]) this.#drop(entry);
  }

  /** Evicts what was read longest ago and is not leased until `bytes` more fit; false if they cannot. */
  #makeRoom(bytes: number): boolean {
    let entry = this.#ends.previous;
    while (this.usedBytes + bytes > this.budgetBytes && entry !== this.#ends) {
      const lately = entry.previous;
      if (entry.leases === 0) this.#drop(entry);
      entry = lately;
    }
    return this.usedBytes + bytes <= this.budgetBytes;
  }

  #linkFirst(entry: Entry): void {
    entry.previous = this.#ends;
    entry.next = this.#ends.next;
    this.#ends.next.previous = entry;
    this.#ends.next = entry;
  }

  #drop(entry: Entry): void {
    const chunks = this.#bundles.get(entry.bundle);
    chunks?.delete(entry.chunk * MAX_SEGMENTS_PER_CHUNK + entry.index);
    if (chunks?.size === 0) this.#bundles.delete(entry.bundle);
    unlink(entry);
    this.#markRead(entry);
    entry.kept = false;
    if (entry.leases === 0) this.#letGo(entry);
  }

  /** Neither kept nor leased: its memory can hold another. */
  #letGo({ bytes }: Entry): void {
    this.usedBytes -= bytes.length;
    const isOurs = bytes.length === SEGMENT_BYTES && bytes.buffer instanceof SharedArrayBuffer;
    if (isOurs && this.#free.length < MAX_FREE_SEGMENTS) this.#free.push(bytes);
  }
}

function unlink(entry: Entry): void {
  entry.previous.next = entry.next;
  entry.next.previous = entry.previous;
  entry.previous = entry;
  entry.next = entry;
}
