// The DHT on one interface that comes and goes, and the local network by IPv6 alone.
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Bae, type ImportView, type StatsView, showLogsOnFailure, startBae } from '../parts/bae.ts';
import { dhtSettings, type LibtorrentSession, startLibtorrent } from '../parts/clients/libtorrent.ts';
import { makeAlbum, type Tree } from '../parts/content.ts';
import { makeNamespaces, type Namespaces } from '../parts/namespaces.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

const FOUND_MILLISECONDS = 90_000;
const DONE_MILLISECONDS = 120_000;
/** How long nothing is to cross the other route. */
const GONE_MILLISECONDS = 8_000;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let tree: Tree;
let torrent: Torrent;
let net: Namespaces;
const sessions: LibtorrentSession[] = [];
const baes: Bae[] = [];

beforeAll(async () => {
  folder = await temporaryFolder('bound');
  tree = await makeAlbum({ megabytes: 3, tracks: 2, name: 'Bound (2004)', seed: 'bound' });
  torrent = await makeTorrent({ source: tree.folder, path: `${folder.path}/album.torrent` });
});
afterAll(() => folder?.remove());
beforeEach(async () => {
  net = await makeNamespaces();
});
afterEach(async () => {
  for (const bae of baes.splice(0)) await bae.remove();
  for (const session of sessions.splice(0)) await session.stop('kill');
  await net?.remove();
});

let stores = 0;
async function start(namespace: string, env: Record<string, string>): Promise<Bae> {
  const bae = await startBae({ store: `file:${folder.path}/store${++stores}`, namespace, env });
  baes.push(bae);
  return bae;
}

it('the DHT sends nothing while its interface is gone, and finds a seed when it is back', async () => {
  const address = '10.77.1.1';
  const seed = await startLibtorrent({ namespace: net.there, address, settings: dhtSettings });
  sessions.push(seed);
  const bae = await start(net.here, {
    ...{ BAE_PEER_INTERFACE: 'tun0', BAE_DHT: 'true', BAE_DHT_BOOTSTRAP: `${address}:${seed.port}` },
  });
  const dht = async () => (await bae.api<StatsView>('GET', '/stats')).dhtState;
  await waitFor('the DHT to know a node', FOUND_MILLISECONDS, async () => (await dht()) === 'ready');
  // A torrent that is looked up again and again.
  const added = await bae.ask<ImportView>('import', torrent.magnet);
  const leaked = await net.received('eth0');
  await net.ip('address', 'del', `${net.tunnel}/24`, 'dev', 'tun0');
  await waitFor('bae to see it', 5_000, async () => {
    return (await bae.api<StatsView>('GET', '/stats')).networkFault !== null;
  });
  await delay(GONE_MILLISECONDS);
  expect(await net.received('eth0')).toBe(leaked);
  await net.connectTunnel();
  await seed.add({ torrent: torrent.path, folder: dirname(tree.folder), seed: true, dht: true });
  await bae.untilImport(added.id, ['done'], DONE_MILLISECONDS);
  expect(await net.received('eth0')).toBe(leaked);
});

it('a bare magnet finds its seed on the local network by IPv6 alone', async () => {
  const { here, there } = await net.addIpv6();
  const [one, other] = [
    await start(net.there, { BAE_PEER_INTERFACE: there, BAE_LSD: 'true' }),
    await start(net.here, { BAE_PEER_INTERFACE: here, BAE_LSD: 'true' }),
  ];
  const seed = await startLibtorrent({ namespace: net.there, address: there });
  sessions.push(seed);
  await seed.add({ torrent: torrent.path, folder: dirname(tree.folder), seed: true });
  const first = await one.ask<ImportView>('import', torrent.path, '--peer', `[${there}]:${seed.port}`);
  await one.untilImport(first.id, ['done'], DONE_MILLISECONDS);
  await seed.stop('kill');
  const second = await other.ask<ImportView>('import', torrent.magnet);
  await other.untilImport(second.id, ['done'], DONE_MILLISECONDS);
});
