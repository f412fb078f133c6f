import { expect, it } from 'vitest';
import { makeAlbum, Workshop } from '../../test/parts/workshop.ts';
import { systemClock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import type { ChunkKey } from './cache/index.ts';
import { CHUNK_BYTES } from './chunk/index.ts';
import { Journal } from './journal.ts';

it('says nothing of a chunk whose file is not durable, and keeps its word on those beside it', async () => {
  const workshop = await Workshop.make();
  const { database, vault } = await workshop.start();
  const { bytes, torrent } = await makeAlbum(database, 2 * CHUNK_BYTES, 262_144);
  const bundle = await vault.createBundle({ totalLength: bytes.length, torrents: [torrent.id] });
  const gone = new BaeError('unavailable', 'The file is gone.');
  const groups: (readonly ChunkKey[])[] = [];
  const journal = new Journal(database, systemClock, async (files) => {
    groups.push(files);
    return new Map(files.filter(({ index }) => index === 0).map((file) => [file, gone]));
  });
  const spooled = (index: number) => journal.spooled(bundle, index, Buffer.alloc(32, index), Buffer.alloc(24, index));
  const outcomes = await Promise.allSettled([spooled(0), spooled(1)]);
  expect(outcomes).toEqual([
    { status: 'rejected', reason: gone },
    { status: 'fulfilled', value: undefined },
  ]);
  expect(groups).toHaveLength(1);
  const rows = await database.db.selectFrom('chunks').select('chunk_index').where('bundle', '=', bundle).execute();
  expect(rows).toEqual([{ chunk_index: 1 }]);
  await vault.close();
});
