import type { BundleState, Database } from '../db/index.ts';
import { BaeError } from '../lib/errors.ts';
import { Bundle } from './bundle.ts';
import { type LibraryKeys, unwrapBundleKey } from './seal/index.ts';

/** The bundles somebody holds, each loaded once. */
export class Bundles {
  readonly #database: Database;
  readonly #keys: LibraryKeys;
  readonly #held = new Map<number, { bundle: Promise<Bundle>; holders: number }>();

  constructor(database: Database, keys: LibraryKeys) {
    this.#database = database;
    this.#keys = keys;
  }

  /** The bundle, kept until `release`; `not-found` when there is no such row. */
  hold(id: number): Promise<Bundle> {
    let held = this.#held.get(id);
    if (held === undefined) {
      held = { bundle: this.#load(id), holders: 0 };
      this.#held.set(id, held);
      held.bundle.catch(() => this.#held.delete(id));
    }
    held.holders++;
    return held.bundle;
  }

  isHeld(id: number): boolean {
    return this.#held.has(id);
  }

  release(id: number): void {
    const held = this.#held.get(id);
    if (held !== undefined && --held.holders === 0) this.#held.delete(id);
  }

  /** Runs `work` on a bundle that is held meanwhile. */
  async with<Result>(id: number, work: (bundle: Bundle) => Promise<Result>): Promise<Result> {
    const bundle = await this.hold(id);
    try {
      return await work(bundle);
    } finally {
      this.release(id);
    }
  }

  /** All bundles held now. */
  async held(): Promise<Bundle[]> {
    const found = await Promise.allSettled([...this.#held.values()].map((held) => held.bundle));
    return found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }

  /** Ids of all bundles in a state. */
  async inState(...states: BundleState[]): Promise<number[]> {
    const rows = await this.#database.db.selectFrom('bundles').select('id').where('state', 'in', states).execute();
    return rows.map((row) => row.id);
  }

  async #load(id: number): Promise<Bundle> {
    const { db } = this.#database;
    const [row, chunks] = await Promise.all([
      db.selectFrom('bundles').selectAll().where('id', '=', id).executeTakeFirst(),
      db
        .selectFrom('chunks')
        .select(['chunk_index', 'state', 'name', 'salt'])
        .where('bundle', '=', id)
        .orderBy('chunk_index')
        .execute(),
    ]);
    if (row === undefined) throw new BaeError('not-found', `There is no bundle ${id}.`);
    const key = unwrapBundleKey(this.#keys, row.bundle_id, row.wrapped_key);
    const bundle = new Bundle(
      { id, bundleId: row.bundle_id, key, totalLength: row.total_length, chunkCount: row.chunk_count },
      row.state,
    );
    bundle.generation = row.generation;
    for (const chunk of chunks) bundle.setSealed(chunk.chunk_index, chunk.state, chunk.name, chunk.salt);
    return bundle;
  }
}
