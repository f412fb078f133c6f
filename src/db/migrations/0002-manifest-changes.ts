import type { Transaction } from 'kysely';
import type { Schema } from '../schema.ts';

/** What of the library no manifest says yet. */
export async function manifestChanges(db: Transaction<Schema>): Promise<void> {
  await db.schema
    .createTable('manifest_changes')
    .addColumn('bundle', 'integer', (column) => column.primaryKey().references('bundles.id').onDelete('cascade'))
    .addColumn('revision', 'integer', (column) => column.notNull())
    .execute();
}
