// npm run bench idle [-- flags]: what many torrents that nobody asks for cost: start, memory, waking, strangers, announces.
// With --beside, libtorrent with as many, and transmission. docs/decisions/0026-cold-torrents.md tells what came of it.
import { mkdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Bae, startBae } from '../test/parts/bae.ts';
import { type CountingTracker, startCountingTracker } from '../test/parts/handshakes.ts';
import { ensureParts } from '../test/parts/install.ts';
import { dropTrackers, fillLibrary } from '../test/parts/many-torrents.ts';
import { temporaryFolder } from '../test/parts/process.ts';
import { rssOf, say, sayHandshakes, sayMemory, sayStrangers, watch } from './load/idle-measures.ts';
import { startManyInLibtorrent, startManyInTransmission } from './load/many-peers.ts';

const { values } = parseArgs({
  options: {
    torrents: { type: 'string', default: '50000' },
    handshakes: { type: 'string', default: '2000' },
    strangers: { type: 'string', default: '10000' },
    /** Watched in each state. */
    seconds: { type: 'string', default: '20' },
    /** A second, sustained; 0 leaves that out. */
    announces: { type: 'string', default: '28' },
    beside: { type: 'boolean', default: false },
  },
});
const torrents = Number(values.torrents);
const handshakes = Number(values.handshakes);
const strangers = Number(values.strangers);
const seconds = Number(values.seconds);
/** Each torrent announces this often: 50,000 of them 28 times a second. */
const INTERVAL_SECONDS = 1_785;
/** The same where a rate is measured: the torrents that have a tracker come round in it. */
const SHORT_INTERVAL_SECONDS = 60;
/** After a start all are due and go out at 40 a second. */
const FIRST_ANNOUNCES_A_SECOND = 40;
/** Another client may announce all at its start; after that many seconds it is watched all the same. */
const SETTLE_SECONDS = 240;
/** transmission is not made for more. */
const TRANSMISSION_TORRENTS = 10_000;

/** Seconds from the start until `readyz` says so: peers are accepted then. */
async function start(bae: Bae): Promise<void> {
  const began = performance.now();
  await bae.start();
  say('start until ready, s', ((performance.now() - began) / 1_000).toFixed(2));
}

const measured = (bae: Bae) => ({ name: 'bae', pid: bae.pid(), port: bae.peerPort });

async function benchBae(folder: string): Promise<void> {
  const tracker = await startCountingTracker(INTERVAL_SECONDS);
  const storeDir = join(folder, 'store');
  const bae = await startBae({
    store: `file:${storeDir}`,
    dataDir: join(folder, 'data'),
    env: { BAE_LOG_LEVEL: 'warn' },
  });
  try {
    await sayMemory('bae, empty', bae.pid());
    await bae.stop();
    const began = performance.now();
    const infoHashes = await fillLibrary(bae.dataDir, storeDir, torrents, tracker.url);
    say('(the library was written in, s)', ((performance.now() - began) / 1_000).toFixed(0));
    await start(bae);
    await sayMemory('after the start', bae.pid());
    await watch('after the start', bae.pid(), tracker, seconds);
    await sayMemory('while announcing', bae.pid());
    await sayList(bae);
    await sayMemory('after the list', bae.pid());
    // Before the handshakes: what those woke goes cold meanwhile, and that is work too.
    await sayStrangers(measured(bae), strangers);
    await sayHandshakes(measured(bae), infoHashes, handshakes);
    await sayMemory(`with ${handshakes} torrents just woken`, bae.pid());
    await stop(bae);
    if (Number(values.announces) > 0) await benchRate(bae, tracker, Number(values.announces));
    await dropTrackers(bae.dataDir);
    await start(bae);
    await delay(3_000);
    await watch('without trackers', bae.pid(), tracker, seconds);
  } finally {
    await bae.remove();
    tracker.stop();
  }
}

async function sayList(bae: Bae): Promise<void> {
  const listed = performance.now();
  const list = await bae.api<unknown[]>('GET', '/torrents');
  say(`list of ${list.length}, s`, ((performance.now() - listed) / 1_000).toFixed(2));
  const asked = performance.now();
  await bae.api('GET', '/stats');
  say('stats, s', ((performance.now() - asked) / 1_000).toFixed(2));
}

async function stop(bae: Bae): Promise<void> {
  say('stop, s', ((await bae.stop()).milliseconds / 1_000).toFixed(2));
}

/** All torrents are seeded, and as many have a tracker as make that rate. */
async function benchRate(bae: Bae, tracker: CountingTracker, perSecond: number): Promise<void> {
  const announced = perSecond * SHORT_INTERVAL_SECONDS;
  await dropTrackers(bae.dataDir, announced);
  tracker.intervalSeconds = SHORT_INTERVAL_SECONDS;
  await start(bae);
  await delay((announced / FIRST_ANNOUNCES_A_SECOND + 3) * 1_000);
  await watch('sustained', bae.pid(), tracker, SHORT_INTERVAL_SECONDS);
  await sayMemory('after a round of announces', bae.pid());
  await bae.stop();
}

type Beside = readonly [name: string, start: typeof startManyInLibtorrent, count: number, shakes: boolean];

/** Another program with as many torrents, or as many as it is usually given. */
async function benchBeside(folder: string, [name, startMany, count, shakes]: Beside): Promise<void> {
  const tracker = await startCountingTracker(INTERVAL_SECONDS);
  const where = join(folder, name);
  await mkdir(where);
  const seeds = await startMany(where, count, tracker.url);
  const { pid, port, infoHashes } = seeds;
  try {
    say(`${name}: ${count} torrents, start until all are there, s`, seeds.startSeconds.toFixed(1));
    await sayMemory(name, pid);
    const { rss } = await rssOf(pid);
    say(`${name}: of it each torrent, kB`, ((rss * 1_048.576) / count).toFixed(1));
    await settle(tracker, count);
    await watch(name, pid, tracker, seconds);
    await sayMemory(`${name}, later`, pid);
    if (!shakes) return;
    await sayHandshakes({ name, pid, port }, infoHashes, handshakes);
    await sayStrangers({ name, pid, port }, strangers);
  } finally {
    await seeds.stop();
    tracker.stop();
  }
}

/** Until no more is announced than its interval asks for. */
async function settle(tracker: CountingTracker, count: number): Promise<void> {
  const began = performance.now();
  const usual = (2 * count) / INTERVAL_SECONDS + 1;
  for (let rate = Number.POSITIVE_INFINITY; rate > usual; ) {
    if (performance.now() - began > SETTLE_SECONDS * 1_000) break;
    const before = tracker.announces;
    await delay(5_000);
    rate = (tracker.announces - before) / 5;
  }
  say(
    '  (first announces took, s; how many)',
    `${((performance.now() - began) / 1_000).toFixed(0)}; ${tracker.announces}`,
  );
}

console.log(`${torrents} torrents of 300 pieces and 4 files; ${cpus()[0]?.model}, Node ${process.version}`);
const folder = await temporaryFolder('idle');
try {
  await benchBae(folder.path);
  if (values.beside) {
    await ensureParts();
    await benchBeside(folder.path, ['libtorrent', startManyInLibtorrent, torrents, true]);
    // Its handshakes are not measured.
    const some = Math.min(torrents, TRANSMISSION_TORRENTS);
    await benchBeside(folder.path, ['transmission', startManyInTransmission, some, false]);
  }
} finally {
  await folder.remove();
}
