import { type CompiledQuery, Kysely } from 'kysely';
import type { Clock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import { migrate } from './migrate.ts';
import type { Schema } from './schema.ts';
import { openSqlite } from './sqlite/index.ts';

export type DialectName = 'sqlite';

export interface DatabaseDeps {
  readonly clock: Clock;
}

/** Anything Kysely can compile: a query that was built and not executed. */
export interface Compilable {
  compile(): CompiledQuery;
}

/** The open database. Every query is a promise; none blocks the event loop. */
export interface Database {
  readonly db: Kysely<Schema>;
  readonly dialect: DialectName;
  /** Runs writes in one transaction and one round trip: all or none, in order. Resolves with how many rows changed. */
  batch(queries: readonly Compilable[]): Promise<number>;
  /** Answers what is waiting, then closes. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens `sqlite:<file>` (made if it is not there) and brings its schema up to date.
 * Throws a BaeError: `bad-input` for another spec, `refused` for PostgreSQL, a file of a newer bae or one that is not bae's,
 * `corrupt` for a damaged file, `unavailable` when it cannot be opened or the disk is full.
 */
export async function openDatabase(spec: string, deps: DatabaseDeps): Promise<Database> {
  if (/^postgres(ql)?:/.test(spec)) {
    throw new BaeError('refused', 'A PostgreSQL database is not there yet: use sqlite:<file>.');
  }
  const file = /^sqlite:(.+)$/s.exec(spec)?.[1];
  if (file === undefined) throw new BaeError('bad-input', 'A database is named as sqlite:<file>.');
  const { dialect, batch } = await openSqlite(file, deps.clock);
  const db = new Kysely<Schema>({ dialect });
  try {
    await migrate(db);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return {
    db,
    dialect: 'sqlite',
    batch: (queries) => batch(queries.map((query) => query.compile())),
    close: () => db.destroy(),
  };
}
