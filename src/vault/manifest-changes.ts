import type { Kysely } from 'kysely';
import type { Schema } from '../db/index.ts';

/**
 * Notes that what the library says of these bundles (bundles.id) changes, so that a new generation of their manifests is
 * written even after a crash. Call it in the transaction of the change itself, and `Vault.manifestChanged` after that.
 */
export async function noteManifestChange(db: Kysely<Schema>, bundles: readonly number[]): Promise<void> {
  for (const bundle of bundles) {
    await db
      .insertInto('manifest_changes')
      .values({ bundle, revision: 1 })
      .onConflict((conflict) =>
        conflict.column('bundle').doUpdateSet((update) => ({ revision: update('manifest_changes.revision', '+', 1) })),
      )
      .execute();
  }
}

/** How many changes of a bundle its newest manifest does not have; null for none. */
export async function unwrittenRevision(db: Kysely<Schema>, bundle: number): Promise<number | null> {
  const query = db.selectFrom('manifest_changes').select('revision').where('bundle', '=', bundle);
  return (await query.executeTakeFirst())?.revision ?? null;
}

/** The delete that says: a durable manifest has the changes up to this revision. Later ones stay noted. */
export function changesWritten(db: Kysely<Schema>, bundle: number, revision: number) {
  return db.deleteFrom('manifest_changes').where('bundle', '=', bundle).where('revision', '=', revision);
}

/** The bundles that have changes noted. */
export async function changedBundles(db: Kysely<Schema>): Promise<number[]> {
  const rows = await db.selectFrom('manifest_changes').select('bundle').orderBy('bundle').execute();
  return rows.map(({ bundle }) => bundle);
}
