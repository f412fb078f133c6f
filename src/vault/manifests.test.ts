import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { frailDatabase, temporaryDatabase } from '../../test/parts/database.ts';
import { importAlbum, makeAlbum, type Run, readBytes, Workshop } from '../../test/parts/workshop.ts';
import type { Database } from '../db/index.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { seededRandom } from '../lib/random.ts';
import { noteManifestChange } from './manifest-changes.ts';
import { MANIFEST_DELAY_MILLISECONDS } from './manifests.ts';
import type { BundleSettings } from './ports.ts';
import { type Manifest, openManifest, openRoot, parseKeyFile, parseManifestName, ROOT_NAME } from './seal/index.ts';

/** The system's clock in a hurry, with the manifests' delay kept until a test says that it is over. */
class DueClock implements Clock {
  readonly #due = new Set<() => void>();
  now = systemClock.now;
  monotonic = systemClock.monotonic;
  every = systemClock.every;

  after(milliseconds: number, call: () => void) {
    if (milliseconds !== MANIFEST_DELAY_MILLISECONDS) return systemClock.after(Math.min(milliseconds, 20), call);
    const due = () => call();
    this.#due.add(due);
    return { cancel: () => void this.#due.delete(due) };
  }

  get waiting(): number {
    return this.#due.size;
  }

  pass(): void {
    const due = [...this.#due];
    this.#due.clear();
    for (const call of due) call();
  }
}

/** A library that changes its mind, and one committed bundle of it. */
async function library(options: Workshop['options'] = {}, database?: Database) {
  const workshop = await Workshop.make();
  const clock = new DueClock();
  workshop.clock = clock;
  workshop.options = options;
  const says = { title: 'first' };
  const infoHash = Buffer.alloc(20, 3).toString('hex');
  const settings = (): BundleSettings => ({
    torrents: [{ infoHash, trackers: [['http://tracker.example/announce']], seeding: { title: says.title } }],
    releases: [{ title: says.title }],
  });
  workshop.describe = async () => settings();
  const started = await workshop.start();
  const run = { ...started, database: database ?? started.database };
  const album = await makeAlbum(run.database, 100_000, 50_000);
  const { bundle, handle } = await importAlbum(run.vault, { ...album, content: { ...album.content, ...settings() } });
  clock.pass();
  /** A change as the library makes it; resolves when it is saved. */
  const change = async ({ vault, database }: Run, title: string) => {
    says.title = title;
    await database.db.transaction().execute((trx) => noteManifestChange(trx, [bundle]));
    vault.manifestChanged(bundle);
  };
  return { workshop, clock, run, album, bundle, handle, change };
}

/** All generations in the store, opened as a stranger with the key would; each must follow from the one before. */
async function generations(workshop: Workshop): Promise<Manifest[]> {
  const slot = parseKeyFile(await readFile(join(workshop.folder, 'data', 'library.key'), 'utf8'));
  const keys = openRoot(await workshop.objects.get(ROOT_NAME), slot);
  const manifests: Manifest[] = [];
  let previous: Buffer | null = null;
  for (const name of await workshop.names('m/')) {
    const { handle, generation } = parseManifestName(name) as { handle: Buffer; generation: number };
    const sealed = await workshop.objects.get(name);
    const manifest = openManifest(keys, handle, generation, sealed);
    expect(manifest.generation).toBe(manifests.length + 1);
    expect(manifest.previous).toEqual(previous);
    previous = createHash('sha256').update(sealed).digest();
    manifests.push(manifest);
  }
  return manifests;
}

const titles = async (workshop: Workshop) => (await generations(workshop)).map(({ releases }) => releases[0]?.title);
const noted = (run: Run) => run.database.db.selectFrom('manifest_changes').selectAll().execute();

/** Lets the delay pass again and again until nothing is noted. */
async function written(run: Run, clock: DueClock): Promise<void> {
  await expect
    .poll(
      async () => {
        clock.pass();
        return noted(run);
      },
      { interval: 5, timeout: 10_000 },
    )
    .toEqual([]);
}

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
    await change(run, 'at the close');
    await run.close();
    expect(await titles(workshop)).toEqual(['first', 'at the close']);
    const second = await workshop.start();
    second.store.inject({ call: 'put', name: /^m\//, act: 'fail' });
    await change(second, 'with the store away');
    await second.close();
    expect(await titles(workshop)).toHaveLength(2);
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
    await noteManifestChange(db, [...broken, bundle]);
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

describe('a new generation', () => {
  it('comes after a crash and a power cut at any step, in an unbroken line', async () => {
    const { workshop, clock, run, change } = await library();
    await run.close();
    const random = seededRandom(11);
    let whole = false;
    let kills = 0;
    for (let step = 1; !whole; step++) {
      let left = Number.POSITIVE_INFINITY;
      workshop.step = () => {
        if (--left === 0) workshop.kill();
      };
      const title = `killed at ${step}`;
      const goOn = async () => {
        const life = await workshop.start();
        await workshop.orKilled(written(life, clock));
        await workshop.orKilled(life.close());
      };
      const live = async () => {
        const life = await workshop.start();
        left = step;
        await change(life, title);
        clock.pass();
        await workshop.orKilled(written(life, clock));
        left = Number.POSITIVE_INFINITY;
        await life.close();
        whole = true;
      };
      await live().catch((error) => {
        if (left > 0) throw error;
        kills++;
      });
      workshop.kill();
      await workshop.buried();
      await workshop.files.powerCut(random);
      // Killed again, some way into what it goes on with.
      left = random.int(step + 20) + 1;
      await goOn().catch((error) => {
        if (left > 0) throw error;
      });
      workshop.kill();
      await workshop.buried();
      await workshop.files.powerCut(random);
      workshop.step = null;
      const after = await workshop.start();
      await written(after, clock);
      expect((await titles(workshop)).at(-1)).toBe(title);
      await expect.poll(() => after.vault.stats().spoolBytes, { interval: 5 }).toBe(0);
      await after.close();
    }
    expect(kills).toBeGreaterThan(12);
    // Each crash repeats a generation at most once.
    expect((await titles(workshop)).length).toBeLessThanOrEqual(2 + 3 * (kills + 1));
  }, 60_000);

  it('comes though the database fails at any query', async () => {
    const database = await temporaryDatabase();
    onTestFinished(() => database.remove());
    const frail = frailDatabase(database);
    const { workshop, clock, run, change } = await library({ database: frail }, database);
    let failed = 0;
    for (let query = 1; ; query++) {
      await change(run, `query ${query}`);
      frail.after(query, () => {
        failed = query;
        frail.failAfter(0);
        setTimeout(() => frail.failAfter(Number.POSITIVE_INFINITY), 1);
      });
      await written(run, clock);
      expect((await titles(workshop)).at(-1)).toBe(`query ${query}`);
      if (failed < query) break;
    }
    expect(failed).toBeGreaterThan(5);
    await run.close();
  }, 60_000);
});
