import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Album, album, PIECE_BYTES } from '../../test/parts/album.ts';
import { bencode } from '../../test/parts/torrent.ts';
import { CLUE_PATIENCE_MILLISECONDS } from './attempt.ts';
import { type Run, Workshop } from './fixture.ts';
import { IMPORTS_AT_ONCE, PEERS_KEPT } from './manager.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.make();
});
beforeEach(() => workshop.clear());
afterAll(() => workshop.remove());

const HOST = '10.0.0.1';
let made = 0;
const fresh = () => album(`Artist - Album ${++made} (1999)`);
/** Its clue lies in the middle: pieces 6 and 7. */
const withClues = () =>
  album(`With clues ${++made}`, [
    ['01 - One.flac', 400_000],
    ['album.cue', 70_000],
    ['02 - Two.flac', 500_000],
  ]);

async function expectWhole(run: Run, id: number, one: Album): Promise<void> {
  const { torrentId, progress } = await run.until(id, 'done');
  expect(progress).toBe(1);
  expect((await run.read(torrentId as number, one)).equals(one.content)).toBe(true);
}

describe('an import', () => {
  test('of a torrent file comes into the library, and its session is handed over', async () => {
    const run = await workshop.start();
    const one = fresh();
    workshop.seed(one);
    const added = await run.add(one, HOST);
    expect(added).toMatchObject({ state: 'queued', name: one.name, progress: 0, identification: 'waiting' });
    await expectWhole(run, added.id, one);
    const done = await run.untilIdentified(added.id);
    expect(done).toMatchObject({ error: null, retryable: false, identification: 'as-is' });
    expect(await run.library.torrent(done.torrentId as number)).toMatchObject({
      isSeeding: true,
      files: [{ path: ['01 - One.flac'] }, { path: ['02 - Two.flac'] }],
      releases: [{ artist: 'Artist', year: 1999, isProvisional: true }],
    });
    await vi.waitFor(() => expect(run.handedOver).toHaveLength(1));
    expect(run.torrent(one).state).toBe('seeding');
    await vi.waitFor(() => expect(run.announced.at(-1)).toBe('completed 0'));
    await expect(run.add(one)).rejects.toMatchObject({ kind: 'refused' });
    await expect(run.addMagnet(one)).rejects.toMatchObject({ kind: 'refused' });
    await expect(run.imports.cancel(added.id)).rejects.toMatchObject({ kind: 'refused' });
    expect(await run.imports.retry(added.id)).toMatchObject({ state: 'done' });
  });

  test('of a torrent file hands on the DHT nodes it names, but for a private torrent (BEP 5, 27)', async () => {
    const run = await workshop.start();
    const nodes = [{ host: 'node.example', port: 6881 }];
    for (const isPrivate of [true, false]) {
      const info = { length: 1, name: `named ${isPrivate}`, 'piece length': 16_384, pieces: Buffer.alloc(20) };
      const torrent = bencode({
        info: { ...info, ...(isPrivate && { private: 1 }) },
        nodes: nodes.map(({ host, port }) => [host, port]),
      });
      await run.imports.add({ source: { torrent }, peers: [], asIs: false });
      expect(run.nodes).toEqual(isPrivate ? [] : nodes);
    }
  });

  test('of a magnet link takes the metadata from a peer, also from one that the link names', async () => {
    const run = await workshop.start();
    const [one, two] = [fresh(), fresh()];
    for (const each of [one, two]) workshop.seed(each);
    const { id } = await run.addMagnet(one, HOST);
    await expectWhole(run, id, one);
    const source = { magnet: `${two.magnet}&x.pe=${HOST}:7000` };
    const named = await run.imports.add({ source, peers: [], asIs: false });
    await expectWhole(run, named.id, two);
  });

  test('of a magnet link without peers goes on when its torrent file is added', async () => {
    const run = await workshop.start();
    const one = fresh();
    workshop.seed(one).givesMetadata = false;
    const { id } = await run.addMagnet(one, HOST);
    await run.until(id, 'metadata');
    expect(await run.add(one)).toMatchObject({ id });
    await expectWhole(run, id, one);
  });

  test('that is no torrent and no magnet link is refused, and leaves nothing', async () => {
    const run = await workshop.start();
    const add = (source: { torrent: Buffer } | { magnet: string }) =>
      run.imports.add({ source, peers: [], asIs: false });
    await expect(add({ torrent: Buffer.from('no') })).rejects.toMatchObject({ kind: 'bad-input' });
    await expect(add({ magnet: 'magnet:?xt=urn:btih:00' })).rejects.toMatchObject({ kind: 'bad-input' });
    await expect(run.imports.get(99_999)).rejects.toMatchObject({ kind: 'not-found' });
    await expect(run.imports.cancel(99_999)).rejects.toMatchObject({ kind: 'not-found' });
    expect(await run.imports.list()).toEqual([]);
  });
});

describe('clues', () => {
  test('come first, and nothing else before they are there', async () => {
    const run = await workshop.start();
    const one = withClues();
    const seed = workshop.seed(one, HOST, 1);
    const { id } = await run.add(one, HOST);
    await run.until(id, 'clues');
    await vi.waitFor(() => expect(run.torrent(one).fetched).toEqual([6]));
    seed.allowance = 100;
    run.torrent(one).work();
    await expectWhole(run, id, one);
    expect(run.torrent(one).fetched.slice(0, 3)).toEqual([6, 7, 0]);
  });

  test('that do not come hold the rest back for a while only', async () => {
    const run = await workshop.start();
    const one = withClues();
    workshop.seed(one, HOST, 0);
    const { id } = await run.add(one, HOST);
    await run.until(id, 'clues');
    await vi.waitFor(() => expect(run.torrent(one).handle).not.toBeNull());
    run.torrent(one).waiting = 'There is no room for more now.';
    run.clock.advance(2 * CLUE_PATIENCE_MILLISECONDS);
    expect((await run.imports.get(id)).state).toBe('clues');
    run.torrent(one).waiting = null;
    run.clock.advance(CLUE_PATIENCE_MILLISECONDS - 1_000);
    expect((await run.imports.get(id)).state).toBe('clues');
    run.clock.advance(3_000);
    await run.until(id, 'downloading');
  });
});

describe('a restart goes on', () => {
  test('in queued, from the stop that came while it was added', async () => {
    const first = await workshop.start();
    const [one, late] = [fresh(), fresh()];
    workshop.seed(one);
    const adding = first.add(one, HOST);
    await new Promise((resolve) => setImmediate(resolve));
    await first.imports.stop();
    const { id } = await adding;
    expect(await first.imports.get(id)).toMatchObject({ state: 'queued', error: null });
    await expect(first.add(late)).rejects.toMatchObject({ kind: 'unavailable' });
    const second = await workshop.start();
    await expectWhole(second, id, one);
  });

  test('in metadata', async () => {
    const first = await workshop.start();
    const one = fresh();
    workshop.seed(one).givesMetadata = false;
    const { id } = await first.addMagnet(one, HOST);
    await first.until(id, 'metadata');
    await first.stop();
    for (const seed of workshop.seeds) seed.givesMetadata = true;
    const second = await workshop.start();
    await expectWhole(second, id, one);
  });

  test('in clues and in downloading, and fetches nothing twice', async () => {
    const one = withClues();
    const seed = workshop.seed(one, HOST, 1);
    const first = await workshop.start();
    const { id } = await first.add(one, HOST);
    await first.until(id, 'clues');
    await vi.waitFor(() => expect(first.torrent(one).fetched).toEqual([6]));
    await first.stop();
    const second = await workshop.start();
    seed.allowance = 4;
    await second.until(id, 'downloading');
    await vi.waitFor(() => expect(second.torrent(one).fetched).toEqual([7, 0, 1, 2]));
    expect((await second.imports.get(id)).progress).toBeCloseTo((5 * PIECE_BYTES) / one.content.length);
    await second.stop();
    expect((await second.imports.get(id)).state).toBe('downloading');
    const third = await workshop.start();
    seed.allowance = 100;
    await expectWhole(third, id, one);
    expect(third.torrent(one).fetched).toEqual([3, 4, 5, 8, 9, 10, 11, 12, 13, 14]);
  });

  test('in committing, and downloads nothing', async () => {
    const one = fresh();
    workshop.seed(one);
    const took = workshop.store.inject({ call: 'put', name: /^c\//, act: 'fail' });
    const first = await workshop.start();
    const { id } = await first.add(one, HOST);
    await first.until(id, 'committing');
    await first.stop();
    expect(await first.imports.get(id)).toMatchObject({ state: 'committing', progress: 1 });
    took();
    const second = await workshop.start();
    await expectWhole(second, id, one);
    expect(second.torrent(one).fetched).toEqual([]);
  });

  test('over a closed vault and database too', async () => {
    const one = fresh();
    const seed = workshop.seed(one, HOST, 5);
    const first = await workshop.start();
    const { id } = await first.add(one, HOST);
    await first.until(id, 'downloading');
    await vi.waitFor(() => expect(first.torrent(one).fetched).toHaveLength(5));
    await first.stop();
    await workshop.close();
    await workshop.open();
    seed.allowance = 100;
    const second = await workshop.start();
    await expectWhole(second, id, one);
    expect(second.torrent(one).fetched).toHaveLength(Math.ceil(one.content.length / PIECE_BYTES) - 5);
  });
});

describe('the same torrent', () => {
  test('asked for fifty times at the same moment is one job that knows all the peers', async () => {
    const run = await workshop.start();
    const one = fresh();
    const hosts = Array.from({ length: 50 }, (_, index) => `10.1.0.${index}`);
    const adds = hosts.map((host, index) => (index % 2 === 0 ? run.add(one, host) : run.addMagnet(one, host)));
    const ids = new Set((await Promise.all(adds)).map(({ id }) => id));
    expect(ids.size).toBe(1);
    expect(run.engine.torrents()).toHaveLength(1);
    const [id] = ids as unknown as [number];
    const { peers_json } = await workshop.database.db
      .selectFrom('imports')
      .select('peers_json')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    expect(new Set(peers_json).size).toBe(50);
    workshop.seed(one, '10.1.0.49');
    await run.add(one, '10.1.0.49');
    await expectWhole(run, id, one);
  });

  test('remembers so many peers and no more, the newest', async () => {
    const run = await workshop.start();
    const one = fresh();
    const hosts = Array.from({ length: PEERS_KEPT + 20 }, (_, index) => `10.2.${index >> 8}.${index & 255}`);
    const { id } = await run.add(one, ...hosts);
    await run.add(one, '10.3.0.1');
    const row = workshop.database.db.selectFrom('imports').select('peers_json').where('id', '=', id);
    const { peers_json } = await row.executeTakeFirstOrThrow();
    expect(peers_json).toHaveLength(PEERS_KEPT);
    expect(peers_json.at(-1)).toBe('10.3.0.1:7000');
    expect(peers_json).not.toContain('10.2.0.19:7000');
  });
});

test('more imports than may run at once wait for their turn', async () => {
  const run = await workshop.start();
  const albums = Array.from({ length: IMPORTS_AT_ONCE + 2 }, () => album(`Many ${++made}`, [['a.flac', 10]]));
  const ids: number[] = [];
  for (const one of albums) ids.push((await run.addMagnet(one)).id);
  const [last, before] = [ids.at(-1) as number, ids.at(-2) as number];
  await vi.waitFor(() => expect(run.engine.torrents()).toHaveLength(IMPORTS_AT_ONCE));
  expect(await run.imports.get(last)).toMatchObject({ state: 'queued', error: 'It waits for its turn.' });
  expect(await run.imports.cancel(before)).toMatchObject({ state: 'cancelled', error: null });
  expect((await run.imports.get(last)).state).toBe('queued');
  await run.imports.cancel(ids[7] as number);
  await run.until(last, 'metadata');
  expect(run.engine.torrents()).toHaveLength(IMPORTS_AT_ONCE);
});
