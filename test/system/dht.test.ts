// A magnet link without trackers and without peers, among libtorrent's DHT nodes on 127.0.0.1.
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bae, type ImportView, showLogsOnFailure, startBae, torrentOf } from '../parts/bae.ts';
import { dhtSettings, type LibtorrentSession, startLibtorrent } from '../parts/clients/libtorrent.ts';
import { makeAlbum, type Tree, treeDifferences } from '../parts/content.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

const NODES = 5;
const FOUND_MILLISECONDS = 120_000;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let nodes: LibtorrentSession[];
let bae: Bae;
let tree: Tree;
let torrent: Torrent;

const bootstrap = () => `127.0.0.1:${nodes[0]?.port}`;

/** A node that knows the first one. libtorrent never counts nodes of its settings as known: it is named by hand. */
async function startNode(): Promise<LibtorrentSession> {
  const node = await startLibtorrent({ settings: dhtSettings });
  await waitFor('a node to know others', 30_000, async () => {
    const known = await node.dht(['127.0.0.1', nodes[0]?.port ?? 0]);
    return known > 0;
  });
  return node;
}

beforeAll(async () => {
  folder = await temporaryFolder('dht');
  tree = await makeAlbum({ megabytes: 5, tracks: 3, name: 'By DHT (2003)', seed: 'dht' });
  torrent = await makeTorrent({ source: tree.folder, path: `${folder.path}/album.torrent` });
  nodes = [await startLibtorrent({ settings: dhtSettings })];
  for (let count = 1; count < NODES; count++) nodes.push(await startNode());
  bae = await startBae({
    store: `file:${folder.path}/store`,
    env: { BAE_DHT: 'true', BAE_DHT_BOOTSTRAP: bootstrap(), BAE_LOG_LEVEL: 'debug' },
  });
});
afterAll(async () => {
  await bae?.remove();
  await Promise.all((nodes ?? []).map((node) => node.stop('kill')));
  await folder?.remove();
});

describe('the DHT alone', () => {
  it('leads a bare magnet link to its seed', async () => {
    expect(torrent.magnet).not.toMatch(/tr=|x\.pe=/);
    const seed = await startNode();
    try {
      const infoHash = await seed.add({ torrent: torrent.path, folder: dirname(tree.folder), seed: true, dht: true });
      const started = await bae.ask<ImportView>('import', torrent.magnet);
      const done = await bae.untilImport(started.id, ['done'], FOUND_MILLISECONDS);
      expect([infoHash, done.infoHash]).toEqual([torrent.infoHash, torrent.infoHash]);
    } finally {
      await seed.stop('kill');
    }
  });

  it('leads a libtorrent leecher to bae', async () => {
    const target = await temporaryFolder('leech-dht');
    const leech = await startNode();
    try {
      const infoHash = await leech.add({ magnet: torrent.magnet, folder: target.path, dht: true });
      await waitFor('the leecher to have all', FOUND_MILLISECONDS, async () => (await leech.status(infoHash)).seeding);
      expect(await treeDifferences(tree.folder, `${target.path}/${torrent.name}`)).toEqual([]);
      expect((await torrentOf(bae, torrent.infoHash)).uploadedBytes).toBeGreaterThanOrEqual(torrent.totalBytes);
    } finally {
      await leech.stop('kill');
      await target.remove();
    }
  });
});
