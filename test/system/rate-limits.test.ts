// Rate limits as a person sets them, felt by a real leecher: loosely, since the machine is busy; exactly in simulation.
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bae, type ImportView, showLogsOnFailure, startBae, type TorrentView, torrentOf } from '../parts/bae.ts';
import { type LibtorrentPeer, libtorrent } from '../parts/clients/libtorrent.ts';
import { makeFiles, type Tree, treeDifferences } from '../parts/content.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

const MIB = 1024 * 1024;
const UPLOAD_BYTES_PER_SECOND = 2 * MIB;
const DOWNLOAD_BYTES_PER_SECOND = 6 * MIB;
const OWN_BYTES_PER_SECOND = 500_000;
const BYTES = 36 * MIB;
const MEASURED_MILLISECONDS = 5_000;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let tree: Tree;
let torrent: Torrent;
let bae: Bae;

beforeAll(async () => {
  folder = await temporaryFolder('rate-limits');
  tree = await makeFiles({ name: 'limited', seed: 'limited', files: [{ path: '01.flac', length: BYTES }] });
  torrent = await makeTorrent({ source: tree.folder, path: `${folder.path}/limited.torrent` });
  bae = await startBae({
    store: `file:${folder.path}/store`,
    env: {
      BAE_UPLOAD_BYTES_PER_SECOND: String(UPLOAD_BYTES_PER_SECOND),
      BAE_DOWNLOAD_BYTES_PER_SECOND: '6MiB',
    },
  });
});
afterAll(async () => {
  await bae?.remove();
  await folder?.remove();
});

/** Bytes a second the leech gets, over some seconds. */
async function rateOf(leech: LibtorrentPeer): Promise<number> {
  const [before, began] = [(await leech.status()).downloaded, performance.now()];
  await delay(MEASURED_MILLISECONDS);
  return (((await leech.status()).downloaded - before) * 1000) / (performance.now() - began);
}

/** Within a factor of two. */
function expectAbout(rate: number, limit: number): void {
  process.stderr.write(`${(rate / 1e6).toFixed(2)} MB/s under a limit of ${(limit / 1e6).toFixed(2)}\n`);
  expect(rate).toBeGreaterThan(limit / 2);
  expect(rate).toBeLessThan(limit * 2);
}

it('bae imports within its download limit', async () => {
  const seed = await libtorrent.seed({ torrentPath: torrent.path, dataDir: dirname(tree.folder) });
  const began = performance.now();
  const imported = await bae.ask<ImportView>('import', torrent.path, '--peer', `127.0.0.1:${seed.port}`, '--wait');
  expect(imported.state).toBe('done');
  // It may well be slower on a busy machine; faster it may not be.
  expect((BYTES * 1000) / (performance.now() - began)).toBeLessThan(DOWNLOAD_BYTES_PER_SECOND * 1.2);
  await seed.stop();
});

it('a leecher gets what the limits allow, over all, of its torrent, after a restart, and without any', async () => {
  const { id } = await torrentOf(bae, torrent.infoHash);
  const target = await temporaryFolder('rate-limits-leech');
  const leech = await libtorrent.leech({ torrentPath: torrent.path, downloadDir: target.path, peers: [bae.peer] });
  await waitFor('some progress', 20_000, async () => (await leech.progress()) > 0);
  expectAbout(await rateOf(leech), UPLOAD_BYTES_PER_SECOND);

  const [set] = await bae.ask<TorrentView[]>('set', id, 'upload=500KB');
  expect(set).toMatchObject({ uploadBytesPerSecond: OWN_BYTES_PER_SECOND, downloadBytesPerSecond: 0 });
  await delay(1_000);
  expectAbout(await rateOf(leech), OWN_BYTES_PER_SECOND);

  await bae.stop();
  await bae.start({ BAE_UPLOAD_BYTES_PER_SECOND: '0' });
  await leech.connect(bae.peer);
  const before = (await leech.status()).downloaded;
  await waitFor('progress after the restart', 30_000, async () => (await leech.status()).downloaded > before);
  expectAbout(await rateOf(leech), OWN_BYTES_PER_SECOND);

  const wrong = await bae.cli('set', 't99', 'upload=1');
  expect(wrong.code).toBe(3);
  expect((await bae.cli('set', id, 'upload=0')).stdout).toBe(`${id}: upload no limit, download no limit\n`);
  await leech.untilComplete(60_000);
  expect(await treeDifferences(tree.folder, `${target.path}/${torrent.name}`)).toEqual([]);
  await leech.stop();
  await target.remove();
});
