// npm run bench seed [-- flags]: what seeding costs, bae from memory, disk cache and store beside libtorrent from plain files.
// docs/decisions/0020-upload-path.md tells what came of it.
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeFiles } from '../test/parts/content.ts';
import { startGateway } from '../test/parts/gateway.ts';
import { ensureParts } from '../test/parts/install.ts';
import { temporaryFolder } from '../test/parts/process.ts';
import { makeTorrent, type Torrent } from '../test/parts/torrent.ts';
import { type LoadOrder, type LoadResult, runLoad } from './load/build.ts';
import { cpuSecondsOf } from './load/cpu.ts';
import { type Seeder, type SeederOptions, startBaeSeeder, startLibtorrentSeeder, TIERS } from './load/seeders.ts';

const USAGE = `npm run bench seed -- [flags]
  --megabytes N      content, MiB (512)
  --piece-kib N      piece length, KiB (1024)
  --seconds N        each measurement (5)
  --rounds N         measurements of each seeder, in turn there and back (2)
  --connections LIST (1,8,50)
  --order ORDER      pieces: any pieces, blocks in order (default) | random: any blocks | sequential
  --only LIST        of ${TIERS.join(', ')} (all; libtorrent always runs)
  --rc4              encrypted connections (MSE)
  --gateway          the store is a RADOS gateway, not a directory
  --profile FOLDER   CPU profiles of bae
`;
const REQUESTS_IN_FLIGHT = 256;
const MIB = 1024 * 1024;
const GB = 1e9;
const ORDERS: readonly string[] = ['pieces', 'random', 'sequential'] satisfies LoadOrder[];

/** Sums over the rounds. */
interface Sum {
  bytes: number;
  seconds: number;
  allBytes: number;
  cpuSeconds: number;
  loadCpuSeconds: number;
  openedBytes: number;
  compared: number;
  mismatches: number;
  closed: number;
  /** The fewest of a round. */
  unchoked: number;
}

function options() {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    options: {
      megabytes: text('512'),
      'piece-kib': text('1024'),
      seconds: text('5'),
      rounds: text('2'),
      connections: text('1,8,50'),
      order: text('pieces'),
      only: text(TIERS.join(',')),
      rc4: { type: 'boolean', default: false },
      gateway: { type: 'boolean', default: false },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const connections = values.connections.split(',').map(Number);
  const numbers = [values.megabytes, values['piece-kib'], values.seconds, values.rounds].map(Number);
  const [megabytes = 0, pieceKib = 0, seconds = 0, rounds = 0] = numbers;
  const good = [...numbers, ...connections].every((number) => number > 0) && ORDERS.includes(values.order);
  if (values.help || !good) {
    process.stdout.write(USAGE);
    process.exit(values.help ? 0 : 2);
  }
  const tiers = TIERS.filter((tier) => values.only.split(',').includes(tier));
  const { gateway, profile, rc4 } = values;
  return {
    megabytes,
    pieceKib,
    seconds,
    rounds,
    connections,
    order: values.order as LoadOrder,
    tiers,
    rc4,
    gateway,
    profile,
  };
}

const settings = options();

async function measure(seeder: Seeder, torrent: Torrent, connections: number, sample: string, sum: Sum): Promise<void> {
  const { seconds, order, rc4 } = settings;
  const opened = await seeder.openedBytes();
  const before = await cpuSecondsOf(seeder.pid);
  const { port } = seeder;
  const load = { host: '127.0.0.1', port, torrent, connections, requestsInFlight: REQUESTS_IN_FLIGHT, seconds, order };
  const result: LoadResult = await runLoad({ ...load, sample, rc4 });
  sum.cpuSeconds += (await cpuSecondsOf(seeder.pid)) - before;
  sum.openedBytes += (await seeder.openedBytes()) - opened;
  sum.bytes += result.bytes;
  sum.seconds += result.seconds;
  sum.allBytes += result.allBytes;
  sum.loadCpuSeconds += result.cpuSeconds;
  sum.compared += result.compared;
  sum.mismatches += result.mismatches;
  sum.closed += result.closed;
  sum.unchoked = Math.min(sum.unchoked, result.unchoked);
}

const emptySum = (): Sum => ({
  ...{ bytes: 0, seconds: 0, allBytes: 0, cpuSeconds: 0, loadCpuSeconds: 0, openedBytes: 0 },
  ...{ compared: 0, mismatches: 0, closed: 0, unchoked: Number.POSITIVE_INFINITY },
});

/** There and back again, round after round, so that a busy moment or a drift of the machine does not hit one alone. */
async function measureAll(seeders: readonly Seeder[], torrent: Torrent, connections: number, sample: string) {
  const sums = new Map(seeders.map((seeder) => [seeder, emptySum()]));
  for (let round = 0; round < settings.rounds; round++) {
    for (const seeder of round % 2 === 0 ? seeders : seeders.toReversed()) {
      await measure(seeder, torrent, connections, sample, sums.get(seeder) as Sum);
    }
  }
  return sums;
}

/** Prints a row a seeder; `libtorrent`, the first, is what the others are set against. Returns whether all bytes were right. */
function print(connections: number, sums: ReadonlyMap<Seeder, Sum>): boolean {
  const [first] = sums.values();
  const perCpuSecond = (sum: Sum) => sum.allBytes / 1e6 / sum.cpuSeconds;
  let right = true;
  for (const [seeder, sum] of sums) {
    const ratio = perCpuSecond(sum) / perCpuSecond(first as Sum);
    const cells = [
      seeder.name.padEnd(10),
      `${connections}`.padStart(5),
      `${sum.unchoked}`.padStart(6),
      (sum.bytes / 1e6 / sum.seconds).toFixed(0).padStart(7),
      (sum.cpuSeconds / (sum.allBytes / GB)).toFixed(2).padStart(9),
      perCpuSecond(sum).toFixed(0).padStart(11),
      `${ratio.toFixed(2)} ×`.padStart(9),
      (sum.openedBytes / sum.allBytes).toFixed(2).padStart(7),
      (sum.loadCpuSeconds / (sum.bytes / GB)).toFixed(2).padStart(9),
      `${sum.compared}`.padStart(8),
      `${sum.mismatches}`.padStart(6),
    ];
    process.stdout.write(`${cells.join(' ')}${sum.closed > 0 ? `  ${sum.closed} closed` : ''}\n`);
    right &&= sum.mismatches === 0 && sum.closed === 0 && sum.compared > 0;
  }
  return right;
}

const HEAD = `
           conns served    MB/s  CPU-s/GB  MB/CPU-s  to libt.  opened load CPU compared  wrong
`;

/** What must be undone at the end, the last first. */
type Closers = (() => Promise<void>)[];

async function startSeeders(shared: SeederOptions, closers: Closers): Promise<Seeder[]> {
  const gateway = settings.gateway ? await startGateway() : undefined;
  if (gateway !== undefined) closers.push(gateway.stop);
  const starts = [() => startLibtorrentSeeder(shared)];
  for (const tier of settings.tiers) {
    const own = tier === 'store' && gateway !== undefined ? { ...shared, gateway } : shared;
    starts.push(() => startBaeSeeder(tier, own));
  }
  const seeders: Seeder[] = [];
  for (const start of starts) {
    const seeder = await start();
    closers.push(seeder.stop);
    seeders.push(seeder);
  }
  return seeders;
}

async function run(closers: Closers): Promise<void> {
  const { megabytes, pieceKib, order, seconds, rounds, profile, gateway, rc4 } = settings;
  const folder = await temporaryFolder('bench-seed');
  closers.push(folder.remove);
  const file = { path: 'content', length: megabytes * MIB };
  const tree = await makeFiles({ dir: folder.path, files: [file], name: 'bench' });
  const torrent = await makeTorrent({ source: tree.folder, pieceLength: pieceKib * 1024 });
  const shared = { torrent, dataDir: folder.path, folder: folder.path, ...(profile === undefined ? {} : { profile }) };
  const seeders = await startSeeders(shared, closers);
  process.stdout.write(
    `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'})\n` +
      `${megabytes} MiB in pieces of ${pieceKib} KiB; order: ${order}; ${rounds} × ${seconds} s each; ` +
      `${REQUESTS_IN_FLIGHT} requests in flight; store: ${gateway ? 'RADOS gateway' : 'directory'}; ${rc4 ? 'RC4' : 'plain'}\n${HEAD}`,
  );
  for (const connections of settings.connections) {
    const sums = await measureAll(seeders, torrent, connections, join(tree.folder, file.path));
    if (!print(connections, sums)) process.exitCode = 1;
  }
}

const missing = await ensureParts();
if (missing.length > 0) throw new Error(missing.join('\n'));
const closers: Closers = [];
try {
  await run(closers);
} finally {
  for (const close of closers.toReversed()) await close();
}
