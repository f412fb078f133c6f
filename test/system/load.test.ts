// The load generator of bench/ against a real seeder: it counts what came and notices what is wrong.
import { copyFile, open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LoadOrder, runLoad } from '../../bench/load/build.ts';
import { cpuSecondsOf } from '../../bench/load/cpu.ts';
import { startTunedSeeder } from '../../bench/load/peers.ts';
import type { LibtorrentPeer } from '../parts/clients/libtorrent.ts';
import { makeFiles } from '../parts/content.ts';
import { ensureParts } from '../parts/install.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

const PIECE_LENGTH = 300_000;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let torrent: Torrent;
let content: string;
let seeder: LibtorrentPeer;

beforeAll(async () => {
  expect(await ensureParts()).toEqual([]);
  folder = await temporaryFolder('load-test');
  const tree = await makeFiles({
    dir: folder.path,
    files: [
      { path: 'a', length: 20_000_000 },
      { path: 'b', length: 12_345_678 },
    ],
  });
  torrent = await makeTorrent({ source: tree.folder, pieceLength: PIECE_LENGTH });
  content = join(folder.path, 'content');
  await torrent.writeContent(content);
  seeder = await startTunedSeeder({ torrentPath: torrent.path, dataDir: folder.path });
}, 900_000);
afterAll(async () => {
  await seeder?.stop();
  await folder?.remove();
});

const load = (sample: string, order: LoadOrder, rc4 = false) =>
  runLoad({
    host: '127.0.0.1',
    port: seeder.port,
    torrent,
    connections: 8,
    requestsInFlight: 64,
    seconds: 0.5,
    order,
    sample,
    rc4,
  });

test.each([
  ['random', false],
  ['pieces', false],
  ['sequential', false],
  ['pieces', true],
] as const)('counts %s blocks and finds them right, encrypted: %s', async (order, rc4) => {
  const before = await cpuSecondsOf(seeder.pid);
  const result = await load(content, order, rc4);
  expect(result).toMatchObject({ mismatches: 0, rejects: 0, unchoked: 8, closed: 0 });
  expect(result.bytes).toBeGreaterThan(torrent.totalBytes);
  expect(result.compared).toBeGreaterThan(8);
  expect(await cpuSecondsOf(seeder.pid)).toBeGreaterThan(before);
});

test('notices blocks that differ from the sample', async () => {
  const wrong = join(folder.path, 'wrong');
  await copyFile(content, wrong);
  await using file = await open(wrong, 'r+');
  // One byte in each block of the first half: about half of what is compared differs.
  for (let at = 8_000; at < torrent.totalBytes / 2; at += 8_000) {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.of((buffer[0] ?? 0) ^ 1), 0, 1, at);
  }
  const result = await load(wrong, 'random');
  expect(result.mismatches).toBeGreaterThan(0);
  expect(result.mismatches).toBeLessThan(result.compared);
});

test('tells when the seeder goes away', async () => {
  const short = await startTunedSeeder({ torrentPath: torrent.path, dataDir: folder.path });
  const options = { host: '127.0.0.1', port: short.port, torrent, connections: 2, requestsInFlight: 8, seconds: 20 };
  const running = runLoad(options);
  await waitFor('the first bytes', 20_000, async () => (await short.status()).uploaded > 0);
  await short.stop('kill');
  const result = await running;
  expect(result.closed).toBe(2);
  expect(result.seconds).toBeLessThan(20);
});
