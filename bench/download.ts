// npm run bench download [-- flags]: what downloading costs, bae into a directory store beside libtorrent into plain files.
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sealChunk } from '../src/vault/seal/index.ts';
import { type Bae, type ImportView, startBae } from '../test/parts/bae.ts';
import { libtorrent } from '../test/parts/clients/libtorrent.ts';
import { makeFiles } from '../test/parts/content.ts';
import { ensureParts } from '../test/parts/install.ts';
import { temporaryFolder } from '../test/parts/process.ts';
import { makeTorrent, type Torrent } from '../test/parts/torrent.ts';
import { cpuSecondsOf, startTunedSeeder } from './load/peers.ts';

const USAGE = `npm run bench download -- [flags]
  --megabytes N      content, MiB (512)
  --piece-kib N      piece length, KiB (1024)
  --rounds N         downloads with each, in turn (2)
  --profile FOLDER   CPU profiles of bae
`;
const MIB = 1024 * 1024;
const GB = 1e9;
const DOWNLOAD_MILLISECONDS = 600_000;
/** Bytes over which the parts of the work are measured alone. */
const ALONE_BYTES = 256 * MIB;

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '512' },
    'piece-kib': { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '2' },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const [megabytes = 0, pieceKib = 0, rounds = 0] = [values.megabytes, values['piece-kib'], values.rounds].map(Number);
if (values.help || !(megabytes > 0 && pieceKib > 0 && rounds > 0)) {
  process.stdout.write(USAGE);
  process.exit(values.help ? 0 : 2);
}

/** Sums over the rounds. */
interface Sum {
  bytes: number;
  seconds: number;
  cpuSeconds: number;
}

async function byLibtorrent(torrent: Torrent, source: string, sum: Sum): Promise<void> {
  const folder = await temporaryFolder('bench-leech');
  const began = performance.now();
  const leech = await libtorrent.leech({
    torrentPath: torrent.path,
    downloadDir: folder.path,
    peers: [source],
    settings: { aio_threads: 8, max_queued_disk_bytes: 64 * MIB },
  });
  // Its start costs next to nothing and cannot be told apart from its first bytes.
  await leech.untilComplete(DOWNLOAD_MILLISECONDS);
  sum.seconds += (performance.now() - began) / 1000;
  sum.cpuSeconds += await cpuSecondsOf(leech.pid);
  sum.bytes += torrent.totalBytes;
  await leech.stop();
  await folder.remove();
}

async function byBae(torrent: Torrent, source: string, sum: Sum): Promise<void> {
  const folder = await temporaryFolder('bench-import');
  const bae: Bae = await startBae({ store: `file:${folder.path}/store`, env: { BAE_LOG_LEVEL: 'warn' } });
  const { profile } = values;
  if (profile !== undefined) {
    await bae.stop();
    await bae.start({ NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` });
  }
  const before = await cpuSecondsOf(bae.pid());
  const began = performance.now();
  const [host = '', port = ''] = source.split(':');
  const body = { torrent: torrent.bytes.toString('base64'), peers: [{ host, port: Number(port) }] };
  const { id } = await bae.api<ImportView>('POST', '/imports', body);
  await bae.untilImport(id, ['done'], DOWNLOAD_MILLISECONDS);
  sum.seconds += (performance.now() - began) / 1000;
  sum.cpuSeconds += (await cpuSecondsOf(bae.pid())) - before;
  sum.bytes += torrent.totalBytes;
  await bae.stop();
  await bae.remove();
  await folder.remove();
}

/** CPU seconds of this process for each 10^9 bytes that `work` was given, a MiB at a time. */
function alone(work: (bytes: Buffer) => void): number {
  const bytes = randomBytes(MIB);
  const before = process.cpuUsage();
  for (let done = 0; done < ALONE_BYTES; done += MIB) work(bytes);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / (ALONE_BYTES / GB);
}

/** The parts of the work that are bae's alone or both's, each measured by itself on this machine. */
function parts(folder: string): Record<string, number> {
  const ids = { bundleKey: randomBytes(32), libraryId: randomBytes(16), bundleId: randomBytes(16), chunkIndex: 0 };
  const sha256 = alone((bytes) => createHash('sha256').update(bytes).digest());
  const sealed = alone((plaintext) => sealChunk({ ...ids, salt: randomBytes(24), plaintext }));
  const file = openSync(join(folder, 'alone'), 'w');
  const written = alone((bytes) => {
    writeSync(file, bytes, 0, bytes.length, 0);
    fsyncSync(file);
  });
  closeSync(file);
  return {
    'SHA-1': alone((bytes) => createHash('sha1').update(bytes).digest()),
    'SHA-256': sha256,
    sealing: Math.max(0, sealed - sha256),
    'one write with fsync': written,
  };
}

function print(sums: ReadonlyMap<string, Sum>, shares: Record<string, number>): void {
  const perCpuSecond = (sum: Sum) => sum.bytes / 1e6 / sum.cpuSeconds;
  const [first] = sums.values();
  process.stdout.write('\n                MB/s  CPU-s/GB  MB/CPU-s  to libt.\n');
  for (const [name, sum] of sums) {
    const cells = [
      name.padEnd(12),
      (sum.bytes / 1e6 / sum.seconds).toFixed(0).padStart(7),
      (sum.cpuSeconds / (sum.bytes / GB)).toFixed(2).padStart(9),
      perCpuSecond(sum).toFixed(0).padStart(9),
      `${(perCpuSecond(sum) / perCpuSecond(first as Sum)).toFixed(2)} ×`.padStart(9),
    ];
    process.stdout.write(`${cells.join(' ')}\n`);
  }
  const words = Object.entries(shares).map(([name, seconds]) => `${name} ${seconds.toFixed(2)}`);
  process.stdout.write(`\nCPU-s/GB of parts of it, each alone in one thread: ${words.join(' · ')}\n`);
}

async function run(): Promise<void> {
  const folder = await temporaryFolder('bench-download');
  const file = { path: 'content', length: megabytes * MIB };
  const tree = await makeFiles({ dir: folder.path, files: [file], name: 'bench' });
  const torrent = await makeTorrent({
    source: tree.folder,
    path: `${folder.path}/t.torrent`,
    pieceLength: pieceKib * 1024,
  });
  const seeder = await startTunedSeeder({ torrentPath: torrent.path, dataDir: folder.path });
  const source = `127.0.0.1:${seeder.port}`;
  const sums = new Map<string, Sum>(
    ['libtorrent', 'bae'].map((name) => [name, { bytes: 0, seconds: 0, cpuSeconds: 0 }]),
  );
  process.stdout.write(
    `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'})\n` +
      `${megabytes} MiB in pieces of ${pieceKib} KiB from one seed, ${rounds} times each, into a directory store and into plain files\n`,
  );
  for (let round = 0; round < rounds; round++) {
    await byLibtorrent(torrent, source, sums.get('libtorrent') as Sum);
    await byBae(torrent, source, sums.get('bae') as Sum);
  }
  await seeder.stop();
  print(sums, parts(folder.path));
  await folder.remove();
}

const missing = await ensureParts();
if (missing.length > 0) throw new Error(missing.join('\n'));
await run();
