// Compiles and runs the load generator.
import { execFile } from 'node:child_process';
import { mkdir, rename, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SOURCES = ['load.c', 'connection.c', 'connection.h', 'encrypt.c', 'encrypt.h'].map((name) =>
  fileURLToPath(new URL(name, import.meta.url)),
);
const FOLDER = fileURLToPath(new URL('../../.test/bench/', import.meta.url));
/** Time beyond the measured one: connecting and being unchoked. */
const EXTRA_SECONDS = 60;

/** Compiles bench/load (only when a source is newer) into an ignored folder; returns the program's path. */
export async function buildLoad(): Promise<string> {
  const program = `${FOLDER}load`;
  const built = (await stat(program).catch(() => undefined))?.mtimeMs ?? 0;
  const changed = await Promise.all(SOURCES.map(async (source) => (await stat(source)).mtimeMs));
  if (built > Math.max(...changed)) return program;
  await mkdir(FOLDER, { recursive: true });
  const fresh = `${program}.${process.pid}`;
  const sources = SOURCES.filter((source) => source.endsWith('.c'));
  await run('cc', ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-Werror', '-o', fresh, ...sources]);
  await rename(fresh, program);
  return program;
}

/** What one run of the load generator saw. */
export interface LoadResult {
  /** Payload since the clock started. */
  bytes: number;
  /** Payload since the first connection. */
  allBytes: number;
  seconds: number;
  /** 10^6 bytes a second. */
  mbPerSecond: number;
  /** Of the load generator itself. */
  cpuSeconds: number;
  /** Blocks compared with the sample. */
  compared: number;
  /** Blocks that differed, and messages that break the protocol. */
  mismatches: number;
  rejects: number;
  /** Connections that were unchoked when the clock started. */
  unchoked: number;
  /** Connections the seeder closed. */
  closed: number;
}

/** Which blocks each connection asks for: any; any pieces, the blocks of each in order, as most clients do; all in order. */
export type LoadOrder = 'random' | 'pieces' | 'sequential';

/** Loads a seeder. `sample` is a file with the torrent's concatenated content, of which one block in 256 is compared. */
export async function runLoad(options: {
  host: string;
  port: number;
  torrent: { infoHash: string; pieceLength: number; totalBytes: number };
  connections: number;
  requestsInFlight: number;
  seconds: number;
  order?: LoadOrder;
  sample?: string;
  /** Encrypted connections (MSE). */
  rc4?: boolean;
}): Promise<LoadResult> {
  const program = await buildLoad();
  const {
    host,
    port,
    torrent,
    connections,
    requestsInFlight,
    seconds,
    order = 'random',
    sample,
    rc4 = false,
  } = options;
  const numbers = [torrent.pieceLength, torrent.totalBytes, connections, requestsInFlight, seconds].map(String);
  const where = [...(rc4 ? ['--rc4'] : []), host, String(port), torrent.infoHash];
  const args = [...where, ...numbers, order, ...(sample === undefined ? [] : [sample])];
  const timeout = (seconds + EXTRA_SECONDS) * 1000;
  const { stdout } = await run(program, args, { timeout }).catch((error: Error & { stdout?: string }) => {
    // Exit code 1 still tells its numbers.
    if (error.stdout?.startsWith('{')) return { stdout: error.stdout };
    throw error;
  });
  return JSON.parse(stdout) as LoadResult;
}
