import type { Database, Json } from '../db/index.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

/** Of what was counted, a crash may lose this much time's bytes. */
export const EGRESS_SAVE_MILLISECONDS = 10_000;
const DAY_MILLISECONDS = 86_400_000;
const KEY = 'egress';

export interface EgressParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
}

/** How much was fetched from the store for readers today, and how much may be. Days are UTC's, as on providers' bills. */
export interface EgressState {
  readonly bytes: number;
  /** 0: no limit. */
  readonly bytesPerDay: number;
  /** One sentence while the limit keeps peers waiting; else null. */
  readonly waiting: string | null;
}

/**
 * Counts bytes fetched from the store for readers, by the day and over restarts. What keeps content safe or local (repair,
 * verification, pins) is no part of it.
 */
export class Egress {
  readonly #deps: EgressParts;
  #bytesPerDay = 0;
  /** Days since the Unix epoch. */
  #day: number;
  #bytes = 0;
  #isTold = false;
  #timer: Timer | null = null;
  #saving: Promise<void> = Promise.resolve();

  private constructor(deps: EgressParts) {
    this.#deps = deps;
    this.#day = this.#today;
  }

  /** Goes on with what an earlier run counted today. */
  static async open(deps: EgressParts): Promise<Egress> {
    const egress = new Egress(deps);
    const { db } = deps.database;
    const row = await db.selectFrom('settings').select('value_json').where('key', '=', KEY).executeTakeFirst();
    const saved = row?.value_json as { day?: unknown; bytes?: unknown } | null | undefined;
    if (saved?.day === egress.#day && Number.isSafeInteger(saved.bytes)) egress.#bytes = saved.bytes as number;
    return egress;
  }

  /** Bytes that may be fetched in a day, from now on; 0: no limit. @throws RangeError */
  setLimit(bytesPerDay: number): void {
    if (!Number.isSafeInteger(bytesPerDay) || bytesPerDay < 0) throw new RangeError('not a number of bytes');
    this.#bytesPerDay = bytesPerDay;
    this.#isTold = false;
  }

  /** Whether more may be fetched today. What is under way then is brought to its end and counted too. */
  get mayFetch(): boolean {
    if (this.#bytesPerDay === 0) return true;
    this.#turn();
    if (this.#bytes < this.#bytesPerDay) return true;
    if (!this.#isTold) this.#deps.log.warn("The day's egress is used up.", { bytes: this.#bytes });
    this.#isTold = true;
    return false;
  }

  get state(): EgressState {
    this.#turn();
    const words =
      "The day's egress is used up: peers get what is not in the cache again from 00:00 UTC, or with a higher egress_per_day.";
    return { bytes: this.#bytes, bytesPerDay: this.#bytesPerDay, waiting: this.mayFetch ? null : words };
  }

  /** Bytes are being fetched; fewer than none: bytes that did not come after all. */
  count(bytes: number): void {
    this.#turn();
    this.#bytes = Math.max(0, this.#bytes + bytes);
    this.#timer ??= this.#deps.clock.after(EGRESS_SAVE_MILLISECONDS, () => {
      this.#timer = null;
      void this.#save();
    });
  }

  /** Saves what is not saved. Never rejects. */
  async close(): Promise<void> {
    const isSaved = this.#timer === null;
    this.#timer?.cancel();
    this.#timer = null;
    if (!isSaved) void this.#save();
    await this.#saving;
  }

  get #today(): number {
    return Math.floor(this.#deps.clock.now() / DAY_MILLISECONDS);
  }

  /** Another day, be it an earlier one since the clock was set right, begins at nothing. */
  #turn(): void {
    const today = this.#today;
    if (today === this.#day) return;
    this.#day = today;
    this.#bytes = 0;
    this.#isTold = false;
  }

  #save(): Promise<void> {
    const { database, log } = this.#deps;
    this.#saving = this.#saving
      .then(async () => {
        const value_json: Json = { day: this.#day, bytes: this.#bytes };
        await database.db
          .insertInto('settings')
          .values({ key: KEY, value_json })
          .onConflict((conflict) => conflict.column('key').doUpdateSet({ value_json }))
          .execute();
      })
      .catch((error) => log.warn("The day's egress could not be saved.", { error: errorMessage(error) }));
    return this.#saving;
  }
}
