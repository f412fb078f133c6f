import type { Transaction } from 'kysely';
import type { Schema } from '../schema.ts';

/** Rate limits of single torrents. */
export async function rateLimits(db: Transaction<Schema>): Promise<void> {
  for (const name of ['upload_bytes_per_second', 'download_bytes_per_second']) {
    await db.schema
      .alterTable('torrents')
      .addColumn(name, 'bigint', (column) => column.notNull().defaultTo(0))
      .execute();
  }
}
