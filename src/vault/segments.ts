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
/** Of the memory for segments, this part may hold what nobody has read yet. */
const MAX_UNREAD_SHARE = 2;
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

/** A segment on its way into memory. */
interface Flight extends PromiseWithResolvers<Segment> {
  /** Who wait for it; it is leased once for each. */
  waiting: number;
}

/** Segments of sealed chunks, opened from the nearest place that has them. One opening serves all who wait for it. */
export class Segments {
  readonly #deps: SegmentsParts;
  readonly #flights = new Map<number, Flight>();
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

  /** False while too much waits in memory for readers that may never come. */
  get mayOpenAhead(): boolean {
    const { unreadBytes, budgetBytes } = this.#deps.ram;
    return unreadBytes < budgetBytes / MAX_UNREAD_SHARE;
  }

  isLocal(bundle: Bundle, chunk: number): boolean {
    return bundle.inSpool.has(chunk) || this.#deps.cache.has({ bundle: bundle.id, index: chunk });
  }

  /**
   * Segments [first, end) of a chunk, each as a promise of one that is leased for the caller: to be released once. `whole`:
   * if the store must be asked, fetch the whole object and keep it in the cache. If any must be opened, so are those up to
   * `aheadEnd`, for who comes next. Errors: `unavailable`; `corrupt` and
   * `missing`, after the bundle's listeners were told.
   */
  get(
    bundle: Bundle,
    chunk: number,
    first: number,
    end: number,
    whole: boolean,
    aheadEnd: number = end,
  ): Promise<Segment>[] {
    const { ram } = this.#deps;
    const wanted: Promise<Segment>[] = [];
    let fresh: number[] = [];
    for (let at = first; at < end; at++) {
      if (ram.has(bundle.id, chunk, at)) this.reads.ram++;
      else if (!this.#flights.has(flightKey(bundle, chunk, at))) fresh.push(at);
    }
    if (fresh.length > 0) {
      if (whole && !this.isLocal(bundle, chunk)) fresh = this.#missing(bundle, chunk, 0, SEGMENTS_PER_CHUNK);
      else fresh.push(...this.#missing(bundle, chunk, end, aheadEnd));
    }
    if (fresh.length > 0) this.#start(bundle, chunk, fresh, whole);
    for (let at = first; at < end; at++) {
      const segment = ram.tryGet(bundle.id, chunk, at);
      if (segment === null) wanted.push(this.#join(bundle, chunk, at));
      else {
        ram.lease(segment);
        wanted.push(Promise.resolve(segment));
      }
    }
    return wanted;
  }

  /** Gives back what `get` leased. */
  release(segment: Segment): void {
    this.#deps.ram.release(segment);
  }

  #join(bundle: Bundle, chunk: number, segment: number): Promise<Segment> {
    const flight = this.#flights.get(flightKey(bundle, chunk, segment)) as Flight;
    flight.waiting++;
    return flight.promise;
  }

  /** Which of segments [first, end) are neither here nor on their way. */
  #missing(bundle: Bundle, chunk: number, first: number, end: number): number[] {
    const missing: number[] = [];
    for (let at = first; at < end; at++) {
      const there = this.#deps.ram.has(bundle.id, chunk, at) || this.#flights.has(flightKey(bundle, chunk, at));
      if (!there) missing.push(at);
    }
    return missing;
  }

  /** One opening for a sorted list of segments; those between them that are here already are opened once more. */
  #start(bundle: Bundle, chunk: number, segments: readonly number[], whole: boolean): void {
    const first = segments[0] as number;
    const end = (segments.at(-1) as number) + 1;
    for (const at of segments) {
      const flight = { ...Promise.withResolvers<Segment>(), waiting: 0 };
      flight.promise.catch((error) =>
        this.#deps.log.debug('A segment was not opened.', { error: errorMessage(error) }),
      );
      this.#flights.set(flightKey(bundle, chunk, at), flight);
    }
    this.#open(bundle, chunk, first, end, whole).then(
      (opened) => {
        for (const [at, bytes] of opened.entries()) this.#land(bundle, chunk, first + at, bytes);
      },
      (error) => {
        for (const at of segments) this.#takeOff(bundle, chunk, at)?.reject(error);
      },
    );
  }

  /** Into the cache, leased for each who waits before anything else can need its room. */
  #land(bundle: Bundle, chunk: number, at: number, bytes: Buffer): void {
    const { ram } = this.#deps;
    const segment = ram.put(bundle.id, chunk, at, bytes);
    const flight = this.#takeOff(bundle, chunk, at);
    for (let leases = flight?.waiting ?? 0; leases > 0; leases--) ram.lease(segment);
    ram.release(segment);
    flight?.resolve(segment);
  }

  #takeOff(bundle: Bundle, chunk: number, at: number): Flight | undefined {
    const key = flightKey(bundle, chunk, at);
    const flight = this.#flights.get(key);
    this.#flights.delete(key);
    return flight;
  }

  async #open(bundle: Bundle, chunk: number, first: number, end: number, whole: boolean): Promise<Buffer[]> {
    const bytes = (end - first) * SEGMENT_BYTES;
    await this.#opening.reserve(bytes);
    try {
      const into = Array.from({ length: end - first }, () => this.#deps.ram.take());
      await this.#nearest(bundle, chunk, first, into, whole);
      return into;
    } finally {
      this.#opening.release(bytes);
    }
  }

  async #nearest(bundle: Bundle, chunk: number, first: number, into: readonly Buffer[], whole: boolean): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (await this.#fromDisk(bundle, chunk, first, into)) {
        this.reads.disk += into.length;
        return;
      }
      const moving = bundle.inSpool.has(chunk) && attempt < MAX_ATTEMPTS / 2;
      if (bundle.chunkState(chunk) === STORED && !moving) {
        await this.#fromStore(bundle, chunk, first, into, whole);
        this.reads.remote += into.length;
        return;
      }
    }
    throw new BaeError('missing', 'A chunk is neither on disk nor in the store.');
  }

  /** From the spool or the cache; false if it is not there, or was rotten and is dropped now. */
  async #fromDisk(bundle: Bundle, chunk: number, first: number, into: readonly Buffer[]): Promise<boolean> {
    const { spool, cache } = this.#deps;
    const key = { bundle: bundle.id, index: chunk };
    const held = cache.acquire(key);
    if (held === null && !bundle.inSpool.has(chunk)) return false;
    try {
      const path = held?.path ?? spool.chunkPath(bundle.id, chunk);
      const range = { firstSegment: first, endSegment: first + into.length };
      await this.#deps.sealer.openFile({ ...this.#ids(bundle, chunk), ...range, path, into });
      return true;
    } catch (error) {
      const kind = errorKind(error);
      if (kind === 'missing' && held === null) return false;
      if (held === null || (kind !== 'corrupt' && kind !== 'missing')) throw error;
      this.#deps.log.warn('A cached chunk does not open; it is fetched again.', { bundle: bundle.id, chunk, kind });
      held.release();
      await cache.drop(key);
      return false;
    } finally {
      held?.release();
    }
  }

  /** From the store. What is rotten is asked for once more before it counts as lost. */
  async #fromStore(
    bundle: Bundle,
    chunk: number,
    first: number,
    into: readonly Buffer[],
    whole: boolean,
  ): Promise<void> {
    const { fetcher } = this.#deps;
    try {
      return await fetcher.segments(bundle, chunk, first, into, whole);
    } catch (error) {
      const kind = errorKind(error);
      if (kind !== 'corrupt' && kind !== 'missing') throw error;
    }
    try {
      await fetcher.segments(bundle, chunk, first, into, true);
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
