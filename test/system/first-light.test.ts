// The whole main job with real programs: a torrent in, sealed chunks in a bucket, the swarm served from them.
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Alias, loopbackAlias } from '../parts/addresses.ts';
import {
  type Bae,
  type CliResult,
  gatewayStore,
  type ImportView,
  showLogsOnFailure,
  startBae,
  torrentOf,
} from '../parts/bae.ts';
import { allClients, libtorrent, type PeerClient } from '../parts/clients/index.ts';
import { makeAlbum, type Tree, treeDifferences } from '../parts/content.ts';
import { type Gateway, startGateway } from '../parts/gateway.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';
import { startTracker, type Tracker } from '../parts/tracker.ts';

const MAX_DOWNLOAD_MILLISECONDS = 120_000;
/** A little of everything that is not the cache itself: keys, an open chunk or two. */
const CACHE_BYTES = 64_000_000;

showLogsOnFailure();

let gateway: Gateway;
/** bae and the tracker live at an address of their own, since Transmission never dials 127.x. */
let alias: Alias;
let tracker: Tracker;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  [gateway, alias, folder] = await Promise.all([startGateway(), loopbackAlias(), temporaryFolder('first-light')]);
  tracker = await startTracker({ address: alias.address });
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), tracker?.stop()]);
  await Promise.all([alias?.release(), folder?.remove()]);
});

/** Lets libtorrent seed `tree`, imports it with `source`, and stops libtorrent again. */
async function importFrom(bae: Bae, torrent: Torrent, tree: Tree, source: string): Promise<CliResult> {
  const seed = await libtorrent.seed({ torrentPath: torrent.path, dataDir: dirname(tree.folder) });
  try {
    return await bae.cli('import', source, '--peer', `127.0.0.1:${seed.port}`, '--wait', '--json');
  } finally {
    await seed.stop();
  }
}

/** A client downloads the torrent from whom the tracker names, into a folder of its own; what differs is returned. */
async function download(client: PeerClient, torrent: Torrent, tree: Tree): Promise<string[]> {
  const target = await temporaryFolder(`leech-${client.name}`);
  const began = performance.now();
  const peer = await client.leech({ torrentPath: torrent.path, downloadDir: target.path });
  try {
    await peer.untilComplete(MAX_DOWNLOAD_MILLISECONDS);
    const seconds = (performance.now() - began) / 1000;
    process.stderr.write(`${client.name}: ${(torrent.totalBytes / 1e6 / seconds).toFixed(0)} MB/s with its start\n`);
    return await treeDifferences(tree.folder, `${target.path}/${torrent.name}`);
  } finally {
    await peer.stop();
    await target.remove();
  }
}

/** Starts bae with `settings`, imports an album, kills bae, starts it again, and lets every client download. */
function firstLight(title: string, megabytes: number, settings: () => { store: string; env: Record<string, string> }) {
  describe(title, () => {
    let bae: Bae;
    let tree: Tree;
    let torrent: Torrent;

    beforeAll(async () => {
      tree = await makeAlbum({ megabytes, tracks: 10, name: `First Light (2001) [FLAC] ${megabytes}` });
      torrent = await makeTorrent({
        source: tree.folder,
        path: `${folder.path}/${megabytes}.torrent`,
        announce: tracker.announceUrl,
      });
      const { store, env } = settings();
      bae = await startBae({
        store,
        env: { ...env, BAE_CACHE_BYTES: String(CACHE_BYTES) },
        peerAddress: alias.address,
      });
    });
    afterAll(() => bae?.remove());

    it('imports an album from a libtorrent seed', async () => {
      const imported = await importFrom(bae, torrent, tree, torrent.path);
      expect([imported.stderr, imported.code]).toEqual(['', 0]);
      expect(imported.json<ImportView>()).toMatchObject({ infoHash: torrent.infoHash, state: 'done', progress: 1 });
      const { downloadedBytes, seeding, totalBytes } = await torrentOf(bae, torrent.infoHash);
      expect({ seeding, totalBytes }).toEqual({ seeding: true, totalBytes: torrent.totalBytes });
      expect(downloadedBytes).toBeGreaterThanOrEqual(torrent.totalBytes);
      const events = tracker.announces.filter((one) => one.infoHash === torrent.infoHash && one.port === bae.peerPort);
      expect(events.map(({ event }) => event).filter((event) => event !== '')).toEqual(['started', 'completed']);
      expect(events.at(-1)).toMatchObject({ left: 0 });
    });

    it('seeds again by itself after SIGKILL', async () => {
      await bae.kill();
      await bae.start();
      await waitFor('the tracker to hear of it', 10_000, () => tracker.announces.at(-1)?.port === bae.peerPort);
      expect(await torrentOf(bae, torrent.infoHash)).toMatchObject({ seeding: true, error: null });
    });

    // One after the other, each gone before the next comes: what one gets, it gets from bae.
    for (const client of allClients) {
      it(`is all that ${client.name} needs`, async () => {
        const before = (await torrentOf(bae, torrent.infoHash)).uploadedBytes;
        expect(await download(client, torrent, tree)).toEqual([]);
        const after = (await torrentOf(bae, torrent.infoHash)).uploadedBytes;
        expect(after - before).toBeGreaterThanOrEqual(torrent.totalBytes);
        expect(bae.use.peakContent).toBeGreaterThan(0);
      });
    }
  });
}

firstLight('a library in the RADOS gateway', 300, () => gatewayStore(gateway, 'first-light'));
firstLight('a library in a directory', 100, () => ({ store: `file:${folder.path}/store`, env: {} }));

describe('a magnet link', () => {
  it('becomes the same torrent, from metadata that a peer gives', async () => {
    const tree = await makeAlbum({ megabytes: 20, tracks: 3, name: 'By Magnet (2002)', seed: 'magnet' });
    const path = `${folder.path}/magnet.torrent`;
    const torrent = await makeTorrent({ source: tree.folder, path, announce: tracker.announceUrl });
    const { store, env } = gatewayStore(gateway, 'magnet');
    const bae = await startBae({ store, env, peerAddress: alias.address });
    try {
      const imported = await importFrom(bae, torrent, tree, torrent.magnet);
      expect([imported.stderr, imported.code]).toEqual(['', 0]);
      expect(imported.json<ImportView>()).toMatchObject({ infoHash: torrent.infoHash, name: torrent.name });
      await bae.kill();
      await bae.start();
      expect(await download(libtorrent, torrent, tree)).toEqual([]);
      // The metadata is bae's to give now: a leecher with the magnet alone gets it from there.
      const target = await temporaryFolder('leech-magnet');
      const peer = await libtorrent.leech({ magnet: torrent.magnet, downloadDir: target.path, peers: [bae.peer] });
      await peer.untilComplete(MAX_DOWNLOAD_MILLISECONDS);
      expect(await treeDifferences(tree.folder, `${target.path}/${torrent.name}`)).toEqual([]);
      await peer.stop();
      await target.remove();
    } finally {
      await bae.remove();
    }
  });
});
