// Real clients, both ways, with plain and with encrypted connections (MSE), over IPv4 and IPv6; what they download with
// plain connections is in first-light.test.ts. And the vectors of MSE's second implementation.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Alias, loopbackAlias } from '../parts/addresses.ts';
import { type Bae, type ImportView, showLogsOnFailure, startBae, torrentOf } from '../parts/bae.ts';
import { allClients, libtorrent, type RunningPeer } from '../parts/clients/index.ts';
import { makeAlbum, type Tree, treeDifferences } from '../parts/content.ts';
import { PYTHON } from '../parts/install.ts';
import { temporaryFolder } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';
import { startTracker, type Tracker } from '../parts/tracker.ts';

const run = promisify(execFile);
const MAX_DOWNLOAD_MILLISECONDS = 120_000;
/** How long a client that is refused is watched. */
const REFUSED_MILLISECONDS = 4_000;
const MEGABYTES = 100;
const SEED_MEGABYTES = 15;

showLogsOnFailure();

let alias: Alias;
let tracker: Tracker;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let bae: Bae;
let album: { tree: Tree; torrent: Torrent };

beforeAll(async () => {
  [alias, folder] = await Promise.all([loopbackAlias(), temporaryFolder('encryption')]);
  tracker = await startTracker({ address: alias.address });
  bae = await startBae({ store: `file:${folder.path}/store`, peerAddress: alias.address });
  album = await made('album', MEGABYTES);
});
afterAll(async () => {
  await bae?.remove();
  await tracker?.stop();
  await Promise.all([alias?.release(), folder?.remove()]);
});

async function made(name: string, megabytes: number): Promise<{ tree: Tree; torrent: Torrent }> {
  const tree = await makeAlbum({ megabytes, tracks: 3, name: `Encrypted (2003) ${name}`, seed: `encrypted ${name}` });
  const path = `${folder.path}/${name}.torrent`;
  return { tree, torrent: await makeTorrent({ source: tree.folder, path, announce: tracker.announceUrl }) };
}

/** bae downloads what the peer seeds; prints how fast. */
async function importFrom(peer: RunningPeer, { path, totalBytes, infoHash }: Torrent, label: string): Promise<void> {
  const began = performance.now();
  const imported = await bae.cli('import', path, '--peer', `${peer.address}:${peer.port}`, '--wait', '--json');
  expect([imported.stderr, imported.code]).toEqual(['', 0]);
  expect(imported.json<ImportView>()).toMatchObject({ infoHash, state: 'done', progress: 1 });
  tell(label, totalBytes, began);
}

/** Downloads the album from bae to its end; returns what differs, and prints how fast. */
async function download(peer: RunningPeer, target: string, began: number, label: string): Promise<string[]> {
  await peer.untilComplete(MAX_DOWNLOAD_MILLISECONDS);
  tell(label, album.torrent.totalBytes, began);
  return treeDifferences(album.tree.folder, `${target}/${album.torrent.name}`);
}

function tell(label: string, bytes: number, began: number): void {
  const megabytesPerSecond = bytes / 1e6 / ((performance.now() - began) / 1000);
  process.stderr.write(`${label}: ${megabytesPerSecond.toFixed(0)} MB/s with its start\n`);
}

describe('bae that prefers encryption', () => {
  it('imports from a libtorrent seed', async () => {
    const seed = await libtorrent.seed({ torrentPath: album.torrent.path, dataDir: dirname(album.tree.folder) });
    await importFrom(seed, album.torrent, 'bae, plaintext after MSE, from libtorrent');
    await seed.stop();
  });

  for (const client of allClients) {
    it(`is all that ${client.name} needs, which requires RC4`, async () => {
      const before = (await torrentOf(bae, album.torrent.infoHash)).uploadedBytes;
      const target = await temporaryFolder(`leech-${client.name}`);
      const began = performance.now();
      const options = { torrentPath: album.torrent.path, downloadDir: target.path };
      const peer = await client.leech({ ...options, encryption: 'require' });
      expect(await download(peer, target.path, began, `${client.name}, RC4, from bae`)).toEqual([]);
      const after = (await torrentOf(bae, album.torrent.infoHash)).uploadedBytes;
      expect(after - before).toBeGreaterThanOrEqual(album.torrent.totalBytes);
      await peer.stop();
      await target.remove();
    });
  }

  it.each([
    ['plaintext after an encrypted handshake', { in_enc_policy: 0, out_enc_policy: 0, allowed_enc_level: 1 }],
    ['either after an encrypted handshake', { in_enc_policy: 0, out_enc_policy: 0, allowed_enc_level: 3 }],
    ['plain connections', { in_enc_policy: 2, out_enc_policy: 2 }],
  ])('gives libtorrent %s', async (label, settings) => {
    const target = await temporaryFolder('leech-plain');
    const began = performance.now();
    const options = { torrentPath: album.torrent.path, downloadDir: target.path, settings };
    const peer = await libtorrent.leech(options);
    expect(await download(peer, target.path, began, `libtorrent, ${label}, from bae`)).toEqual([]);
    await peer.stop();
    await target.remove();
  });
});

function importsFromAll(encryption: 'off' | 'require'): void {
  beforeAll(async () => {
    await bae.stop();
    await bae.start({ BAE_ENCRYPTION: encryption });
  });

  for (const client of allClients) {
    it(`imports from ${client.name}`, async () => {
      const { tree, torrent } = await made(`${client.name} ${encryption}`, SEED_MEGABYTES);
      const peer = await client.seed({ torrentPath: torrent.path, dataDir: dirname(tree.folder) });
      await importFrom(peer, torrent, `bae, ${encryption === 'off' ? 'plain' : 'RC4'}, from ${client.name}`);
      await peer.stop();
    });
  }
}

describe('bae without encryption', () => {
  importsFromAll('off');

  it('gives nothing to a client that requires it', async () => {
    await expectNothingFor({ in_enc_policy: 0, out_enc_policy: 0, allowed_enc_level: 2 });
  });
});

describe('bae that requires encryption', () => {
  importsFromAll('require');

  it('gives nothing to a client that makes plain connections only', async () => {
    await expectNothingFor({ in_enc_policy: 2, out_enc_policy: 2 });
  });
});

/** A libtorrent with these settings finds bae and downloads nothing. */
async function expectNothingFor(settings: Record<string, number>): Promise<void> {
  const target = await temporaryFolder('leech-refused');
  const options = { torrentPath: album.torrent.path, downloadDir: target.path };
  const peer = await libtorrent.leech({ ...options, settings, peers: [bae.peer] });
  await delay(REFUSED_MILLISECONDS);
  expect(await peer.status()).toMatchObject({ downloaded: 0, peers: 0 });
  await peer.stop();
  await target.remove();
}

describe('bae over IPv6 alone', () => {
  let six: Bae;
  beforeAll(async () => {
    six = await startBae({ store: `file:${folder.path}/store-6`, peerAddress: '::1' });
  });
  afterAll(() => six?.remove());

  it('imports from libtorrent and is all that it needs', async () => {
    const { tree, torrent } = await made('over IPv6', SEED_MEGABYTES);
    const seed = await libtorrent.seed({ torrentPath: torrent.path, dataDir: dirname(tree.folder), address: '::1' });
    const imported = await six.cli('import', torrent.path, '--peer', `[::1]:${seed.port}`, '--wait', '--json');
    expect([imported.stderr, imported.code]).toEqual(['', 0]);
    await seed.stop();
    const target = await temporaryFolder('leech-6');
    const options = { torrentPath: torrent.path, downloadDir: target.path, address: '::1' };
    const peer = await libtorrent.leech({ ...options, peers: [`[::1]:${six.peerPort}`] });
    await peer.untilComplete();
    expect(await treeDifferences(tree.folder, `${target.path}/${torrent.name}`)).toEqual([]);
    await peer.stop();
    await target.remove();
  });
});

it('the vectors are what the second implementation makes today', async () => {
  const script = fileURLToPath(new URL('../mse/vectors.py', import.meta.url));
  const kept = await readFile(new URL('../mse/vectors.json', import.meta.url), 'utf8');
  const { stdout } = await run(PYTHON, [script]);
  expect(JSON.stringify(JSON.parse(stdout)) === JSON.stringify(JSON.parse(kept))).toBe(true);
});
