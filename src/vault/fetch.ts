import { BaeError, errorKind, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { Budget } from './budget.ts';
import type { Bundle } from './bundle.ts';
import type { DiskCache } from './cache/index.ts';
import type { Egress } from './egress.ts';
import {
  CHUNK_OBJECT_BYTES,
  chunkName,
  SEGMENTS_PER_CHUNK,
  type Sealer,
  segmentRange,
  sharedSegment,
} from './seal/index.ts';
import type { ObjectStore } from './store/index.ts';

/** Bytes on their way from the store, or from it to the cache, at a time. */
export const MAX_FETCHING_BYTES = 32 * 1_048_576;

type StoredRange = ReturnType<typeof segmentRange>;

export interface FetcherParts {
  readonly store: ObjectStore;
  readonly cache: DiskCache;
  readonly sealer: Sealer;
  readonly egress: Egress;
  readonly log: Log;
  readonly libraryId: Buffer;
}

/** Bytes out of the store: whole objects into the cache, or single segments. Everything is checked before it is given. */
export class Fetcher {
  readonly #deps: FetcherParts;
  readonly #fetching = new Budget(MAX_FETCHING_BYTES);
  /** From the store since start. */
  fetchedBytes = 0;

  constructor(deps: FetcherParts) {
    this.#deps = deps;
  }

  /**
   * Opens segments of a stored chunk into `into`, from `first` on, by a ranged read of just these or of the whole object
   * (kept in the cache). It is for a reader: its bytes are the day's egress, from the moment they are asked for.
   */
  async segments(bundle: Bundle, chunk: number, first: number, into: readonly Buffer[], whole: boolean): Promise<void> {
    const range = segmentRange(first, first + into.length);
    const bytes = whole ? CHUNK_OBJECT_BYTES : range.length;
    this.#deps.egress.count(bytes);
    try {
      if (whole) await this.#whole(bundle, chunk, first, into);
      else await this.#ranged(bundle, chunk, first, into, range);
    } catch (error) {
      // Nothing came.
      if (['unavailable', 'missing'].includes(errorKind(error))) this.#deps.egress.count(-bytes);
      throw error;
    }
  }

  async #ranged(
    bundle: Bundle,
    chunk: number,
    first: number,
    into: readonly Buffer[],
    range: StoredRange,
  ): Promise<void> {
    await this.#counted(range.length, async () => {
      const sealed = await this.#deps.store.get(chunkName(bundle.nameOf(chunk)), { range });
      this.fetchedBytes += sealed.length;
      await this.#open(bundle, chunk, first, sealed, into);
    });
  }

  /** Resolves when the chunk's object is there and every segment of it opens; else rejects as reading it does. */
  async check(bundle: Bundle, chunk: number): Promise<void> {
    await this.#whole(bundle, chunk, 0, Array.from({ length: SEGMENTS_PER_CHUNK }, sharedSegment));
  }

  /** Fetches a stored chunk into the cache; false when the cache has no room for it. */
  toCache(bundle: Bundle, chunk: number): Promise<boolean> {
    return this.#counted(CHUNK_OBJECT_BYTES, async () => {
      const object = await this.#object(bundle, chunk);
      return this.#deps.cache.add({ bundle: bundle.id, index: chunk }, object);
    });
  }

  async #whole(bundle: Bundle, chunk: number, first: number, into: readonly Buffer[]): Promise<void> {
    await this.#fetching.reserve(CHUNK_OBJECT_BYTES);
    let object: Buffer;
    try {
      object = await this.#object(bundle, chunk);
      const { offset, length } = segmentRange(first, first + into.length);
      await this.#open(bundle, chunk, first, object.subarray(offset, offset + length), into);
    } catch (error) {
      this.#fetching.release(CHUNK_OBJECT_BYTES);
      throw error;
    }
    this.#deps.cache
      .add({ bundle: bundle.id, index: chunk }, object)
      .catch((error) => this.#deps.log.warn('A chunk could not be cached.', { error: errorMessage(error) }))
      .finally(() => this.#fetching.release(CHUNK_OBJECT_BYTES));
  }

  /** A whole object whose SHA-256 is its name. */
  async #object(bundle: Bundle, chunk: number): Promise<Buffer> {
    const name = bundle.nameOf(chunk);
    const object = await this.#deps.store.get(chunkName(name));
    this.fetchedBytes += object.length;
    if (object.length !== CHUNK_OBJECT_BYTES) throw new BaeError('corrupt', 'A chunk object is not of its one size.');
    const { digest, data } = await this.#deps.sealer.sha256(object);
    if (!digest.equals(name)) throw new BaeError('corrupt', 'A chunk object is not what its name says.');
    return data;
  }

  #open(bundle: Bundle, chunk: number, firstSegment: number, sealed: Buffer, into: readonly Buffer[]): Promise<void> {
    const { sealer, libraryId } = this.#deps;
    const ids = { bundleKey: bundle.key, libraryId, bundleId: bundle.bundleId, chunkIndex: chunk };
    return sealer.open({ ...ids, salt: bundle.saltOf(chunk), firstSegment, sealed, into });
  }

  async #counted<Result>(bytes: number, work: () => Promise<Result>): Promise<Result> {
    await this.#fetching.reserve(bytes);
    try {
      return await work();
    } finally {
      this.#fetching.release(bytes);
    }
  }
}
