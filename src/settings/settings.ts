import type { Database, Json } from '../db/index.ts';
import { BaeError } from '../lib/errors.ts';
import { Turns } from '../lib/turns.ts';
import type { FixedLimits, LimitChanges, LimitName, Limits } from './ports.ts';

const KEY = 'limits';
const NO_LIMITS: Limits = {
  uploadBytesPerSecond: 0,
  downloadBytesPerSecond: 0,
  peerUploadBytesPerSecond: 0,
  egressBytesPerDay: 0,
};
const NAMES = Object.keys(NO_LIMITS) as LimitName[];

export interface SettingsDeps {
  readonly database: Database;
  readonly fixed: FixedLimits;
}

/** Settings that change while bae runs. What flags, environment and bae.toml say wins over them. */
export class Settings {
  readonly fixed: FixedLimits;
  readonly #database: Database;
  readonly #turns = new Turns<string>();
  #saved: LimitChanges;
  #follower: (limits: Limits) => void = () => undefined;

  constructor({ database, fixed }: SettingsDeps, saved: LimitChanges) {
    this.#database = database;
    this.fixed = fixed;
    this.#saved = saved;
  }

  /** What holds now. */
  get limits(): Limits {
    const given = NAMES.flatMap((name) => (this.fixed[name] === undefined ? [] : [[name, this.fixed[name].value]]));
    return { ...NO_LIMITS, ...this.#saved, ...Object.fromEntries(given) };
  }

  /** Calls with what holds, now and after each change. */
  follow(follower: (limits: Limits) => void): void {
    this.#follower = follower;
    follower(this.limits);
  }

  /**
   * Sets limits from now on and over restarts: all that are named, or none.
   * @throws BaeError `bad-input` for what is no whole number of bytes; `refused` for one that is fixed elsewhere, since it
   * would hold until the next start at best
   */
  async setLimits(changes: LimitChanges): Promise<void> {
    const named = NAMES.filter((name) => changes[name] !== undefined);
    for (const name of named) {
      if (!isLimit(changes[name])) throw new BaeError('bad-input', `The limit ${name} is not a whole number of bytes.`);
      const fixed = this.fixed[name];
      if (fixed === undefined) continue;
      throw new BaeError('refused', `The limit ${name} is set by ${fixed.where}: change it there and restart bae.`);
    }
    if (named.length === 0) return;
    await this.#turns.take(KEY, async () => {
      const saved = { ...this.#saved, ...Object.fromEntries(named.map((name) => [name, changes[name]])) };
      await this.#save(saved);
      this.#saved = saved;
      this.#follower(this.limits);
    });
  }

  async #save(saved: LimitChanges): Promise<void> {
    const value_json = saved as Json;
    await this.#database.db
      .insertInto('settings')
      .values({ key: KEY, value_json })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value_json }))
      .execute();
  }
}

/** Reads what was set in earlier runs. */
export async function openSettings(deps: SettingsDeps): Promise<Settings> {
  const { db } = deps.database;
  const row = await db.selectFrom('settings').select('value_json').where('key', '=', KEY).executeTakeFirst();
  const value = (row?.value_json ?? {}) as { readonly [name: string]: unknown };
  const saved = NAMES.flatMap((name) => (isLimit(value[name]) ? [[name, value[name]]] : []));
  return new Settings(deps, Object.fromEntries(saved));
}

function isLimit(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
