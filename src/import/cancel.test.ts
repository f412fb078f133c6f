import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Album, album } from '../../test/parts/album.ts';
import { frailDatabase } from '../../test/parts/database.ts';
import { BaeError } from '../lib/errors.ts';
import type { Vault } from '../vault/index.ts';
import { type Run, STALL_MILLISECONDS, Workshop } from './fixture.ts';
import { CLEAR_RETRY_MILLISECONDS } from './job.ts';
import type { ImportSnapshot } from './ports.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.make();
});
beforeEach(() => workshop.clear());
afterAll(() => workshop.remove());

const HOST = '10.0.0.1';
let made = 0;
const fresh = () =>
  album(`Cancelled ${++made} - Album`, [
    ['01 - One.flac', 1_200_000],
    ['album.cue', 70_000],
  ]);

interface Traces {
  readonly rows: Record<string, number>;
  readonly objects: string[];
}

async function traces(): Promise<Traces> {
  return { rows: await workshop.rows(), objects: (await workshop.objects()).sort() };
}

/** All that an import made is gone, the store's objects too; and the same torrent can be imported anew. */
async function expectNothingLeft(run: Run, before: Traces, one: Album): Promise<void> {
  await vi.waitFor(async () => expect(await traces()).toEqual(before), { timeout: 5_000 });
  expect(run.engine.get(one.infoHash)).toBeNull();
  expect((await workshop.vault.stats()).openChunks).toBe(0);
}

/** Brings an import to a state and keeps it there. */
async function bring(run: Run, one: Album, state: ImportSnapshot['state']): Promise<number> {
  const allowance = { clues: 0, metadata: 0, downloading: 10 }[state as string] ?? 100;
  const seed = workshop.seed(one, HOST, allowance);
  seed.givesMetadata = state !== 'metadata';
  const { id } = await run.addMagnet(one, HOST);
  if (state === 'queued') return id;
  if (state !== 'failed') {
    await run.until(id, state);
    return id;
  }
  seed.allowance = 1;
  await run.until(id, 'clues');
  run.clock.advance(2 * STALL_MILLISECONDS);
  await vi.waitFor(async () => {
    run.clock.advance(STALL_MILLISECONDS);
    expect((await run.imports.get(id)).state).toBe('failed');
  });
  return id;
}

describe('cancel', () => {
  test.each(['queued', 'metadata', 'clues', 'downloading', 'committing', 'failed'] as const)(
    'in %s leaves nothing',
    async (state) => {
      const before = await traces();
      const restore = state === 'committing' ? holdManifests() : () => undefined;
      const run = await workshop.start();
      const one = fresh();
      const id = await bring(run, one, state);
      const answers = await Promise.all([run.imports.cancel(id), run.imports.cancel(id)]);
      for (const answer of answers)
        expect(answer).toMatchObject({ id, state: 'cancelled', error: null, torrentId: null });
      restore();
      await expectNothingLeft(run, before, one);
      expect(await run.imports.cancel(id)).toMatchObject({ state: 'cancelled' });
      if (state !== 'queued' && state !== 'metadata') expect(run.announced.at(-1)).toMatch(/^stopped/);
      for (const seed of workshop.seeds) Object.assign(seed, { allowance: 100, givesMetadata: true });
      const again = await run.add(one, HOST);
      expect(again.id).not.toBe(id);
      const { torrentId } = await run.until(again.id, 'done');
      expect((await run.read(torrentId as number, one)).equals(one.content)).toBe(true);
    },
  );

  test('and done in the same moment: one of the two, never half of each', async () => {
    const database = frailDatabase(workshop.database);
    const run = await workshop.start({ database });
    const ends: string[] = [];
    const whole = album(`Raced ${++made}`, [['a.flac', 1_000]]);
    workshop.seed(whole);
    const began = database.queries;
    await run.add(whole, HOST);
    await vi.waitFor(() => expect(run.handedOver).toHaveLength(1));
    const queries = database.queries - began;
    // At each query of an import's life.
    for (let query = 1; query <= queries; query++) {
      const before = await traces();
      const one = album(`Raced ${++made}`, [['a.flac', 1_000]]);
      workshop.seed(one);
      let cancelling: Promise<PromiseSettledResult<ImportSnapshot>[]> | null = null;
      database.after(query, () => {
        cancelling = Promise.allSettled([adding.then(({ id }) => run.imports.cancel(id))]);
      });
      const adding = run.add(one, HOST);
      const { id } = await adding;
      await vi.waitFor(() => expect(cancelling).not.toBeNull(), { interval: 1 });
      const [answer] = await (cancelling as unknown as Promise<PromiseSettledResult<ImportSnapshot>[]>);
      const { state, torrentId } = await run.imports.get(id);
      ends.push(state);
      if (answer?.status === 'fulfilled') {
        expect(state, run.logged.join('\n')).toBe('cancelled');
        await expectNothingLeft(run, before, one);
      } else {
        expect(answer?.reason).toMatchObject({ kind: 'refused' });
        expect(state).toBe('done');
        expect((await run.read(torrentId as number, one)).equals(one.content)).toBe(true);
        expect(run.torrent(one).state).toBe('seeding');
      }
    }
    expect(ends).toContain('cancelled');
    expect(ends).toContain('done');
  });

  test('that comes between the commit and its note is too late', async () => {
    const committed = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const commit: Vault['commit'] = async (bundle, content) => {
      await workshop.vault.commit(bundle, content);
      committed.resolve();
      await held.promise;
      throw new BaeError('cancelled', 'The commit was called off.');
    };
    let calls = 0;
    const once: Vault['commit'] = (...args) => (calls++ === 0 ? commit(...args) : workshop.vault.commit(...args));
    const run = await workshop.start({ vault: { commit: once } });
    const one = fresh();
    workshop.seed(one);
    const { id } = await run.add(one, HOST);
    await committed.promise;
    const cancelling = run.imports.cancel(id);
    held.resolve();
    await expect(cancelling).rejects.toMatchObject({ kind: 'refused' });
    const { state, torrentId } = await run.imports.get(id);
    expect(state).toBe('done');
    expect((await run.read(torrentId as number, one)).equals(one.content)).toBe(true);
  });
});

describe('a cancel that cannot be seen through', () => {
  const failing = (error: BaeError, times: number) => {
    let left = times;
    const abandon: Vault['abandon'] = async (bundle) => {
      if (left-- > 0) throw error;
      await workshop.vault.abandon(bundle);
    };
    return { vault: { abandon } };
  };

  test('stands at cancelling, and is tried again by itself', async () => {
    const before = await traces();
    const run = await workshop.start(failing(new BaeError('unavailable', 'the disk is full'), 2));
    const one = fresh();
    const id = await bring(run, one, 'downloading');
    expect(await run.imports.cancel(id)).toMatchObject({ state: 'cancelling', error: 'the disk is full' });
    await expect(run.add(one, HOST)).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(run.imports.retry(id)).rejects.toMatchObject({ kind: 'refused' });
    run.clock.advance(CLEAR_RETRY_MILLISECONDS);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await run.imports.get(id)).toMatchObject({ state: 'cancelling' });
    run.clock.advance(CLEAR_RETRY_MILLISECONDS);
    await run.until(id, 'cancelled');
    await expectNothingLeft(run, before, one);
  });

  test('goes on after a restart', async () => {
    const before = await traces();
    const run = await workshop.start(failing(new BaeError('failed', 'power cut'), 99));
    const one = fresh();
    const id = await bring(run, one, 'downloading');
    await run.imports.cancel(id);
    await run.stop();
    expect((await run.imports.get(id)).state).toBe('cancelling');
    expect((await run.imports.cancel(id)).state).toBe('cancelling');
    const next = await workshop.start();
    await next.until(id, 'cancelled');
    await expectNothingLeft(next, before, one);
  });

  test('with the database away leaves a bundle nobody points at to nobody', async () => {
    const before = await traces();
    const database = frailDatabase(workshop.database);
    // The bundle is made; that it is this import's cannot be saved.
    const createBundle: Vault['createBundle'] = async (request) => {
      const bundle = await workshop.vault.createBundle(request);
      database.failAfter(0);
      return bundle;
    };
    const run = await workshop.start({ database, vault: { createBundle } });
    const one = fresh();
    workshop.seed(one);
    const { id } = await run.addMagnet(one, HOST);
    await vi.waitFor(() => expect(run.logged.join()).toContain('could not save its failure'));
    database.failAfter(Number.POSITIVE_INFINITY);
    expect(await run.imports.cancel(id)).toMatchObject({ state: 'cancelled' });
    await expectNothingLeft(run, before, one);
  });
});

/** Keeps manifests from the store, so that a commit lasts; gives the way to let them through. */
function holdManifests(): () => void {
  return workshop.store.inject({ call: 'put', name: /^m\//, act: 'fail' });
}
