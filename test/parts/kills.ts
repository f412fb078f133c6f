// An import that is killed again and again at random moments, for the system tests and the soak.
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Bae, filesUnder, type ImportView, startBae, torrentOf } from './bae.ts';
import { libtorrent } from './clients/libtorrent.ts';
import { treeDifferences } from './content.ts';
import { makeMarked } from './marked.ts';
import { type Disk, mountDisk } from './power.ts';
import { temporaryFolder, waitFor } from './process.ts';
import { makeTorrent } from './torrent.ts';
import { startTracker } from './tracker.ts';

const CHUNK_BYTES = 1_048_576;
const FILES = 4;
/** Every fifth kill comes while bae starts, within so many milliseconds. */
const EARLY_EVERY = 5;
const EARLY_MILLISECONDS = 800;
/** A kill that waits for progress comes so much later, at most. */
const LATE_MILLISECONDS = 60;
const IMPORT_MILLISECONDS = 120_000;
const START_MILLISECONDS = 30_000;
/** Room on the disk besides the content: the database, the file system itself. */
const DISK_SPARE_BYTES = 128 * 1024 * 1024;

export interface KillOptions {
  contentBytes: number;
  kills: number;
  /** How fast the content may come; slow enough that the kills find the import running. */
  bytesPerSecond: number;
  /** What is lost besides the process: nothing, or all that was not synced. */
  loses: 'process' | 'power';
  store: string;
  env?: Record<string, string>;
  /** Repeats the moments of another run. */
  seed?: number;
}

export interface KillReport {
  seed: number;
  /** Payload the swarm sent over all runs, by the seed's own counter. */
  receivedBytes: number;
  contentBytes: number;
  /** What bae counted; `counters` of runs that were killed may be lost. */
  countedBytes: number;
  chunkCount: number;
  /** What a leecher got from bae in the end, compared with the source. */
  differences: string[];
  /** Files left in the spool at the end. */
  spool: string[];
  /** What was told when each kill came. */
  moments: string[];
}

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Moment = { early: number } | { progress: number; late: number };

/** When to kill: sorted by progress, so that the import is killed all along its way; the last ones while it commits. */
function moments(kills: number, random: () => number): Moment[] {
  const targets = Array.from({ length: kills }, random).sort((a, b) => a - b);
  return targets.map((target, index) =>
    index % EARLY_EVERY === EARLY_EVERY - 1
      ? { early: random() * EARLY_MILLISECONDS }
      : { progress: index === kills - 1 ? 1 : target * 0.97, late: random() * LATE_MILLISECONDS },
  );
}

/** Waits for the moment; tells what was seen then. */
async function untilMoment(bae: Bae, id: string, moment: Moment): Promise<string> {
  if ('early' in moment) {
    await delay(moment.early);
    return `${moment.early.toFixed(0)} ms after the start`;
  }
  const seen = await waitFor(`progress ${moment.progress}`, IMPORT_MILLISECONDS, async () => {
    if (!bae.running()) throw new Error(`bae ended by itself:\n${bae.logTail()}`);
    const now = await bae.api<ImportView>('GET', `/imports/${id}`).catch(() => undefined);
    if (now?.state === 'failed') throw new Error(`the import failed: ${now.error}`);
    return now !== undefined && (now.progress >= moment.progress || now.state === 'done') ? now : undefined;
  });
  await delay(moment.late);
  return `${seen.state} ${seen.progress.toFixed(3)}`;
}

/** Imports marked content through `kills` kills. A failed run throws with its seed in the words. */
export async function importThroughKills(options: KillOptions): Promise<KillReport> {
  const seed = options.seed ?? randomInt(2 ** 31);
  const folder = await temporaryFolder('kills');
  const cleanUps: (() => Promise<unknown>)[] = [folder.remove];
  try {
    return await run(options, seed, folder.path, cleanUps);
  } catch (error) {
    throw new Error(`with the seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  }
}

async function run(
  options: KillOptions,
  seed: number,
  folder: string,
  cleanUps: (() => Promise<unknown>)[],
): Promise<KillReport> {
  const { torrent, source } = await makeSource(options, seed, folder, cleanUps);
  const room = 3 * options.contentBytes + DISK_SPARE_BYTES;
  const disk: Disk | undefined = options.loses === 'power' ? await mountDisk(folder, room) : undefined;
  if (disk !== undefined) cleanUps.push(() => disk.remove());
  const bae = await startBae({ store: options.store, env: options.env ?? {}, dataDir: disk?.path ?? `${folder}/data` });
  cleanUps.push(() => bae.remove());
  const peers = [{ host: '127.0.0.1', port: source.port }];
  const body = { torrent: torrent.bytes.toString('base64'), peers };
  const { id } = await bae.api<ImportView>('POST', '/imports', body);
  const seen: string[] = [];
  for (const moment of moments(options.kills, randomFrom(seed))) {
    seen.push(await untilMoment(bae, id, moment));
    await bae.kill();
    await disk?.cutPower();
    bae.launch();
  }
  await waitFor('bae to answer', START_MILLISECONDS, () => {
    if (!bae.running()) throw new Error(`bae ended at its start:\n${bae.logTail()}`);
    return bae.api('GET', '/stats').then(
      () => true,
      () => false,
    );
  });
  await bae.untilImport(id, ['done'], IMPORT_MILLISECONDS);
  const { uploaded } = await source.status();
  await source.stop('kill');
  const { downloadedBytes } = await torrentOf(bae, torrent.infoHash);
  const target = `${folder}/leech`;
  const leech = await libtorrent.leech({ torrentPath: torrent.path, downloadDir: target, peers: [bae.peer] });
  cleanUps.push(() => leech.stop('kill'));
  await leech.untilComplete();
  return {
    seed,
    receivedBytes: uploaded,
    contentBytes: torrent.totalBytes,
    countedBytes: downloadedBytes,
    chunkCount: Math.ceil(torrent.totalBytes / CHUNK_BYTES),
    differences: await treeDifferences(`${folder}/content`, `${target}/content`),
    spool: (await filesUnder(`${bae.dataDir}/spool`)).map(({ path }) => path),
    moments: seen,
  };
}

/** Content and who seeds it, at the speed asked for. */
async function makeSource(options: KillOptions, seed: number, folder: string, cleanUps: (() => Promise<unknown>)[]) {
  const length = Math.floor(options.contentBytes / FILES);
  const files = Array.from({ length: FILES }, (_, index) => ({ path: `${index}.flac`, length }));
  await makeMarked(`${folder}/content`, files, `kills-${seed}`);
  const tracker = await startTracker({ intervalSeconds: 10 });
  cleanUps.push(() => tracker.stop());
  const torrent = await makeTorrent({ source: `${folder}/content`, announce: tracker.announceUrl });
  const source = await libtorrent.seed({
    torrentPath: torrent.path,
    dataDir: folder,
    uploadBytesPerSecond: options.bytesPerSecond,
  });
  cleanUps.push(() => source.stop('kill'));
  return { torrent, source };
}
