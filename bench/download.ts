// npm run bench download [-- flags]: what downloading costs, bae into a directory store beside libtorrent into plain files.
import { createHash, randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CHUNK_OBJECT_BYTES, sealChunk } from '../src/vault/seal/index.ts';
import { type Bae, type ImportView, startBae } from '../test/parts/bae.ts';
import { libtorrent, startLibtorrent } from '../test/parts/clients/libtorrent.ts';
import { makeFiles } from '../test/parts/content.ts';
import { ensureParts } from '../test/parts/install.ts';
import { temporaryFolder } from '../test/parts/process.ts';
import { makeTorrent, type Torrent } from '../test/parts/torrent.ts';
import { cpuSecondsOf, threadSecondsOf } from './load/cpu.ts';
import { startTunedSeeder } from './load/peers.ts';

const USAGE = `npm run bench download -- [flags]
  --megabytes N      content, MiB (1024)
  --warm-up N        content downloaded first in the same process, not counted, MiB (64)
  --piece-kib N      piece length, KiB (1024)
  --rounds N         downloads with each, in turn (3)
  --profile FOLDER   CPU profiles of bae
`;
const MIB = 1024 * 1024;
const GB = 1e9;
const DOWNLOAD_MILLISECONDS = 600_000;
/** How often either is asked whether it is done: the asking costs too. */
const POLL_MILLISECONDS = 200;
/** Bytes over which the parts of the work are measured alone. */
const ALONE_BYTES = 512 * MIB;
const LEECH_SETTINGS = { aio_threads: 8, max_queued_disk_bytes: 64 * MIB };

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '1024' },
    'warm-up': { type: 'string', default: '64' },
    'piece-kib': { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '3' },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const numbers = [values.megabytes, values['warm-up'], values['piece-kib'], values.rounds].map(Number);
const [megabytes = 0, warmUp = 0, pieceKib = 0, rounds = 0] = numbers;
if (values.help || !numbers.every((number) => number > 0)) {
  process.stdout.write(USAGE);
  process.exit(values.help ? 0 : 2);
}

/** A torrent and who has it. */
interface Source {
  readonly torrent: Torrent;
  readonly port: number;
}

/** Sums over the rounds; by thread, and in the kernel, for what tells its threads apart. */
interface Sum {
  bytes: number;
  seconds: number;
  cpuSeconds: number;
  kernelSeconds: number;
  readonly threads: Map<string, number>;
}
const emptySum = (): Sum => ({ bytes: 0, seconds: 0, cpuSeconds: 0, kernelSeconds: 0, threads: new Map() });

async function until(isDone: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DOWNLOAD_MILLISECONDS;
  while (!(await isDone())) {
    if (performance.now() > deadline) throw new Error(`not downloaded within ${DOWNLOAD_MILLISECONDS} ms`);
    await delay(POLL_MILLISECONDS);
  }
}

/**
 * What was downloaded, deleted only at the end: what a deletion leaves behind (inodes that ext4 does not use again for a
 * minute, memory that is warm for a moment) would be one program's burden and the other's gain.
 */
const leftovers: (() => Promise<void>)[] = [];

async function byLibtorrent(warm: Source, source: Source, sum: Sum): Promise<void> {
  const folder = await temporaryFolder('bench-leech');
  leftovers.push(folder.remove);
  const leech = await startLibtorrent({ settings: LEECH_SETTINGS });
  const download = async ({ torrent, port }: Source) => {
    const peers = [['127.0.0.1', port]] as const;
    const infoHash = await leech.add({ torrent: torrent.path, folder: folder.path, peers });
    await until(async () => (await leech.status(infoHash)).seeding);
  };
  await download(warm);
  const before = await cpuSecondsOf(leech.pid);
  const began = performance.now();
  await download(source);
  sum.seconds += (performance.now() - began) / 1000;
  sum.cpuSeconds += (await cpuSecondsOf(leech.pid)) - before;
  sum.bytes += source.torrent.totalBytes;
  await leech.stop();
}

async function byBae(warm: Source, source: Source, sum: Sum): Promise<void> {
  const folder = await temporaryFolder('bench-import');
  const env = { BAE_LOG_LEVEL: 'warn' };
  const bae: Bae = await startBae({ dataDir: `${folder.path}/data`, store: `file:${folder.path}/store`, env });
  leftovers.push(folder.remove);
  const { profile } = values;
  if (profile !== undefined) {
    await bae.stop();
    await bae.start({ NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` });
  }
  const download = async ({ torrent, port }: Source) => {
    const body = { torrent: torrent.bytes.toString('base64'), peers: [{ host: '127.0.0.1', port }] };
    const { id } = await bae.api<ImportView>('POST', '/imports', body);
    await until(async () => {
      const { state, error } = await bae.api<ImportView>('GET', `/imports/${id}`);
      if (state === 'failed') throw new Error(`the import failed: ${error}`);
      return state === 'done';
    });
  };
  await download(warm);
  const [before, threads] = [await cpuSecondsOf(bae.pid()), await threadSecondsOf(bae.pid())];
  const began = performance.now();
  await download(source);
  sum.seconds += (performance.now() - began) / 1000;
  sum.cpuSeconds += (await cpuSecondsOf(bae.pid())) - before;
  addThreads(sum, threads, await threadSecondsOf(bae.pid()));
  sum.bytes += source.torrent.totalBytes;
  await bae.stop();
  await bae.remove();
}

type Threads = Awaited<ReturnType<typeof threadSecondsOf>>;

function addThreads(sum: Sum, before: Threads, after: Threads): void {
  for (const [name, now] of after) {
    const was = before.get(name) ?? { user: 0, system: 0 };
    const seconds = now.user + now.system - was.user - was.system;
    sum.threads.set(name, (sum.threads.get(name) ?? 0) + seconds);
    sum.kernelSeconds += now.system - was.system;
  }
}

/** CPU seconds of this process for each 10^9 bytes that `work` was given, a MiB at a time. */
function alone(work: (bytes: Buffer) => void): number {
  const bytes = randomBytes(MIB);
  const before = process.cpuUsage();
  for (let done = 0; done < ALONE_BYTES; done += MIB) work(bytes);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / (ALONE_BYTES / GB);
}

/** The parts of the work that are the same in any program, each measured by itself on this machine. */
function parts(): Record<string, number> {
  const ids = { bundleKey: randomBytes(32), libraryId: randomBytes(16), bundleId: randomBytes(16), chunkIndex: 0 };
  const into = Buffer.allocUnsafeSlow(CHUNK_OBJECT_BYTES);
  const sha256 = alone((bytes) => createHash('sha256').update(bytes).digest());
  const sealed = alone((plaintext) => sealChunk({ ...ids, salt: randomBytes(24), plaintext }, into));
  return {
    'SHA-1': alone((bytes) => createHash('sha1').update(bytes).digest()),
    'SHA-256': sha256,
    sealing: Math.max(0, sealed - sha256),
  };
}

const perGb = (seconds: number, { bytes }: Sum) => seconds / (bytes / GB);

function print(byName: ReadonlyMap<string, Sum>): void {
  const [first] = byName.values();
  process.stdout.write('\n                MB/s  CPU-s/GB  MB/CPU-s  to libt.\n');
  for (const [name, sum] of byName) {
    const cost = perGb(sum.cpuSeconds, sum);
    const cells = [
      name.padEnd(12),
      (sum.bytes / 1e6 / sum.seconds).toFixed(0).padStart(7),
      cost.toFixed(2).padStart(9),
      (1000 / cost).toFixed(0).padStart(9),
      `${(perGb((first as Sum).cpuSeconds, first as Sum) / cost).toFixed(2)} ×`.padStart(9),
    ];
    process.stdout.write(`${cells.join(' ')}\n`);
  }
}

/** Where bae's time goes, in two ways: by thread, and by work. */
function printShares(sum: Sum): void {
  const total = perGb(sum.cpuSeconds, sum);
  const words = (costs: [string, number][]) =>
    costs
      .filter(([, cost]) => cost >= 0.005)
      .map(([name, cost]) => `${name} ${cost.toFixed(2)} (${Math.round((100 * cost) / total)} %)`)
      .join(' · ');
  const threads = Array.from(sum.threads, ([name, seconds]): [string, number] => [name, perGb(seconds, sum)]);
  const works: [string, number][] = [...Object.entries(parts()), ['I/O (the kernel)', perGb(sum.kernelSeconds, sum)]];
  const rest = total - works.reduce((all, [, cost]) => all + cost, 0);
  process.stdout.write(
    `\nof bae's ${total.toFixed(2)} CPU-s/GB, by thread: ${words(threads.sort((one, other) => other[1] - one[1]))}\n` +
      `by work (the first three as measured alone in one thread): ${words([...works, ['the rest', rest]])}\n`,
  );
}

async function run(): Promise<void> {
  const folder = await temporaryFolder('bench-download');
  const seed = async (name: string, mebibytes: number) => {
    const file = { path: 'content', length: mebibytes * MIB };
    const tree = await makeFiles({ dir: folder.path, files: [file], name });
    const pieceLength = pieceKib * 1024;
    const torrent = await makeTorrent({ source: tree.folder, path: `${folder.path}/${name}.torrent`, pieceLength });
    return { torrent, ...(await startTunedSeeder({ torrentPath: torrent.path, dataDir: folder.path })) };
  };
  const warm = await seed('warm-up', warmUp);
  const source = await seed('bench', megabytes);
  const sums = new Map([libtorrent.name, 'bae'].map((name): [string, Sum] => [name, emptySum()]));
  process.stdout.write(
    `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'})\n` +
      `${megabytes} MiB in pieces of ${pieceKib} KiB from one seed, ${rounds} times each, after ${warmUp} MiB that do not count\n` +
      'bae seals into a directory store and syncs to disk; libtorrent writes plain files and leaves syncing to the system\n',
  );
  for (let round = 0; round < rounds; round++) {
    await byLibtorrent(warm, source, sums.get('libtorrent') as Sum);
    await byBae(warm, source, sums.get('bae') as Sum);
  }
  for (const stop of [warm.stop, source.stop, ...leftovers]) await stop();
  print(sums);
  printShares(sums.get('bae') as Sum);
  await folder.remove();
}

const missing = await ensureParts();
if (missing.length > 0) throw new Error(missing.join('\n'));
await run();
