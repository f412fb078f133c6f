import { describe, expect, it } from 'vitest';
import { makeAlbum, readBytes, shuffled, Workshop, wrongPieces } from '../../test/parts/workshop.ts';
import { CHUNK_OBJECT_BYTES } from './seal/index.ts';

describe('an import into the vault', () => {
  for (const pieceLength of [16_384, 300_000, 1_048_576, 4_194_304]) {
    it(`takes pieces of ${pieceLength} bytes in any order, commits and serves them`, async () => {
      const workshop = await Workshop.make();
      const run = await workshop.start();
      const album = await makeAlbum(run.database, 2_500_001, pieceLength);
      const bundle = await run.vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
      const { pieces } = run.vault;
      const handle = await pieces.open(album.torrent);
      expect(pieces.have(handle).count).toBe(0);
      for (const index of shuffled(album.pieces)) {
        await pieces.writePiece(handle, index, album.piece(index));
        expect(pieces.have(handle).has(index)).toBe(true);
      }
      expect(await wrongPieces(run.vault, handle, album)).toEqual([]);
      await run.vault.commit(bundle, album.content);
      expect(await run.vault.progress(bundle)).toMatchObject({ state: 'committed', chunks: 3, storedChunks: 3 });
      expect(await wrongPieces(run.vault, handle, album)).toEqual([]);
      expect((await workshop.names('c/')).length).toBe(3);
      expect((await workshop.names('m/')).length).toBe(1);
      expect((await workshop.names('t/')).length).toBe(1);
      expect(run.vault.stats()).toMatchObject({ spoolBytes: 0, openChunks: 0, cacheBytes: 3 * CHUNK_OBJECT_BYTES });
      await run.close();

      const second = await workshop.start();
      const again = await second.vault.pieces.open(album.torrent);
      expect(second.vault.pieces.have(again).full).toBe(true);
      expect((await readBytes(second.vault, again, 0, album.bytes.length)).equals(album.bytes)).toBe(true);
    });
  }
});
