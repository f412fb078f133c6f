import type { Database, Json } from '../db/index.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { SavedDht } from '../torrent/index.ts';

/** Nodes change slowly: what a crash loses is found again through those of some minutes ago. */
export const DHT_SAVE_MILLISECONDS = 5 * 60_000;
const KEY = 'dht';

export interface DhtMemoryDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps what the DHT knows over restarts: its ids and good nodes. */
export class DhtMemory {
  readonly #deps: DhtMemoryDeps;
  #timer: Timer | null = null;
  #snapshot: () => SavedDht = () => ({ ipv4: null, ipv6: null });

  constructor(deps: DhtMemoryDeps) {
    this.#deps = deps;
  }

  /** What an earlier run saved; null if there is none. What is in it is for the DHT to judge. */
  async load(): Promise<SavedDht | null> {
    const row = await this.#deps.database.db
      .selectFrom('settings')
      .select('value_json')
      .where('key', '=', KEY)
      .executeTakeFirst();
    const value = row?.value_json;
    return typeof value === 'object' && value !== null ? (value as unknown as SavedDht) : null;
  }

  /** Saves again and again from now on. */
  follow(snapshot: () => SavedDht): void {
    const { clock, log } = this.#deps;
    this.#snapshot = snapshot;
    this.#timer = clock.every(DHT_SAVE_MILLISECONDS, () => {
      this.save().catch((error) => log.warn('the DHT nodes could not be saved', { reason: errorMessage(error) }));
    });
  }

  /** Saves now. Rejects as the database does. */
  async save(): Promise<void> {
    const value_json = this.#snapshot() as unknown as Json;
    await this.#deps.database.db
      .insertInto('settings')
      .values({ key: KEY, value_json })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value_json }))
      .execute();
  }

  /** Saves for the last time. */
  async stop(): Promise<void> {
    if (this.#timer === null) return;
    this.#timer.cancel();
    this.#timer = null;
    await this.save();
  }
}
