// Hundreds of torrents that nobody asks for, after a restart: woken by real peers, announced in their turn, told of at the end.
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type Bae,
  type ImportView,
  type StatsView,
  showLogsOnFailure,
  startBae,
  type TorrentView,
} from '../parts/bae.ts';
import { libtorrent } from '../parts/clients/libtorrent.ts';
import { makeFiles, type Tree, treeDifferences } from '../parts/content.ts';
import { shake } from '../parts/handshakes.ts';
import { fillLibrary } from '../parts/many-torrents.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';
import { startTracker, type Tracker } from '../parts/tracker.ts';

const TORRENTS = 300;
const FIRST_ID = 1_000;
const BYTES = 4 * 1024 * 1024 + 321;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let tracker: Tracker;
let bae: Bae;
let tree: Tree;
let torrent: Torrent;
let infoHashes: Buffer[];

beforeAll(async () => {
  [folder, tracker] = await Promise.all([temporaryFolder('cold'), startTracker()]);
  bae = await startBae({ store: `file:${folder.path}/store` });
  tree = await makeFiles({ name: 'album', seed: 'cold', files: [{ path: '01.flac', length: BYTES }] });
  const path = `${folder.path}/album.torrent`;
  torrent = await makeTorrent({ source: tree.folder, path, announce: tracker.announceUrl });
  const seed = await libtorrent.seed({ torrentPath: path, dataDir: dirname(tree.folder) });
  const peers = [{ host: '127.0.0.1', port: seed.port }];
  const body = { torrent: torrent.bytes.toString('base64'), peers };
  const { id } = await bae.api<ImportView>('POST', '/imports', body);
  await bae.untilImport(id, ['done']);
  await seed.stop();
  await bae.stop();
  infoHashes = await fillLibrary(bae.dataDir, `${folder.path}/store`, TORRENTS, tracker.announceUrl, FIRST_ID);
  await bae.start();
});
afterAll(async () => {
  await Promise.all([bae?.remove(), tracker?.stop()]);
  await folder?.remove();
});

/** What bae announced, by torrent. */
const told = (event: string) => tracker.announces.filter((one) => one.event === event && one.port === bae.peerPort);

it('are all there in lists and sums', async () => {
  const list = await bae.ask<TorrentView[]>('list');
  expect(list).toHaveLength(TORRENTS + 1);
  expect(list.every(({ seeding, peers, error }) => seeding && peers === 0 && error === null)).toBe(true);
  expect(await bae.ask<StatsView>('stats')).toMatchObject({ torrents: TORRENTS + 1, seeding: TORRENTS + 1, peers: 0 });
});

it('serve a real leecher, woken by its handshake', async () => {
  const downloadDir = `${folder.path}/leech`;
  const leech = await libtorrent.leech({ torrentPath: torrent.path, downloadDir, peers: [bae.peer] });
  await leech.untilComplete();
  expect(await treeDifferences(tree.folder, `${downloadDir}/album`)).toEqual([]);
  await leech.stop();
  const list = await bae.api<TorrentView[]>('GET', '/torrents');
  await waitFor('the upload to be counted', 10_000, async () => {
    const now = (await bae.api<TorrentView[]>('GET', '/torrents')).find(
      ({ infoHash }) => infoHash === torrent.infoHash,
    );
    return (now?.uploadedBytes ?? 0) >= BYTES;
  });
  expect(list).toHaveLength(TORRENTS + 1);
});

it('answer a storm of handshakes, each with all its pieces, and no stranger', async () => {
  const answers = await Promise.all(infoHashes.map((infoHash) => shake(bae.peerPort, infoHash)));
  expect(answers.filter((milliseconds) => milliseconds === null)).toEqual([]);
  expect(await shake(bae.peerPort, Buffer.alloc(20, 9))).toBeNull();
});

it('are announced once each, at a rate a tracker can bear, with the sessions they had', async () => {
  await waitFor('all to be announced', 60_000, () => told('').length >= TORRENTS + 1);
  const names = told('').map(({ infoHash }) => infoHash);
  expect(new Set(names).size).toBe(names.length);
  // Nobody began again.
  expect(told('started').map(({ infoHash }) => infoHash)).toEqual([torrent.infoHash]);
  const times = told('').map(({ time }) => time);
  // 40 a second, and one second more at each end.
  expect((times.at(-1) as number) - (times[0] as number)).toBeGreaterThan((TORRENTS / 40 - 2) * 1_000);
});

it('are stopped one by one, and all at the end', async () => {
  await bae.ask('seed', 'stop', `t${FIRST_ID + 7}`);
  const one = infoHashes[7]?.toString('hex');
  await waitFor('its tracker to be told', 10_000, () => told('stopped').some(({ infoHash }) => infoHash === one));
  expect(await shake(bae.peerPort, infoHashes[7] as Buffer)).toBeNull();
  expect((await bae.cli('stop')).code).toBe(0);
  await waitFor('bae to end', 15_000, () => !bae.running());
  expect(new Set(told('stopped').map(({ infoHash }) => infoHash)).size).toBe(TORRENTS + 1);
  expect(told('stopped')).toHaveLength(TORRENTS + 1);
});
