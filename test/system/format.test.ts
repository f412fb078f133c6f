// The second decoder, in another language, reads what this code writes: the vectors, and a library in a real store.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/lib/pool.ts';
import { systemRandom } from '../../src/lib/random.ts';
import {
  bundleHandle,
  chunkName,
  createRoot,
  DEFAULT_SUITE,
  formatKeyFile,
  manifestName,
  newSlotKey,
  ROOT_NAME,
  SEAL_WORKER_URL,
  type SealRequest,
  type SealResponse,
  sealManifest,
  sealTable,
  tableName,
  workerSealer,
  wrapBundleKey,
} from '../../src/vault/seal/index.ts';
import { decodeLibrary, decodeVectors } from '../format/decode.ts';
import { VECTORS } from '../format/vectors.ts';

const CHUNK_BYTES = 1_048_576;
const slot = newSlotKey(systemRandom);
const { root, keys } = createRoot(slot, systemRandom);
const { libraryId } = keys;
const pool = new WorkerPool<SealRequest, SealResponse>({ url: SEAL_WORKER_URL, name: 'seal', size: 1 });
const sealer = workerSealer(pool);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bae-format-'));
  await writeFile(join(folder, 'library.key'), formatKeyFile(slot), { mode: 0o600 });
  await put(ROOT_NAME, root);
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

const pathOf = (name: string) => join(folder, 'store', name);

async function put(name: string, object: Buffer): Promise<void> {
  await mkdir(dirname(pathOf(name)), { recursive: true });
  await writeFile(pathOf(name), object);
}

/** Writes one bundle of these bytes as the vault would; returns its id and its chunks' names in the store. */
async function writeBundle(content: Buffer): Promise<{ bundle: string; names: string[] }> {
  const [bundleId, bundleKey] = [randomBytes(16), randomBytes(32)];
  const records: Buffer[] = [];
  const names: string[] = [];
  for (let chunkIndex = 0; chunkIndex * CHUNK_BYTES < content.length; chunkIndex++) {
    const salt = randomBytes(24);
    const plaintext = Buffer.copyBytesFrom(content, chunkIndex * CHUNK_BYTES, CHUNK_BYTES);
    const path = join(folder, 'chunk');
    const name = await sealer.sealFile({ bundleKey, libraryId, bundleId, chunkIndex, salt, plaintext, path });
    await put(chunkName(name), await readFile(path));
    records.push(name, salt);
    names.push(chunkName(name));
  }
  const table = sealTable(
    { bundleKey, libraryId },
    {
      ...{ bundleId, generation: 1, suite: DEFAULT_SUITE, length: content.length, records: Buffer.concat(records) },
      ...{ files: [{ path: ['a', 'b.flac'], length: content.length }], torrents: [] },
    },
    randomBytes(24),
  );
  await put(tableName(table.name), table.object);
  const manifest = {
    ...{ bundleId, generation: 1, previous: null, bundleKey: wrapBundleKey(keys, bundleId, bundleKey, systemRandom) },
    ...{ table: { name: table.name, generation: 1 }, torrents: [], releases: [] },
  };
  const object = sealManifest(keys, manifest, randomBytes(24));
  await put(manifestName(bundleHandle(keys, bundleId), 1), object);
  return { bundle: bundleId.toString('hex'), names };
}

describe('decode.py', () => {
  it('opens the vectors', async () => {
    expect(await decodeVectors(VECTORS, join(folder, 'vectors'))).toContain('vectors: all right');
  });

  it('rebuilds bundles of no byte, of one byte and of several chunks, and refuses them when touched', async () => {
    const contents = [Buffer.alloc(0), randomBytes(1), randomBytes(2 * CHUNK_BYTES), randomBytes(3_000_001)];
    const bundles = [];
    for (const content of contents) bundles.push(await writeBundle(content));
    const out = join(folder, 'out');
    const decode = () => decodeLibrary(join(folder, 'library.key'), join(folder, 'store'), out);
    const decoded = await decode();
    expect(decoded.length).toBe(contents.length);
    for (const [at, content] of contents.entries()) {
      const { bundle } = bundles[at] as { bundle: string };
      const described = decoded.find((one) => one.bundle === bundle);
      expect(described?.sha256).toBe(createHash('sha256').update(content).digest('hex'));
      expect((await readFile(join(out, `${bundle}.stream`))).equals(content)).toBe(true);
    }

    const [first, second] = (bundles[3]?.names ?? []).map(pathOf) as [string, string];
    const [one, two] = [await readFile(first), await readFile(second)];
    const flipped = Buffer.from(one);
    flipped[500_000] = (flipped[500_000] as number) ^ 4;
    for (const bad of [two, flipped, one.subarray(0, one.length - 1), Buffer.alloc(0)]) {
      await writeFile(first, bad);
      await expect(decode()).rejects.toThrow('corrupt: the SHA-256 of chunk 0 is not its name');
    }
    await rm(first);
    await expect(decode()).rejects.toThrow(`corrupt: c/`);
    await writeFile(first, one);
    await decode();
  });
});
