import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import {
  createEngine,
  type Engine,
  parseInfo,
  parseTorrentFile,
  systemNetwork,
  type TorrentSpec,
  workerHasher,
} from '../../src/torrent/index.ts';
import { libtorrent } from '../parts/clients/libtorrent.ts';
import { noise } from '../parts/content.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent } from '../parts/torrent.ts';
import { MemoryPieces } from '../simulation/memory-pieces.ts';

const MIB = 1_048_576;

/** An engine on 127.0.0.1 with a store in memory, and a torrent of `bytes` in a folder of its own. */
async function setUp(bytes: number, pieceLength: number) {
  const folder = await temporaryFolder('swarm');
  const content = Buffer.concat([...noise('swarm', bytes)]);
  await writeFile(join(folder.path, 'file'), content);
  const file = await makeTorrent({ source: join(folder.path, 'file'), pieceLength });
  const { info } = parseTorrentFile(file.bytes);
  const hasher = workerHasher(1);
  const engines: Engine[] = [];
  const start = async (store: MemoryPieces) => {
    const parts = { hasher, network: systemNetwork, clock: systemClock, random: systemRandom, log: silentLog };
    const engine = createEngine({ ...parts, store, version: '0.1.0' });
    engines.push(engine);
    return { engine, ...(await engine.listen({ addresses: ['127.0.0.1'], port: 0 })) };
  };
  const spec: TorrentSpec = { infoHash: info.infoHash, info, id: 1, mode: 'download' };
  const end = async () => {
    await Promise.all(engines.map((engine) => engine.close()));
    await hasher.close();
    await folder.remove();
  };
  return { folder: folder.path, content, file, info, spec, start, end };
}

describe.each([
  ['16 KiB', 3 * MIB + 17, 16_384],
  ['300,000 bytes', 20 * MIB + 5, 300_000],
  ['16 MiB', 64 * MIB + 12_345, 16 * MIB],
])('the engine and libtorrent, pieces of %s', (_, bytes, pieceLength) => {
  let at: Awaited<ReturnType<typeof setUp>>;
  beforeEach(async () => {
    at = await setUp(bytes, pieceLength);
  });
  afterEach(() => at.end());

  it('gets all from it by a magnet link, then gives it all to another, on one listener', async () => {
    const seed = await libtorrent.seed({ torrentPath: at.file.path, dataDir: at.folder });
    const store = new MemoryPieces();
    const { engine, port } = await at.start(store);
    const torrent = engine.add({ ...at.spec, info: null, id: null });
    torrent.listener = { onMetadata: (rawInfo) => torrent.provide(parseInfo(rawInfo), 1) };
    torrent.addPeers([{ host: seed.address, port: seed.port }], 'hand');
    await waitFor('the download', 60_000, () => torrent.state === 'seeding');
    expect(store.content.equals(at.content)).toBe(true);
    expect(torrent.stats()).toMatchObject({ downloadedBytes: bytes, wastedBytes: 0 });
    await seed.stop();

    const out = await temporaryFolder('swarm-out');
    const leech = await libtorrent.leech({
      torrentPath: at.file.path,
      downloadDir: out.path,
      peers: [`127.0.0.1:${port}`],
    });
    await leech.untilComplete();
    expect((await readFile(join(out.path, 'file'))).equals(at.content)).toBe(true);
    expect(torrent.stats().uploadedBytes).toBeGreaterThanOrEqual(bytes);
    await leech.stop();
    await out.remove();
    await waitFor('the leases', 5_000, () => store.leases === 0);
  });

  it('serves one while it downloads from the other, and goes on as a seed on the same connection', async () => {
    const limit = Math.ceil(bytes / 2);
    const options = { torrentPath: at.file.path, dataDir: at.folder, uploadBytesPerSecond: limit };
    const seed = await libtorrent.seed(options);
    const store = new MemoryPieces();
    const { engine } = await at.start(store);
    const torrent = engine.add(at.spec);
    const out = await temporaryFolder('swarm-out');
    const leech = await libtorrent.leech({ torrentPath: at.file.path, downloadDir: out.path });
    torrent.addPeers(
      [seed, leech].map(({ address, port }) => ({ host: address, port })),
      'hand',
    );
    await leech.untilComplete();
    expect(torrent.stats()).toMatchObject({ state: 'seeding', progress: 1 });
    expect((await readFile(join(out.path, 'file'))).equals(at.content)).toBe(true);
    await leech.stop();
    await seed.stop();
    await out.remove();
  });
});

it('a libtorrent peer notices within a second that seeding was switched off', async () => {
  const at = await setUp(30 * MIB, MIB);
  const store = new MemoryPieces({ content: at.content });
  const { engine, port } = await at.start(store);
  const torrent = engine.add({ ...at.spec, mode: 'seed' });
  const out = await temporaryFolder('swarm-out');
  const options = { torrentPath: at.file.path, downloadDir: out.path, downloadBytesPerSecond: 4 * MIB };
  const leech = await libtorrent.leech({ ...options, peers: [`127.0.0.1:${port}`] });
  await waitFor('some progress', 20_000, async () => (await leech.progress()) > 0.05);
  torrent.setSeeding(false);
  await waitFor('the end of the connection', 1_000, async () => (await leech.status()).peers === 0);
  const before = (await leech.status()).downloaded;
  torrent.setSeeding(true);
  await leech.connect(`127.0.0.1:${port}`);
  await waitFor('more progress', 20_000, async () => (await leech.status()).downloaded > before + MIB);
  await leech.stop();
  await out.remove();
  await at.end();
});
