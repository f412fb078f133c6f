import { resolve } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { CacheFiles } from './files.ts';
import { bundleOf, packKey, unpackKey } from './keys.ts';
import { Pins } from './pins.ts';
import type { ChunkKey, DiskCache, HeldObject, PinOwner } from './ports.ts';

/** How old the time of the last read on disk may grow. */
const TOUCH_INTERVAL_MILLISECONDS = 600_000;
/** A disk that refuses is told once in so long, not for every object. */
const WARNING_INTERVAL_MILLISECONDS = 60_000;

export interface DiskCacheOptions {
  folder: string;
  /** Every object has this size. */
  objectBytes: number;
  /** BAE_CACHE_BYTES. */
  budgetBytes: number;
  /** BAE_PIN_BYTES; more than the budget means the budget. */
  pinBudgetBytes: number;
  clock: Clock;
  log: Log;
}

/** Opens the cache's folder, made if it is not there, with what is in it from before; evicts at once what is over budget. */
export async function openDiskCache(options: DiskCacheOptions): Promise<DiskCache> {
  const cache = new FileCache(options);
  await cache.open();
  return cache;
}

/** An object that is pinned or that somebody reads. */
interface Held {
  uses: number;
  /** When its time on disk was last set. */
  touchedAt: number;
}

class FileCache implements DiskCache {
  readonly budgetBytes: number;
  readonly #objectBytes: number;
  readonly #files: CacheFiles;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #pins: Pins;
  /** Packed keys that can be evicted, read longest ago first, with the time last set on disk. */
  readonly #idle = new Map<number, number>();
  readonly #held = new Map<number, Held>();
  readonly #bundleCounts = new Map<number, number>();
  /** What is done to one file now; the next waits for it. */
  readonly #busy = new Map<number, Promise<unknown>>();
  /** Objects on disk and reserved for writes. */
  #count = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: DiskCacheOptions) {
    this.budgetBytes = options.budgetBytes;
    this.#objectBytes = options.objectBytes;
    this.#files = new CacheFiles(resolve(options.folder), options.objectBytes);
    this.#clock = options.clock;
    this.#log = options.log;
    this.#pins = new Pins(Math.floor(Math.min(options.pinBudgetBytes, options.budgetBytes) / options.objectBytes));
  }

  async open(): Promise<void> {
    for (const { key, readAt } of await this.#files.open()) {
      this.#count++;
      this.#insert(key, readAt);
    }
    while (this.usedBytes > this.budgetBytes) {
      await this.#evict(this.#oldest() as number);
      this.#count--;
    }
  }

  get usedBytes(): number {
    return this.#count * this.#objectBytes;
  }

  get pinnedBytes(): number {
    return this.#pins.size * this.#objectBytes;
  }

  has(key: ChunkKey): boolean {
    return this.#present(packKey(key));
  }

  acquire(key: ChunkKey): HeldObject | null {
    const packed = packKey(key);
    let held = this.#held.get(packed);
    if (held === undefined) {
      const touchedAt = this.#idle.get(packed);
      if (touchedAt === undefined) return null;
      this.#idle.delete(packed);
      held = { uses: 0, touchedAt };
      this.#held.set(packed, held);
    }
    held.uses++;
    this.#touch(packed, held);
    const mine = held;
    let released = false;
    return {
      path: this.#files.path(packed),
      release: () => {
        if (released) return;
        released = true;
        mine.uses--;
        this.#letGo(packed, mine);
      },
    };
  }

  async add(key: ChunkKey, object: Buffer): Promise<boolean> {
    if (object.length !== this.#objectBytes) throw new RangeError(`${object.length} bytes are no chunk object`);
    const packed = packKey(key);
    return await this.#bring(packed, () => this.#files.write(packed, object));
  }

  async adopt(key: ChunkKey, spoolPath: string): Promise<boolean> {
    const packed = packKey(key);
    let moved = false;
    const cached = await this.#bring(packed, async () => {
      moved = await this.#files.adopt(packed, spoolPath);
    });
    if (cached && !moved) await this.#files.remove(spoolPath);
    return cached;
  }

  async drop(key: ChunkKey): Promise<void> {
    const packed = packKey(key);
    await this.#exclusively(packed, async () => {
      if (!this.#present(packed)) return;
      this.#forget(packed);
      try {
        await this.#files.remove(this.#files.path(packed));
        this.#count--;
      } catch (error) {
        // Its bytes are still there, so they still count.
        this.#warn(error);
      }
    });
  }

  async dropBundle(bundle: number): Promise<void> {
    const keys = [...this.#busy.keys(), ...this.#idle.keys(), ...this.#held.keys()];
    for (const packed of new Set(keys)) {
      if (bundleOf(packed) === bundle) await this.drop(unpackKey(packed));
    }
    await this.#files.removeFolder(bundle);
  }

  pinChunks(owner: PinOwner, keys: Iterable<ChunkKey>): void {
    const packed = Array.from(keys, packKey);
    for (const key of this.#pins.add(owner, packed)) {
      const touchedAt = this.#idle.get(key);
      if (touchedAt === undefined) continue;
      this.#idle.delete(key);
      this.#held.set(key, { uses: 0, touchedAt });
    }
  }

  unpinChunks(owner: PinOwner): void {
    for (const key of this.#pins.remove(owner)) {
      const held = this.#held.get(key);
      if (held !== undefined) this.#letGo(key, held);
    }
  }

  pinned(owner: PinOwner): ChunkKey[] {
    return Array.from(this.#pins.of(owner), unpackKey);
  }

  cachedBytes(bundle: number): number {
    return (this.#bundleCounts.get(bundle) ?? 0) * this.#objectBytes;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#busy.values());
  }

  #present(key: number): boolean {
    return this.#idle.has(key) || this.#held.has(key);
  }

  /** Takes an object in by `bring`, which puts its file in place. False without room, or when it fails. */
  async #bring(key: number, bring: () => Promise<void>): Promise<boolean> {
    return await this.#exclusively(key, async () => {
      if (this.#present(key)) return true;
      if (this.#closed || !(await this.#reserve())) return false;
      try {
        await bring();
        this.#insert(key, this.#clock.now());
        return true;
      } catch (error) {
        this.#count--;
        this.#warn(error);
        return false;
      }
    });
  }

  /** Makes sure of one object's bytes, by eviction where needed; false when nothing can go. */
  async #reserve(): Promise<boolean> {
    if (this.usedBytes + this.#objectBytes <= this.budgetBytes) {
      this.#count++;
      return true;
    }
    const oldest = this.#oldest();
    if (oldest === undefined) return false;
    try {
      // Its bytes become the new one's: the count stays.
      await this.#evict(oldest);
      return true;
    } catch (error) {
      this.#warn(error);
      return false;
    }
  }

  /** What was read longest ago and can go; not what something is being done to, which a late removal would harm. */
  #oldest(): number | undefined {
    for (const key of this.#idle.keys()) if (!this.#busy.has(key)) return key;
    return undefined;
  }

  /** Removes an idle object's file; the caller accounts for its bytes. */
  async #evict(key: number): Promise<void> {
    const touchedAt = this.#idle.get(key) as number;
    this.#forget(key);
    try {
      await this.#exclusively(key, () => this.#files.remove(this.#files.path(key)));
    } catch (error) {
      this.#insert(key, touchedAt);
      throw error;
    }
  }

  #insert(key: number, touchedAt: number): void {
    if (this.#pins.has(key)) this.#held.set(key, { uses: 0, touchedAt });
    else this.#idle.set(key, touchedAt);
    const bundle = bundleOf(key);
    this.#bundleCounts.set(bundle, (this.#bundleCounts.get(bundle) ?? 0) + 1);
  }

  #forget(key: number): void {
    this.#idle.delete(key);
    this.#held.delete(key);
    const bundle = bundleOf(key);
    const count = (this.#bundleCounts.get(bundle) ?? 0) - 1;
    if (count > 0) this.#bundleCounts.set(bundle, count);
    else this.#bundleCounts.delete(bundle);
  }

  /** Lets an object be evicted again once nobody pins or reads it; one dropped meanwhile stays forgotten. */
  #letGo(key: number, held: Held): void {
    if (held.uses > 0 || this.#pins.has(key) || this.#held.get(key) !== held) return;
    this.#held.delete(key);
    this.#idle.set(key, held.touchedAt);
  }

  #touch(key: number, held: Held): void {
    const now = this.#clock.now();
    if (Math.abs(now - held.touchedAt) < TOUCH_INTERVAL_MILLISECONDS || this.#closed) return;
    held.touchedAt = now;
    this.#exclusively(key, () => this.#files.touch(key, now)).catch((error: unknown) => this.#warn(error));
  }

  /** Runs what is done to one file after all that is being done to it. */
  async #exclusively<Result>(key: number, work: () => Promise<Result>): Promise<Result> {
    const before = this.#busy.get(key);
    const turn = before === undefined ? work() : before.then(work, work);
    this.#busy.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#busy.get(key) === turn) this.#busy.delete(key);
    }
  }

  #warn(error: unknown): void {
    const now = this.#clock.monotonic();
    if (now - this.#warnedAt < WARNING_INTERVAL_MILLISECONDS) return;
    this.#warnedAt = now;
    this.#log.warn('the cache’s disk refuses; going on without it', { error: errorMessage(error) });
  }
}
