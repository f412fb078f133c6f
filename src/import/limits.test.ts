import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { album } from '../../test/parts/album.ts';
import { Workshop } from './fixture.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.make();
});
beforeEach(() => workshop.clear());
afterAll(() => workshop.remove());

const HOST = '10.0.0.1';
let made = 0;
const fresh = () => album(`Limited ${++made}`);
const none = { uploadBytesPerSecond: 0, downloadBytesPerSecond: 0 };

test('limits of an import hold at once, survive its restart, and are its torrent’s when it is done', async () => {
  const run = await workshop.start();
  const one = fresh();
  const seed = workshop.seed(one, HOST, 2);
  const { id, torrentId } = await run.add(one, HOST);
  await run.until(id, 'downloading');
  await vi.waitFor(() => expect(run.torrent(one).limits).toEqual([none]));
  expect(await run.imports.bringing(torrentId as number)).toBe(id);
  expect(await run.imports.setLimits(id, { uploadBytesPerSecond: 7 })).toEqual({ ...none, uploadBytesPerSecond: 7 });
  const both = { uploadBytesPerSecond: 7, downloadBytesPerSecond: 9 };
  expect(await run.imports.setLimits(id, { downloadBytesPerSecond: 9 })).toEqual(both);
  expect(run.torrent(one).limits).toEqual([none, { uploadBytesPerSecond: 7 }, { downloadBytesPerSecond: 9 }]);
  await run.stop();

  const second = await workshop.start();
  await vi.waitFor(() => expect(second.torrent(one).limits).toEqual([both]));
  seed.allowance = 100;
  second.torrent(one).work();
  await second.until(id, 'done');
  expect(await second.library.torrent(torrentId as number)).toMatchObject(both);
  expect(await second.imports.bringing(torrentId as number)).toBeNull();
  // The session that is handed over has them already.
  expect(second.torrent(one).limits).toEqual([both]);
});

test('limits of a magnet link without metadata wait for its torrent', async () => {
  const run = await workshop.start();
  const one = fresh();
  workshop.seed(one).givesMetadata = false;
  const { id } = await run.addMagnet(one, HOST);
  await run.until(id, 'metadata');
  const limits = { uploadBytesPerSecond: 3, downloadBytesPerSecond: 4 };
  expect(await run.imports.setLimits(id, { downloadBytesPerSecond: 4 })).toEqual({
    ...limits,
    uploadBytesPerSecond: 0,
  });
  expect(await run.imports.setLimits(id, { uploadBytesPerSecond: 3 })).toEqual(limits);
  expect(run.torrent(one).limits.at(-1)).toEqual({ uploadBytesPerSecond: 3 });
  await run.add(one);
  const { torrentId } = await run.until(id, 'done');
  expect(await run.library.torrent(torrentId as number)).toMatchObject(limits);
});

test('what is set while the content is being committed is in the manifest too', async () => {
  const changed: number[] = [];
  const held = Promise.withResolvers<void>();
  const commit = async (...args: Parameters<typeof workshop.vault.commit>) => {
    await held.promise;
    return workshop.vault.commit(...args);
  };
  const run = await workshop.start({ vault: { commit, manifestChanged: (bundle) => void changed.push(bundle) } });
  const one = fresh();
  workshop.seed(one);
  const { id } = await run.add(one, HOST);
  await run.until(id, 'committing');
  await run.imports.setLimits(id, { uploadBytesPerSecond: 5 });
  const noted = await workshop.database.db.selectFrom('manifest_changes').select('bundle').execute();
  expect(changed).toHaveLength(1);
  expect(noted.map(({ bundle }) => bundle)).toContain(changed[0]);
  held.resolve();
  await run.until(id, 'done');
});

test('a cancelled import has no limits, nor has one that is not there', async () => {
  const run = await workshop.start();
  const { id } = await run.add(fresh());
  await run.imports.cancel(id);
  await expect(run.imports.setLimits(id, none)).rejects.toMatchObject({ kind: 'refused' });
  await expect(run.imports.setLimits(99_999, none)).rejects.toMatchObject({ kind: 'not-found' });
});
