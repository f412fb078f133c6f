import { type Kysely, sql, type Transaction } from 'kysely';
import { BaeError } from '../lib/errors.ts';
import { migrations } from './migrations/index.ts';
import type { Schema } from './schema.ts';

/** The one table that is not in Schema: how far the schema has come. */
interface VersionTable {
  schema_version: { id: number; version: number };
}

/**
 * Brings the schema to the newest version, in one transaction. Forward only. Throws a BaeError `refused` for a file of a newer
 * version or of another program.
 */
export async function migrate(db: Kysely<Schema>): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const versions = transaction as unknown as Transaction<VersionTable>;
    const version = await versionOf(versions);
    if (version > migrations.length) {
      throw new BaeError(
        'refused',
        `The database is of a newer bae (schema ${version}, this one knows ${migrations.length}): use that version.`,
      );
    }
    if (version === migrations.length) return;
    for (const migration of migrations.slice(version)) await migration(transaction);
    await versions.updateTable('schema_version').set({ version: migrations.length }).execute();
  });
}

async function versionOf(db: Transaction<VersionTable>): Promise<number> {
  const tables = await db.introspection.getTables();
  if (tables.length === 0) {
    await sql`create table schema_version (id integer primary key, version integer not null)`.execute(db);
    await db.insertInto('schema_version').values({ id: 1, version: 0 }).execute();
    return 0;
  }
  if (!tables.some((table) => table.name === 'schema_version')) {
    throw new BaeError('refused', 'The database belongs to another program: give bae one of its own.');
  }
  const row = await db.selectFrom('schema_version').select('version').executeTakeFirstOrThrow();
  return row.version;
}
