/** One chunk of a bundle: the bundle's integer in the database (below 2^29) and the chunk's index (below 2^22). */
export interface ChunkKey {
  bundle: number;
  index: number;
}

/** A cached object that stays on disk, whole and unchanged, until released or dropped. */
export interface HeldObject {
  /** The sealed object's file, for the seal worker to read itself. */
  readonly path: string;
  /** Lets it be evicted again. Idempotent. */
  release(): void;
}

/** Whose pins they are: a torrent's id. */
export type PinOwner = number | string;

/**
 * The local tier of sealed objects, all of one size: a file per chunk object, never more bytes than the budget, writes in
 * progress counted. What was read longest ago goes first; what is pinned or held never goes. A cache: nothing is synced,
 * and whoever opens an object checks its tag and calls `drop` when it is rotten.
 */
export interface DiskCache {
  readonly budgetBytes: number;
  /** Bytes on disk and reserved for writes under way; ≤ budgetBytes. */
  readonly usedBytes: number;
  /** Bytes promised to pins, cached yet or not; ≤ the pin budget. */
  readonly pinnedBytes: number;
  has(key: ChunkKey): boolean;
  /** The object's file, marked as just read; null if it is not cached. */
  acquire(key: ChunkKey): HeldObject | null;
  /**
   * Caches an object. True when it is cached now (or was already); false when there is no room (all else is pinned or
   * held) or the disk refuses, which is logged. Never waits for room.
   */
  add(key: ChunkKey, object: Buffer): Promise<boolean>;
  /** Like add, by moving a finished spool file. True: the file is the cache's or gone; false: it is still the caller's. */
  adopt(key: ChunkKey, spoolPath: string): Promise<boolean>;
  /**
   * Forgets one object (it was rotten, or its bundle goes), held or not: who opens its path later finds nothing, or a fresh
   * object. Pins stay and want it fetched again. Never rejects: a disk that refuses is logged.
   */
  drop(key: ChunkKey): Promise<void>;
  /** Forgets all objects of a bundle. */
  dropBundle(bundle: number): Promise<void>;
  /**
   * Pins chunks, cached or to come, for one owner; again for the same owner adds to its set. All or nothing: `refused` when
   * the pin budget has no room. Kept in memory; the caller saves pins and gives them again at start.
   */
  pinChunks(owner: PinOwner, keys: Iterable<ChunkKey>): void;
  /** Takes back all pins of one owner; what no other owner pins can be evicted again. */
  unpinChunks(owner: PinOwner): void;
  /** What one owner pins, cached or not. */
  pinned(owner: PinOwner): ChunkKey[];
  /** Bytes of one bundle that are cached. */
  cachedBytes(bundle: number): number;
  /** Waits for what is under way; afterwards add and adopt give false. */
  close(): Promise<void>;
}

/** An opened segment in memory. Its bytes are read-only for all. */
export interface Segment {
  readonly bundle: number;
  readonly chunk: number;
  readonly index: number;
  readonly bytes: Buffer;
}

/**
 * The RAM tier: opened segments, least recently used out first, leased ones never. Who reads a segment after anything
 * else could run holds a lease of it, since its memory is used again. Cached and leased bytes together stay
 * within the budget wherever leases allow it. Synchronous and cheap: it is asked for every block served.
 */
export interface RamCache {
  readonly budgetBytes: number;
  /** Bytes in memory on the cache's account: cached, and leased ones that were dropped meanwhile. */
  readonly usedBytes: number;
  /** Bytes that leases hold, each segment once; when this nears half the budget, copy out and release. */
  readonly pinnedBytes: number;
  /** Bytes that are cached and were never leased by anybody but who put them: opened ahead of their readers. */
  readonly unreadBytes: number;
  /** The segment, marked as just read; null if it is not here. */
  tryGet(bundle: number, chunk: number, index: number): Segment | null;
  /** Whether it is here, leaving the order of eviction as it is. */
  has(bundle: number, chunk: number, index: number): boolean;
  /** Memory to open a segment into, for `put`: such as eviction left, else fresh. Shared with the sealer's threads. */
  take(): Buffer;
  /**
   * Takes an opened segment in, in the place of an older one, and leases it to the caller, even when there was no room to keep
   * it. `bytes` is the cache's from now on: once the segment is evicted and not leased it holds another. It must own its
   * whole memory (not be a view of something larger), since that is what counts; else RangeError.
   */
  put(bundle: number, chunk: number, index: number, bytes: Buffer): Segment;
  /** Holds a segment once more; every lease is released exactly once. */
  lease(segment: Segment): void;
  release(segment: Segment): void;
  /** Forgets all segments of a chunk; leased ones live on until released. */
  dropChunk(bundle: number, chunk: number): void;
  /** Forgets all segments of a bundle. */
  dropBundle(bundle: number): void;
}
