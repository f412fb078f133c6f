import type { Database } from '../db/index.ts';
import { BaeError, errorKind, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { type Bundle, STORED } from './bundle.ts';
import type { Bundles } from './bundles.ts';
import type { ChunkKey, DiskCache } from './cache/index.ts';
import { chunksOfRange, type PieceMap } from './chunk/index.ts';
import type { Fetcher } from './fetch.ts';
import type { Patience } from './patience.ts';
import { Ranges } from './ranges.ts';
import type { Segments } from './segments.ts';
import type { Torrents } from './torrents.ts';

export interface PinsParts {
  readonly database: Database;
  readonly bundles: Bundles;
  readonly cache: DiskCache;
  readonly fetcher: Fetcher;
  readonly segments: Segments;
  readonly torrents: Torrents;
  readonly patience: Patience;
  readonly log: Log;
  readonly stop: AbortSignal;
}

interface PinRun {
  readonly bundle: number;
  readonly first_chunk: number;
  readonly chunk_count: number;
}

/** Torrents whose chunks stay local. The promise is rows and a count in the cache; fetching follows behind. */
export class Pins {
  readonly #deps: PinsParts;
  readonly #filling = new Map<number, Promise<void>>();
  readonly #again = new Set<number>();
  readonly #pinned = new Set<number>();

  constructor(deps: PinsParts) {
    this.#deps = deps;
  }

  /** Gives the cache the saved pins again; what no longer fits its budget is told and stays unpinned for this run. */
  async restore(): Promise<void> {
    const { db } = this.#deps.database;
    const rows = await db.selectFrom('pins').selectAll().orderBy('torrent_id').execute();
    for (const [torrentId, runs] of Map.groupBy(rows, (row) => row.torrent_id)) {
      try {
        this.#deps.cache.pinChunks(torrentId, keysOf(runs));
        this.#pinned.add(torrentId);
        this.fill(torrentId);
      } catch (error) {
        this.#deps.log.warn('A pinned torrent no longer fits the pin budget.', {
          torrent: torrentId,
          error: errorMessage(error),
        });
      }
    }
  }

  /** See Vault.pinChunks. */
  async pin(torrentId: number): Promise<void> {
    const map = await this.#deps.torrents.map(torrentId);
    if (map.length === 0) throw new BaeError('not-found', `Torrent ${torrentId} has no bytes in the vault.`);
    const runs = runsOf(map);
    this.#deps.cache.pinChunks(torrentId, keysOf(runs));
    const { db } = this.#deps.database;
    try {
      await this.#deps.database.batch([
        db.deleteFrom('pins').where('torrent_id', '=', torrentId),
        ...runs.map((run) => db.insertInto('pins').values({ torrent_id: torrentId, ...run })),
      ]);
    } catch (error) {
      this.#deps.cache.unpinChunks(torrentId);
      throw error;
    }
    this.#pinned.add(torrentId);
    this.fill(torrentId);
  }

  /** See Vault.unpinChunks. */
  async unpin(torrentId: number): Promise<void> {
    await this.#deps.database.db.deleteFrom('pins').where('torrent_id', '=', torrentId).execute();
    this.#pinned.delete(torrentId);
    this.#deps.cache.unpinChunks(torrentId);
  }

  /** Fetches, behind, what of a torrent's pins is not local yet; again if it is under way. */
  fill(torrentId: number): void {
    if (this.#filling.has(torrentId)) {
      this.#again.add(torrentId);
      return;
    }
    const filling = this.#fill(torrentId)
      .catch((error) => {
        if (this.#deps.stop.aborted) return;
        this.#deps.log.warn('A pinned torrent could not be fetched.', {
          torrent: torrentId,
          error: errorMessage(error),
        });
      })
      .finally(() => {
        this.#filling.delete(torrentId);
        if (this.#again.delete(torrentId) && !this.#deps.stop.aborted) this.fill(torrentId);
      });
    this.#filling.set(torrentId, filling);
  }

  /** Looks again at all pinned torrents: a bundle's chunks came into the store. */
  fillAll(): void {
    for (const torrentId of this.#pinned) this.fill(torrentId);
  }

  /** Resolves when nothing is being fetched. */
  async settled(): Promise<void> {
    await Promise.all(this.#filling.values());
  }

  async #fill(torrentId: number): Promise<void> {
    for (const [id, keys] of Map.groupBy(this.#deps.cache.pinned(torrentId), (key) => key.bundle)) {
      await this.#deps.bundles.with(id, async (bundle) => {
        for (const key of keys) {
          this.#deps.stop.throwIfAborted();
          if (!this.#pinned.has(torrentId)) return;
          if (bundle.chunkState(key.index) !== STORED || this.#deps.segments.isLocal(bundle, key.index)) continue;
          await this.#fetch(torrentId, bundle, key);
        }
      });
    }
  }

  async #fetch(torrentId: number, bundle: Bundle, key: ChunkKey): Promise<void> {
    const attempt = async () => {
      if (!this.#pinned.has(torrentId) || (await this.#deps.fetcher.toCache(bundle, key.index))) return;
      throw new BaeError('unavailable', 'The cache has no room for a pinned chunk now.');
    };
    const isGone = (error: unknown) => errorKind(error) === 'corrupt' || errorKind(error) === 'missing';
    try {
      await this.#deps.patience.until('Pinning', this.#deps.stop, attempt, isGone);
    } catch (error) {
      if (!isGone(error)) throw error;
      this.#deps.segments.lose(bundle, key.index, error);
    }
  }
}

/** The chunks under a torrent, as runs. */
function runsOf(map: PieceMap): PinRun[] {
  const chunks = new Map<number, Ranges>();
  for (const { bundle, bundleOffset, length } of map.extents) {
    if (bundle === null) continue;
    const { first, end } = chunksOfRange(bundleOffset, length);
    const ranges = chunks.get(bundle) ?? new Ranges();
    chunks.set(bundle, ranges.add(first, end));
  }
  return [...chunks].flatMap(([bundle, { runs }]) => {
    return runs.map(({ start, end }) => ({ bundle, first_chunk: start, chunk_count: end - start }));
  });
}

function* keysOf(runs: readonly PinRun[]): Generator<ChunkKey> {
  for (const run of runs) {
    for (let at = 0; at < run.chunk_count; at++) yield { bundle: run.bundle, index: run.first_chunk + at };
  }
}
