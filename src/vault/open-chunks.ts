import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { Budget } from './budget.ts';
import type { Bundle } from './bundle.ts';
import { CHUNK_BYTES } from './chunk/index.ts';
import type { Parts } from './parts.ts';
import { Ranges } from './ranges.ts';
import { sharedChunk } from './seal/index.ts';

/** Chunks being put together in memory, of all bundles: more where two pieces of a torrent need more. */
export const MAX_OPEN_CHUNKS = 24;
/** Of them, so many are left for pieces that were under way when the engine counted. */
export const SPARE_CHUNKS = 8;
/** A chunk that got no bytes for so long is sealed piece by piece into the spool. */
export const IDLE_MILLISECONDS = 30_000;
/** Buffers kept for the next chunk, and after the last one: shared memory goes only when the collector finds it. */
const MAX_FREE_BUFFERS = 16;
const MAX_IDLE_BUFFERS = 4;

/** A chunk of which some bytes are in memory. */
export class OpenChunk {
  readonly bundle: Bundle;
  readonly index: number;
  readonly buffer: Buffer;
  /** What of `buffer` is filled. */
  readonly inBuffer = new Ranges();
  /** All bytes are here and it is on its way to the spool. */
  sealing = false;
  touchedAt: number;
  /** Runs of it being saved as parts. */
  saving: Promise<boolean> | null = null;

  constructor(bundle: Bundle, index: number, buffer: Buffer, now: number) {
    this.bundle = bundle;
    this.index = index;
    this.buffer = buffer;
    this.touchedAt = now;
  }

  /** What can be read of it, from memory or parts. */
  filled(): Ranges {
    return this.bundle.savedRanges(this.index).addAll(this.inBuffer);
  }

  get complete(): boolean {
    return this.filled().covers(0, this.bundle.contentLength(this.index));
  }
}

export interface OpenChunksParts {
  readonly parts: Parts;
  readonly clock: Clock;
  readonly log: Log;
  /** Takes a chunk whose bytes are all there; calls `remove` when it is durable. */
  readonly completed: (chunk: OpenChunk) => void;
}

/** The chunks being put together. At most so many buffers; one more waits until one is sealed or saved. */
export class OpenChunks {
  readonly #deps: OpenChunksParts;
  readonly #chunks = new Map<Bundle, Map<number, OpenChunk>>();
  readonly #slots = new Budget(MAX_OPEN_CHUNKS);
  readonly #free: Buffer[] = [];
  #evicting = false;

  constructor(deps: OpenChunksParts) {
    this.#deps = deps;
  }

  get count(): number {
    return this.#slots.used;
  }

  get limit(): number {
    return this.#slots.total;
  }

  /** Lets two whole pieces of a torrent be open. */
  allowPieces(pieceLength: number): void {
    this.#slots.raise(2 * (Math.ceil(pieceLength / CHUNK_BYTES) + 1) + SPARE_CHUNKS);
  }

  get(bundle: Bundle, index: number): OpenChunk | undefined {
    return this.#chunks.get(bundle)?.get(index);
  }

  /** The chunk, opened if need be, as soon as there is a buffer for it; null if it is sealed already. */
  async acquire(bundle: Bundle, index: number): Promise<OpenChunk | null> {
    for (;;) {
      if (bundle.isSealed(index)) return null;
      const open = this.get(bundle, index);
      if (open !== undefined) return open;
      if (!this.#slots.tryReserve(1)) {
        const slot = this.#slots.reserve(1, bundle.stop.signal);
        this.makeRoom();
        await slot;
      }
      if (!bundle.isSealed(index) && this.get(bundle, index) === undefined) return this.#open(bundle, index);
      this.#slots.release(1);
    }
  }

  /** Puts bytes in; hands the chunk on when it is complete. */
  put(chunk: OpenChunk, start: number, bytes: Buffer): void {
    // One that is being sealed has all it needs, but for a saved part that was found to be lost.
    if (chunk.sealing && chunk.inBuffer.covers(start, start + bytes.length)) return;
    bytes.copy(chunk.buffer, start);
    chunk.inBuffer.add(start, start + bytes.length);
    chunk.touchedAt = this.#deps.clock.monotonic();
    this.check(chunk);
  }

  /** Hands a chunk on if it is complete. */
  check(chunk: OpenChunk): void {
    if (chunk.sealing || !chunk.complete) return;
    chunk.sealing = true;
    this.#deps.completed(chunk);
  }

  /** Gives the buffer free: the chunk is sealed, saved or given up. */
  remove(chunk: OpenChunk): void {
    const chunks = this.#chunks.get(chunk.bundle);
    if (chunks?.get(chunk.index) !== chunk) return;
    chunks.delete(chunk.index);
    if (chunks.size === 0) this.#chunks.delete(chunk.bundle);
    // Of a bundle that is given up, something under way may still write into it.
    if (!chunk.bundle.stop.signal.aborted) this.#free.push(chunk.buffer);
    this.#free.splice(this.#chunks.size === 0 ? MAX_IDLE_BUFFERS : MAX_FREE_BUFFERS);
    this.#slots.release(1);
  }

  /** What is in memory of one bundle, sealing or not. */
  of(bundle: Bundle): OpenChunk[] {
    return [...(this.#chunks.get(bundle)?.values() ?? [])];
  }

  /** After a start: chunks whose bytes are all in parts go on to be sealed. */
  async sealSaved(bundle: Bundle): Promise<void> {
    for (const index of [...bundle.parts.keys()]) {
      if (!bundle.savedRanges(index).covers(0, bundle.contentLength(index))) continue;
      const chunk = await this.acquire(bundle, index);
      if (chunk !== null) this.check(chunk);
    }
  }

  /**
   * Resolves when all that is in memory of a bundle now is durable: complete chunks sealed, others saved as parts. False when
   * the spool had no room for all parts.
   */
  async flush(bundle: Bundle): Promise<boolean> {
    let all = true;
    for (const chunk of this.of(bundle)) all = (await this.#save(chunk)) && all;
    for (const chunk of this.of(bundle)) {
      while (chunk.sealing && !bundle.isSealed(chunk.index) && !bundle.stop.signal.aborted) await bundle.changed();
    }
    return all;
  }

  /** Saves and closes chunks that get no bytes. Called now and then. */
  async saveIdle(): Promise<void> {
    const before = this.#deps.clock.monotonic() - IDLE_MILLISECONDS;
    for (const chunks of [...this.#chunks.values()]) {
      for (const chunk of [...chunks.values()]) if (chunk.touchedAt <= before) await this.#evict(chunk);
    }
  }

  /** While somebody waits for a buffer, saves and closes the chunk that got bytes longest ago. */
  makeRoom(): void {
    if (this.#evicting) return;
    this.#evicting = true;
    this.#makeRoom()
      .catch((error) => this.#deps.log.warn('A piece could not be saved in the spool.', { error: errorMessage(error) }))
      .finally(() => {
        this.#evicting = false;
      });
  }

  async #makeRoom(): Promise<void> {
    while (this.#slots.waiting > 0) {
      let victim: OpenChunk | undefined;
      for (const chunks of this.#chunks.values()) {
        for (const chunk of chunks.values()) {
          if (!chunk.sealing && (victim === undefined || chunk.touchedAt < victim.touchedAt)) victim = chunk;
        }
      }
      if (victim === undefined || !(await this.#evict(victim))) return;
    }
  }

  #open(bundle: Bundle, index: number): OpenChunk {
    const buffer = this.#free.pop() ?? sharedChunk();
    const chunk = new OpenChunk(bundle, index, buffer, this.#deps.clock.monotonic());
    const chunks = this.#chunks.get(bundle);
    if (chunks === undefined) this.#chunks.set(bundle, new Map([[index, chunk]]));
    else chunks.set(index, chunk);
    return chunk;
  }

  /** True when the chunk's buffer was given free. */
  async #evict(chunk: OpenChunk): Promise<boolean> {
    if (!(await this.#save(chunk)) || chunk.sealing) return false;
    if (chunk.inBuffer.minus(chunk.bundle.savedRanges(chunk.index)).length > 0) return true;
    this.remove(chunk);
    return true;
  }

  #save(chunk: OpenChunk): Promise<boolean> {
    if (chunk.sealing) return Promise.resolve(true);
    chunk.saving ??= chunk.bundle
      .work(() => this.#saveRuns(chunk))
      .finally(() => {
        chunk.saving = null;
      });
    return chunk.saving;
  }

  async #saveRuns(chunk: OpenChunk): Promise<boolean> {
    for (const { start, end } of chunk.inBuffer.minus(chunk.bundle.savedRanges(chunk.index))) {
      if (chunk.sealing || chunk.bundle.stop.signal.aborted) return true;
      const bytes = chunk.buffer.subarray(start, end);
      if (!(await this.#deps.parts.save(chunk.bundle, chunk.index, start, bytes))) return false;
    }
    return true;
  }
}
