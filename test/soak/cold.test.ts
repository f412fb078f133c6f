// Ten thousand torrents woken by handshakes and gone cold again, in a whole bae: nothing of them stays.
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { type Server, startServer } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { startBae } from '../parts/bae.ts';
import { shake, startCountingTracker } from '../parts/handshakes.ts';
import { fillLibrary } from '../parts/many-torrents.ts';
import { freePorts, temporaryFolder } from '../parts/process.ts';

const TORRENTS = 2_500;
const ROUNDS = 4;
const AT_ONCE = 8;
/** All are cold again after a minute without peers. */
const COLD_MILLISECONDS = 75_000;
/** Of the heap, for each torrent woken; what a single object takes that somebody forgot. */
const BYTES_PER_WAKE = 40;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function wakeAll(port: number, infoHashes: readonly Buffer[]): Promise<void> {
  const left = [...infoHashes];
  const one = async () => {
    for (let infoHash = left.pop(); infoHash !== undefined; infoHash = left.pop()) {
      expect(await shake(port, infoHash)).not.toBeNull();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

/** What a torrent that is not let go would keep. */
async function held() {
  // What finalizers let go is collected by the second.
  collect();
  await delay(100);
  collect();
  const { heapUsed, external } = process.memoryUsage();
  const [files, resources] = [await readdir('/proc/self/fd'), process.getActiveResourcesInfo()];
  return { heapBytes: heapUsed + external, files: files.length, resources: resources.length };
}

it(`${ROUNDS * TORRENTS} wakes leave nothing behind`, async () => {
  const [folder, tracker] = [await temporaryFolder('cold-soak'), await startCountingTracker(1_800)];
  const [store, dataDir] = [`${folder.path}/store`, `${folder.path}/data`];
  const bae = await startBae({ store: `file:${store}`, dataDir });
  await bae.remove();
  const infoHashes = await fillLibrary(dataDir, store, TORRENTS, tracker.url);
  const [listen, peer] = await freePorts(2);
  const environment = {
    ...{ BAE_DATA: dataDir, BAE_STORE: `file:${store}`, BAE_LISTEN: `127.0.0.1:${listen}`, BAE_LOG_LEVEL: 'error' },
    ...{ BAE_PEER_ADDRESS: '127.0.0.1', BAE_PEER_PORT: String(peer), BAE_DHT: 'false', BAE_LSD: 'false' },
    BAE_ALLOW_PRIVATE_ADDRESSES: 'true',
  };
  let server: Server | null = null;
  try {
    server = await startServer(loadConfig({ flags: {}, environment }), environment, '0.0.0');
    const round = async () => {
      await wakeAll((server as Server).peerPort, infoHashes);
      await delay(COLD_MILLISECONDS);
      return held();
    };
    // The first fills what is kept for good: prepared statements, compiled code, spare memory.
    const first = await round();
    let last = first;
    for (let count = 0; count < ROUNDS; count++) last = await round();
    expect((last.heapBytes - first.heapBytes) / (ROUNDS * TORRENTS)).toBeLessThan(BYTES_PER_WAKE);
    expect(last.files).toBeLessThanOrEqual(first.files);
    expect(last.resources).toBeLessThanOrEqual(first.resources + 2);
  } finally {
    await server?.stop(false);
    tracker.stop();
    await folder.remove();
  }
});
