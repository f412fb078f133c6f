import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KyselyPlugin } from 'kysely';
import { type Database, openDatabase } from '../../src/db/index.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { BaeError } from '../../src/lib/errors.ts';

/** A database in a temporary folder of its own, for tests of every room. `remove` closes it and deletes the folder. */
export async function temporaryDatabase(): Promise<Database & { file: string; remove(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'bae-db-'));
  const file = join(folder, 'bae.db');
  const database = await openDatabase(`sqlite:${file}`, { clock: systemClock });
  return {
    ...database,
    file,
    async remove() {
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A database that can be told to fail: `failAfter(n)` lets n more queries through; `after(n, call)` calls at the nth. */
export interface FrailDatabase extends Database {
  queries: number;
  failAfter(queries: number): void;
  after(queries: number, call: () => void): void;
}

export function frailDatabase(database: Database): FrailDatabase {
  let left = Number.POSITIVE_INFINITY;
  const calls = new Map<number, () => void>();
  const count: KyselyPlugin = {
    transformQuery: ({ node }) => {
      calls.get(++frail.queries)?.();
      if (--left < 0) throw new BaeError('unavailable', 'the disk is full');
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  const frail: FrailDatabase = {
    ...database,
    db: database.db.withPlugin(count),
    queries: 0,
    failAfter(queries) {
      left = queries;
    },
    after: (queries, call) => void calls.set(frail.queries + queries, call),
  };
  return frail;
}
