// What is measured of a program that seeds many torrents which nobody asks for: bae, or another.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type CountingTracker, shake } from '../../test/parts/handshakes.ts';
import { startPart, temporaryFolder } from '../../test/parts/process.ts';
import { cpuSecondsOf } from './cpu.ts';

const ACCEPTING = fileURLToPath(new URL('accepting.ts', import.meta.url));
const STRANGERS_AT_ONCE = 8;
const WARMING_STRANGERS = 1_000;
/** Handshakes of one kind before as many of the other: what the machine does meanwhile meets both. */
const HANDSHAKES_IN_TURN = 50;
const MOST_FAILED = 20;

export interface Measured {
  readonly name: string;
  readonly pid: number;
  /** Where peers reach it, on 127.0.0.1. */
  readonly port: number;
}

export const say = (what: string, value: string) => console.log(`${what.padEnd(66)} ${value}`);

/** Resident memory of a process in MiB, now and at its peak; of it, what is a mapped file: mostly the program's own. */
export async function rssOf(pid: number): Promise<{ rss: number; peak: number; file: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1_024;
  return { rss: mib('VmRSS'), peak: mib('VmHWM'), file: mib('RssFile') };
}

export async function sayMemory(when: string, pid: number): Promise<void> {
  const { rss, peak, file } = await rssOf(pid);
  say(`${when}: RSS, MiB (peak; of it files)`, `${rss.toFixed(0)} (${peak.toFixed(0)}; ${file.toFixed(0)})`);
}

/** CPU of one core while nothing is asked. */
export async function watch(what: string, pid: number, tracker: CountingTracker, seconds: number): Promise<void> {
  const [cpu, announces, began] = [await cpuSecondsOf(pid), tracker.announces, performance.now()];
  await delay(seconds * 1_000);
  const took = (performance.now() - began) / 1_000;
  const used = (await cpuSecondsOf(pid)) - cpu;
  const rate = (tracker.announces - announces) / took;
  say(`${what}: ${rate.toFixed(1)} announces a second; % of a core`, ((used / took) * 100).toFixed(1));
}

/** Milliseconds at some shares of a list, and how many there are. */
function spread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(1);
  return `${at(0.5)} / ${at(0.95)} / ${at(0.99)} / ${sorted.at(-1)?.toFixed(1)} of ${sorted.length}`;
}

/**
 * Handshakes one after the other, each with another torrent, and then again with the same ones: what the second takes is
 * the machine's and the connection's.
 */
export async function sayHandshakes({ name, pid, port }: Measured, infoHashes: readonly Buffer[], count: number) {
  const [first, again] = [[] as number[], [] as number[]];
  let [failed, cpuOfFirst, cpuOfAgain] = [0, 0, 0];
  const shakeAll = async (some: readonly Buffer[], times: number[]) => {
    const cpu = await cpuSecondsOf(pid);
    for (const infoHash of some) {
      const took = await shake(port, infoHash);
      if (took !== null) times.push(took);
      else if (++failed > MOST_FAILED) throw new Error(`${name} does not answer handshakes`);
    }
    return (await cpuSecondsOf(pid)) - cpu;
  };
  const chosen = sample(infoHashes, count);
  for (let from = 0; from < chosen.length; from += HANDSHAKES_IN_TURN) {
    const some = chosen.slice(from, from + HANDSHAKES_IN_TURN);
    cpuOfFirst += await shakeAll(some, first);
    cpuOfAgain += await shakeAll(some, again);
  }
  say(`${name}, a handshake to all pieces, ms: p50 / p95 / p99 / most`, spread(first));
  say(`${name}, again with the same torrents, ms: p50 / p95 / p99 / most`, spread(again));
  const milliseconds = (cpu: number) => ((cpu / chosen.length) * 1_000).toFixed(2);
  say(`${name}, CPU of both, ms each`, `${milliseconds(cpuOfFirst)}, ${milliseconds(cpuOfAgain)}`);
  if (failed > 0) say(`${name}, not answered`, `${failed} of ${2 * chosen.length}`);
}

/** `count` different ones, at random. */
function sample<T>(list: readonly T[], count: number): T[] {
  const copy = [...list];
  const most = Math.min(count, copy.length);
  for (let at = 0; at < most; at++) {
    const other = at + Math.floor(Math.random() * (copy.length - at));
    [copy[at], copy[other]] = [copy[other] as T, copy[at] as T];
  }
  return copy.slice(0, most);
}

/** CPU microseconds of a process for each connection: one with an unknown info-hash, or one that says nothing. */
async function strangers(pid: number, port: number, count: number, kind: 'unknown' | 'silent'): Promise<number> {
  const cpu = await cpuSecondsOf(pid);
  let left = count;
  const one = async () => {
    while (left-- > 0) await shake(port, kind === 'unknown' ? randomBytes(20) : null);
  };
  await Promise.all(Array.from({ length: STRANGERS_AT_ONCE }, one));
  return (((await cpuSecondsOf(pid)) - cpu) / count) * 1e6;
}

/** What a stranger costs in all, and what of it is the handshake's. */
export async function sayStrangers({ name, pid, port }: Measured, count: number): Promise<void> {
  const floor = await startAccepting();
  try {
    await strangers(pid, port, WARMING_STRANGERS, 'unknown');
    await strangers(floor.pid, floor.port, WARMING_STRANGERS, 'unknown');
    const silent = await strangers(pid, port, count, 'silent');
    const unknown = await strangers(pid, port, count, 'unknown');
    const least = await strangers(floor.pid, floor.port, count, 'unknown');
    say(`${name}, a connection that says nothing, CPU µs`, silent.toFixed(0));
    say(`${name}, one with an unknown info-hash, all of it, CPU µs`, unknown.toFixed(0));
    say('  a Node server that accepts it, reads it and hangs up, CPU µs', least.toFixed(0));
    say('  more than that server', (unknown - least).toFixed(0));
    say('  more than the connection that says nothing', (unknown - silent).toFixed(0));
  } finally {
    await floor.stop();
  }
}

/** The least that any server on Node can do with a handshake. */
async function startAccepting(): Promise<{ pid: number; port: number; stop(): Promise<void> }> {
  const folder = await temporaryFolder('accepting');
  const part = startPart(process.execPath, [ACCEPTING], { logFile: `${folder.path}/log`, pipe: true });
  const port = await new Promise<number>((resolve) =>
    part.child.stdout?.once('data', (line: Buffer) => resolve(Number(line.toString()))),
  );
  const stop = async () => {
    await part.stop('SIGKILL');
    await folder.remove();
  };
  return { pid: part.pid, port, stop };
}
