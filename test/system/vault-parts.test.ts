import { describe, expect, it } from 'vitest';
import { CHUNK_BYTES } from '../../src/vault/chunk/index.ts';
import { CHUNK_OBJECT_BYTES } from '../../src/vault/seal/index.ts';
import { makeAlbum, shuffled, Workshop, wrongPieces } from '../parts/workshop.ts';

const MAX_OPEN_CHUNKS = 24;

describe('pieces whose chunks cannot close', () => {
  it('beyond the 24 open chunks are sealed alone, survive kill -9 and are read back', async () => {
    const workshop = await Workshop.make();
    workshop.options = { spoolBytes: 64 * CHUNK_OBJECT_BYTES };
    const chunks = MAX_OPEN_CHUNKS + 16;
    const first = await workshop.start();
    const album = await makeAlbum(first.database, chunks * CHUNK_BYTES, CHUNK_BYTES / 4);
    const bundle = await first.vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
    const handle = await first.vault.pieces.open(album.torrent);
    expect(handle.maxOpenUnits).toBeLessThan(MAX_OPEN_CHUNKS);
    for (let chunk = 0; chunk < chunks; chunk++) {
      await first.vault.pieces.writePiece(handle, chunk * 4 + 1, album.piece(chunk * 4 + 1));
      expect(first.vault.stats().openChunks).toBeLessThanOrEqual(MAX_OPEN_CHUNKS);
    }
    expect(await wrongPieces(first.vault, handle, album)).toEqual([]);
    workshop.kill();
    await workshop.buried();

    const second = await workshop.start();
    const again = await second.vault.pieces.open(album.torrent);
    const had = second.vault.pieces.have(again).count;
    expect(had).toBeGreaterThanOrEqual(16);
    expect(await wrongPieces(second.vault, again, album)).toEqual([]);
    for (const index of shuffled(album.pieces)) {
      if (second.vault.pieces.have(again).has(index)) continue;
      await second.vault.pieces.writePiece(again, index, album.piece(index));
    }
    await second.vault.commit(bundle, album.content);
    expect(await wrongPieces(second.vault, again, album)).toEqual([]);
    expect(second.vault.stats()).toMatchObject({ spoolBytes: 0, openChunks: 0 });
    await second.close();
  });

  it.each([4, 16, 64])('leaves two pieces of %i MiB open at a time', async (chunksEach) => {
    const workshop = await Workshop.make();
    const { database, vault, close } = await workshop.start();
    const album = await makeAlbum(database, 2 * chunksEach * CHUNK_BYTES, chunksEach * CHUNK_BYTES);
    await vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
    const { maxOpenUnits } = await vault.pieces.open(album.torrent);
    expect(maxOpenUnits).toBeGreaterThanOrEqual(2 * chunksEach);
    expect(maxOpenUnits).toBeLessThanOrEqual(2 * chunksEach + MAX_OPEN_CHUNKS);
    await close();
  });
});
