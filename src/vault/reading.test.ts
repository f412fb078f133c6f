import { describe, expect, it } from 'vitest';
import { importAlbum, makeAlbum, readBytes, Workshop } from '../../test/parts/workshop.ts';
import { CHUNK_BYTES } from './chunk/index.ts';
import { CHUNK_OBJECT_BYTES } from './seal/index.ts';

const BLOCK = 16_384;

/** An album of `chunks` chunks, committed, with a cache of `cached` objects. */
async function seeded(chunks: number, cached: number, pieceLength = 262_144) {
  const workshop = await Workshop.make();
  workshop.options = { cacheBytes: cached * CHUNK_OBJECT_BYTES, pinBytes: cached * CHUNK_OBJECT_BYTES };
  const run = await workshop.start();
  const album = await makeAlbum(run.database, chunks * CHUNK_BYTES, pieceLength);
  const { bundle, handle } = await importAlbum(run.vault, album);
  const gets: string[] = [];
  workshop.step = (what) => {
    if (/^get c\/[0-9a-f/]+$/.test(what)) gets.push(what);
  };
  return { workshop, run, album, bundle, handle, gets, pieces: run.vault.pieces };
}

describe('reading', () => {
  it('gives what is in memory with no promise, and counts what a lease pins', async () => {
    const { run, album, handle, pieces } = await seeded(2, 2);
    expect(pieces.tryRead(handle, 0, BLOCK)).toBeNull();
    expect(pieces.tier(handle, 0, BLOCK)).toBe('disk');
    expect((await readBytes(run.vault, handle, 262_144 - 100, 200)).length).toBe(200);
    expect(pieces.tier(handle, 0, 2 * 262_144)).toBe('ram');
    const lease = pieces.tryRead(handle, 262_144 - 100, 200);
    expect(lease?.views.map((view) => view.length)).toEqual([100, 100]);
    expect(lease?.pinnedBytes).toBe(2 * 262_144);
    expect(Buffer.concat(lease?.views ?? []).equals(album.bytes.subarray(262_044, 262_244))).toBe(true);
    lease?.release();
    lease?.release();
    expect(pieces.tryRead(handle, 3 * 262_144, BLOCK)).toBeNull();
    pieces.close(handle);
    await run.close();
  });

  it('fetches for all who wait at once, a segment for a lone block and whole chunks for a stream', async () => {
    const { run, album, handle, gets, pieces } = await seeded(4, 0);
    expect(pieces.tier(handle, 0, BLOCK)).toBe('remote');
    const many = await Promise.all(
      Array.from({ length: 16 }, (_, at) => readBytes(run.vault, handle, at * BLOCK, BLOCK)),
    );
    expect(Buffer.concat(many).equals(album.bytes.subarray(0, 16 * BLOCK))).toBe(true);
    expect(gets.length).toBe(1);
    expect(run.vault.stats().fetchedBytes).toBe(262_160);
    await readBytes(run.vault, handle, 2 * 262_144, BLOCK);
    expect(run.vault.stats().fetchedBytes).toBe(262_160 + CHUNK_OBJECT_BYTES);
    expect(pieces.tier(handle, 0, CHUNK_BYTES)).toBe('ram');
    await readBytes(run.vault, handle, CHUNK_BYTES, BLOCK);
    expect(run.vault.stats().fetchedBytes).toBe(262_160 + 2 * CHUNK_OBJECT_BYTES);
    expect(gets.length).toBe(3);
    await run.close();
  });

  it('opens ahead what a hint names, and drops hints beyond its bound', async () => {
    const { run, handle, pieces } = await seeded(3, 0);
    pieces.prefetch(handle, [
      { offset: 0, length: 300_000 },
      { offset: 2 * CHUNK_BYTES, length: BLOCK },
    ]);
    await expect.poll(() => pieces.tier(handle, 0, CHUNK_BYTES), { interval: 5 }).toBe('ram');
    await expect.poll(() => pieces.tier(handle, 2 * CHUNK_BYTES, BLOCK), { interval: 5 }).toBe('ram');
    expect(run.vault.stats().fetchedBytes).toBe(CHUNK_OBJECT_BYTES + 262_160);
    pieces.prefetch(
      handle,
      Array.from({ length: 100_000 }, () => ({ offset: 0, length: 3 * CHUNK_BYTES })),
    );
    await run.close();
  });

  it('opens the rest of the piece for a stream from disk, nothing more for lone blocks, and not beyond half its memory', async () => {
    const pieceLength = 4 * CHUNK_BYTES;
    const { run, handle, pieces } = await seeded(16, 16, pieceLength);
    const openedAhead = (chunk: number) => pieces.tier(handle, (chunk + 1) * CHUNK_BYTES - BLOCK, BLOCK) === 'ram';
    await readBytes(run.vault, handle, 0, BLOCK);
    expect(openedAhead(0)).toBe(false);
    for (let chunk = 1; chunk < 16; chunk++) {
      await readBytes(run.vault, handle, chunk * CHUNK_BYTES, 4 * BLOCK);
      expect(run.vault.stats().ramBytes).toBeLessThanOrEqual(4 * CHUNK_BYTES);
      if (chunk <= 2) expect(openedAhead(chunk)).toBe(true);
    }
    // Of 4 MiB, half may hold what nobody has read yet: two chunks' worth, and what one more opening brings.
    const ahead = Array.from({ length: 16 }, (_, chunk) => openedAhead(chunk)).filter(Boolean).length;
    expect(ahead).toBeLessThanOrEqual(3);
    await run.close();
  });

  it('stops ahead at the end of the piece', async () => {
    const { run, handle, pieces } = await seeded(2, 2, 2 * 262_144);
    await readBytes(run.vault, handle, 0, 4 * BLOCK);
    expect(pieces.tier(handle, 262_144, BLOCK)).toBe('ram');
    expect(pieces.tier(handle, 2 * 262_144, BLOCK)).toBe('disk');
    await run.close();
  });

  it('releases what it leased when a part cannot be read, or the reader left', async () => {
    const { workshop, run, handle, pieces } = await seeded(2, 0);
    const rows = await run.database.db.selectFrom('chunks').select('name').orderBy('chunk_index').execute();
    const name = rows[1]?.name.toString('hex') ?? '';
    await workshop.objects.delete(`c/${name.slice(0, 2)}/${name}`);
    await expect(readBytes(run.vault, handle, CHUNK_BYTES - 300_000, 400_000)).rejects.toMatchObject({
      kind: 'missing',
    });
    const leaving = new AbortController();
    const read = pieces.read(handle, 0, 300_000, { signal: leaving.signal });
    leaving.abort();
    await expect(read).rejects.toMatchObject({ kind: 'cancelled' });
    await expect.poll(() => pieces.tier(handle, 0, 300_000), { interval: 5 }).toBe('ram');
    expect(run.vault.stats().leasedBytes).toBe(0);
    await run.close();
  });

  it('names pieces that are warm, and can be called off', async () => {
    const { run, handle, pieces } = await seeded(3, 1);
    expect(pieces.hotPieces(handle, 3).length).toBe(3);
    expect(pieces.hotPieces(handle, 100).length).toBe(4);
    const stop = new AbortController();
    run.store.inject({ call: 'get', act: 'hang' });
    const cold = [0, 1, 2].find((chunk) => pieces.tier(handle, chunk * CHUNK_BYTES, 1) === 'remote') as number;
    const reading = pieces.read(handle, cold * CHUNK_BYTES, BLOCK, { signal: stop.signal });
    stop.abort();
    await expect(reading).rejects.toMatchObject({ kind: 'cancelled' });
    await expect(pieces.read(handle, 0, 65 * CHUNK_BYTES)).rejects.toThrow(RangeError);
    await run.close();
  });

  it('refuses torrents it has no place for, and pieces of a wrong length', async () => {
    const { run, album, handle, pieces } = await seeded(1, 1);
    await expect(pieces.open({ ...album.torrent, id: 99 })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(pieces.writePiece(handle, 0, Buffer.alloc(5))).rejects.toThrow(RangeError);
    pieces.close(handle);
    await expect(pieces.open({ ...album.torrent, totalLength: 5 })).rejects.toMatchObject({ kind: 'bad-input' });
    await run.close();
  });
});

describe('pinning', () => {
  it('fetches all chunks and keeps them, over a restart, until unpinned; refused without room', async () => {
    const { workshop, run, album, bundle, handle, pieces } = await seeded(3, 3);
    const other = await makeAlbum(run.database, CHUNK_BYTES, CHUNK_BYTES, 9);
    const { bundle: otherBundle } = await importAlbum(run.vault, other);
    const { id } = album.torrent;
    await run.vault.pinChunks(id);
    await run.vault.pinChunks(id);
    await expect.poll(() => run.vault.cachedBytes([bundle]), { interval: 5 }).toBe(3 * CHUNK_OBJECT_BYTES);
    expect(pieces.tier(handle, 0, album.bytes.length)).toBe('disk');
    await expect(run.vault.pinChunks(other.torrent.id)).rejects.toMatchObject({ kind: 'refused' });
    await expect(run.vault.pinChunks(77)).rejects.toMatchObject({ kind: 'not-found' });
    await run.close();

    const second = await workshop.start();
    expect(second.vault.stats().pinnedBytes).toBe(3 * CHUNK_OBJECT_BYTES);
    await second.vault.unpinChunks(id);
    expect(second.vault.stats().pinnedBytes).toBe(0);
    await second.vault.pinChunks(other.torrent.id);
    await expect.poll(() => second.vault.cachedBytes([otherBundle]), { interval: 5 }).toBe(CHUNK_OBJECT_BYTES);
    await second.close();
    const third = await workshop.start();
    expect(third.vault.stats().pinnedBytes).toBe(CHUNK_OBJECT_BYTES);
    await third.close();
  });
});
