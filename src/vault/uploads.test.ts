import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { importAlbum, makeAlbum, readBytes, Workshop } from '../../test/parts/workshop.ts';
import { systemClock } from '../lib/clock.ts';
import { CHUNK_BYTES } from './chunk/index.ts';
import { openStore } from './store/index.ts';

/** Files below a folder, with the number that tells which bytes on the disk they name. */
async function inodes(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) found.push((await stat(join(entry.parentPath, entry.name))).ino);
  }
  return found.sort();
}

async function overDirectory() {
  const workshop = await Workshop.make();
  const store = join(workshop.folder, 'store');
  Object.assign(workshop, { objects: await openStore(`file:${store}`, {}, systemClock) });
  return { workshop, store };
}

it('into a directory of the same disk copies nothing: spool, object and cache are one file', async () => {
  const { workshop, store } = await overDirectory();
  const run = await workshop.start();
  const album = await makeAlbum(run.database, 5 * CHUNK_BYTES, 262_144);
  const { handle } = await importAlbum(run.vault, album);
  const cache = join(workshop.folder, 'data', 'cache');
  await expect.poll(() => inodes(cache)).toHaveLength(5);
  expect(await inodes(join(store, 'c'))).toEqual(await inodes(cache));
  expect((await readBytes(run.vault, handle, 0, album.bytes.length)).equals(album.bytes)).toBe(true);
  await run.close();
});

it('after a restart looks at the bytes before it stores them', async () => {
  const { workshop, store } = await overDirectory();
  const first = await workshop.start();
  const album = await makeAlbum(first.database, 2 * CHUNK_BYTES, 262_144);
  await first.vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
  const handle = await first.vault.pieces.open(album.torrent);
  workshop.step = (what) => {
    if (what.startsWith('link c/')) workshop.kill();
  };
  const writing = Array.from({ length: 8 }, (_, index) =>
    first.vault.pieces.writePiece(handle, index, album.piece(index)),
  );
  await expect(workshop.orKilled(Promise.all(writing).then(() => new Promise(() => undefined)))).rejects.toThrow(
    'killed',
  );
  await workshop.buried();
  workshop.step = null;
  const links: string[] = [];
  const second = await workshop.start();
  workshop.step = (what) => {
    if (what.startsWith('link ')) links.push(what);
  };
  const again = await second.vault.pieces.open(album.torrent);
  for (let index = 0; index < 8; index++) await second.vault.pieces.writePiece(again, index, album.piece(index));
  const { bundle } = (await second.database.db.selectFrom('chunks').select('bundle').executeTakeFirst()) ?? {
    bundle: 0,
  };
  await second.vault.commit(bundle, album.content);
  expect((await readBytes(second.vault, again, 0, album.bytes.length)).equals(album.bytes)).toBe(true);
  expect((await inodes(join(store, 'c'))).length).toBe(2);
  // What the first run had sealed was put, not linked.
  expect(links.length).toBeLessThan(2);
  await second.close();
});
