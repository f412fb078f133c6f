import { describe, expect, it } from 'vitest';
import { importAlbum, makeAlbum, readBytes, shuffled, Workshop, wrongPieces } from '../../test/parts/workshop.ts';
import { BaeError } from '../lib/errors.ts';
import { seededRandom } from '../lib/random.ts';
import { CHUNK_BYTES } from './chunk/index.ts';
import { CHUNK_OBJECT_BYTES } from './seal/index.ts';
import { MIN_SPOOL_BYTES } from './vault.ts';

describe('the spool', () => {
  it('never grows past its budget: imports wait while the store is away, and go on by themselves', async () => {
    const workshop = await Workshop.make();
    workshop.options = { spoolBytes: MIN_SPOOL_BYTES, cacheBytes: 0, pinBytes: 0 };
    const run = await workshop.start();
    const album = await makeAlbum(run.database, 14 * CHUNK_BYTES, CHUNK_BYTES);
    const bundle = await run.vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
    const { pieces } = run.vault;
    const handle = await pieces.open(album.torrent);
    const takeBack = run.store.inject({ call: 'put', act: 'fail' });
    let asked = 0;
    pieces.onRoom(handle, () => asked++);
    let most = 0;
    workshop.step = () => {
      most = Math.max(most, run.vault.stats().spoolBytes);
    };
    for (let index = 0; index < album.pieces; index++) await pieces.writePiece(handle, index, album.piece(index));
    await expect.poll(() => pieces.hasRoom(handle), { interval: 5 }).toBe(false);
    await expect.poll(() => run.vault.stats().uploads.queuedChunks, { interval: 5 }).toBe(8);
    expect(run.vault.stats()).toMatchObject({ openChunks: 6, spoolBytes: 8 * CHUNK_OBJECT_BYTES });
    await expect.poll(() => run.vault.stats().uploads.waiting, { interval: 5 }).toMatch(/made to fail/);
    expect(await wrongPieces(run.vault, handle, album)).toEqual([]);
    expect(asked).toBe(0);
    takeBack();
    await run.vault.commit(bundle, album.content);
    expect(asked).toBe(1);
    expect(pieces.hasRoom(handle)).toBe(true);
    expect(most).toBeLessThanOrEqual(MIN_SPOOL_BYTES);
    expect(run.vault.stats()).toMatchObject({ spoolBytes: 0, openChunks: 0, uploads: { waiting: null } });
    await run.close();
  });

  it('says that a disk is full, and goes on when it is not', async () => {
    const workshop = await Workshop.make();
    const run = await workshop.start();
    const album = await makeAlbum(run.database, CHUNK_BYTES, CHUNK_BYTES);
    const bundle = await run.vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
    const handle = await run.vault.pieces.open(album.torrent);
    workshop.step = (what) => {
      if (what.startsWith('write')) throw new Error('ENOSPC: no space left on device');
    };
    await run.vault.pieces.writePiece(handle, 0, album.piece(0));
    await expect.poll(() => run.vault.stats().uploads.waiting, { interval: 5 }).toMatch(/no space/);
    expect(run.vault.pieces.hasRoom(handle)).toBe(false);
    expect((await readBytes(run.vault, handle, 0, CHUNK_BYTES)).equals(album.bytes)).toBe(true);
    workshop.step = null;
    await run.vault.commit(bundle, album.content);
    expect(run.vault.pieces.hasRoom(handle)).toBe(true);
    await run.close();
  });
});

it('has on the disk itself what rows say is spooled, whenever the power goes', async () => {
  for (const seed of [1, 2, 3, 4]) {
    const workshop = await Workshop.make();
    const run = await workshop.start();
    const album = await makeAlbum(run.database, 3 * CHUNK_BYTES, CHUNK_BYTES);
    await run.vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
    const handle = await run.vault.pieces.open(album.torrent);
    run.store.inject({ call: 'put', act: 'fail' });
    for (let index = 0; index < album.pieces; index++)
      await run.vault.pieces.writePiece(handle, index, album.piece(index));
    const rows = run.database.db.selectFrom('chunks').selectAll();
    await expect.poll(async () => (await rows.execute()).length, { interval: 5 }).toBe(3);
    workshop.kill();
    await workshop.buried();
    await workshop.files.powerCut(seededRandom(seed));
    const next = await workshop.start();
    const again = await next.vault.pieces.open(album.torrent);
    expect(next.vault.pieces.have(again).full).toBe(true);
    expect(await wrongPieces(next.vault, again, album)).toEqual([]);
    await next.close();
  }
});

it('writes a chunk anew when its file could not be made durable', async () => {
  const workshop = await Workshop.make();
  const run = await workshop.start();
  const writes: string[] = [];
  let failures = 0;
  workshop.step = (what) => {
    if (/^write .*\/0$/.test(what)) writes.push(what);
    if (/^sync .*\/0$/.test(what) && failures++ === 0) throw new BaeError('unavailable', 'The disk refuses.');
  };
  await importAlbum(run.vault, await makeAlbum(run.database, CHUNK_BYTES, CHUNK_BYTES));
  expect(writes.length).toBe(2);
  await run.close();
});

describe('pieces whose chunks cannot close', () => {
  it('are sealed at close, so that an orderly stop loses nothing', async () => {
    const workshop = await Workshop.make();
    const first = await workshop.start();
    const album = await makeAlbum(first.database, 3_000_000, 70_000);
    const bundle = await first.vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
    const handle = await first.vault.pieces.open(album.torrent);
    const order = shuffled(album.pieces, seededRandom(3));
    for (const index of order.slice(0, 30)) await first.vault.pieces.writePiece(handle, index, album.piece(index));
    await first.close();
    const second = await workshop.start();
    const again = await second.vault.pieces.open(album.torrent);
    expect(second.vault.pieces.have(again).count).toBe(30);
    for (const index of order.slice(30)) await second.vault.pieces.writePiece(again, index, album.piece(index));
    await second.vault.commit(bundle, album.content);
    expect(await wrongPieces(second.vault, again, album)).toEqual([]);
    await second.close();
  });

  it('hold no plaintext on disk', async () => {
    const workshop = await Workshop.make();
    const run = await workshop.start();
    const album = await makeAlbum(run.database, 2 * CHUNK_BYTES + 5, 100_000);
    const bundle = await run.vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
    const handle = await run.vault.pieces.open(album.torrent);
    for (let index = 0; index < 15; index++) await run.vault.pieces.writePiece(handle, index, album.piece(index));
    await run.vault.flush(album.torrent.id);
    const spool = `${workshop.folder}/data/spool/${bundle}`;
    const names = await workshop.files.list(spool);
    expect(names.filter((name) => name.endsWith('.part')).length).toBeGreaterThan(0);
    for (const name of names) {
      const file = (await workshop.files.read(`${spool}/${name}`)) as Buffer;
      for (let at = 0; at < album.bytes.length; at += 9_973)
        expect(file.includes(album.bytes.subarray(at, at + 24))).toBe(false);
    }
    await run.close();
  });
});

describe('a commit', () => {
  it('is refused while pieces are missing, and is done once', async () => {
    const workshop = await Workshop.make();
    const run = await workshop.start();
    const album = await makeAlbum(run.database, 200_000, 100_000);
    const bundle = await run.vault.createBundle({ totalLength: 200_000, torrents: [album.torrent.id] });
    expect(await run.vault.createBundle({ totalLength: 200_000, torrents: [album.torrent.id] })).toBe(bundle);
    const handle = await run.vault.pieces.open(album.torrent);
    await run.vault.pieces.writePiece(handle, 1, album.piece(1));
    await expect(run.vault.commit(bundle, album.content)).rejects.toMatchObject({ kind: 'refused' });
    await run.vault.pieces.writePiece(handle, 0, album.piece(0));
    run.store.inject({ call: 'put', name: /^m\//, act: 'lose-reply', times: 1 });
    await Promise.all([run.vault.commit(bundle, album.content), run.vault.commit(bundle, album.content)]);
    expect((await workshop.names('m/')).map((name) => Number(name.slice(-16)))).toEqual([1]);
    await expect(run.vault.abandon(bundle)).rejects.toMatchObject({ kind: 'refused' });
    await run.close();
  });

  it('of nothing at all is a bundle too', async () => {
    const workshop = await Workshop.make();
    const run = await workshop.start();
    const album = await makeAlbum(run.database, 0, 16_384);
    const { bundle, handle } = await importAlbum(run.vault, album);
    expect(run.vault.pieces.have(handle).full).toBe(true);
    expect((await run.vault.progress(bundle)).state).toBe('committed');
    await run.close();
  });

  it('says nothing in clear', async () => {
    const workshop = await Workshop.make();
    const run = await workshop.start();
    await importAlbum(run.vault, await makeAlbum(run.database, 100_000, 100_000));
    for (const name of await workshop.names()) {
      const object = await workshop.objects.get(name);
      for (const word of ['secret name', 'tracker.example', 'album']) expect(object.includes(word)).toBe(false);
      if (name.startsWith('c/')) expect(object.length).toBe(CHUNK_OBJECT_BYTES);
    }
    await run.close();
  });
});
