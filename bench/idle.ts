// npm run bench idle [-- flags]: what many torrents that nobody asks for cost: start, memory, waking, strangers, announces.
// docs/decisions/0026-cold-torrents.md tells what came of it.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Bae, startBae } from '../test/parts/bae.ts';
import { startLibtorrent } from '../test/parts/clients/libtorrent.ts';
import { type CountingTracker, shake, startCountingTracker } from '../test/parts/handshakes.ts';
import { ensureParts } from '../test/parts/install.ts';
import { dropTrackers, fillLibrary, infoOf } from '../test/parts/many-torrents.ts';
import { temporaryFolder } from '../test/parts/process.ts';
import { cpuSecondsOf } from './load/cpu.ts';

const { values } = parseArgs({
  options: {
    torrents: { type: 'string', default: '50000' },
    handshakes: { type: 'string', default: '1000' },
    strangers: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '20' },
    libtorrent: { type: 'boolean', default: false },
  },
});
const torrents = Number(values.torrents);
const seconds = Number(values.seconds);
/** Each torrent announces this often: 50,000 of them 28 times a second. */
const INTERVAL_SECONDS = 1_785;
const STRANGERS_AT_ONCE = 8;

async function rssOf(pid: number): Promise<{ rss: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1_024;
  return { rss: mib('VmRSS'), peak: mib('VmHWM') };
}

const say = (what: string, value: string) => console.log(`${what.padEnd(52)} ${value}`);

async function sayMemory(when: string, pid: number): Promise<void> {
  const { rss, peak } = await rssOf(pid);
  say(`${when}: RSS, MiB (peak)`, `${rss.toFixed(0)} (${peak.toFixed(0)})`);
}

/** Milliseconds from the start to an answer on the peer port, and until `readyz` says so. */
async function start(bae: Bae): Promise<void> {
  const began = performance.now();
  await bae.start();
  say('start until ready, s', ((performance.now() - began) / 1_000).toFixed(2));
}

/** CPU of one core while nothing is asked. */
async function watch(what: string, pid: number, tracker: CountingTracker): Promise<void> {
  const [cpu, announces] = [await cpuSecondsOf(pid), tracker.announces];
  await delay(seconds * 1_000);
  const used = (await cpuSecondsOf(pid)) - cpu;
  const rate = (tracker.announces - announces) / seconds;
  say(`${what}: ${rate.toFixed(1)} announces a second; % of a core`, ((used / seconds) * 100).toFixed(1));
}

/** Handshakes for random torrents, one after the other. */
async function wake(what: string, port: number, infoHashes: readonly Buffer[], count: number): Promise<void> {
  const times: number[] = [];
  let failed = 0;
  for (let at = 0; at < count; at++) {
    const infoHash = infoHashes[Math.floor(Math.random() * infoHashes.length)] as Buffer;
    const took = await shake(port, infoHash);
    if (took === null) failed++;
    else times.push(took);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? Number.NaN).toFixed(1);
  say(`${what}: ms to the bitfield, p50 / p99 / most`, `${at(0.5)} / ${at(0.99)} / ${times.at(-1)?.toFixed(1)}`);
  if (failed > 0) say(`${what}: not answered`, `${failed} of ${count}`);
}

async function strangers(pid: number, port: number, count: number, kind: 'unknown' | 'silent'): Promise<number> {
  const cpu = await cpuSecondsOf(pid);
  let left = count;
  const one = async () => {
    while (left-- > 0) await shake(port, kind === 'unknown' ? randomBytes(20) : null);
  };
  await Promise.all(Array.from({ length: STRANGERS_AT_ONCE }, one));
  return (((await cpuSecondsOf(pid)) - cpu) / count) * 1e6;
}

async function measureStrangers(pid: number, port: number): Promise<void> {
  const count = Number(values.strangers);
  await strangers(pid, port, 500, 'unknown');
  const silent = await strangers(pid, port, count, 'silent');
  const unknown = await strangers(pid, port, count, 'unknown');
  say('a connection that says nothing, CPU µs', silent.toFixed(0));
  say('a handshake with an unknown info-hash, CPU µs', `${unknown.toFixed(0)}, ${(unknown - silent).toFixed(0)} more`);
}

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
    await watch('after the start', bae.pid(), tracker);
    await sayMemory('while announcing', bae.pid());
    await wake('cold, one after the other', bae.peerPort, infoHashes, Number(values.handshakes));
    await measureStrangers(bae.pid(), bae.peerPort);
    await sayMemory('after the handshakes', bae.pid());
    const listed = performance.now();
    const list = await bae.api<unknown[]>('GET', '/torrents');
    say(`list of ${list.length}, s`, ((performance.now() - listed) / 1_000).toFixed(2));
    await sayMemory('after the list', bae.pid());
    const asked = performance.now();
    await bae.api('GET', '/stats');
    say('stats, s', ((performance.now() - asked) / 1_000).toFixed(2));
    say('stop, s', ((await bae.stop()).milliseconds / 1_000).toFixed(2));
    await dropTrackers(bae.dataDir);
    await start(bae);
    await delay(3_000);
    await watch('without trackers', bae.pid(), tracker);
  } finally {
    await bae.remove();
    tracker.stop();
  }
}

/** The same torrents in libtorrent, added one by one as seeds, unchecked. */
async function benchLibtorrent(folder: string): Promise<void> {
  const tracker = await startCountingTracker(INTERVAL_SECONDS);
  const files = join(folder, 'torrents');
  await mkdir(files);
  const infos = Array.from({ length: torrents }, (_, at) => infoOf(at + 1));
  const paths: string[] = [];
  for (const [at, info] of infos.entries()) {
    const path = join(files, `${at}.torrent`);
    const announce = Buffer.from(`8:announce${tracker.url.length}:${tracker.url}4:info`);
    await writeFile(path, Buffer.concat([Buffer.from('d'), announce, info, Buffer.from('e')]));
    paths.push(path);
  }
  const infoHashes = infos.map((info) => createHash('sha1').update(info).digest());
  const began = performance.now();
  const session = await startLibtorrent();
  try {
    for (const path of paths) await session.add({ torrent: path, folder: files, seed: true });
    say('libtorrent: all added, s', ((performance.now() - began) / 1_000).toFixed(1));
    await delay(5_000);
    await sayMemory('libtorrent', session.pid);
    await watch('libtorrent', session.pid, tracker);
    await wake('libtorrent', session.port, infoHashes, Number(values.handshakes));
    await measureStrangers(session.pid, session.port);
  } finally {
    await session.stop('kill');
    tracker.stop();
  }
}

console.log(`${torrents} torrents of 300 pieces and 4 files; ${cpus()[0]?.model}, Node ${process.version}`);
const folder = await temporaryFolder('idle');
try {
  await benchBae(folder.path);
  if (values.libtorrent) {
    await ensureParts();
    await benchLibtorrent(folder.path);
  }
} finally {
  await folder.remove();
}
