// Imports side by side, and what a person may do with them and with what is seeded, felt by real peers and trackers.
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Bae,
  filesUnder,
  type ImportView,
  showLogsOnFailure,
  startBae,
  type TorrentView,
  torrentOf,
} from '../parts/bae.ts';
import { type LibtorrentPeer, libtorrent } from '../parts/clients/libtorrent.ts';
import { makeFiles, type Tree, treeDifferences } from '../parts/content.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';
import { type Announce, startTracker, type Tracker } from '../parts/tracker.ts';

const MIB = 1024 * 1024;
const STALL_SECONDS = 5;
/** The aim is one second; this machine may be busy with other tests. */
const FELT_MILLISECONDS = 10_000;
const CACHE_BYTES = 40 * MIB;
const PIN_BYTES = 24 * MIB;
const SMALL_BYTES = 8 * MIB + 4321;
const LARGE_BYTES = 48 * MIB;

showLogsOnFailure();

interface Sample {
  tree: Tree;
  torrent: Torrent;
  body: { torrent: string };
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let tracker: Tracker;
let bae: Bae;

beforeAll(async () => {
  [folder, tracker] = await Promise.all([temporaryFolder('seeding'), startTracker()]);
  bae = await startBae({
    store: `file:${folder.path}/store`,
    env: {
      BAE_IMPORT_STALL_SECONDS: String(STALL_SECONDS),
      BAE_CACHE_BYTES: String(CACHE_BYTES),
      BAE_PIN_BYTES: String(PIN_BYTES),
    },
  });
});
afterAll(async () => {
  await Promise.all([bae?.remove(), tracker?.stop()]);
  await folder?.remove();
});

async function makeSample(name: string, length: number): Promise<Sample> {
  const tree = await makeFiles({ name, seed: name, files: [{ path: '01.flac', length }] });
  const path = `${folder.path}/${name}.torrent`;
  const torrent = await makeTorrent({ source: tree.folder, path, announce: tracker.announceUrl });
  return { tree, torrent, body: { torrent: torrent.bytes.toString('base64') } };
}

const seedOf = ({ tree, torrent }: Sample, uploadBytesPerSecond?: number): Promise<LibtorrentPeer> =>
  libtorrent.seed({
    torrentPath: torrent.path,
    dataDir: dirname(tree.folder),
    ...(uploadBytesPerSecond === undefined ? {} : { uploadBytesPerSecond }),
  });

const add = (sample: Sample, seed?: LibtorrentPeer) =>
  bae.api<ImportView>('POST', '/imports', {
    ...sample.body,
    peers: seed === undefined ? [] : [{ host: '127.0.0.1', port: seed.port }],
  });

/** Imports a sample to its end; returns its torrent. */
async function imported(sample: Sample): Promise<TorrentView> {
  const seed = await seedOf(sample);
  try {
    const { id } = await add(sample, seed);
    await bae.untilImport(id, ['done']);
    return await torrentOf(bae, sample.torrent.infoHash);
  } finally {
    await seed.stop();
  }
}

/** What bae told the tracker of a torrent. */
const told = (sample: Sample): Announce[] =>
  tracker.announces.filter((one) => one.infoHash === sample.torrent.infoHash && one.port === bae.peerPort);

const chunkObjects = async () => (await filesUnder(`${folder.path}/store/c`)).length;
const spooled = async () => (await filesUnder(`${bae.dataDir}/spool`)).map(({ path }) => path);

describe('imports', () => {
  it('run side by side, and one that stalls fails by itself, holds up none, and works when tried again', async () => {
    const samples = await Promise.all(['one', 'two', 'three', 'late'].map((name) => makeSample(name, SMALL_BYTES)));
    const late = samples.pop() as Sample;
    const stalled = await add(late);
    const nowhere = await bae.api<ImportView>('POST', '/imports', { magnet: `magnet:?xt=urn:btih:${'ab'.repeat(20)}` });
    const seeds = await Promise.all(samples.map((sample) => seedOf(sample)));
    const began = performance.now();
    const started = await Promise.all(samples.map((sample, index) => add(sample, seeds[index])));
    await Promise.all(started.map(({ id }) => bae.untilImport(id, ['done'])));
    process.stderr.write(`three imports beside a stalled one: ${(performance.now() - began).toFixed(0)} ms\n`);
    await Promise.all(seeds.map((seed) => seed.stop()));

    for (const { id } of [stalled, nowhere]) {
      const failed = await bae.untilImport(id, ['failed'], (STALL_SECONDS + 20) * 1_000);
      expect(failed).toMatchObject({ state: 'failed', retryable: true });
      expect(failed.error).toMatch(/^[A-Z].*\.$/);
    }
    const seed = await seedOf(late);
    expect(await bae.ask('retry', stalled.id)).toMatchObject({ id: stalled.id, infoHash: late.torrent.infoHash });
    await bae.untilImport(stalled.id, ['done']);
    await seed.stop();
    expect((await bae.ask<ImportView[]>('imports')).map(({ state }) => state).sort()).toEqual([
      'done',
      'done',
      'done',
      'done',
      'failed',
    ]);
  });

  it('of one info-hash are one job, also at the same moment; then it is in the library', async () => {
    const sample = await makeSample('twice', SMALL_BYTES);
    const seed = await seedOf(sample, 4 * MIB);
    const both = await Promise.all([add(sample, seed), add(sample, seed), add(sample)]);
    expect(new Set(both.map(({ id }) => id)).size).toBe(1);
    await bae.untilImport(both[0]?.id ?? '', ['done']);
    await seed.stop();
    const again = await bae.cli('import', sample.torrent.path);
    expect(again.code).toBe(4);
    expect(again.stderr).toMatch(/^bae: .*already in the library.*\.\n$/);
    const all = await bae.api<TorrentView[]>('GET', '/torrents');
    expect(all.filter(({ infoHash }) => infoHash === sample.torrent.infoHash)).toHaveLength(1);
  });

  it('that are cancelled leave nothing, and can come again', async () => {
    const sample = await makeSample('cancelled', LARGE_BYTES);
    const before = await chunkObjects();
    const seed = await seedOf(sample, 12 * MIB);
    const { id } = await add(sample, seed);
    await waitFor('a part of it to be stored', 30_000, async () => (await chunkObjects()) > before + 4);
    const answer = await bae.ask<ImportView>('cancel', id);
    expect(['cancelling', 'cancelled']).toContain(answer.state);
    await bae.untilImport(id, ['cancelled']);
    await waitFor('its objects and spool to be gone', 10_000, async () => {
      return (await chunkObjects()) === before && (await spooled()).length === 0;
    });
    expect((await bae.cli('cancel', id)).code).toBe(0);
    await seed.session.limit(sample.torrent.infoHash, 0, 0);
    const again = await add(sample, seed);
    expect(again.id).not.toBe(id);
    await bae.untilImport(again.id, ['done']);
    await seed.stop();
    expect(await torrentOf(bae, sample.torrent.infoHash)).toMatchObject({ seeding: true, error: null });
    const stopped = told(sample).filter(({ event }) => event === 'stopped');
    expect(stopped.length).toBeGreaterThan(0);
  });
});

describe('a seeded torrent', () => {
  let sample: Sample;
  let torrent: TorrentView;
  let leech: LibtorrentPeer;

  beforeAll(async () => {
    sample = await makeSample('seeded', SMALL_BYTES);
    torrent = await imported(sample);
    leech = await libtorrent.leech({
      torrentPath: sample.torrent.path,
      downloadDir: `${folder.path}/leech`,
      peers: [bae.peer],
      downloadBytesPerSecond: 200_000,
    });
  });
  afterAll(async () => {
    await leech?.stop();
  });

  it('starts by itself, with its counters at the tracker', () => {
    const events = told(sample).filter(({ event }) => event !== '');
    expect(events.map(({ event }) => event)).toEqual(['started', 'completed']);
    expect(events[0]).toMatchObject({ left: sample.torrent.totalBytes, downloaded: 0, uploaded: 0 });
    expect(events[1]).toMatchObject({ left: 0, uploaded: 0 });
    expect(events[1]?.downloaded).toBeGreaterThanOrEqual(sample.torrent.totalBytes);
  });

  it('stops at once when told, for a peer and for the tracker', async () => {
    await waitFor('the leecher to be served', 20_000, async () => (await leech.status()).downloaded > 100_000);
    const began = Date.now();
    const [answer] = await bae.api<TorrentView[]>('POST', `/torrents/${torrent.id}/seeding/stop`);
    expect(answer).toMatchObject({ id: torrent.id, seeding: false });
    await waitFor('the leecher to lose its peer', FELT_MILLISECONDS, async () => (await leech.status()).peers === 0);
    const felt = Date.now() - began;
    const stopped = await waitFor('the tracker to be told', FELT_MILLISECONDS, () =>
      told(sample).find(({ event }) => event === 'stopped'),
    );
    process.stderr.write(`seed stop: felt after ${felt} ms, told after ${stopped.time - began} ms\n`);
    // Refused when it comes again, too.
    const { downloaded } = await leech.status();
    await leech.connect(bae.peer);
    await delay(1_500);
    expect(await leech.status()).toMatchObject({ peers: 0, downloaded });
  });

  it('stays stopped over a restart', async () => {
    await bae.kill();
    const before = told(sample).length;
    await bae.start();
    expect(await torrentOf(bae, sample.torrent.infoHash)).toMatchObject({ seeding: false });
    await delay(1_000);
    expect(told(sample).length).toBe(before);
  });

  it('starts at once when told', async () => {
    await waitFor('the leecher to be alone', 5_000, async () => (await leech.status()).peers === 0);
    const earlier = told(sample).length;
    const began = Date.now();
    await bae.ask('seed', 'start', torrent.id);
    const started = await waitFor('the tracker to be told', FELT_MILLISECONDS, () => told(sample)[earlier]);
    expect(started.event).toBe('started');
    await leech.connect(bae.peer);
    const { downloaded } = await leech.status();
    await waitFor('the leecher to be served', FELT_MILLISECONDS, async () => {
      return (await leech.status()).downloaded > downloaded;
    });
    process.stderr.write(`seed start: told after ${started.time - began} ms, with the command's own start\n`);
    await leech.session.limit(sample.torrent.infoHash, 0, 0);
    await leech.untilComplete();
    expect(await treeDifferences(sample.tree.folder, `${folder.path}/leech/${sample.torrent.name}`)).toEqual([]);
  });

  it('counts what it gave, and its announce session goes on, over a SIGTERM that takes less than 10 s', async () => {
    const { uploadedBytes } = await torrentOf(bae, sample.torrent.infoHash);
    expect(uploadedBytes).toBeGreaterThan(0);
    const before = told(sample);
    const { peerId, key } = before.at(-1) as Announce;
    const { code, milliseconds } = await bae.stop();
    process.stderr.write(`SIGTERM: ended after ${milliseconds.toFixed(0)} ms\n`);
    expect(code).toBe(0);
    expect(milliseconds).toBeLessThan(10_000);
    expect(told(sample)).toEqual(before);
    await bae.start();
    const after = await torrentOf(bae, sample.torrent.infoHash);
    expect(after).toMatchObject({ uploadedBytes, seeding: true });
    const again = await waitFor('the tracker to hear of it again', 10_000, () => told(sample)[before.length]);
    expect(again).toMatchObject({ event: '', peerId, key, left: 0, downloaded: 0 });
    expect(again.uploaded).toBeGreaterThan(0);
  });

  it('can be pinned within the pin budget, over a restart, and unpinned', async () => {
    const [pinned] = await bae.ask<TorrentView[]>('seed', 'pin', torrent.id);
    expect(pinned?.cacheMode).toBe('pinned');
    const whole = async () => (await torrentOf(bae, sample.torrent.infoHash)).cachedBytes >= sample.torrent.totalBytes;
    await waitFor('all of it to be in the cache', 20_000, whole);
    const large = (await bae.api<TorrentView[]>('GET', '/torrents')).find(({ totalBytes }) => totalBytes > PIN_BYTES);
    const refused = await bae.cli('seed', 'pin', large?.id ?? '');
    expect(refused.code).toBe(4);
    expect(refused.stderr).toMatch(/^bae: .*\.\n$/);
    await bae.kill();
    await bae.start();
    expect((await torrentOf(bae, sample.torrent.infoHash)).cacheMode).toBe('pinned');
    expect(await whole()).toBe(true);
    const [unpinned] = await bae.ask<TorrentView[]>('seed', 'unpin', torrent.id);
    expect(unpinned?.cacheMode).toBe('on-demand');
  });
});
