import { type Compilable, type Database, template } from '../db/index.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { errorKind } from '../lib/errors.ts';
import { LOST, SPOOLED, STORED } from './bundle.ts';
import type { ChunkKey } from './cache/index.ts';

/** Rows of all chunks made durable within this time share a transaction. */
export const GROUP_MILLISECONDS = 20;
/** One transaction holds at most this many changes. */
const MAX_GROUP = 256;

/** Makes files of chunks in the spool durable; tells which failed, and why. */
type Settle = (files: readonly ChunkKey[]) => Promise<ReadonlyMap<ChunkKey, unknown>>;

interface Entry {
  readonly query: Compilable;
  /** The chunk whose file must be durable before the row says so. */
  readonly file: ChunkKey | null;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The queries that run for every chunk. */
function chunkQueries({ db }: Database) {
  const [bundle, index, state, name, salt] = [-1, -2, -3, Buffer.alloc(1), Buffer.alloc(1)];
  const spooled = db
    .insertInto('chunks')
    .values({ bundle, chunk_index: index, state: SPOOLED, name, salt })
    .onConflict((conflict) => conflict.columns(['bundle', 'chunk_index']).doUpdateSet({ state: SPOOLED, name, salt }));
  const setState = db
    .updateTable('chunks')
    .set({ state })
    .where('bundle', '=', bundle)
    .where('chunk_index', '=', index);
  return {
    spooled: template(spooled, [bundle, index, name, salt]),
    setState: template(setState, [bundle, index, state]),
  };
}

/** Chunk rows on their way to the database. Each call resolves when its row is durable, in the order they were made. */
export class Journal {
  readonly #database: Database;
  readonly #queries: ReturnType<typeof chunkQueries>;
  readonly #clock: Clock;
  readonly #settle: Settle;
  #group: Entry[] = [];
  #timer: Timer | null = null;
  #running: Promise<void> = Promise.resolve();

  /** `settle` makes files of chunks in the spool durable: a group's at once, before its rows. */
  constructor(database: Database, clock: Clock, settle: Settle) {
    this.#database = database;
    this.#queries = chunkQueries(database);
    this.#clock = clock;
    this.#settle = settle;
  }

  /** A chunk's object is written in the spool, and has this name. After a rejection its file must be written anew. */
  spooled(bundle: number, index: number, name: Buffer, salt: Buffer): Promise<void> {
    return this.#add(this.#queries.spooled([bundle, index, name, salt]), { bundle, index });
  }

  /** Its object is in the store, verified. */
  stored(bundle: number, index: number): Promise<void> {
    return this.#setState(bundle, index, STORED);
  }

  /** Its object is gone from the store or rotten there. */
  lost(bundle: number, index: number): Promise<void> {
    return this.#setState(bundle, index, LOST);
  }

  /** There is no such chunk any more; it will be written again. */
  dropped(bundle: number, index: number): Promise<void> {
    const { db } = this.#database;
    return this.#add(db.deleteFrom('chunks').where('bundle', '=', bundle).where('chunk_index', '=', index));
  }

  /** Resolves when all that was given so far is durable or has failed. */
  async settled(): Promise<void> {
    this.#flush();
    await this.#running;
  }

  #setState(bundle: number, index: number, state: number): Promise<void> {
    return this.#add(this.#queries.setState([bundle, index, state]));
  }

  #add(query: Compilable, file: ChunkKey | null = null): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#group.push({ query, file, resolve, reject });
      if (this.#group.length >= MAX_GROUP) this.#flush();
      else this.#timer ??= this.#clock.after(GROUP_MILLISECONDS, () => this.#flush());
    });
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const group = this.#group;
    if (group.length === 0) return;
    this.#group = [];
    this.#running = this.#running.then(() => this.#write(group));
  }

  async #write(group: Entry[]): Promise<void> {
    const failed = await this.#settle(group.flatMap(({ file }) => file ?? []));
    const durable: Entry[] = [];
    for (const entry of group) {
      if (entry.file !== null && failed.has(entry.file)) entry.reject(failed.get(entry.file));
      else durable.push(entry);
    }
    if (durable.length > 0) await this.#commit(durable);
  }

  /** All in one transaction; where that fails for a reason of one row's, each by itself. */
  async #commit(group: Entry[]): Promise<void> {
    try {
      await this.#database.batch(group.map((entry) => entry.query));
      for (const entry of group) entry.resolve();
    } catch (error) {
      if (group.length === 1 || errorKind(error) === 'unavailable') for (const entry of group) entry.reject(error);
      else for (const entry of group) await this.#commit([entry]);
    }
  }
}
