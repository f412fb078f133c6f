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

/** A database that can be told to fail: `failAfter(n)` lets n more queries through. */
export function frailDatabase(database: Database): Database & { failAfter(queries: number): void; queries: number } {
  const frail = {
    ...database,
    queries: 0,
    left: Number.POSITIVE_INFINITY,
    failAfter(queries: number) {
      frail.left = queries;
    },
  };
  const count: KyselyPlugin = {
    transformQuery: ({ node }) => {
      frail.queries++;
      if (--frail.left < 0) throw new BaeError('unavailable', 'the disk is full');
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  frail.db = database.db.withPlugin(count);
  return frail;
}
