import { type CompiledQuery, type Dialect, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { Clock } from '../../lib/clock.ts';
import { SqliteClient } from './client.ts';
import { encodeStatement, SqliteDriver } from './driver.ts';
import { WriteLock } from './lock.ts';

/** Kysely would let one query in at a time; our driver knows better which ones must wait. */
class ConcurrentSqliteAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

/** Opens or makes a SQLite file in a worker thread of its own, as a Kysely dialect. Errors as sqliteError tells. */
export async function openSqlite(
  file: string,
  clock: Clock,
): Promise<{ dialect: Dialect; batch(queries: readonly CompiledQuery[]): Promise<number> }> {
  const client = await SqliteClient.open(file);
  const lock = new WriteLock(clock);
  return {
    dialect: {
      createAdapter: () => new ConcurrentSqliteAdapter(),
      createDriver: () => new SqliteDriver(client, lock),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
    async batch(queries) {
      if (queries.length === 0) return 0;
      const statements = queries.map(encodeStatement);
      await lock.acquire();
      try {
        return (await client.send({ op: 'batch', statements })).changes;
      } finally {
        lock.release();
      }
    },
  };
}
