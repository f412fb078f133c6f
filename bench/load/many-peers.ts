// Other programs with as many torrents as bae, each from what it keeps over its own restart.

import { createHash } from 'node:crypto';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { transmissionRpc, transmissionSettings } from '../../test/parts/clients/transmission.ts';
import { PYTHON } from '../../test/parts/install.ts';
import { infoOf, manyNames } from '../../test/parts/many-torrents.ts';
import { freePorts, startPart, waitFor } from '../../test/parts/process.ts';
import { bencode } from '../../test/parts/torrent.ts';

const MANY = fileURLToPath(new URL('many.py', import.meta.url));
const HASH_BYTES = 20;
const ADDRESS = '127.0.0.1';
const START_MILLISECONDS = 300_000;
/** Resume files are named by the torrent's name and so many digits of its info-hash. */
const NAMED_DIGITS = 16;

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

/**
 * transmission with `count` torrents. Of each, one file is there, without content: a torrent none of whose files is there
 * would be in error, and what is there is taken as whole, since the resume file says that it was looked at.
 */
export async function startManyInTransmission(folder: string, count: number, announce: string): Promise<ManySeeds> {
  for (const name of ['torrents', 'resume', 'content']) await mkdir(`${folder}/${name}`);
  const infoHashes: Buffer[] = [];
  for (let number = 1; number <= count; number++) {
    infoHashes.push(await writeForTransmission(folder, number, announce));
  }
  const [port = 0, rpcPort = 0] = await freePorts(2);
  await writeFile(`${folder}/settings.json`, JSON.stringify(transmissionSettings({}, ADDRESS, port, rpcPort)));
  const began = performance.now();
  const part = startPart('transmission-daemon', ['-f', '-g', folder], { logFile: `${folder}/log` });
  const call = transmissionRpc(rpcPort);
  try {
    await waitFor('transmission to have all torrents', START_MILLISECONDS, async () => {
      const stats = await call('session-stats', {}).catch(() => null);
      return stats?.activeTorrentCount === count;
    });
  } catch (error) {
    await part.stop('SIGKILL');
    throw error;
  }
  const startSeconds = (performance.now() - began) / 1_000;
  return { pid: part.pid, port, infoHashes, startSeconds, stop: () => part.stop('SIGKILL') };
}

/** Returns the info-hash. */
async function writeForTransmission(folder: string, number: number, announce: string): Promise<Buffer> {
  const info = infoOf(number);
  const infoHash = createHash('sha1').update(info).digest();
  const { name, file, fileBytes, files } = manyNames(number);
  const base = `${name}.${infoHash.toString('hex').slice(0, NAMED_DIGITS)}`;
  const before = Buffer.from(`d8:announce${announce.length}:${announce}4:info`);
  await writeFile(`${folder}/torrents/${base}.torrent`, Buffer.concat([before, info, Buffer.from('e')]));
  await mkdir(`${folder}/content/${name}`);
  const content = await open(`${folder}/content/${name}/${file}`, 'w');
  await content.truncate(fileBytes);
  await content.close();
  const checked = Math.floor(Date.now() / 1_000) + 3_600;
  const progress = { blocks: 'all', 'time-checked': Array.from({ length: files }, () => checked) };
  const resume = bencode({ destination: `${folder}/content`, paused: 0, progress });
  await writeFile(`${folder}/resume/${base}.resume`, resume);
  return infoHash;
}
