import { BaeError, errorKind, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { Budget } from './budget.ts';
import { type Bundle, LOST, STORED } from './bundle.ts';
import type { DiskCache, RamCache, Segment } from './cache/index.ts';
import type { Fetcher } from './fetch.ts';
import type { Journal } from './journal.ts';
import { SEGMENT_BYTES, SEGMENTS_PER_CHUNK, type Sealer } from './seal/index.ts';
import type { Spool } from './spool.ts';

/** Bytes of segments being opened at a time, for all readers together. */
export const MAX_OPENING_BYTES = 64 * 1_048_576;
/** A file may move from spool to cache, or be evicted, between the look and the open: so often it is looked for again. */
const MAX_ATTEMPTS = 5;
const MAX_CHUNKS = 2 ** 22;

export interface SegmentsParts {
  readonly spool: Spool;
  readonly cache: DiskCache;
  readonly ram: RamCache;
  readonly sealer: Sealer;
  readonly fetcher: Fetcher;
  readonly journal: Journal;
  readonly log: Log;
  readonly libraryId: Buffer;
}

/** Segments of sealed chunks, opened from the nearest place that has them. One opening serves all who wait for it. */
export class Segments {
  readonly #deps: SegmentsParts;
  readonly #flights = new Map<number, Promise<Segment>>();
  readonly #opening = new Budget(MAX_OPENING_BYTES);
  /** Segments given since start, by where they came from. */
  readonly reads = { ram: 0, disk: 0, remote: 0 };

  constructor(deps: SegmentsParts) {
    this.#deps = deps;
  }

  /** Whether the segment comes from memory, disk or the store. */
  tier(bundle: Bundle, chunk: number, segment: number): 'ram' | 'disk' | 'remote' {
    if (this.#deps.ram.has(bundle.id, chunk, segment)) return 'ram';
    return this.isLocal(bundle, chunk) ? 'disk' : 'remote';
  }

  /** Whether a read of the segment would have to ask the store: it is not here, and nobody asked yet. */
  mustFetch(bundle: Bundle, chunk: number, segment: number): boolean {
    return this.tier(bundle, chunk, segment) === 'remote' && !this.#flights.has(flightKey(bundle, chunk, segment));
  }

  isLocal(bundle: Bundle, chunk: number): boolean {
    return bundle.inSpool.has(chunk) || this.#deps.cache.has({ bundle: bundle.id, index: chunk });
  }

  /**
   * Segments [first, end) of a chunk, each as a promise. `whole`: if the store must be asked, fetch the whole object and keep
   * it in the cache. Errors: `unavailable`; `corrupt` and `missing`, after the bundle's listeners were told.
   */
  get(bundle: Bundle, chunk: number, first: number, end: number, whole: boolean): Promise<Segment>[] {
    const wanted: Promise<Segment>[] = [];
    let fresh: number[] = [];
    for (let at = first; at < end; at++) {
      const segment = this.#deps.ram.tryGet(bundle.id, chunk, at);
      if (segment !== null) this.reads.ram++;
      else if (!this.#flights.has(flightKey(bundle, chunk, at))) fresh.push(at);
    }
    if (whole && fresh.length > 0 && !this.isLocal(bundle, chunk)) fresh = this.#allMissing(bundle, chunk);
    if (fresh.length > 0) this.#start(bundle, chunk, fresh, whole);
    for (let at = first; at < end; at++) {
      const flight = this.#flights.get(flightKey(bundle, chunk, at));
      wanted.push(flight ?? Promise.resolve(this.#deps.ram.tryGet(bundle.id, chunk, at) as Segment));
    }
    return wanted;
  }

  #allMissing(bundle: Bundle, chunk: number): number[] {
    const missing: number[] = [];
    for (let at = 0; at < SEGMENTS_PER_CHUNK; at++) {
      const there = this.#deps.ram.has(bundle.id, chunk, at) || this.#flights.has(flightKey(bundle, chunk, at));
      if (!there) missing.push(at);
    }
    return missing;
  }

  /** One opening for a sorted list of segments; those between them that are here already are opened once more. */
  #start(bundle: Bundle, chunk: number, segments: readonly number[], whole: boolean): void {
    const first = segments[0] as number;
    const end = (segments.at(-1) as number) + 1;
    const opened = this.#open(bundle, chunk, first, end, whole);
    for (const at of segments) {
      const key = flightKey(bundle, chunk, at);
      const flight = opened.then((all) => all[at - first] as Segment).finally(() => this.#flights.delete(key));
      flight.catch((error) => this.#deps.log.debug('A segment was not opened.', { error: errorMessage(error) }));
      this.#flights.set(key, flight);
    }
  }

  async #open(bundle: Bundle, chunk: number, first: number, end: number, whole: boolean): Promise<Segment[]> {
    const bytes = (end - first) * SEGMENT_BYTES;
    await this.#opening.reserve(bytes);
    try {
      const buffers = await this.#nearest(bundle, chunk, first, end, whole);
      return buffers.map((buffer, at) => this.#deps.ram.put(bundle.id, chunk, first + at, buffer));
    } finally {
      this.#opening.release(bytes);
    }
  }

  async #nearest(bundle: Bundle, chunk: number, first: number, end: number, whole: boolean): Promise<Buffer[]> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const local = await this.#fromDisk(bundle, chunk, first, end);
      if (local !== null) {
        this.reads.disk += end - first;
        return local;
      }
      const moving = bundle.inSpool.has(chunk) && attempt < MAX_ATTEMPTS / 2;
      if (bundle.chunkState(chunk) === STORED && !moving) {
        const fetched = await this.#fromStore(bundle, chunk, first, end, whole);
        this.reads.remote += end - first;
        return fetched;
      }
    }
    throw new BaeError('missing', 'A chunk is neither on disk nor in the store.');
  }

  /** From the spool or the cache; null if it is not there, or was rotten and is dropped now. */
  async #fromDisk(bundle: Bundle, chunk: number, first: number, end: number): Promise<Buffer[] | null> {
    const { spool, cache } = this.#deps;
    const key = { bundle: bundle.id, index: chunk };
    const held = cache.acquire(key);
    if (held === null && !bundle.inSpool.has(chunk)) return null;
    try {
      const path = held?.path ?? spool.chunkPath(bundle.id, chunk);
      return await this.#deps.sealer.openFile({
        ...this.#ids(bundle, chunk),
        path,
        firstSegment: first,
        endSegment: end,
      });
    } catch (error) {
      const kind = errorKind(error);
      if (kind === 'missing' && held === null) return null;
      if (held === null || (kind !== 'corrupt' && kind !== 'missing')) throw error;
      this.#deps.log.warn('A cached chunk does not open; it is fetched again.', { bundle: bundle.id, chunk, kind });
      held.release();
      await cache.drop(key);
      return null;
    } finally {
      held?.release();
    }
  }

  /** From the store. What is rotten is asked for once more before it counts as lost. */
  async #fromStore(bundle: Bundle, chunk: number, first: number, end: number, whole: boolean): Promise<Buffer[]> {
    const { fetcher } = this.#deps;
    try {
      return await fetcher.segments(bundle, chunk, first, end, whole);
    } catch (error) {
      const kind = errorKind(error);
      if (kind !== 'corrupt' && kind !== 'missing') throw error;
    }
    try {
      return await fetcher.segments(bundle, chunk, first, end, true);
    } catch (error) {
      const kind = errorKind(error);
      if (kind === 'corrupt' || kind === 'missing') this.lose(bundle, chunk, error);
      throw error;
    }
  }

  /** Quarantine: nothing reads the chunk again until it is repaired, and all who have it open are told. */
  lose(bundle: Bundle, chunk: number, error: unknown): void {
    if (bundle.chunkState(chunk) !== STORED) return;
    const { log, journal, ram } = this.#deps;
    log.error('A chunk in the store is lost.', { bundle: bundle.id, chunk, error: errorMessage(error) });
    bundle.setState(chunk, LOST);
    ram.dropChunk(bundle.id, chunk);
    bundle
      .work(() => journal.lost(bundle.id, chunk))
      .catch((failure) => log.warn('A lost chunk could not be marked.', { error: errorMessage(failure) }));
    bundle.tellLost(chunk);
  }

  #ids(bundle: Bundle, chunk: number) {
    const { libraryId } = this.#deps;
    return {
      bundleKey: bundle.key,
      libraryId,
      bundleId: bundle.bundleId,
      chunkIndex: chunk,
      salt: bundle.saltOf(chunk),
    };
  }
}

/** Below 2^53: bundles below 2^29, chunks below 2^22, four segments. */
function flightKey(bundle: Bundle, chunk: number, segment: number): number {
  return (bundle.id * MAX_CHUNKS + chunk) * SEGMENTS_PER_CHUNK + segment;
}
