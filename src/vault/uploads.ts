import { createHash } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { BaeError, errorKind, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { ABSENT, type Bundle, SPOOLED, STORED } from './bundle.ts';
import type { DiskCache } from './cache/index.ts';
import type { Journal } from './journal.ts';
import { Patience } from './patience.ts';
import type { UploadState } from './ports.ts';
import { CHUNK_OBJECT_BYTES, chunkName } from './seal/index.ts';
import type { Spool } from './spool.ts';
import type { ObjectStore } from './store/index.ts';

/** Objects put side by side; each holds one chunk object in memory. */
export const MAX_UPLOADS = 8;

export interface UploadsParts {
  readonly store: ObjectStore;
  readonly spool: Spool;
  readonly cache: DiskCache;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when this vault may write to the store. */
  readonly mayWrite: () => Promise<void>;
}

interface Job {
  readonly bundle: Bundle;
  readonly index: number;
  /** Sealed by this process: its file is what was sealed. After a restart its bytes are looked at once more. */
  readonly isFresh: boolean;
}

/**
 * Spooled chunks on their way into the store, and from the spool into the cache. Tried for ever: an outage only lets the
 * spool fill up. The queue is bounded by the spool.
 */
export class Uploads {
  readonly #deps: UploadsParts;
  readonly #patience: Patience;
  readonly #queue: Job[] = [];
  readonly #buffers: Buffer[] = [];
  readonly #stop = new AbortController();
  readonly #signals = new WeakMap<Bundle, AbortSignal>();
  #running = 0;
  #idle: (() => void)[] = [];
  uploadedBytes = 0;

  constructor(deps: UploadsParts) {
    this.#deps = deps;
    this.#patience = new Patience(deps.clock, deps.log);
  }

  get state(): UploadState {
    return { queuedChunks: this.#queue.length + this.#running, waiting: this.#patience.waiting };
  }

  /** Takes a chunk whose row says spooled; `isFresh`: sealed in this run. */
  add(bundle: Bundle, index: number, isFresh: boolean): void {
    this.#queue.push({ bundle, index, isFresh });
    this.#next();
  }

  /** Calls off what is under way (it goes on at the next start) and resolves when all is quiet. */
  close(): Promise<void> {
    this.#stop.abort(new BaeError('cancelled', 'The vault is closing.'));
    this.#queue.length = 0;
    return this.#running === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  #next(): void {
    while (this.#running < MAX_UPLOADS) {
      const job = this.#queue.shift();
      if (job === undefined) break;
      this.#running++;
      job.bundle
        .work(() => this.#run(job))
        .catch((error) => {
          if (this.#stop.signal.aborted || job.bundle.stop.signal.aborted) return;
          this.#deps.log.error('A chunk could not be uploaded.', { bundle: job.bundle.id, error: errorMessage(error) });
        })
        .finally(() => {
          this.#running--;
          this.#next();
        });
    }
    if (this.#running === 0) for (const wake of this.#idle.splice(0)) wake();
  }

  async #run(job: Job): Promise<void> {
    const { bundle, index } = job;
    const signal = this.#signal(bundle);
    const { journal } = this.#deps;
    try {
      const rotten = (error: unknown) => error instanceof RottenSpool;
      await this.#patience.until('Uploading', signal, () => this.#put(job), rotten);
    } catch (error) {
      if (!(error instanceof RottenSpool)) throw error;
      this.#deps.log.error('A chunk is rotten in the spool and must be downloaded again.', {
        bundle: bundle.id,
        index,
      });
      await this.#patience.until('A row', signal, () => journal.dropped(bundle.id, index));
      bundle.setState(index, ABSENT);
      await this.#leaveSpool(bundle, index, false);
      bundle.tellLost(index);
      return;
    }
    this.uploadedBytes += CHUNK_OBJECT_BYTES;
    await this.#patience.until('A row', signal, () => journal.stored(bundle.id, index));
    if (bundle.chunkState(index) === SPOOLED) bundle.setState(index, STORED);
    await this.#leaveSpool(bundle, index, true);
  }

  /** Puts one object; RottenSpool when the spool no longer has what its row says. */
  async #put({ bundle, index, isFresh }: Job): Promise<void> {
    const { spool, store, mayWrite } = this.#deps;
    await mayWrite();
    const name = chunkName(bundle.nameOf(index));
    const path = spool.chunkPath(bundle.id, index);
    // A directory on the same disk: one copy of the bytes is spool, object and cache.
    if (isFresh && (await store.link(name, path, { signal: this.#stop.signal }))) return;
    const buffer = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(CHUNK_OBJECT_BYTES);
    try {
      const body = await spool.read(path, buffer);
      if (body === null) throw new RottenSpool('A spooled chunk has no file.');
      const sha256 = bundle.nameOf(index);
      try {
        await store.put(name, body, { sha256, signal: this.#stop.signal });
      } catch (error) {
        if (errorKind(error) !== 'corrupt') throw error;
        const rotten = !createHash('sha256').update(body).digest().equals(sha256);
        if (rotten) throw new RottenSpool('A spooled chunk was altered.');
        throw new BaeError('unavailable', errorMessage(error), { cause: error });
      }
    } finally {
      if (!this.#stop.signal.aborted) this.#buffers.push(buffer);
    }
  }

  /** Ends the work on a bundle; made once for each, since that costs as much as an upload. */
  #signal(bundle: Bundle): AbortSignal {
    let signal = this.#signals.get(bundle);
    if (signal === undefined) {
      signal = AbortSignal.any([bundle.stop.signal, this.#stop.signal]);
      this.#signals.set(bundle, signal);
    }
    return signal;
  }

  /** The spool file becomes a cache file, or goes. */
  async #leaveSpool(bundle: Bundle, index: number, adopt: boolean): Promise<void> {
    const { spool, cache } = this.#deps;
    const path = spool.chunkPath(bundle.id, index);
    try {
      if (!adopt || !(await cache.adopt({ bundle: bundle.id, index }, path))) await spool.remove(path);
    } finally {
      if (bundle.inSpool.delete(index)) spool.budget.release(CHUNK_OBJECT_BYTES);
    }
  }
}

/** The spool does not have the bytes that a row names; nothing else has them. */
class RottenSpool extends Error {}
