import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type Album, album } from '../../test/parts/album.ts';
import { frailDatabase } from '../../test/parts/database.ts';
import { flac, mp3 } from '../../test/parts/tagged-files.ts';
import { BaeError } from '../lib/errors.ts';
import type { PieceStore } from '../torrent/ports.ts';
import { type Run, Workshop } from './fixture.ts';
import { IDENTIFICATION_RETRY_MILLISECONDS } from './identification.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.make();
});
beforeEach(() => workshop.clear());
afterAll(() => workshop.remove());

const HOST = '10.0.0.1';
let made = 0;
/** Two tagged files in wrong order, one that is not, and one that is no sound. */
function tagged(): Album {
  const about = { ALBUM: `Tagged ${++made}`, ALBUMARTIST: 'The Tagged', DATE: '1987' };
  return album(`folder ${made}`, [
    ['b.flac', flac({ ...about, TITLE: 'First', TRACKNUMBER: '1' }, { seconds: 61, audio: Buffer.alloc(200_000) })],
    ['07 - Seventh.flac', 100_000],
    ['cover.jpg', 1_000],
    ['a.mp3', mp3({ TALB: about.ALBUM, TPE2: 'The Tagged', TPE1: 'Guest', TIT2: 'Second', TRCK: '2' })],
  ]);
}

const track = (number: number, title: string, artist: string | null, durationMs: number | null, fileIndex: number) => ({
  disc: 1,
  track: number,
  title,
  artist,
  durationMs,
  fileIndex,
});

async function releaseOf(run: Run, id: number) {
  const { torrentId } = await run.imports.get(id);
  const { releases } = await run.library.torrent(torrentId as number);
  expect(releases).toHaveLength(1);
  return releases[0];
}

async function expectTagged(run: Run, id: number, one: Album): Promise<void> {
  expect(await run.untilIdentified(id)).toMatchObject({ identification: 'as-is', state: 'done', error: null });
  expect(await releaseOf(run, id)).toMatchObject({
    title: one.name.replace('folder', 'Tagged'),
    artist: 'The Tagged',
    year: 1987,
    isProvisional: true,
    tracks: [
      track(1, 'First', null, 61_000, 0),
      track(2, 'Second', 'Guest', 3_004, 3),
      track(7, 'Seventh', null, null, 1),
    ],
  });
}

/** The vault's pieces, with reads that go wrong as told. */
function reading(instead: (read: () => ReturnType<PieceStore['read']>, at: number) => ReturnType<PieceStore['read']>) {
  const { pieces } = workshop.vault;
  let reads = 0;
  const read: PieceStore['read'] = (...call) => instead(() => pieces.read(...call), reads++);
  const changed = new Proxy(pieces, {
    get: (real, name) => {
      if (name === 'read') return read;
      const value = Reflect.get(real, name, real);
      return typeof value === 'function' ? value.bind(real) : value;
    },
  });
  return { vault: { pieces: changed }, reads: () => reads };
}

const hanging = () =>
  reading(async () => {
    await new Promise(() => undefined);
    throw new Error('unreachable');
  });

test('the tags of its files say what a release is, and names the rest', async () => {
  const run = await workshop.start();
  const one = tagged();
  workshop.seed(one);
  const { id } = await run.add(one, HOST);
  await run.until(id, 'done');
  await expectTagged(run, id, one);
  expect(run.logged.filter((line) => line.includes('tags'))).toEqual([]);
});

test('names alone, where there are no tags', async () => {
  const run = await workshop.start();
  const one = album(`Artist - Named ${++made} (1999)`);
  workshop.seed(one);
  const { id } = await run.add(one, HOST);
  await run.until(id, 'done');
  expect(await run.untilIdentified(id)).toMatchObject({ identification: 'as-is' });
  const tracks = [track(1, 'One', null, null, 0), track(2, 'Two', null, null, 1)];
  expect(await releaseOf(run, id)).toMatchObject({ title: `Named ${made}`, artist: 'Artist', year: 1999, tracks });
});

test('reading tags holds nothing back, and a restart goes on with it', async () => {
  const held = hanging();
  const first = await workshop.start({ vault: held.vault });
  const [one, two] = [tagged(), tagged()];
  for (const each of [one, two]) workshop.seed(each);
  const ids = [(await first.add(one, HOST)).id, (await first.add(two, HOST)).id];
  for (const id of ids) await first.until(id, 'done');
  await vi.waitFor(() => expect(first.handedOver).toHaveLength(2));
  await vi.waitFor(() => expect(held.reads()).toBe(1));
  const before = await Promise.all(ids.map((id) => first.imports.get(id)));
  expect(before.map(({ identification }) => identification).sort()).toEqual(['looking', 'waiting']);
  await first.stop();
  const second = await workshop.start();
  await expectTagged(second, ids[0] as number, one);
  await expectTagged(second, ids[1] as number, two);
});

test('what is away for now is waited for', async () => {
  let isAway = true;
  const store = reading(async (read) => {
    if (isAway) throw new BaeError('unavailable', 'the store is away');
    return read();
  });
  const run = await workshop.start({ vault: store.vault });
  const one = tagged();
  workshop.seed(one);
  const { id } = await run.add(one, HOST);
  await run.until(id, 'done');
  await vi.waitFor(() => expect(run.logged.join()).toContain('the store is away'));
  expect(await run.imports.get(id)).toMatchObject({ identification: 'looking' });
  const reads = store.reads();
  isAway = false;
  run.clock.advance(IDENTIFICATION_RETRY_MILLISECONDS - 1_000);
  expect(store.reads()).toBe(reads);
  run.clock.advance(2_000);
  await expectTagged(run, id, one);
});

test('a file whose bytes are lost has the name it had', async () => {
  const store = reading(async (read, at) => {
    if (at === 0) throw new BaeError('corrupt', 'a chunk does not open');
    return read();
  });
  const run = await workshop.start({ vault: store.vault });
  const one = tagged();
  workshop.seed(one);
  const { id } = await run.add(one, HOST);
  await run.until(id, 'done');
  expect(await run.untilIdentified(id)).toMatchObject({ identification: 'as-is' });
  const release = await releaseOf(run, id);
  expect(release?.tracks.map(({ title }) => title).sort()).toEqual(['Second', 'Seventh', 'b']);
});

test('an end at any query is gone on from', async () => {
  const one = tagged();
  workshop.seed(one);
  const first = await workshop.start({ vault: hanging().vault });
  const { id } = await first.add(one, HOST);
  await first.until(id, 'done');
  await first.stop();
  const names = await releaseOf(first, id);
  for (let queries = 0; ; queries++) {
    const database = frailDatabase(workshop.database);
    const run = workshop.prepare({ database });
    database.failAfter(queries);
    const begun = await run.imports.start().then(
      () => true,
      () => false,
    );
    if (begun) await vi.waitFor(async () => expect((await isOver(id)) || hasFailed(run)).toBe(true));
    await run.stop();
    database.failAfter(Number.POSITIVE_INFINITY);
    const { identification } = await run.imports.get(id);
    expect(['waiting', 'looking', 'as-is']).toContain(identification);
    const release = await releaseOf(run, id);
    expect(release?.id).toBe(names?.id);
    expect([names?.title, one.name.replace('folder', 'Tagged')]).toContain(release?.title);
    if (identification === 'as-is') break;
  }
  await expectTagged(await workshop.start(), id, one);
});

const hasFailed = (run: Run) => run.logged.some((line) => line.includes('tags could not be read'));

async function isOver(id: number): Promise<boolean> {
  const row = workshop.database.db.selectFrom('imports').select('identification').where('id', '=', id);
  return (await row.executeTakeFirstOrThrow()).identification === 'as-is';
}

test('an import whose torrent is gone is unknown, and the next one goes on', async () => {
  const held = hanging();
  const first = await workshop.start({ vault: held.vault });
  const [one, two] = [tagged(), tagged()];
  for (const each of [one, two]) workshop.seed(each);
  const { id: gone } = await first.add(one, HOST);
  await first.until(gone, 'done');
  const { id } = await first.add(two, HOST);
  await first.until(id, 'done');
  await first.stop();
  await workshop.database.db.updateTable('imports').set({ torrent_id: null }).where('id', '=', gone).execute();
  const second = await workshop.start();
  await expectTagged(second, id, two);
  expect(await second.imports.get(gone)).toMatchObject({ identification: 'unknown' });
});
