import type { Database } from '../db/index.ts';
import type { Clock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import type { Random } from '../lib/random.ts';
import { CHUNK_BYTES, chunkCount } from './chunk/index.ts';
import type { BundleRequest } from './ports.ts';
import { ID_BYTES, KEY_BYTES, type LibraryKeys, wrapBundleKey } from './seal/index.ts';

/** 4 TiB: chunk indexes stay below 2^22. */
export const MAX_BUNDLE_BYTES = 2 ** 22 * CHUNK_BYTES;

export interface CreateParts {
  readonly database: Database;
  readonly keys: LibraryKeys;
  readonly clock: Clock;
  readonly random: Random;
}

/** See Vault.createBundle: the row, with a random id and key, and the piece maps, in one transaction. */
export async function createBundle(parts: CreateParts, request: BundleRequest): Promise<number> {
  const { totalLength, torrents } = request;
  if (!Number.isSafeInteger(totalLength) || totalLength < 0 || totalLength > MAX_BUNDLE_BYTES) {
    throw new BaeError('bad-input', `A bundle of ${totalLength} bytes is more than the vault takes (4 TiB).`);
  }
  const { random, keys, clock } = parts;
  const bundleId = random.bytes(ID_BYTES);
  return parts.database.db.transaction().execute(async (transaction) => {
    const there = await transaction
      .selectFrom('torrent_piece_mappings')
      .innerJoin('bundles', 'bundles.id', 'torrent_piece_mappings.bundle')
      .select(['bundles.id', 'bundles.total_length'])
      .where('torrent_id', 'in', [...torrents, -1])
      .execute();
    const [first] = there;
    if (first !== undefined) {
      if (there.every((row) => row.id === first.id) && first.total_length === totalLength) return first.id;
      throw new BaeError('refused', 'One of the torrents already has another place in the vault.');
    }
    const { id } = await transaction
      .insertInto('bundles')
      .values({
        bundle_id: bundleId,
        wrapped_key: wrapBundleKey(keys, bundleId, random.bytes(KEY_BYTES), random),
        total_length: totalLength,
        chunk_count: chunkCount(totalLength),
        state: 'importing',
        created_at: clock.now(),
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    for (const torrent of totalLength === 0 ? [] : torrents) {
      const extent = { torrent_id: torrent, torrent_offset: 0, length: totalLength, bundle: id, bundle_offset: 0 };
      await transaction.insertInto('torrent_piece_mappings').values(extent).execute();
    }
    return id;
  });
}
