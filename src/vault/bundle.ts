import { type BundleState, CHUNK_SPOOLED, CHUNK_STORED } from '../db/index.ts';
import { Bitfield } from '../lib/bitfield.ts';
import { chunkContentLength } from './chunk/index.ts';
import { Ranges } from './ranges.ts';
import { HASH_BYTES, SALT_BYTES } from './seal/index.ts';
import type { Part } from './spool.ts';

/** Where a chunk stands. LOST: its object was found missing or corrupt and nothing else has it. */
export const ABSENT = 0;
export const SPOOLED = CHUNK_SPOOLED;
export const STORED = CHUNK_STORED;
export const LOST = 3;

/** Who wants to know what becomes of a bundle's chunks: the open torrents on it. */
export interface BundleListener {
  /** Bytes that could be read no longer can. */
  lost(bundle: Bundle, chunkIndex: number): void;
  /** Bytes that were lost can be read again. */
  found(bundle: Bundle, chunkIndex: number): void;
}

/** A run of an unfinished chunk in the spool. */
export interface SavedPart extends Part {
  readonly fileBytes: number;
}

/**
 * A bundle as long as anybody needs it: its key and the table of its chunks, loaded by one range read. The one owner of
 * what is known about a chunk; the database follows through the journal.
 */
export class Bundle {
  readonly id: number;
  /** 16 bytes. */
  readonly bundleId: Buffer;
  readonly key: Buffer;
  readonly totalLength: number;
  readonly chunkCount: number;
  state: BundleState;
  generation = 0;
  readonly listeners = new Set<BundleListener>();
  /** Runs of unfinished chunks in the spool, by chunk index. */
  readonly parts = new Map<number, SavedPart[]>();
  /** Sealed tables and manifests in the spool: bytes by path. */
  readonly documents = new Map<string, number>();
  /** Chunks whose file is in the spool, whatever their state. */
  readonly inSpool: Bitfield;
  /** Ends the work on a bundle that is abandoned or whose vault closes. */
  readonly stop = new AbortController();
  /** Uploads and seals under way. */
  busy = 0;
  readonly #quiet: (() => void)[] = [];
  readonly #changed: (() => void)[] = [];
  readonly #states: Uint8Array;
  readonly #names: Buffer;
  readonly #salts: Buffer;
  readonly #counts = [0, 0, 0, 0];

  constructor(
    row: { id: number; bundleId: Buffer; key: Buffer; totalLength: number; chunkCount: number },
    state: BundleState,
  ) {
    this.id = row.id;
    this.bundleId = row.bundleId;
    this.key = row.key;
    this.totalLength = row.totalLength;
    this.chunkCount = row.chunkCount;
    this.state = state;
    this.inSpool = new Bitfield(row.chunkCount);
    this.#states = new Uint8Array(row.chunkCount);
    this.#names = Buffer.alloc(row.chunkCount * HASH_BYTES);
    this.#salts = Buffer.alloc(row.chunkCount * SALT_BYTES);
    this.#counts[ABSENT] = row.chunkCount;
  }

  chunkState(index: number): number {
    return this.#states[index] as number;
  }

  /** Whether the chunk's sealed bytes are on disk or in the store. */
  isSealed(index: number): boolean {
    const state = this.#states[index];
    return state === SPOOLED || state === STORED;
  }

  count(state: number): number {
    return this.#counts[state] as number;
  }

  setState(index: number, state: number): void {
    this.#counts[this.#states[index] as number]!--;
    this.#counts[state]!++;
    this.#states[index] = state;
    for (const wake of this.#changed.splice(0)) wake();
  }

  setSealed(index: number, state: number, name: Uint8Array, salt: Uint8Array): void {
    this.#names.set(name, index * HASH_BYTES);
    this.#salts.set(salt, index * SALT_BYTES);
    this.setState(index, state);
  }

  /** SHA-256 of the chunk's object, 32 bytes: a view. */
  nameOf(index: number): Buffer {
    return this.#names.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }

  saltOf(index: number): Buffer {
    return this.#salts.subarray(index * SALT_BYTES, (index + 1) * SALT_BYTES);
  }

  contentLength(index: number): number {
    return chunkContentLength(index, this.totalLength);
  }

  /** What of an unfinished chunk is in the spool. */
  savedRanges(index: number): Ranges {
    const saved = new Ranges();
    for (const part of this.parts.get(index) ?? []) saved.add(part.start, part.start + part.length);
    return saved;
  }

  addPart(part: SavedPart): void {
    const parts = this.parts.get(part.chunkIndex);
    if (parts === undefined) this.parts.set(part.chunkIndex, [part]);
    else parts.push(part);
  }

  /** Tells all listeners that a chunk's bytes are gone. */
  tellLost(index: number): void {
    for (const listener of [...this.listeners]) listener.lost(this, index);
  }

  /** Tells all listeners that a lost chunk's bytes are back. */
  tellFound(index: number): void {
    for (const listener of [...this.listeners]) listener.found(this, index);
  }

  /** Resolves at the next change of any chunk's state, or `wake`. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  /** Lets those who wait for a change look again. */
  wake(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }

  /** Counts one piece of work that must end before the bundle can go. */
  async work<Result>(work: () => Promise<Result>): Promise<Result> {
    this.busy++;
    try {
      return await work();
    } finally {
      if (--this.busy === 0) for (const resolve of this.#quiet.splice(0)) resolve();
    }
  }

  /** Resolves when no work is under way. */
  quiet(): Promise<void> {
    return this.busy === 0 ? Promise.resolve() : new Promise((resolve) => this.#quiet.push(resolve));
  }
}
