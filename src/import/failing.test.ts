import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Album, album, PIECE_BYTES } from '../../test/parts/album.ts';
import { frailDatabase } from '../../test/parts/database.ts';
import { BaeError } from '../lib/errors.ts';
import type { Vault } from '../vault/index.ts';
import { type Run, STALL_MILLISECONDS, Workshop } from './fixture.ts';
import { COUNTED_MILLISECONDS } from './stall.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.make();
});
beforeEach(() => workshop.clear());
afterAll(() => workshop.remove());

const HOST = '10.0.0.1';
let made = 0;
const fresh = () => album(`Failing - Album ${++made}`);

/** An import whose seed gave two pieces and no more. */
async function stuck(run: Run): Promise<{ id: number; one: Album; seed: ReturnType<Workshop['seed']> }> {
  const one = fresh();
  const seed = workshop.seed(one, HOST, 2);
  const { id } = await run.add(one, HOST);
  await run.until(id, 'downloading');
  await vi.waitFor(() => expect(run.torrent(one).fetched).toHaveLength(2));
  return { id, one, seed };
}

/** Lets time pass for all stalled torrents, a second at a time and the database between. */
async function pass(run: Run, milliseconds: number): Promise<void> {
  run.clock.advance(milliseconds);
  await run.imports.list();
}

async function expectWhole(run: Run, id: number, one: Album): Promise<void> {
  const { torrentId } = await run.until(id, 'done');
  expect((await run.read(torrentId as number, one)).equals(one.content)).toBe(true);
}

describe('a stalled import', () => {
  test('fails, says so, can be tried again, and hinders no other', async () => {
    const run = await workshop.start();
    const { id, one, seed } = await stuck(run);
    await pass(run, STALL_MILLISECONDS - 5_000);
    expect((await run.imports.get(id)).state).toBe('downloading');
    await pass(run, 10_000);
    const failed = await run.until(id, 'failed');
    expect(failed).toMatchObject({
      retryable: true,
      error: expect.stringMatching(/^Nothing arrived for 10 min: its peers/),
    });
    expect(failed.error).toContain(`bae retry i${id}`);
    expect(failed.progress).toBeCloseTo((2 * PIECE_BYTES) / one.content.length);
    expect(run.engine.torrents()).toEqual([]);
    expect(run.announced.at(-1)).toMatch(/^stopped/);
    const other = fresh();
    workshop.seed(other);
    await expectWhole(run, (await run.add(other, HOST)).id, other);
    seed.allowance = 100;
    expect(await run.imports.retry(id)).toMatchObject({ error: null, retryable: false });
    await expectWhole(run, id, one);
    expect(run.torrent(one).fetched).not.toContain(0);
  });

  test('that nobody could be found for says that', async () => {
    const run = await workshop.start();
    const { id } = await run.addMagnet(fresh());
    await run.until(id, 'metadata');
    await pass(run, STALL_MILLISECONDS + 5_000);
    expect(await run.until(id, 'failed')).toMatchObject({
      error: `Nothing arrived for 10 min: no peer could be reached; try again with "bae retry i${id}".`,
    });
    // A restart leaves it to the person.
    await run.stop();
    const second = await workshop.start();
    expect(await second.imports.get(id)).toMatchObject({ state: 'failed', retryable: true });
    expect(second.engine.torrents()).toEqual([]);
  });

  test('is not one whose store or spool holds it up, nor one whose machine slept', async () => {
    let waiting: string | null = null;
    const stats = () => ({ ...workshop.vault.stats(), uploads: { queuedChunks: 0, waiting } });
    const run = await workshop.start({ vault: { stats } });
    const { id, one } = await stuck(run);
    run.torrent(one).waiting = 'There is no room for more now.';
    await pass(run, 2 * STALL_MILLISECONDS);
    expect(await run.imports.get(id)).toMatchObject({ error: 'There is no room for more now.' });
    // The vault's words say more: they come first.
    waiting = 'The store is away.';
    expect(await run.imports.get(id)).toMatchObject({ error: 'The store is away.' });
    run.torrent(one).waiting = null;
    await pass(run, 2 * STALL_MILLISECONDS);
    expect(await run.imports.get(id)).toMatchObject({ state: 'downloading', error: 'The store is away.' });
    waiting = null;
    run.clock.sleep(100 * STALL_MILLISECONDS);
    await pass(run, STALL_MILLISECONDS - 2 * COUNTED_MILLISECONDS);
    expect(await run.imports.get(id)).toMatchObject({ state: 'downloading', error: null });
    await pass(run, 3 * COUNTED_MILLISECONDS);
    await run.until(id, 'failed');
  });
});

describe('what peers and people give', () => {
  test('metadata that is no info dictionary fails the import for good', async () => {
    const run = await workshop.start();
    const one = fresh();
    workshop.seed({ ...one, rawInfo: Buffer.from('d4:name3:bade') });
    const { id } = await run.addMagnet(one, HOST);
    expect(await run.until(id, 'failed')).toMatchObject({ retryable: false, torrentId: null });
    expect(run.engine.torrents()).toEqual([]);
  });

  test('a peer whose name nobody knows is told and passed over; a name may have several addresses', async () => {
    const run = await workshop.start();
    const one = fresh();
    workshop.seed(one, '10.0.0.9');
    run.hosts.set('seed.example', ['10.0.0.8', '10.0.0.9']);
    const { id } = await run.add(one, 'nowhere.example', 'seed.example');
    await expectWhole(run, id, one);
    expect(run.logged.filter((line) => line.includes('nowhere.example'))).toHaveLength(1);
  });

  test('an error of the engine ends the import only if it cannot be tried again', async () => {
    const run = await workshop.start();
    const { id, one } = await stuck(run);
    run.torrent(one).listener.onError?.(new BaeError('unavailable', 'the disk is slow'));
    await pass(run, 2_000);
    expect((await run.imports.get(id)).state).toBe('downloading');
    run.torrent(one).listener.onError?.(new BaeError('corrupt', 'the disk is broken'));
    expect(await run.until(id, 'failed')).toMatchObject({ error: 'the disk is broken', retryable: false });
  });
});

describe('the commit', () => {
  const failing = (error: BaeError): Vault['commit'] & { left: number } => {
    const commit: Vault['commit'] & { left: number } = Object.assign(
      async (...args: Parameters<Vault['commit']>) => {
        if (commit.left-- > 0) throw error;
        return workshop.vault.commit(...args);
      },
      { left: 1 },
    );
    return commit;
  };

  test.each([
    ['refused', false],
    ['unavailable', true],
  ] as const)('that is %s fails the import; a retry makes no second release', async (kind, retryable) => {
    const run = await workshop.start({ vault: { commit: failing(new BaeError(kind, 'not now')) } });
    const one = fresh();
    workshop.seed(one);
    const { id } = await run.add(one, HOST);
    expect(await run.until(id, 'failed')).toMatchObject({ error: 'not now', retryable, progress: 1 });
    await run.imports.retry(id);
    await expectWhole(run, id, one);
    const torrentId = (await run.imports.get(id)).torrentId as number;
    expect((await run.library.torrent(torrentId)).releases).toHaveLength(1);
  });

  test('that finds pieces lost fetches them again, but not for ever', async () => {
    const commit = failing(new BaeError('refused', 'pieces of it are missing'));
    commit.left = 3;
    const run = await workshop.start({ vault: { commit } });
    const one = fresh();
    workshop.seed(one);
    const lost = vi.spyOn(
      Object.getPrototypeOf(run.engine.add({ infoHash: Buffer.alloc(20), id: null, info: null, mode: 'seed' })),
      'left',
      'get',
    );
    let refusals = commit.left;
    // Whole, but for the first look after each refusal.
    lost.mockImplementation(() => {
      const isRefused = commit.left < refusals;
      refusals = commit.left;
      return isRefused ? 1 : 0;
    });
    const { id } = await run.add(one, HOST);
    await vi.waitFor(() => expect(commit.left).toBeLessThan(0));
    lost.mockRestore();
    await run.until(id, 'done');
    expect(run.logged.filter((line) => line.includes('pieces were lost'))).toHaveLength(3);
  });
});

describe('retry', () => {
  test('twice at once is one', async () => {
    const run = await workshop.start();
    const { id, one, seed } = await stuck(run);
    await pass(run, STALL_MILLISECONDS + 5_000);
    await run.until(id, 'failed');
    seed.allowance = 100;
    await Promise.all([...Array.from({ length: 10 }, () => run.imports.retry(id)), run.add(one, HOST)]);
    expect(run.engine.torrents()).toHaveLength(1);
    await expectWhole(run, id, one);
    expect(run.handedOver).toHaveLength(1);
  });

  test('in the very moment of failing starts it again', async () => {
    const run = await workshop.start();
    for (let round = 0; round < 5; round++) {
      const { id, one, seed } = await stuck(run);
      run.torrent(one).listener.onError?.(new BaeError('corrupt', 'the disk is broken'));
      seed.allowance = 100;
      for (let turns = 0; turns < round; turns++) await new Promise((resolve) => setImmediate(resolve));
      await vi.waitFor(async () => {
        await run.imports.retry(id);
        expect((await run.imports.get(id)).state).toBe('done');
      });
      await expectWhole(run, id, one);
    }
  });

  test('of one that was cancelled is refused', async () => {
    const run = await workshop.start();
    const { id } = await stuck(run);
    await run.imports.cancel(id);
    await expect(run.imports.retry(id)).rejects.toMatchObject({ kind: 'refused' });
  });
});

describe('a database that fails', () => {
  test('while a failure is saved: the import shows it all the same and can be tried again', async () => {
    const database = frailDatabase(workshop.database);
    const run = await workshop.start({ database });
    const { id, one, seed } = await stuck(run);
    database.failAfter(0);
    run.torrent(one).listener.onError?.(new BaeError('corrupt', 'the disk is broken'));
    await vi.waitFor(() => expect(run.logged.join()).toContain('could not save its failure'));
    await expect(run.imports.retry(id)).rejects.toMatchObject({ kind: 'unavailable' });
    database.failAfter(Number.POSITIVE_INFINITY);
    expect(await run.imports.get(id)).toMatchObject({ state: 'failed', error: 'the disk is broken' });
    expect((await run.imports.list())[0]).toMatchObject({ state: 'failed' });
    seed.allowance = 100;
    await run.imports.retry(id);
    await expectWhole(run, id, one);
    expect(await run.imports.get(id)).toMatchObject({ error: null });
  });

  test('at any query: the next run ends what was begun', async () => {
    const count = frailDatabase(workshop.database);
    const whole = await workshop.start({ database: count });
    const first = fresh();
    workshop.seed(first);
    const began = count.queries;
    await expectWhole(whole, (await whole.addMagnet(first, HOST)).id, first);
    await whole.stop();
    const queries = count.queries - began;
    expect(queries).toBeGreaterThan(20);
    for (let after = 0; after < queries; after += 1 + Math.floor(after / 8)) {
      const one = album(`Frail ${++made}`, [['a.flac', 3 * PIECE_BYTES]]);
      workshop.seed(one);
      const database = frailDatabase(workshop.database);
      const run = await workshop.start({ database });
      database.failAfter(after);
      const added = await Promise.allSettled([run.addMagnet(one, HOST)]);
      await vi.waitFor(() => expect(run.engine.torrents().filter(({ state }) => state === 'downloading')).toEqual([]));
      await Promise.all(run.engine.torrents().map((torrent) => torrent.settled()));
      await run.stop();
      const next = await workshop.start();
      const { id, state } = await next.addMagnet(one, HOST).catch((error) => {
        expect(error).toMatchObject({ kind: 'refused' });
        return (next.imports.list() as Promise<Awaited<ReturnType<Run['add']>>[]>).then(
          ([newest]) => newest as Awaited<ReturnType<Run['add']>>,
        );
      });
      if (added[0]?.status === 'fulfilled') expect(added[0].value.id, `after ${after}`).toBe(id);
      if (state === 'failed') await next.imports.retry(id);
      await expectWhole(next, id, one);
      await next.stop();
    }
  });
});
