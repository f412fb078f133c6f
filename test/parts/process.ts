// Child processes of tests: logged to a file, stopped by process id, none left behind.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Node's arguments that start bae as the launcher does. */
export const MAIN: readonly string[] = [
  ...readFileSync(`${ROOT}tools/node/flags`, 'utf8').trim().split(/\s+/),
  `${ROOT}src/main.ts`,
];
const POLL_MILLISECONDS = 20;
const STOP_GRACE_MILLISECONDS = 3_000;
const LOG_TAIL_LINES = 30;

/** A started program. */
export interface Part {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly logFile: string;
  /** Resolves with the exit code (null when a signal ended it); never rejects. */
  readonly exited: Promise<number | null>;
  running(): boolean;
  /** The last lines it wrote, for messages of failed tests. */
  logTail(): string;
  /** Asks it to end, then kills it; resolves when it is gone. Idempotent. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const alive = new Set<ChildProcess>();
let watching = false;

/** A test runner that ends in the middle takes its programs with it. */
function killLeftoversAtExit(): void {
  if (watching) return;
  watching = true;
  process.once('exit', () => {
    for (const child of alive) child.kill('SIGKILL');
  });
}

/**
 * Starts a program with its output in `logFile` (appended). With `pipe`, stdin and stdout stay with the caller; with
 * `namespace`, it has that network namespace's network.
 */
export function startPart(
  command: string,
  args: readonly string[],
  options: { logFile: string; cwd?: string; env?: NodeJS.ProcessEnv; pipe?: boolean; namespace?: string | undefined },
): Part {
  killLeftoversAtExit();
  const log = openSync(options.logFile, 'a');
  const stdio: SpawnOptions['stdio'] = options.pipe ? ['pipe', 'pipe', log] : ['ignore', log, log];
  const inside = options.namespace === undefined ? [] : ['/usr/sbin/ip', 'netns', 'exec', options.namespace];
  // The kernel ends it with its parent, however that one ends.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...inside, command, ...args], {
    stdio,
    cwd: options.cwd,
    env: options.env ?? process.env,
  });
  closeSync(log);
  alive.add(child);
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      alive.delete(child);
      resolve(code);
    });
    child.once('error', () => {
      alive.delete(child);
      resolve(null);
    });
  });
  const running = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid ?? -1,
    child,
    logFile: options.logFile,
    exited,
    running,
    logTail: () => readFileSync(options.logFile, 'utf8').split('\n').slice(-LOG_TAIL_LINES).join('\n'),
    async stop(signal = 'SIGTERM') {
      if (!running()) return;
      child.kill(signal);
      const gone = await Promise.race([exited.then(() => true), delay(STOP_GRACE_MILLISECONDS, false, { ref: false })]);
      if (!gone) child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Polls until `condition` gives something other than false or undefined; throws a sentence naming `what` after the timeout. */
export async function waitFor<T>(
  what: string,
  timeoutMilliseconds: number,
  condition: () => T | Promise<T>,
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + timeoutMilliseconds;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>;
    if (performance.now() > deadline) throw new Error(`gave up after ${timeoutMilliseconds} ms waiting for ${what}`);
    await delay(POLL_MILLISECONDS);
  }
}

/** Below the ports that the system takes for outgoing connections, so that none of those takes a port over a restart. */
const FIRST_PORT = 10_240;
const END_PORT = 32_000;

/** `count` TCP ports of `address` that were free a moment ago. */
export async function freePorts(count: number, address = '127.0.0.1'): Promise<number[]> {
  const servers = new Map<number, Server>();
  while (servers.size < count) {
    const port = randomInt(FIRST_PORT, END_PORT);
    const server = createServer();
    const free = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
      );
      server.listen(port, address, () => resolve(true));
    });
    if (free) servers.set(port, server);
  }
  await Promise.all([...servers.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  return [...servers.keys()];
}

/** A fresh folder under the system's temporary folder, and how to remove it. */
export async function temporaryFolder(name: string): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `bae-${name}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}
