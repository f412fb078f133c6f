import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openDatabase } from '../../src/db/index.ts';
import { systemClock } from '../../src/lib/clock.ts';

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
