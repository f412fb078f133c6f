import { describe, expect, it } from 'vitest';
import { importAlbum, makeAlbum, type Run, Workshop } from '../../test/parts/workshop.ts';

const TOTAL_BYTES = 2_300_000;

/** Starts an import, and cancels it once the step numbered `cancelAt` is reached, or at its end. */
async function importAndCancel(workshop: Workshop, run: Run, cancelAt: number): Promise<'cancelled' | 'committed'> {
  const before = await workshop.names();
  const album = await makeAlbum(run.database, TOTAL_BYTES, 300_000, cancelAt);
  const bundle = await run.vault.createBundle({ totalLength: TOTAL_BYTES, torrents: [album.torrent.id] });
  const handle = await run.vault.pieces.open(album.torrent);
  let left = cancelAt;
  const reached = Promise.withResolvers<void>();
  workshop.step = () => {
    if (--left === 0) reached.resolve();
  };
  const importing = async () => {
    for (let index = 0; index < album.pieces; index++)
      await run.vault.pieces.writePiece(handle, index, album.piece(index));
    await run.vault.commit(bundle, album.content);
  };
  const imported = importing().then(
    () => 'committed' as const,
    (error: Error & { kind?: string }) => {
      if (error.kind === 'cancelled' || error.kind === 'refused') return 'cancelled' as const;
      throw error;
    },
  );
  await Promise.race([imported, reached.promise]);
  const ended = await run.vault.abandon(bundle).then(
    () => 'cancelled' as const,
    (error: Error & { kind?: string }) => {
      expect(error).toMatchObject({ kind: 'refused' });
      return 'committed' as const;
    },
  );
  await imported;
  workshop.step = null;
  run.vault.pieces.close(handle);
  if (ended === 'cancelled') {
    const row = () => run.database.db.selectFrom('bundles').select('id').where('id', '=', bundle).execute();
    await expect.poll(row, { interval: 5 }).toEqual([]);
    expect(run.vault.stats()).toMatchObject({ spoolBytes: 0, openChunks: 0, cacheBytes: 0 });
    expect(await workshop.names()).toEqual(before);
    expect(await workshop.files.list(`${workshop.folder}/data/spool`)).toEqual([]);
  }
  return ended;
}

describe('cancelling an import', () => {
  it('leaves nothing, whatever step it is at, and is refused once committed', async () => {
    const workshop = await Workshop.make();
    const run = await workshop.start();
    const ends: string[] = [];
    for (let step = 1; ends.at(-1) !== 'committed'; step += 11) ends.push(await importAndCancel(workshop, run, step));
    expect(ends[0]).toBe('cancelled');
    expect(ends.length).toBeGreaterThan(5);
    await run.close();
  });

  it('goes on after a crash at any step', async () => {
    const workshop = await Workshop.make();
    const first = await workshop.start();
    const kept = await makeAlbum(first.database, 100_000, 50_000, 5);
    await importAlbum(first.vault, kept);
    const album = await makeAlbum(first.database, TOTAL_BYTES, 300_000);
    const takeBack = first.store.inject({ call: 'put', name: /^m\//, act: 'hang' });
    const bundle = await first.vault.createBundle({ totalLength: TOTAL_BYTES, torrents: [album.torrent.id] });
    const handle = await first.vault.pieces.open(album.torrent);
    for (let index = 0; index < album.pieces; index++)
      await first.vault.pieces.writePiece(handle, index, album.piece(index));
    const committing = first.vault.commit(bundle, album.content).catch((error) => error);
    await expect.poll(() => workshop.names('t/')).toHaveLength(2);
    takeBack();
    workshop.kill();
    await workshop.buried();
    void committing;

    for (let step = 3; step < 60; step += 4) {
      let left = step;
      workshop.step = () => {
        if (--left === 0) workshop.kill();
      };
      const cancel = async () => {
        const run = await workshop.start();
        await workshop.orKilled(run.vault.abandon(bundle));
        await workshop.orKilled(run.close());
      };
      await cancel().catch((error) => {
        if (left > 0) throw error;
      });
      workshop.kill();
      await workshop.buried();
    }
    workshop.step = null;
    const last = await workshop.start();
    await last.vault.abandon(bundle);
    await expect.poll(() => workshop.names('c/'), { interval: 5 }).toHaveLength(1);
    expect(await workshop.names('t/')).toHaveLength(1);
    expect(await workshop.names('m/')).toHaveLength(1);
    expect(await last.vault.createBundle({ totalLength: TOTAL_BYTES, torrents: [album.torrent.id] })).not.toBe(bundle);
    await last.close();
  });
});
