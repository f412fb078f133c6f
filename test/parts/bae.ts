// bae itself as a program: started, asked through its command line and socket, killed, and watched from outside.
import { readFileSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join, relative } from 'node:path';
import { afterEach } from 'vitest';
import type { ImportView, StatsView, TorrentDetail, TorrentView } from '../../src/http/ports.ts';
import type { Gateway } from './gateway.ts';
import { freePorts, MAIN, type Part, startPart, temporaryFolder, waitFor } from './process.ts';

const START_TIMEOUT_MILLISECONDS = 30_000;
const SAMPLE_MILLISECONDS = 200;
const CLI_TIMEOUT_MILLISECONDS = 280_000;
const SHOWN_LOG_LINES = 60;
const FINAL_STATES: readonly string[] = ['done', 'failed', 'cancelled'];

/** What a command of bae did. */
export interface CliResult {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
  /** Standard output parsed as JSON. */
  json<T>(): T;
}

/** The most a run of bae took, over all its starts; bytes. */
export interface Use {
  /** Resident memory, as the kernel saw its peak. */
  peakRss: number;
  /** All files of the data folder but the database's: sealed content in spool and cache, keys, logs. */
  peakContent: number;
  /** All files of the data folder. */
  peakDisk: number;
}

export interface BaeOptions {
  /** BAE_STORE. */
  readonly store: string;
  /** Default: a temporary folder that `remove` deletes. */
  readonly dataDir?: string;
  /** Where it listens for peers; default 127.0.0.1. */
  readonly peerAddress?: string;
  /** A network namespace for the server; further environment: BAE_* settings, credentials. */
  readonly namespace?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A bae server with its data folder, over any number of starts. Ports stay the same. */
export interface Bae {
  readonly dataDir: string;
  /** `host:port` peers dial. */
  readonly peer: string;
  readonly peerPort: number;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly use: Use;
  pid(): number;
  running(): boolean;
  /** Runs a command against this server's data folder. */
  cli(...args: string[]): Promise<CliResult>;
  /** `cli` with --json; throws with its words unless it ended with 0. */
  ask<T>(...args: string[]): Promise<T>;
  /** One call of the API over the socket; throws its words unless the answer is 2xx. */
  api<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T>;
  /** Waits for an import to end or to reach one of `states`; throws its error when it ends otherwise. */
  untilImport(id: string, states: readonly string[], timeoutMilliseconds?: number): Promise<ImportView>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts again after `kill` or `stop`, with the same folder and ports, and waits until it is ready; `env` stays. */
  start(env?: Readonly<Record<string, string>>): Promise<void>;
  /** `start` without the waiting. */
  launch(env?: Readonly<Record<string, string>>): void;
  /** SIGTERM; the exit code (null: it did not end in time and was killed) and how long it took. */
  stop(): Promise<{ code: number | null; milliseconds: number }>;
  /** Ends it and deletes its temporary folder. */
  remove(): Promise<void>;
  logTail(lines?: number): string;
}

const everyBae = new Set<Bae>();

/** Shows the last log lines of each living bae when a test of this file fails. Call once at the top of a file. */
export function showLogsOnFailure(): void {
  afterEach(({ task }) => {
    if (task.result?.state !== 'fail') return;
    for (const bae of everyBae) process.stderr.write(`--- log of bae at ${bae.dataDir}\n${bae.logTail()}\n`);
  });
}

/** Settings for a library in a bucket of the gateway. */
export function gatewayStore(gateway: Gateway, bucket: string): { store: string; env: Record<string, string> } {
  return {
    store: `s3://${bucket}/library?endpoint=${gateway.endpoint}&region=${gateway.region}`,
    env: { AWS_ACCESS_KEY_ID: gateway.accessKey, AWS_SECRET_ACCESS_KEY: gateway.secretKey },
  };
}

/** The environment without settings of bae or AWS that the machine happens to have, and `extra`. */
export function cleanEnvironment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(BAE|AWS)_/.test(name) && !/^(VITEST|NODE_)/.test(name),
  );
  return { ...Object.fromEntries(own), ...extra };
}

/** Runs `./bae <args>`, the launcher aside, to its end. */
export async function runBae(args: readonly string[], env: Readonly<Record<string, string>>): Promise<CliResult> {
  const folder = await temporaryFolder('cli');
  const began = performance.now();
  const logFile = join(folder.path, 'stderr');
  const part = startPart(process.execPath, [...MAIN, ...args], { logFile, env: cleanEnvironment(env), pipe: true });
  part.child.stdin?.end();
  const parts: Buffer[] = [];
  part.child.stdout?.on('data', (data: Buffer) => parts.push(data));
  const closed = new Promise<void>((resolve) => part.child.once('close', () => resolve()));
  const timer = setTimeout(() => part.child.kill('SIGKILL'), CLI_TIMEOUT_MILLISECONDS);
  const code = await part.exited;
  await closed;
  clearTimeout(timer);
  const stderr = readFileSync(logFile, 'utf8');
  await folder.remove();
  const stdout = Buffer.concat(parts).toString();
  return { code, stdout, stderr, milliseconds: performance.now() - began, json: () => JSON.parse(stdout) };
}

/** One HTTP call over a Unix socket. */
export function callSocket(socketPath: string, method: string, path: string, body?: unknown) {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const headers = { host: 'localhost', ...(payload === undefined ? {} : { 'content-type': 'application/json' }) };
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers }, (reply) => {
      const parts: Buffer[] = [];
      reply.on('data', (part: Buffer) => parts.push(part));
      reply.on('error', reject);
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
    });
    sent.on('error', reject);
    sent.end(payload);
  });
}

interface FoundFile {
  path: string;
  bytes: number;
}

/** Every file below a folder as it is now; files that vanish in between do not count, one with two names counts once. */
export async function filesUnder(folder: string): Promise<FoundFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const seen = new Set<number>();
  const found: FoundFile[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const about = await lstat(path).catch(() => undefined);
    if (about === undefined || seen.has(about.ino)) continue;
    seen.add(about.ino);
    found.push({ path, bytes: about.size });
  }
  return found;
}

/** Files below `folder` that hold one of `needles` in clear, by their path in it. */
export async function filesHolding(folder: string, needles: readonly (Buffer | string)[]): Promise<string[]> {
  const holding: string[] = [];
  for (const { path } of await filesUnder(folder)) {
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    if (needles.some((needle) => bytes.includes(needle))) holding.push(relative(folder, path));
  }
  return holding;
}

async function sample(pid: number, dataDir: string, use: Use): Promise<void> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const peakKib = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  use.peakRss = Math.max(use.peakRss, peakKib * 1024);
  const files = await filesUnder(dataDir);
  const sum = (some: readonly FoundFile[]) => some.reduce((total, { bytes }) => total + bytes, 0);
  use.peakDisk = Math.max(use.peakDisk, sum(files));
  const isDatabase = ({ path }: FoundFile) => relative(dataDir, path).startsWith('bae.db');
  use.peakContent = Math.max(use.peakContent, sum(files.filter((file) => !isDatabase(file))));
}

/** Samples until the program ends, one sample after the other. */
async function watch(part: Part, dataDir: string, use: Use): Promise<void> {
  while (part.running()) {
    await sample(part.pid, dataDir, use);
    await Promise.race([part.exited, new Promise((resolve) => setTimeout(resolve, SAMPLE_MILLISECONDS))]);
  }
}

/** Starts a server and waits until it is ready. Its words on failure are in the error. */
export async function startBae(options: BaeOptions): Promise<Bae> {
  const temporary = options.dataDir === undefined ? await temporaryFolder('data') : undefined;
  const dataDir = options.dataDir ?? temporary?.path ?? '';
  const logs = await temporaryFolder('log');
  const logFile = join(logs.path, 'log');
  const peerAddress = options.peerAddress ?? '127.0.0.1';
  const [peerPort = 0] = await freePorts(1, options.namespace === undefined ? peerAddress : undefined);
  const [port = 0] = await freePorts(1);
  const socketPath = join(dataDir, 'bae.sock');
  let env: Record<string, string> = {
    BAE_DATA: dataDir,
    BAE_STORE: options.store,
    BAE_LISTEN: `127.0.0.1:${port}`,
    BAE_PEER_ADDRESS: peerAddress,
    BAE_PEER_PORT: String(peerPort),
    BAE_ALLOW_PRIVATE_ADDRESSES: 'true',
    ...{ BAE_DHT: 'false', BAE_LSD: 'false' },
    ...options.env,
  };
  const use: Use = { peakRss: 0, peakContent: 0, peakDisk: 0 };
  let part: Part | undefined;

  const bae: Bae = {
    dataDir,
    peer: `${peerAddress}:${peerPort}`,
    peerPort,
    url: `http://127.0.0.1:${port}`,
    use,
    pid: () => part?.pid ?? -1,
    running: () => part?.running() ?? false,
    cli: (...args) => runBae(args, env),
    async ask(...args) {
      const result = await runBae([...args, '--json'], env);
      if (result.code !== 0) throw new Error(`bae ${args.join(' ')} ended with ${result.code}: ${result.stderr}`);
      return result.json();
    },
    async api(method, path, body) {
      const { status, text } = await callSocket(socketPath, method, `/api/v1${path}`, body);
      if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${text}`);
      return text === '' ? undefined : JSON.parse(text);
    },
    untilImport: (id, states, timeoutMilliseconds = 60_000) =>
      waitFor(`import ${id} to be ${states.join(' or ')}`, timeoutMilliseconds, async () => {
        const now = await bae.api<ImportView>('GET', `/imports/${id}`);
        if (states.includes(now.state)) return now;
        if (FINAL_STATES.includes(now.state)) throw new Error(`import ${id} is ${now.state}: ${now.error}`);
        return undefined;
      }),
    async kill() {
      await part?.stop('SIGKILL');
    },
    launch(changed = {}) {
      if (part?.running()) throw new Error('bae runs already');
      env = { ...env, ...changed };
      const where = { logFile, env: cleanEnvironment(env), namespace: options.namespace };
      part = startPart(process.execPath, [...MAIN, 'serve'], where);
      void watch(part, dataDir, use);
    },
    async start(changed) {
      bae.launch(changed);
      await waitFor('bae to be ready', START_TIMEOUT_MILLISECONDS, async () => {
        if (!bae.running()) throw new Error(`bae ended at its start:\n${bae.logTail()}`);
        const ready = await callSocket(socketPath, 'GET', '/readyz').catch(() => undefined);
        return ready?.status === 200;
      });
    },
    async stop() {
      const began = performance.now();
      const code = part === undefined ? null : await endWithin(part, 12_000);
      return { code, milliseconds: performance.now() - began };
    },
    async remove() {
      await part?.stop('SIGKILL');
      everyBae.delete(bae);
      await temporary?.remove();
      await logs.remove();
    },
    logTail: (lines = SHOWN_LOG_LINES) => readFileSync(logFile, 'utf8').split('\n').slice(-lines).join('\n'),
  };
  everyBae.add(bae);
  try {
    await bae.start();
  } catch (error) {
    const words = bae.logTail();
    await bae.remove();
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${words}`, { cause: error });
  }
  return bae;
}

async function endWithin(part: Part, milliseconds: number): Promise<number | null> {
  part.child.kill('SIGTERM');
  const timer = setTimeout(() => part.child.kill('SIGKILL'), milliseconds);
  const code = await part.exited;
  clearTimeout(timer);
  return code;
}

/** The one torrent of a library with this info-hash. */
export async function torrentOf(bae: Bae, infoHash: string): Promise<TorrentView> {
  const found = (await bae.api<TorrentView[]>('GET', '/torrents')).find((torrent) => torrent.infoHash === infoHash);
  if (found === undefined) throw new Error(`bae has no torrent ${infoHash}`);
  return found;
}

export type { ImportView, StatsView, TorrentDetail, TorrentView };
