// A large import through a small machine: bounded disk, bounded memory, nothing in clear, and a store that goes away for a while.

import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bae, filesHolding, gatewayStore, type ImportView, showLogsOnFailure, startBae } from '../parts/bae.ts';
import { type LibtorrentPeer, libtorrent } from '../parts/clients/libtorrent.ts';
import { type Gateway, startGateway } from '../parts/gateway.ts';
import { MARK, makeMarked } from '../parts/marked.ts';
import { temporaryFolder } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

const FILES = 8;
const FILE_BYTES = 128 * 1024 * 1024;
const BUDGET_BYTES = 64_000_000;
const MAX_CONTENT_BYTES = 2 * BUDGET_BYTES;
const MAX_RSS_BYTES = 400_000_000;
const SEEDS = 3;
const OUTAGE_AT_PROGRESS = 0.4;
const OUTAGE_MILLISECONDS = 30_000;
const SEARCH_EVERY_MILLISECONDS = 3_000;
const MAX_MILLISECONDS = 280_000;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: Gateway;
let torrent: Torrent;
let seeds: LibtorrentPeer[] = [];
let bae: Bae;

beforeAll(async () => {
  [folder, gateway] = await Promise.all([temporaryFolder('limits'), startGateway()]);
  const files = Array.from({ length: FILES }, (_, index) => ({ path: `${index}.flac`, length: FILE_BYTES }));
  await makeMarked(`${folder.path}/big`, files);
  torrent = await makeTorrent({ source: `${folder.path}/big`, path: `${folder.path}/big.torrent` });
  const seed = () => libtorrent.seed({ torrentPath: torrent.path, dataDir: folder.path });
  seeds = await Promise.all(Array.from({ length: SEEDS }, seed));
  const { store, env } = gatewayStore(gateway, 'limits');
  const budgets = { BAE_CACHE_BYTES: String(BUDGET_BYTES), BAE_SPOOL_BYTES: String(BUDGET_BYTES) };
  bae = await startBae({ store, env: { ...env, ...budgets } });
});
afterAll(async () => {
  await Promise.all([bae?.remove(), ...seeds.map((seed) => seed.stop('kill'))]);
  await gateway?.stop();
  await folder?.remove();
});

/** Waits until the import is so far; meanwhile no mark may be seen in the data folder. */
async function watchImport(id: string, until: (now: ImportView) => boolean): Promise<ImportView> {
  const deadline = performance.now() + MAX_MILLISECONDS;
  for (let searched = 0; ; await delay(100)) {
    const now = await bae.api<ImportView>('GET', `/imports/${id}`);
    if (now.state === 'failed') throw new Error(`the import failed: ${now.error}`);
    if (until(now)) return now;
    if (performance.now() > deadline) throw new Error(`the import stands at ${now.progress}: ${now.error}`);
    if (performance.now() - searched < SEARCH_EVERY_MILLISECONDS) continue;
    searched = performance.now();
    expect(await filesHolding(bae.dataDir, [MARK])).toEqual([]);
  }
}

it('imports 1 GiB within 64 MB of cache, 64 MB of spool and 400 MB of memory, over an outage of the store', async () => {
  const began = performance.now();
  const peers = seeds.map(({ port }) => ({ host: '127.0.0.1', port }));
  const body = { torrent: torrent.bytes.toString('base64'), peers };
  const { id } = await bae.api<ImportView>('POST', '/imports', body);
  await watchImport(id, ({ progress }) => progress >= OUTAGE_AT_PROGRESS);
  await gateway.pause();
  const outage = performance.now();
  const waiting = await watchImport(id, () => performance.now() - outage >= OUTAGE_MILLISECONDS);
  // It goes on as far as the spool reaches, stops asking its peers for more, and says why.
  expect(waiting.state).toBe('downloading');
  expect(waiting.error).toMatch(/\w+/);
  expect(waiting.progress * torrent.totalBytes).toBeLessThan(0.6 * torrent.totalBytes);
  await gateway.resume();
  await watchImport(id, ({ state }) => state === 'done');
  const seconds = (performance.now() - began) / 1000;
  const speed = torrent.totalBytes / 1e6 / (seconds - OUTAGE_MILLISECONDS / 1000);
  const { peakRss, peakContent, peakDisk } = bae.use;
  const figures = [peakRss, peakContent, peakDisk].map((bytes) => (bytes / 1e6).toFixed(0));
  process.stderr.write(`1 GiB in ${seconds.toFixed(0)} s, ${speed.toFixed(0)} MB/s but for the outage\n`);
  process.stderr.write(`peaks in MB: memory, content, disk ${figures.join(', ')}\n`);
  expect(await filesHolding(bae.dataDir, [MARK])).toEqual([]);
  expect(peakContent).toBeLessThanOrEqual(MAX_CONTENT_BYTES);
  expect(peakRss).toBeLessThan(MAX_RSS_BYTES);
  const uploaded = await Promise.all(seeds.map(async (seed) => (await seed.status()).uploaded));
  const total = uploaded.reduce((sum, bytes) => sum + bytes, 0);
  process.stderr.write(`the seeds gave ${uploaded.join(', ')} bytes: ${total / torrent.totalBytes} of the content\n`);
  expect(total).toBeLessThan(1.1 * torrent.totalBytes);
});
