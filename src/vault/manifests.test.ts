import { describe, expect, it } from 'vitest';
import { makeAlbum, readBytes } from '../../test/parts/workshop.ts';
import { silentLog } from '../lib/log.ts';
import { noteManifestChange } from './manifest-changes.ts';
import type { Manifest } from './seal/index.ts';
import { generations, library, noted, titles, written } from './testing.ts';

describe('a change of what the library says', () => {
  it('is a new generation that follows from the one before, with the same table and key', async () => {
    const { workshop, clock, run, change } = await library();
    await change(run, 'second');
    expect(await titles(workshop)).toEqual(['first']);
    await written(run, clock);
    await change(run, 'third');
    await written(run, clock);
    const [first, second, third] = (await generations(workshop)) as [Manifest, Manifest, Manifest];
    expect(third).toEqual({
      ...first,
      generation: 3,
      previous: third.previous,
      torrents: [{ ...first.torrents[0], seeding: { title: 'third' } }],
      releases: [{ title: 'third' }],
    });
    expect(second.releases).toEqual([{ title: 'second' }]);
    expect(run.vault.stats().spoolBytes).toBe(0);
    await run.close();
  });

  it('is one generation with all others of the same moment, the newest', async () => {
    const { workshop, clock, run, change } = await library();
    let puts = 0;
    workshop.step = (what) => {
      if (/^put m\/\S+$/.test(what)) puts++;
    };
    for (let at = 0; at < 20; at++) await change(run, `title ${at}`);
    expect([puts, clock.waiting]).toEqual([0, 1]);
    await written(run, clock);
    expect(puts).toBe(1);
    expect(await titles(workshop)).toEqual(['first', 'title 19']);
    clock.pass();
    await run.close();
    expect(puts).toBe(1);
  });

  it('made while one is being written is not taken for written', async () => {
    const { workshop, clock, run, change } = await library();
    const { describe: say } = workshop;
    let during: Promise<void> | null = null;
    workshop.describe = async (bundle) => {
      const settings = await say(bundle);
      during ??= change(run, 'third');
      await during;
      return settings;
    };
    await change(run, 'second');
    await written(run, clock);
    expect(await titles(workshop)).toEqual(['first', 'second', 'third']);
    await run.close();
  });

  it('of a bundle that is not committed yet waits for the commit; of none it is nothing', async () => {
    const { workshop, clock, run } = await library();
    const album = await makeAlbum(run.database, 50_000, 50_000, 2);
    const [bundle, gone] = [
      await run.vault.createBundle({ totalLength: 50_000, torrents: [album.torrent.id] }),
      await run.vault.createBundle({ totalLength: 7, torrents: [] }),
    ];
    await noteManifestChange(run.database.db, [bundle, gone]);
    for (const id of [bundle, gone, 999]) run.vault.manifestChanged(id);
    await run.vault.abandon(gone);
    clock.pass();
    await expect.poll(() => noted(run), { interval: 5 }).toEqual([{ bundle, revision: 1 }]);
    const handle = await run.vault.pieces.open(album.torrent);
    await run.vault.pieces.writePiece(handle, 0, album.piece(0));
    await run.vault.commit(bundle, album.content);
    await written(run, clock);
    expect(await workshop.names('m/')).toHaveLength(3);
    await run.close();
  });

  it('is written at the close, or else by the next start', async () => {
    const { workshop, clock, run, change } = await library();
    // All the time that a close has.
    clock.hurries = false;
    await change(run, 'at the close');
    await run.close();
    clock.hurries = true;
    expect(await titles(workshop)).toEqual(['first', 'at the close']);
    for (const act of ['fail', 'hang'] as const) {
      const second = await workshop.start();
      second.store.inject({ call: 'put', name: /^m\//, act });
      await change(second, 'with the store away');
      await second.close();
      expect(await titles(workshop)).toHaveLength(2);
    }
    const third = await workshop.start();
    await written(third, clock);
    expect((await titles(workshop)).at(-1)).toBe('with the store away');
    await third.close();
  });

  it('that cannot be written hinders no other; thousands wait as a number each', async () => {
    const errors: string[] = [];
    const log = { ...silentLog, error: (message: string) => void errors.push(message) };
    const { workshop, clock, run, bundle } = await library({ log });
    const { db } = run.database;
    const row = await db.selectFrom('bundles').selectAll().where('id', '=', bundle).executeTakeFirstOrThrow();
    const { id: _, ...values } = row;
    // Under another bundle's id the key does not open.
    const broken = Array.from({ length: 2_000 }, (_, at) => bundle + 1 + at);
    const rows = broken.map((id) => ({ ...values, id, bundle_id: Buffer.from(String(id).padStart(16, '0')) }));
    await run.database.batch(rows.map((one) => db.insertInto('bundles').values(one)));
    await db.transaction().execute((trx) => noteManifestChange(trx, [...broken, bundle]));
    for (const id of [...broken, bundle]) run.vault.manifestChanged(id);
    expect(clock.waiting).toBe(1);
    clock.pass();
    await expect.poll(() => workshop.names('m/'), { timeout: 30_000 }).toHaveLength(2);
    expect(errors).toEqual(broken.map(() => 'A manifest is not up to date.'));
    expect(await noted(run)).toHaveLength(broken.length);
    await run.close();
  }, 60_000);
});

describe('a store in the way of a new generation', () => {
  it('that is away for a while is asked again, and nothing else waits', async () => {
    const { workshop, clock, run, album, handle, change } = await library();
    const takeBack = run.store.inject({ call: 'put', name: /^m\//, act: 'fail' });
    await change(run, 'second');
    clock.pass();
    await expect.poll(() => run.vault.stats().spoolBytes, { interval: 5 }).toBeGreaterThan(0);
    expect((await readBytes(run.vault, handle, 0, 100)).equals(album.bytes.subarray(0, 100))).toBe(true);
    for (let at = 0; at < 500; at++) await change(run, `title ${at}`);
    takeBack();
    await written(run, clock);
    // What was sealed before the store went away, and the newest.
    expect(await titles(workshop)).toEqual(['first', 'second', 'title 499']);
    expect(run.vault.stats().spoolBytes).toBe(0);
    await run.close();
  });

  it('that loses its reply, or more than one, has one object and no conflict', async () => {
    const { workshop, clock, run, change } = await library();
    run.store.inject({ call: 'put', name: /^m\//, act: 'lose-reply', times: 2 });
    run.store.inject({ call: 'get', name: /^m\//, act: 'lose-reply', times: 1 });
    await change(run, 'second');
    await written(run, clock);
    expect(await titles(workshop)).toEqual(['first', 'second']);
    await run.close();
  });

  it('that has another generation there is told as an error, and the one that is there stays', async () => {
    const errors: object[] = [];
    const log = { ...silentLog, error: (message: string, fields = {}) => void errors.push({ message, ...fields }) };
    const { workshop, clock, run, bundle, change } = await library({ log });
    const [name] = await workshop.names('m/');
    const alien = Buffer.from('another');
    const second = (name as string).replace(/1$/, '2');
    await workshop.objects.put(second, alien);
    await change(run, 'second');
    clock.pass();
    await expect.poll(() => errors, { interval: 5 }).toHaveLength(1);
    expect(errors[0]).toMatchObject({
      message: 'A manifest is not up to date.',
      bundle,
      error: expect.stringContaining('somebody else writes to this library'),
    });
    expect((await workshop.objects.get(second)).equals(alien)).toBe(true);
    await run.close();
    // Not forgotten: once a person has cleared it up, the next start goes on.
    await workshop.objects.delete(second);
    const next = await workshop.start();
    await written(next, clock);
    expect((await titles(workshop)).at(-1)).toBe('second');
    await expect.poll(() => next.vault.stats().spoolBytes, { interval: 5 }).toBe(0);
    await next.close();
  });
});
