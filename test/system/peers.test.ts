// Peers found through other peers and on the local network, and the one interface that all of it must take.
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bae, callSocket, type ImportView, showLogsOnFailure, startBae, torrentOf } from '../parts/bae.ts';
import { type LibtorrentSession, startLibtorrent } from '../parts/clients/libtorrent.ts';
import { makeAlbum, type Tree } from '../parts/content.ts';
import { makeNamespaces, type Namespaces } from '../parts/namespaces.ts';
import { type Part, startPart, temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

const FOUND_MILLISECONDS = 90_000;
const DONE_MILLISECONDS = 120_000;
/** How long nothing is to cross the other route. */
const GONE_MILLISECONDS = 12_000;
const SLOW = 40_000;
const MEGABYTES = 12;
const TRACKER_PORT = 6_969;
const TRACKER = fileURLToPath(new URL('../parts/tracker-program.ts', import.meta.url));

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let tree: Tree;
const sessions: LibtorrentSession[] = [];
const baes: Bae[] = [];

beforeAll(async () => {
  folder = await temporaryFolder('peers');
  tree = await makeAlbum({ megabytes: MEGABYTES, tracks: 2, name: 'Found (2004)', seed: 'found' });
});
afterAll(async () => {
  for (const bae of baes) await bae.remove();
  for (const session of sessions) await session.stop('kill');
  await folder?.remove();
});

async function start(options: Partial<Parameters<typeof startBae>[0]>): Promise<Bae> {
  const bae = await startBae({ store: `file:${folder.path}/store${baes.length}`, ...options });
  baes.push(bae);
  return bae;
}

async function session(options: Parameters<typeof startLibtorrent>[0] = {}): Promise<LibtorrentSession> {
  const started = await startLibtorrent(options);
  sessions.push(started);
  return started;
}

const made = (name: string, announce?: readonly (readonly string[])[]) =>
  makeTorrent({
    source: tree.folder,
    path: `${folder.path}/${name}.torrent`,
    extraInfo: { source: name },
    ...(announce && { announce }),
  });

const seedOf = ({ path }: Torrent) => ({ torrent: path, folder: dirname(tree.folder), seed: true, pex: true });
const leechOf = ({ path }: Torrent, name: string) => ({ torrent: path, folder: `${folder.path}/${name}`, pex: true });

describe('peer exchange with libtorrent', () => {
  it('gives bae a peer that only the other knew', async () => {
    const torrent = await made('pex-in');
    const [seed, leech] = [await session(), await session()];
    await seed.add(seedOf(torrent));
    await seed.limit(torrent.infoHash, SLOW, 0);
    await leech.add({ ...leechOf(torrent, 'in'), peers: [['127.0.0.1', seed.port]] });
    const isThere = async () => (await leech.peers(torrent.infoHash)).some(({ port }) => port === seed.port);
    await waitFor('the leech to have the seed', FOUND_MILLISECONDS, isThere);
    const bae = await start({});
    const added = await bae.ask<ImportView>('import', torrent.path, '--peer', `127.0.0.1:${leech.port}`);
    await waitFor('the seed to have bae', FOUND_MILLISECONDS, async () =>
      (await seed.peers(torrent.infoHash)).some(({ client }) => client.includes('bae 0.')),
    );
    await seed.limit(torrent.infoHash, 0, 0);
    await bae.untilImport(added.id, ['done'], DONE_MILLISECONDS);

    // And the other way: bae is a seed now, and tells one leech of another.
    const [one, two] = [await session(), await session()];
    for (const [at, other] of [one, two].entries()) {
      await other.add({ ...leechOf(torrent, `out${at}`), peers: [['127.0.0.1', bae.peerPort]] });
      await other.limit(torrent.infoHash, SLOW, SLOW);
    }
    await waitFor('the leeches to have each other', FOUND_MILLISECONDS, async () => {
      const [ofOne, ofTwo] = [await one.peers(torrent.infoHash), await two.peers(torrent.infoHash)];
      return ofOne.some(({ port }) => port === two.port) || ofTwo.some(({ port }) => port === one.port);
    });
    // A person can see who is connected, and how.
    const { id } = await torrentOf(bae, torrent.infoHash);
    const shown = (await bae.cli('show', id)).stdout.split('\n').filter((line) => line.startsWith('peer '));
    const way = '(not encrypted|encrypted handshake|encrypted)';
    const line = new RegExp(`^peer +127\\.0\\.0\\.1:\\d+ libtorrent.*, ${way}: has \\d+ %, got .* from here$`);
    expect(shown).toEqual([expect.stringMatching(line), expect.stringMatching(line)]);
  });
});

describe('in namespaces of their own', () => {
  let net: Namespaces;
  let tracker: Part;

  beforeAll(async () => {
    net = await makeNamespaces();
    const args = [TRACKER, net.far, String(TRACKER_PORT)];
    tracker = startPart(process.execPath, args, { logFile: `${folder.path}/tracker`, namespace: net.there });
    await waitFor('the tracker', FOUND_MILLISECONDS, () => tracker.logTail().includes('listens'));
  });
  afterAll(async () => {
    for (const bae of baes) await bae.kill();
    for (const one of sessions.splice(0)) await one.stop('kill');
    await tracker?.stop();
    await net?.remove();
  });

  const inside = () => ({ namespace: net.here, env: { BAE_PEER_INTERFACE: 'tun0' } });

  it('a bare magnet finds its swarm on the local network, both ways', async () => {
    const torrent = await made('lsd');
    const settings = { enable_lsd: true };
    const seed = await session({ namespace: net.there, address: '10.77.1.1', settings });
    await seed.add({ ...seedOf(torrent), lsd: true });
    const bae = await start({ ...inside(), env: { BAE_PEER_INTERFACE: 'tun0', BAE_LSD: 'true' } });
    const added = await bae.ask<ImportView>('import', `magnet:?xt=urn:btih:${torrent.infoHash}`);
    await bae.untilImport(added.id, ['done'], DONE_MILLISECONDS);
    await seed.stop('kill');
    const leech = await session({ namespace: net.there, address: '10.77.1.1', settings });
    await leech.add({ ...leechOf(torrent, 'lsd'), lsd: true });
    await waitFor(
      'the leech to have it all',
      DONE_MILLISECONDS,
      async () => (await leech.status(torrent.infoHash)).seeding,
    );
    await bae.stop();
  });

  it('nothing leaves by another route when the interface is gone, and all goes on when it is back', async () => {
    const url = `${net.far}:${TRACKER_PORT}/announce`;
    const torrent = await made('bound', [[`http://${url}`], [`udp://${url}`]]);
    const seed = await session({ namespace: net.there, address: net.far });
    await seed.add(seedOf(torrent));
    await seed.limit(torrent.infoHash, SLOW * 10, 0);
    const bae = await start(inside());
    const ready = () => callSocket(`${bae.dataDir}/bae.sock`, 'GET', '/readyz');
    const leaked = await net.received('eth0');
    const { id } = await bae.ask<ImportView>('import', torrent.path);
    const progress = async () => (await bae.api<ImportView>('GET', `/imports/${id}`)).progress;
    await waitFor('a tenth of it', FOUND_MILLISECONDS, async () => (await progress()) > 0.1);

    const announces = () => tracker.logTail().split(`from ${net.tunnel} `).length - 1;
    expect(announces()).toBe(1);

    await net.ip('address', 'del', `${net.tunnel}/24`, 'dev', 'tun0');
    await waitFor('bae to see it', 5_000, async () => (await ready()).status === 503);
    expect((await ready()).text).toMatch(/network: tun0 .* is not there/);
    const stood = await progress();
    await delay(GONE_MILLISECONDS);
    expect(await progress()).toBe(stood);
    expect(stood).toBeLessThan(1);
    expect(await bae.api('GET', '/stats')).toMatchObject({ peers: 0, networkFault: expect.stringMatching(/^tun0 /) });
    expect(await net.received('eth0')).toBe(leaked);
    // The other route is there all the while, and what takes it is seen.
    await net.send();
    await waitFor('a packet by the other route', FOUND_MILLISECONDS, async () => (await net.received('eth0')) > leaked);
    // Asking whose address it is takes packets too, for a while.
    await delay(GONE_MILLISECONDS / 2);
    const told = await net.received('eth0');

    await net.connectTunnel();
    await bae.untilImport(id, ['done'], DONE_MILLISECONDS);
    expect((await ready()).text).toMatch(/network: ok/);
    await waitFor('the tracker to hear of it', FOUND_MILLISECONDS, () => announces() > 1);
    expect(await net.received('eth0')).toBe(told);
  });

  it('starts without the interface, and finds its peers once it is there', async () => {
    const torrent = await made('later');
    const seed = await session({ namespace: net.there, address: net.far });
    await seed.add(seedOf(torrent));
    const bae = await start(inside());
    await bae.stop();
    await net.ip('address', 'del', `${net.tunnel}/24`, 'dev', 'tun0');
    const leaked = await net.received('eth0');
    bae.launch();
    await waitFor('bae to answer', FOUND_MILLISECONDS, async () => (await bae.cli('stats')).code === 0);
    const { id } = await bae.ask<ImportView>('import', torrent.path, '--peer', `${net.far}:${seed.port}`);
    await delay(GONE_MILLISECONDS / 2);
    expect(await bae.api('GET', `/imports/${id}`)).toMatchObject({ progress: 0 });
    expect(await net.received('eth0')).toBe(leaked);
    await net.connectTunnel();
    await bae.untilImport(id, ['done'], DONE_MILLISECONDS);
    expect(await net.received('eth0')).toBe(leaked);
  });
});
