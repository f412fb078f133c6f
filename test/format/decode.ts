// Runs the second decoder (decode.py) and hands back what it read.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PYTHON } from '../parts/install.ts';

const run = promisify(execFile);
const DECODER = fileURLToPath(new URL('decode.py', import.meta.url));

/** A bundle as decode.py describes it; binary fields are hex. */
export interface DecodedBundle {
  readonly bundle: string;
  readonly generation: number;
  readonly length: number;
  /** SHA-256 of the stream. */
  readonly sha256: string;
  readonly chunks: readonly string[];
  readonly files: readonly { readonly path: readonly string[]; readonly length: number; readonly pad?: boolean }[];
  readonly torrents: readonly { readonly infoHash: string; readonly info: string; readonly extents: unknown }[];
  readonly settings: readonly { readonly infoHash: string; readonly trackers: string[][]; readonly seeding: unknown }[];
  readonly releases: readonly Record<string, unknown>[];
}

/**
 * Reads the library whose objects lie in the folder `store` with the key file `key`, and writes each bundle's bytes to
 * `<out>/<bundle>.stream`. Torrents that are their bundle's whole stream were checked piece by piece. Rejects with
 * decode.py's one line when anything is not right.
 */
export async function decodeLibrary(key: string, store: string, out: string): Promise<DecodedBundle[]> {
  await decode('--key', key, '--store', store, out);
  const names = (await readdir(out)).filter((name) => name.endsWith('.json'));
  return Promise.all(names.map(async (name) => JSON.parse(await readFile(join(out, name), 'utf8'))));
}

/** Checks test/vectors; `out` is a scratch folder. Resolves to what decode.py says. */
export function decodeVectors(vectors: string, out: string): Promise<string> {
  return decode('--vectors', vectors, out);
}

async function decode(...args: string[]): Promise<string> {
  try {
    return (await run(PYTHON, ['-B', DECODER, ...args])).stdout;
  } catch (error) {
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    throw new Error(`decode.py: ${stderr.trim() || error}`, { cause: error });
  }
}
