// Other programs with as many torrents as bae, each from what it keeps over its own restart.

import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PYTHON } from '../../test/parts/install.ts';
import { startPart } from '../../test/parts/process.ts';

const MANY = fileURLToPath(new URL('many.py', import.meta.url));
const HASH_BYTES = 20;

export interface ManySeeds {
  readonly pid: number;
  readonly port: number;
  readonly infoHashes: readonly Buffer[];
  /** From the start of the program until all torrents were there. */
  readonly startSeconds: number;
  stop(): Promise<void>;
}

/** libtorrent with `count` torrents whose files are below `folder`. */
export async function startManyInLibtorrent(folder: string, count: number, announce: string): Promise<ManySeeds> {
  const logFile = `${folder}/log`;
  const preparing = startPart(PYTHON, [MANY, 'prepare', folder, String(count), announce], { logFile });
  if ((await preparing.exited) !== 0) throw new Error(`resume data were not made:\n${preparing.logTail()}`);
  const hashes = await readFile(`${folder}/hashes`);
  const infoHashes = Array.from({ length: count }, (_, at) => hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES));
  const began = performance.now();
  const part = startPart(PYTHON, [MANY, 'serve', folder], { logFile, pipe: true });
  const { stdout } = part.child;
  if (stdout === null) throw new Error('libtorrent was started without pipes');
  const line = await createInterface({ input: stdout })[Symbol.asyncIterator]().next();
  if (line.done) throw new Error(`libtorrent ended:\n${part.logTail()}`);
  const startSeconds = (performance.now() - began) / 1_000;
  const { port } = JSON.parse(line.value) as { port: number };
  return { pid: part.pid, port, infoHashes, startSeconds, stop: () => part.stop('SIGKILL') };
}
