// What lies in the store, seen by somebody without a key, by another program with it, and by a leecher after it was damaged.
import { execFile } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/vault/store/index.ts';
import {
  type Bae,
  filesHolding,
  filesUnder,
  gatewayStore,
  type ImportView,
  showLogsOnFailure,
  startBae,
  torrentOf,
} from '../parts/bae.ts';
import { type LibtorrentPeer, libtorrent } from '../parts/clients/libtorrent.ts';
import { treeDifferences } from '../parts/content.ts';
import { type Gateway, startGateway } from '../parts/gateway.ts';
import { PYTHON } from '../parts/install.ts';
import { MARK, makeMarked } from '../parts/marked.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';
import { startTracker, type Tracker } from '../parts/tracker.ts';

const run = promisify(execFile);
const DECODER = fileURLToPath(new URL('../format/decode.py', import.meta.url));
const CHUNK_BYTES = 1_048_576;
const SEALED_CHUNK_BYTES = 1_048_704;
/** docs/format.md: a header of 64 bytes, then segments. */
const HEADER_BYTES = 64;
const CHUNKS = 12;
const LENGTH = (CHUNKS - 1) * CHUNK_BYTES + 99_999;
const PIECE_LENGTH = 65_536;
/** Objects that are left as they are. */
const WHOLE_CHUNKS = 3;
const SILENCE_MILLISECONDS = 3_000;
const TRACK = '01 - Unmistakable Title.flac';
const PASSKEY = 'a-very-secret-passkey';

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: Gateway;
let tracker: Tracker;
let torrent: Torrent;

beforeAll(async () => {
  [folder, gateway, tracker] = await Promise.all([temporaryFolder('objects'), startGateway(), startTracker()]);
  await makeMarked(`${folder.path}/content/Unmistakable Album`, [{ path: TRACK, length: LENGTH }]);
  torrent = await makeTorrent({
    source: `${folder.path}/content/Unmistakable Album`,
    path: `${folder.path}/a.torrent`,
    pieceLength: PIECE_LENGTH,
    announce: `${tracker.announceUrl}?passkey=${PASSKEY}`,
  });
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), tracker?.stop()]);
  await folder?.remove();
});

async function importInto(bae: Bae): Promise<void> {
  const seed = await libtorrent.seed({ torrentPath: torrent.path, dataDir: `${folder.path}/content` });
  try {
    const peers = [{ host: '127.0.0.1', port: seed.port }];
    const body = { torrent: torrent.bytes.toString('base64'), peers };
    const { id } = await bae.api<ImportView>('POST', '/imports', body);
    await bae.untilImport(id, ['done']);
  } finally {
    await seed.stop();
  }
}

/** Copies every object of a store into a folder, under its name. */
async function copyObjects(spec: string, env: Record<string, string>, target: string): Promise<void> {
  const store = await openStore(spec, env);
  for await (const { name } of store.list('')) {
    const path = join(target, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, await store.get(name));
  }
  await store.close();
}

async function expectSealed(objects: string): Promise<void> {
  const chunks = await filesUnder(join(objects, 'c'));
  expect(chunks.map(({ bytes }) => bytes)).toEqual(Array.from({ length: CHUNKS }, () => SEALED_CHUNK_BYTES));
  for (const { path } of chunks) {
    expect(
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
    ).toBe(basename(path));
  }
  const words = [MARK, 'Unmistakable', TRACK, PASSKEY, '127.0.0.1', 'announce', Buffer.from(torrent.infoHash, 'hex')];
  expect(await filesHolding(objects, [...words, torrent.infoHash])).toEqual([]);
  const names = (await filesUnder(objects)).map(({ path }) => path).join('\n');
  expect(names).not.toMatch(new RegExp(`Unmistakable|${torrent.infoHash}`));
}

/** The second reader of docs/format.md rebuilds the torrent's bytes from the objects and library.key alone. */
async function expectReadable(objects: string, dataDir: string): Promise<void> {
  const out = await temporaryFolder('decoded');
  const args = [DECODER, '--key', join(dataDir, 'library.key'), '--store', objects, out.path];
  const { stdout } = await run(PYTHON, args);
  expect(stdout).toContain(`rebuilt 1 bundles, ${LENGTH} bytes`);
  const streams = (await filesUnder(out.path)).filter(({ path }) => path.endsWith('.stream'));
  expect(streams).toHaveLength(1);
  const want = `${folder.path}/content/Unmistakable Album/${TRACK}`;
  const same = (await readFile(streams[0]?.path ?? '')).equals(await readFile(want));
  await out.remove();
  expect(same).toBe(true);
}

describe('objects in the RADOS gateway', () => {
  it('have one size, tell nothing, and open for another program', async () => {
    const { store, env } = gatewayStore(gateway, 'objects');
    const bae = await startBae({ store, env });
    try {
      await importInto(bae);
      const objects = `${folder.path}/objects`;
      await copyObjects(store, env, objects);
      await expectSealed(objects);
      await expectReadable(objects, bae.dataDir);
      expect(await filesHolding(bae.dataDir, [MARK])).toEqual([]);
    } finally {
      await bae.remove();
    }
  });
});

describe('damaged objects of a directory store', () => {
  let bae: Bae;
  let leech: LibtorrentPeer;
  let store: string;
  /** Paths of all chunk objects, in no known order. */
  let chunks: string[];

  /** All reads come from the store: the cache holds less than a chunk. */
  const settings = { BAE_CACHE_BYTES: '1000000', BAE_RAM_CACHE_BYTES: '8MiB' };

  beforeAll(async () => {
    store = `${folder.path}/store`;
    bae = await startBae({ store: `file:${store}`, env: settings });
    await importInto(bae);
    await bae.stop();
    chunks = (await filesUnder(join(store, 'c'))).map(({ path }) => path);
    await mkdir(`${folder.path}/kept`);
    for (const path of chunks) await copyFile(path, `${folder.path}/kept/${basename(path)}`);
  });
  afterAll(async () => {
    await leech?.stop();
    await bae?.remove();
  });

  async function damage(): Promise<string[]> {
    const [first = '', second = '', cut = '', half = '', gone = '', ...others] = chunks;
    await rename(first, `${first}.swap`);
    await rename(second, first);
    await rename(`${first}.swap`, second);
    await truncate(cut, SEALED_CHUNK_BYTES - 1);
    await truncate(half, HEADER_BYTES + 100_000);
    await rm(gone);
    const done = ['swapped 2', `cut ${basename(cut)}`, `cut to a part ${basename(half)}`, `removed ${basename(gone)}`];
    for (const path of others.slice(WHOLE_CHUNKS)) {
      const bytes = await readFile(path);
      // Headers too: the address of a bit in the whole object.
      const bit = randomInt(0, path === others[WHOLE_CHUNKS] ? HEADER_BYTES * 8 : bytes.length * 8);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await writeFile(path, bytes);
      done.push(`bit ${bit} of ${basename(path)}`);
    }
    return done;
  }

  it('are never served, and are told', async () => {
    const done = await damage();
    await bae.start();
    const target = `${folder.path}/leech`;
    leech = await libtorrent.leech({ torrentPath: torrent.path, downloadDir: target, peers: [bae.peer] });
    let quietSince = performance.now();
    let before = 0;
    await waitFor('the leecher to get no more', 60_000, async () => {
      const { progress } = await leech.status();
      if (progress > before) quietSince = performance.now();
      before = progress;
      return performance.now() - quietSince > SILENCE_MILLISECONDS;
    });
    const { progress, failed, downloaded } = await leech.status();
    process.stderr.write(`${done.join('\n')}\n${downloaded} bytes and ${progress} of the torrent were served\n`);
    expect(failed).toBe(0);
    // Two of the whole ones at least hold whole pieces; two swapped, one without an end, one with little of its first segment, one gone: none of these can be whole.
    expect(progress).toBeGreaterThan((WHOLE_CHUNKS - 1.5) / CHUNKS);
    expect(progress).toBeLessThan(1 - 4 / CHUNKS);
    expect((await torrentOf(bae, torrent.infoHash)).error).toMatch(/\w+/);
  });

  it('are served again once they are whole again', async () => {
    for (const path of chunks) await copyFile(`${folder.path}/kept/${basename(path)}`, path);
    await bae.stop();
    await bae.start();
    await leech.connect(bae.peer);
    await leech.untilComplete();
    expect(
      await treeDifferences(
        torrent.path.replace('a.torrent', 'content/Unmistakable Album'),
        join(folder.path, 'leech', torrent.name),
      ),
    ).toEqual([]);
    expect((await torrentOf(bae, torrent.infoHash)).error).toBeNull();
  });
});
