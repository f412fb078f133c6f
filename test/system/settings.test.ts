// Limits that a person changes while bae runs, felt by real peers: loosely, since the machine is busy; exactly in simulation.
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LimitsView, SettingsView } from '../../src/http/ports.ts';
import { type Bae, type ImportView, type StatsView, showLogsOnFailure, startBae } from '../parts/bae.ts';
import { type LibtorrentPeer, libtorrent } from '../parts/clients/libtorrent.ts';
import { makeFiles, type Tree, treeDifferences } from '../parts/content.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

/** Of /proc/PID/stat. */
const TICKS_PER_SECOND = 100;
const MIB = 1024 * 1024;
const BYTES = 32 * MIB;
const MEASURED_MILLISECONDS = 3_000;
const EGRESS_BYTES = 4 * MIB;
/** What one peer may have under way when the day's egress is used up: four reads of a chunk, and hints. */
const UNDER_WAY_BYTES = 12 * MIB;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let tree: Tree;
let torrent: Torrent;
let bae: Bae;

beforeAll(async () => {
  folder = await temporaryFolder('settings');
  tree = await makeFiles({ name: 'limited', seed: 'settings', files: [{ path: '01.flac', length: BYTES }] });
  torrent = await makeTorrent({ source: tree.folder, path: `${folder.path}/limited.torrent` });
  // Next to nothing is kept, so that all is fetched from the store.
  const env = { BAE_CACHE_BYTES: '1MiB', BAE_RAM_CACHE_BYTES: '4MiB' };
  bae = await startBae({ store: `file:${folder.path}/store`, env });
});
afterAll(async () => {
  await bae?.remove();
  await folder?.remove();
});

/** Bytes a second, over some seconds, once what was on its way has come. */
async function rateOf(bytes: () => Promise<number>): Promise<number> {
  await delay(1_000);
  const [before, began] = [await bytes(), performance.now()];
  await delay(MEASURED_MILLISECONDS);
  return (((await bytes()) - before) * 1000) / (performance.now() - began);
}

/** Within a factor of two. */
function expectAbout(rate: number, limit: number): void {
  process.stderr.write(`${(rate / 1e6).toFixed(2)} MB/s under a limit of ${(limit / 1e6).toFixed(2)}\n`);
  expect(rate).toBeGreaterThan(limit / 2);
  expect(rate).toBeLessThan(limit * 2);
}

/** What bae's process took so far, in user and system mode. */
async function cpuSeconds(): Promise<number> {
  const fields = (await readFile(`/proc/${bae.pid()}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const downloadedBy = (leech: LibtorrentPeer) => async () => (await leech.status()).downloaded;
const setGlobal = (...pairs: string[]) => bae.ask<SettingsView>('set', 'global', ...pairs);

it('an import feels limits over all and of its own at once, and its torrent keeps them as a seed', async () => {
  expect(await setGlobal()).toMatchObject({ downloadBytesPerSecond: 0, egressBytesPerDay: 0, fixed: {} });
  expect(await setGlobal('download=2MB')).toMatchObject({ downloadBytesPerSecond: 2_000_000 });
  const seed = await libtorrent.seed({ torrentPath: torrent.path, dataDir: dirname(tree.folder) });
  const { id } = await bae.ask<ImportView>('import', torrent.path, '--peer', `127.0.0.1:${seed.port}`);
  const { torrentId } = await bae.untilImport(id, ['downloading']);
  const fetched = async () => (await bae.api<ImportView>('GET', `/imports/${id}`)).progress * BYTES;
  expectAbout(await rateOf(fetched), 2_000_000);
  const [own] = await bae.ask<LimitsView[]>('set', id, 'download=500KB', 'upload=400KB');
  expect(own).toEqual({ id, uploadBytesPerSecond: 400_000, downloadBytesPerSecond: 500_000 });
  await setGlobal('download=0');
  expectAbout(await rateOf(fetched), 500_000);
  expect((await bae.cli('set', torrentId as string, 'download=0')).stdout).toBe(
    `${torrentId}: upload 390.6 KiB/s, download no limit\n`,
  );
  await bae.untilImport(id, ['done']);
  await seed.stop();
});

it('a leecher feels limits of the torrent, over all and of each peer, over a restart too', async () => {
  const target = await temporaryFolder('settings-leech');
  const leech = await libtorrent.leech({ torrentPath: torrent.path, downloadDir: target.path, peers: [bae.peer] });
  await waitFor('some progress', 20_000, async () => (await leech.progress()) > 0);
  expectAbout(await rateOf(downloadedBy(leech)), 400_000);
  await setGlobal('upload=1MB');
  // A release's id is all its torrents.
  const limits = { uploadBytesPerSecond: 0, downloadBytesPerSecond: 0 };
  expect(await bae.ask('set', 'r1', 'upload=0')).toEqual([{ id: 't1', ...limits }]);
  await bae.stop();
  await bae.start();
  expect(await setGlobal()).toMatchObject({ uploadBytesPerSecond: 1_000_000 });
  const before = (await leech.status()).downloaded;
  await leech.connect(bae.peer);
  await waitFor('progress after the restart', 30_000, async () => (await leech.status()).downloaded > before);
  expectAbout(await rateOf(downloadedBy(leech)), 1_000_000);
  await setGlobal('peer_upload=300KB', 'upload=0');
  expectAbout(await rateOf(downloadedBy(leech)), 300_000);
  await leech.stop();
  await target.remove();
});

it("a day's egress keeps peers waiting when it is used up, over a restart too, until more is allowed", async () => {
  const { egressBytes } = await bae.ask<StatsView>('stats');
  const most = egressBytes + EGRESS_BYTES;
  await setGlobal('peer_upload=0', `egress_per_day=${most}`);
  const target = await temporaryFolder('settings-egress');
  const leech = await libtorrent.leech({ torrentPath: torrent.path, downloadDir: target.path, peers: [bae.peer] });
  const waiting = async () => (await bae.ask<StatsView>('stats')).egressWaiting !== null;
  await waitFor("the day's egress to be used up", 30_000, waiting);
  const busyBefore = await cpuSeconds();
  await delay(6_000);
  const busy = (await cpuSeconds()) - busyBefore;
  process.stderr.write(`${busy.toFixed(2)} CPU-seconds while a peer waits for 6 s\n`);
  // It asks again and again, and is answered at leisure.
  expect(busy).toBeLessThan(0.5);
  const stats = await bae.ask<StatsView>('stats');
  expect(stats).toMatchObject({ egressBytesPerDay: most, egressWaiting: expect.stringContaining('00:00 UTC') });
  expect(stats.egressBytes).toBeGreaterThanOrEqual(most);
  expect(stats.egressBytes).toBeLessThan(most + UNDER_WAY_BYTES);
  expect(await leech.progress()).toBeLessThan(1);
  await bae.stop();
  await bae.start();
  const after = await bae.ask<StatsView>('stats');
  expect([after.egressBytes, await waiting()]).toEqual([stats.egressBytes, true]);
  await setGlobal('egress_per_day=0');
  await leech.connect(bae.peer);
  await leech.untilComplete(60_000);
  expect(await treeDifferences(tree.folder, `${target.path}/${torrent.name}`)).toEqual([]);
  await leech.stop();
  await target.remove();
});

it('what the environment says wins, is shown as such, and cannot be changed while bae runs', async () => {
  await setGlobal('upload=3MB', 'download=4MB');
  await bae.stop();
  await bae.start({ BAE_UPLOAD_BYTES_PER_SECOND: '5MB' });
  const { stdout } = await bae.cli('set', 'global');
  expect(stdout).toContain('upload          4.8 MiB/s (set by BAE_UPLOAD_BYTES_PER_SECOND)\n');
  expect(stdout).toContain('download        3.8 MiB/s\n');
  const refused = await bae.cli('set', 'global', 'download=1MB', 'upload=1MB');
  expect([refused.code, refused.stderr.includes('change it there and restart bae')]).toEqual([4, true]);
  expect(await setGlobal()).toMatchObject({ uploadBytesPerSecond: 5_000_000, downloadBytesPerSecond: 4_000_000 });
});
