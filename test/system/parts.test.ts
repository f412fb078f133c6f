// The real parts themselves: each does what the system tests take for granted.
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Alias, freshLoopback, loopbackAlias } from '../parts/addresses.ts';
import { allClients, libtorrent } from '../parts/clients/index.ts';
import type { LibtorrentPeer } from '../parts/clients/libtorrent.ts';
import { makeAlbum, makeFiles, type Tree, treeDifferences } from '../parts/content.ts';
import { type Gateway, startGateway } from '../parts/gateway.ts';
import { ensureParts } from '../parts/install.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';
import { startTracker, type Tracker } from '../parts/tracker.ts';

const run = promisify(execFile);

beforeAll(async () => {
  expect(await ensureParts()).toEqual([]);
}, 900_000);

describe('the S3 gateway', () => {
  let gateway: Gateway;
  const clientOf = (secretAccessKey: string) =>
    new S3Client({
      endpoint: gateway.endpoint,
      region: gateway.region,
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: { accessKeyId: gateway.accessKey, secretAccessKey },
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  const at = { Bucket: 'parts', Key: 'one' };

  beforeAll(async () => {
    gateway = await startGateway();
    await clientOf(gateway.secretKey).send(new CreateBucketCommand({ Bucket: 'parts' }));
  });
  afterAll(() => gateway.stop());

  test('lets exactly one of two conditional PUTs win', async () => {
    const put = (Body: string) =>
      clientOf(gateway.secretKey).send(new PutObjectCommand({ ...at, Body, IfNoneMatch: '*' }));
    const results = await Promise.allSettled([put('a'), put('b')]);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(put('c')).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } });
  });

  test('refuses a wrong secret', async () => {
    const get = clientOf('wrong').send(new GetObjectCommand(at));
    await expect(get).rejects.toMatchObject({ name: 'SignatureDoesNotMatch', $metadata: { httpStatusCode: 403 } });
  });

  test('refuses connections while paused and keeps its objects', async () => {
    const client = clientOf(gateway.secretKey);
    await client.send(new PutObjectCommand({ ...at, Key: 'kept', Body: 'kept' }));
    await gateway.pause();
    await expect(client.send(new GetObjectCommand({ ...at, Key: 'kept' }))).rejects.toThrow(/ECONNREFUSED/);
    await gateway.resume();
    const { Body } = await client.send(new GetObjectCommand({ ...at, Key: 'kept' }));
    expect(await Body?.transformToString()).toBe('kept');
  });

  test('leaves no process behind', async () => {
    const other = await startGateway();
    const { pids } = other;
    expect(pids).toHaveLength(3);
    await other.stop();
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });
});

describe('the swarm', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let alias: Alias;
  let tracker: Tracker;
  let album: Tree;
  let torrent: Torrent;
  let seed: LibtorrentPeer;

  beforeAll(async () => {
    folder = await temporaryFolder('parts-test');
    alias = await loopbackAlias();
    tracker = await startTracker({ address: alias.address });
    album = await makeAlbum({ megabytes: 10, tracks: 3 });
    const path = join(folder.path, 'album.torrent');
    torrent = await makeTorrent({ source: album.folder, path, announce: tracker.announceUrl, pieceLength: 300_000 });
    seed = await libtorrent.seed({ torrentPath: path, dataDir: dirname(album.folder), address: alias.address });
    await waitFor('the seed to announce itself', 10_000, () => tracker.announces.length > 0);
  });
  afterAll(async () => {
    await seed?.stop();
    await tracker?.stop();
    await alias?.release();
    await folder?.remove();
  });

  test('has sound FLAC files', async () => {
    const files = album.files.filter(({ path }) => path.endsWith('.flac')).map(({ path }) => join(album.folder, path));
    expect(files).toHaveLength(3);
    await run('flac', ['-t', '--silent', '--warnings-as-errors', ...files]);
  });

  test.each(allClients)('$name downloads from libtorrent through the tracker, byte for byte', async (client) => {
    const downloadDir = join(folder.path, client.name);
    await mkdir(downloadDir);
    const before = (await seed.status()).uploaded;
    const leech = await client.leech({ torrentPath: torrent.path, downloadDir });
    try {
      await leech.untilComplete(40_000);
      expect(await treeDifferences(album.folder, join(downloadDir, torrent.name))).toEqual([]);
      expect((await seed.status()).uploaded - before).toBeGreaterThanOrEqual(torrent.totalBytes);
      const announced = tracker.announces.filter(({ port, ip }) => port === leech.port && ip === leech.address);
      expect(announced[0]).toMatchObject({ event: 'started', infoHash: torrent.infoHash, left: torrent.totalBytes });
    } finally {
      await leech.stop();
    }
  });
});

describe('the tracker', () => {
  test('writes down UDP announces and can refuse', async () => {
    const folder = await temporaryFolder('parts-test');
    const tracker = await startTracker();
    const files = [
      { path: 'a/one', length: 1 },
      { path: 'a/none', length: 0 },
      { path: 'b', length: 70_000 },
    ];
    const tree = await makeFiles({ files, dir: folder.path });
    const torrent = await makeTorrent({
      source: tree.folder,
      announce: tracker.udpUrl,
      pieceLength: 16_384,
      padFiles: true,
    });
    const peer = { torrentPath: torrent.path, address: freshLoopback() };
    const seed = await libtorrent.seed({ ...peer, dataDir: folder.path });
    await waitFor('the announce', 10_000, () => tracker.announces.length > 0);
    expect(tracker.announces[0]).toMatchObject({ protocol: 'udp', event: 'started', left: 0, port: seed.port });
    await seed.stop();
    tracker.refuse('not today');
    const answer = await fetch(
      `${tracker.announceUrl}?info_hash=${'a'.repeat(20)}&peer_id=${'b'.repeat(20)}&port=1&left=0`,
    );
    expect(await answer.text()).toContain('not today');
    await tracker.stop();
    await folder.remove();
  });
});

describe('comparing trees', () => {
  test('tells missing, longer, different and extra files', async () => {
    const folder = await temporaryFolder('parts-test');
    const make = (dir: string, seed: string, files: { path: string; length: number }[]) =>
      makeFiles({ dir: join(folder.path, dir), seed, files });
    const one = await make('one', 'x', [
      { path: 'gone', length: 5 },
      { path: 'longer', length: 5 },
      { path: 'other', length: 5 },
    ]);
    const two = await make('two', 'y', [
      { path: 'extra', length: 5 },
      { path: 'longer', length: 6 },
      { path: 'other', length: 5 },
    ]);
    const found = await treeDifferences(one.folder, two.folder);
    expect(found).toHaveLength(4);
    expect(found.join('\n')).toMatch(
      /extra is too many\ngone is missing\nlonger has 6 bytes, not 5\nother differs from byte \d/,
    );
    expect(await treeDifferences(one.folder, one.folder)).toEqual([]);
    await folder.remove();
  });
});
