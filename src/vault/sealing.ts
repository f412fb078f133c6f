import type { Clock } from '../lib/clock.ts';
import { errorKind, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { Budget } from './budget.ts';
import { type Bundle, SPOOLED } from './bundle.ts';
import type { Journal } from './journal.ts';
import type { OpenChunk, OpenChunks } from './open-chunks.ts';
import type { Parts } from './parts.ts';
import { Patience } from './patience.ts';
import { CHUNK_OBJECT_BYTES, SALT_BYTES, type Sealer } from './seal/index.ts';
import type { Spool } from './spool.ts';

/** Chunks being sealed and written side by side. */
const MAX_SEALING = 4;

export interface SealingParts {
  readonly spool: Spool;
  readonly parts: Parts;
  readonly sealer: Sealer;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly libraryId: Buffer;
  readonly open: () => OpenChunks;
  /** A chunk is durable: it may be uploaded. */
  readonly sealed: (bundle: Bundle, index: number) => void;
}

/**
 * Complete chunks on their way into the spool: room first, then the sealed file, which the journal makes durable before the
 * row that names it; only then may it be uploaded. Until then the chunk is read from its buffer.
 */
export class Sealing {
  readonly #deps: SealingParts;
  readonly #slots = new Budget(MAX_SEALING);
  readonly #patience: Patience;
  readonly #closing = new AbortController();
  readonly #roomListeners = new Set<() => void>();
  #waitingForRoom = 0;
  #under = 0;
  #hadRoom = true;
  #idle: (() => void)[] = [];

  constructor(deps: SealingParts) {
    this.#deps = deps;
    this.#patience = new Patience(deps.clock, deps.log, () => this.#roomChanged());
  }

  /** False while complete chunks wait for the spool. */
  get hasRoom(): boolean {
    return this.#waitingForRoom === 0 && this.#patience.waiting === null;
  }

  /** Why sealing stands still, for people. */
  get waiting(): string | null {
    return this.#patience.waiting ?? (this.#waitingForRoom > 0 ? 'The spool is full until uploads catch up.' : null);
  }

  onRoom(listener: () => void): () => void {
    this.#roomListeners.add(listener);
    return () => this.#roomListeners.delete(listener);
  }

  /** Takes a complete chunk; never fails: what cannot be sealed goes back to being open. */
  add(chunk: OpenChunk): void {
    this.#under++;
    chunk.bundle
      .work(() => this.#seal(chunk))
      .catch((error) => {
        chunk.sealing = false;
        chunk.bundle.wake();
        if (errorKind(error) === 'cancelled' || chunk.bundle.stop.signal.aborted) return;
        this.#deps.log.warn('A chunk could not be sealed.', { bundle: chunk.bundle.id, error: errorMessage(error) });
        // What it lacked may have come meanwhile.
        this.#deps.open().check(chunk);
      })
      .finally(() => {
        if (--this.#under === 0) for (const wake of this.#idle.splice(0)) wake();
      });
  }

  /** Calls off what waits for room and resolves when nothing is being sealed. */
  close(): Promise<void> {
    this.#closing.abort();
    return this.#under === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  async #seal(chunk: OpenChunk): Promise<void> {
    const { bundle, index } = chunk;
    const { spool, parts, journal } = this.#deps;
    const { signal } = bundle.stop;
    await this.#reserve(bundle);
    try {
      // Before what is tried until it succeeds: a part that is lost is so for good, and its pieces are fetched again.
      await this.#loadParts(chunk);
      // Written anew whatever failed: after an fsync that did, nobody knows what of the file is on the disk.
      const { name, salt } = await this.#patience.until('The spool', signal, async () => {
        const sealed = await this.#write(chunk);
        await journal.spooled(bundle.id, index, sealed.name, sealed.salt);
        return sealed;
      });
      bundle.inSpool.add(index);
      bundle.setSealed(index, SPOOLED, name, salt);
    } catch (error) {
      spool.budget.release(CHUNK_OBJECT_BYTES);
      throw error;
    }
    this.#deps.open().remove(chunk);
    this.#deps.sealed(bundle, index);
    await chunk.saving;
    await parts.drop(bundle, index);
  }

  /** Seals into a file of the spool; it is not durable yet. */
  async #write(chunk: OpenChunk): Promise<{ name: Buffer; salt: Buffer }> {
    const { bundle, index } = chunk;
    const { spool, sealer, random, libraryId } = this.#deps;
    await this.#slots.reserve(1, bundle.stop.signal);
    try {
      await spool.makeFolder(bundle.id);
      const salt = random.bytes(SALT_BYTES);
      const plaintext = chunk.buffer.subarray(0, bundle.contentLength(index));
      const ids = { bundleKey: bundle.key, libraryId, bundleId: bundle.bundleId, chunkIndex: index };
      const name = await sealer.sealFile({ ...ids, salt, plaintext, path: spool.chunkPath(bundle.id, index) });
      return { name, salt };
    } finally {
      this.#slots.release(1);
    }
  }

  async #loadParts(chunk: OpenChunk): Promise<void> {
    const { bundle, index } = chunk;
    for (const { start, end } of bundle.savedRanges(index).minus(chunk.inBuffer)) {
      const target = chunk.buffer.subarray(start, end);
      const load = () => this.#deps.parts.load(bundle, index, start, end, target, start);
      await this.#patience.until('A part in the spool', bundle.stop.signal, load, isGone);
      chunk.inBuffer.add(start, end);
    }
  }

  async #reserve(bundle: Bundle): Promise<void> {
    const { budget } = this.#deps.spool;
    if (budget.tryReserve(CHUNK_OBJECT_BYTES)) return;
    this.#waitingForRoom++;
    this.#roomChanged();
    try {
      await budget.reserve(CHUNK_OBJECT_BYTES, AbortSignal.any([bundle.stop.signal, this.#closing.signal]));
    } finally {
      this.#waitingForRoom--;
      this.#roomChanged();
    }
  }

  #roomChanged(): void {
    const { hasRoom } = this;
    if (hasRoom === this.#hadRoom) return;
    this.#hadRoom = hasRoom;
    if (!hasRoom) this.#deps.log.debug('No new pieces are wanted for now.', { why: this.waiting });
    else for (const listener of [...this.#roomListeners]) listener();
  }
}

function isGone(error: unknown): boolean {
  const kind = errorKind(error);
  return kind === 'corrupt' || kind === 'missing';
}
