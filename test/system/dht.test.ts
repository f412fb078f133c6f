// A magnet link without trackers and without peers, among libtorrent's DHT nodes on this machine.
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bae, type ImportView, type StatsView, showLogsOnFailure, startBae, torrentOf } from '../parts/bae.ts';
import { dhtSettings, type LibtorrentSession, startLibtorrent } from '../parts/clients/libtorrent.ts';
import { makeAlbum, type Tree, treeDifferences } from '../parts/content.ts';
import { freePorts, temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

const NODES = 5;
const FOUND_MILLISECONDS = 120_000;

showLogsOnFailure();

describe.each(['127.0.0.1', '::1'])('the DHT alone, on %s', (address) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  const nodes: LibtorrentSession[] = [];
  let bae: Bae;
  let tree: Tree;
  let torrent: Torrent;

  /** A node that knows the first one. libtorrent never counts nodes of its settings as known: it is named by hand. */
  async function startNode(): Promise<LibtorrentSession> {
    const node = await startLibtorrent({ address, settings: dhtSettings });
    const port = nodes[0]?.port;
    const known = async () => port === undefined || (await node.dht([address, port])) > 0;
    await waitFor('a node to know another', 30_000, known);
    return node;
  }

  /** A leecher that knows the magnet link and a DHT node gets all; what is not as it should be is returned. */
  async function leechByDht(): Promise<string[]> {
    const target = await temporaryFolder('leech-dht');
    const leech = await startNode();
    try {
      const infoHash = await leech.add({ magnet: torrent.magnet, folder: target.path, dht: true });
      await waitFor('the leecher to have all', FOUND_MILLISECONDS, async () => (await leech.status(infoHash)).seeding);
      return await treeDifferences(tree.folder, `${target.path}/${torrent.name}`);
    } finally {
      await leech.stop('kill');
      await target.remove();
    }
  }

  beforeAll(async () => {
    folder = await temporaryFolder('dht');
    tree = await makeAlbum({ megabytes: 5, tracks: 3, name: 'By DHT (2003)', seed: 'dht' });
    torrent = await makeTorrent({ source: tree.folder, path: `${folder.path}/album.torrent` });
    for (let count = 0; count < NODES; count++) nodes.push(await startNode());
    const bootstrap = `${address.includes(':') ? `[${address}]` : address}:${nodes[0]?.port}`;
    bae = await startBae({
      store: `file:${folder.path}/store`,
      peerAddress: address,
      env: { BAE_DHT: 'true', BAE_DHT_BOOTSTRAP: bootstrap, BAE_LOG_LEVEL: 'debug' },
    });
  });
  afterAll(async () => {
    await bae?.remove();
    await Promise.all(nodes.map((node) => node.stop('kill')));
    await folder?.remove();
  });

  it('leads a bare magnet link to its seed', async () => {
    expect(torrent.magnet).not.toMatch(/tr=|x\.pe=/);
    const seed = await startNode();
    try {
      await seed.add({ torrent: torrent.path, folder: dirname(tree.folder), seed: true, dht: true });
      const started = await bae.ask<ImportView>('import', torrent.magnet);
      const done = await bae.untilImport(started.id, ['done'], FOUND_MILLISECONDS);
      expect(done.infoHash).toBe(torrent.infoHash);
      const { dhtState, dhtNodes } = await bae.ask<StatsView>('stats');
      expect([dhtState, dhtNodes > 0]).toEqual(['ready', true]);
    } finally {
      await seed.stop('kill');
    }
  });

  it('leads a libtorrent leecher to bae', async () => {
    expect(await leechByDht()).toEqual([]);
    expect((await torrentOf(bae, torrent.infoHash)).uploadedBytes).toBeGreaterThanOrEqual(torrent.totalBytes);
  });

  it('is entered again by the nodes that bae knew, at another port', async () => {
    const before = (await torrentOf(bae, torrent.infoHash)).uploadedBytes;
    await bae.stop();
    // Nobody knows the new port: who finds bae there, finds what it announced in this run.
    const [port] = await freePorts(1, address);
    await bae.start({ BAE_DHT_BOOTSTRAP: '', BAE_PEER_PORT: String(port) });
    expect(await leechByDht()).toEqual([]);
    const after = (await torrentOf(bae, torrent.infoHash)).uploadedBytes;
    expect(after - before).toBeGreaterThanOrEqual(torrent.totalBytes);
  });
});
