// What finds peers (DHT, PEX, LSD), attacked from the whole internet: a namespace that has its addresses, joined to the
// server's by a link. Limits that this machine's own addresses are exempt from hold, and nothing leaves the machine.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DHT_ATTACK } from '../hostile/dht.ts';
import { infoOfTorrent, LOCAL_ROUTES, NODE_PORT, TORRENTS } from '../hostile/ground.ts';
import { LSD_ATTACK } from '../hostile/lsd.ts';
import { PEX_ATTACK } from '../hostile/pex.ts';
import type { AttackReport, StrangerOptions } from '../hostile/stranger-program.ts';
import { type Bae, showLogsOnFailure, startBae } from '../parts/bae.ts';
import { makeNamespaces, type Namespaces } from '../parts/namespaces.ts';
import { MAIN, type Part, startPart, temporaryFolder, waitFor } from '../parts/process.ts';

const PROGRAM = fileURLToPath(new URL('../hostile/stranger-program.ts', import.meta.url));
const SEED = { address: '20.9.0.1', port: 7_101 };
/** On the link to the server. */
const NEAR = '10.77.2.1';
const START_MILLISECONDS = 20_000;
/** What an honest peer must keep of its rate, what the loop may be late by, what a stranger may cost; and what this noisy place can assert. */
const MARKS = { rate: 0.8, milliseconds: 20, bytes: 1024 * 1024 };
const LEAST_RATE = 0.5;
const MOST_MILLISECONDS = 200;
const MOST_BYTES = 10 * MARKS.bytes;
const IDLE_BYTES = 64 * 1024 * 1024;
const ALL_LINES = 1_000_000;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let net: Namespaces;
let seed: Part;
let watcher: Part;
let bae: Bae;

function startStranger(options: StrangerOptions, namespace: string, pipe = false): Part {
  const args = [...MAIN.slice(0, -1), PROGRAM, JSON.stringify(options)];
  return startPart(process.execPath, args, { logFile: join(folder.path, options.as), namespace, pipe });
}

const saidBy = (part: Part) => readFileSync(part.logFile, 'utf8');
const isReady = (part: Part) => waitFor('a stranger', START_MILLISECONDS, () => saidBy(part).includes('ready'));

beforeAll(async () => {
  [folder, net] = await Promise.all([temporaryFolder('hostile-discovery'), makeNamespaces()]);
  for (const route of LOCAL_ROUTES) {
    await promisify(execFile)('/usr/sbin/ip', ['-n', net.there, 'route', 'add', 'local', route, 'dev', 'lo']);
  }
  seed = startStranger({ as: 'seed', ...SEED, near: NEAR }, net.there);
  watcher = startStranger({ as: 'watch' }, net.here);
  await Promise.all([isReady(seed), isReady(watcher)]);
  bae = await startBae({
    store: `file:${folder.path}/store`,
    namespace: net.here,
    peerAddress: net.ethernet,
    env: {
      ...{ BAE_DHT: 'true', BAE_LSD: 'true', BAE_LOG_LEVEL: 'info', BAE_ALLOW_PRIVATE_ADDRESSES: 'false' },
      BAE_DHT_BOOTSTRAP: `20.40.0.1:${NODE_PORT}`,
    },
  });
  for (const [at, name] of TORRENTS.entries()) {
    const path = join(folder.path, `${name}.torrent`);
    await writeFile(path, Buffer.concat([Buffer.from('d4:info'), infoOfTorrent(name).rawInfo, Buffer.from('e')]));
    const { code, stderr } = await bae.cli('import', path, '--peer', `${SEED.address}:${SEED.port + at}`, '--wait');
    expect(stderr + code).toContain('0');
  }
  await waitFor('what bae calls itself', START_MILLISECONDS, () => saidBy(seed).includes('cookie '));
}, 120_000);
afterAll(async () => {
  await bae?.remove();
  for (const part of [seed, watcher]) await part?.stop('SIGKILL');
  await net?.remove();
  await folder?.remove();
});

/** Runs an attack as a program in the other namespace. */
async function attack(as: 'lsd' | 'pex' | 'dht'): Promise<AttackReport> {
  const cookie = /cookie (\w+)/.exec(saidBy(seed))?.[1] ?? '';
  const server = { host: net.ethernet, port: bae.peerPort, socketPath: join(bae.dataDir, 'bae.sock'), pid: bae.pid() };
  const part = startStranger({ as, ...server, near: NEAR, cookie }, net.there, true);
  const told: Buffer[] = [];
  part.child.stdout?.on('data', (data: Buffer) => told.push(data));
  const closed = new Promise((resolve) => part.child.once('close', resolve));
  const code = await part.exited;
  await closed;
  process.stderr.write(saidBy(part));
  expect(code).toBe(0);
  return JSON.parse(Buffer.concat(told).toString());
}

it.each([
  { as: 'lsd', ...LSD_ATTACK },
  { as: 'pex', ...PEX_ATTACK },
  { as: 'dht', ...DHT_ATTACK },
] as const)('withstands $name', async ({ as, name, strangers }) => {
  const { outcome, rate, calls, quietCalls, grown, honest } = await attack(as);
  const milliseconds = (some: readonly number[]) => some.map((one) => one.toFixed(0)).join('/');
  const lines = [
    `${(100 * rate).toFixed(0)} % of its rate (mark ${100 * MARKS.rate})`,
    `answers in ${milliseconds(calls)} ms (50th/95th; quiet ${milliseconds(quietCalls)}; mark ${MARKS.milliseconds})`,
    `${(grown / 1e6).toFixed(0)} MB more for ${strangers} (mark ${(strangers * MARKS.bytes) / 1e6})`,
  ];
  process.stderr.write(`${name}: ${lines.join(', ')}\n`);
  expect(outcome.filter(([, holds]) => !holds).map(([words]) => words)).toEqual([]);
  expect(rate).toBeGreaterThan(LEAST_RATE);
  expect(calls[0]).toBeLessThan(MOST_MILLISECONDS);
  expect(grown).toBeLessThan(IDLE_BYTES + strangers * MOST_BYTES);
  expect([bae.running(), honest]).toEqual([true, { closed: false, wrongBlocks: 0 }]);
});

it('was never led to its own machine, has logged no fault of its own, and stops in order', async () => {
  expect(saidBy(watcher)).not.toContain('dialled');
  const isFault = (line: string) => /"level":(50|60)/.test(line);
  expect(bae.logTail(ALL_LINES).split('\n').filter(isFault)).toEqual([]);
  expect((await bae.stop()).code).toBe(0);
});
