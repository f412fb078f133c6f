// Makes test/vectors from nothing but fixed seeds: `node test/format/vectors.ts` writes the files anew, and
// test/unit/vectors.test.ts checks that today's code still makes the very same bytes.
import { hash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../src/lib/random.ts';
import {
  bundleHandle,
  type ContentTable,
  chunkName,
  createRoot,
  formatKeyFile,
  type LibraryKeys,
  type Manifest,
  manifestName,
  newSlotKey,
  openRoot,
  ROOT_NAME,
  type Suite,
  sealChunk,
  sealManifest,
  sealPiece,
  sealTable,
  type TableFile,
  type TableTorrent,
  tableName,
  wrapBundleKey,
} from '../../src/vault/seal/index.ts';

export const VECTORS = fileURLToPath(new URL('../vectors/', import.meta.url));
const CHUNK_BYTES = 1_048_576;
const random = () => seededRandom(20_240_601);

/** The content of every vector: byte i is (31 i + 17 ⌊i ÷ 256⌋ + seed) mod 256. */
export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + Math.floor(at / 256) * 17 + seed) & 0xff;
  return bytes;
}

/** Every file of test/vectors by its path there. */
export function makeVectors(): Map<string, Buffer> {
  const source = random();
  const slot = newSlotKey(source);
  const { root, keys } = createRoot(slot, source);
  const files = new Map<string, Buffer>();
  files.set('library.key', Buffer.from(formatKeyFile(slot)));
  files.set(`library/${ROOT_NAME}`, root);
  for (const [name, object] of [...albumBundle(keys), ...oddBundle(keys)]) files.set(`library/${name}`, object);
  files.set('chunks.json', json(chunkVectors()));
  files.set('pieces.json', json(pieceVectors()));
  files.set('keys.json', json(keyVectors(openRoot(root, slot))));
  return files;
}

/** Two files, a pad file and an empty one; one torrent; two generations of the manifest. Suite 1. */
function albumBundle(keys: LibraryKeys): [name: string, object: Buffer][] {
  const files: TableFile[] = [
    { path: ['Ålbum – one', '01 Первая.flac'], length: 300_001 },
    { path: ['.pad', '27679'], length: 27_679, pad: true },
    { path: ['Ålbum – one', '02 二番目.flac'], length: 500_000 },
    { path: ['Ålbum – one', 'empty.log'], length: 0 },
  ];
  const content = Buffer.concat([pattern(300_001, 1), Buffer.alloc(27_679), pattern(500_000, 2)]);
  const info = infoDictionary('album', content, 65_536);
  const torrent = { infoHash: hash('sha1', info, 'buffer'), info, extents: null };
  return sealBundle(keys, { seed: 1, suite: 1, files, content, torrents: [torrent], generations: 2 });
}

/** One file of one byte; a second torrent lies on it and on zeros. Suite 2. */
function oddBundle(keys: LibraryKeys): [name: string, object: Buffer][] {
  const content = Buffer.from([0xba]);
  const info = infoDictionary('one byte', content, 16_384);
  const longer = infoDictionary('one byte and zeros', Buffer.concat([content, Buffer.alloc(9)]), 16_384);
  const bundleId = bundleIdOf(2);
  const extents = [
    { torrentOffset: 0, length: 1, bundleId, bundleOffset: 0 },
    { torrentOffset: 1, length: 9, bundleId: null, bundleOffset: 0 },
  ];
  const torrents: TableTorrent[] = [
    { infoHash: hash('sha1', info, 'buffer'), info, extents: null },
    { infoHash: hash('sha1', longer, 'buffer'), info: longer, extents },
  ];
  const files: TableFile[] = [{ path: ['one'], length: 1 }];
  return sealBundle(keys, { seed: 2, suite: 2, files, content, torrents, generations: 1 });
}

interface BundlePlan {
  readonly seed: number;
  readonly suite: Suite;
  readonly files: readonly TableFile[];
  readonly content: Buffer;
  readonly torrents: readonly TableTorrent[];
  readonly generations: number;
}

function sealBundle(keys: LibraryKeys, plan: BundlePlan): [name: string, object: Buffer][] {
  const source = seededRandom(plan.seed);
  const bundleId = bundleIdOf(plan.seed);
  const bundleKey = source.bytes(32);
  const { libraryId } = keys;
  const objects: [string, Buffer][] = [];
  const records: Buffer[] = [];
  for (let chunkIndex = 0; chunkIndex * CHUNK_BYTES < plan.content.length; chunkIndex++) {
    const plaintext = plan.content.subarray(chunkIndex * CHUNK_BYTES, (chunkIndex + 1) * CHUNK_BYTES);
    const salt = source.bytes(24);
    const { object, name } = sealChunk({
      bundleKey,
      libraryId,
      bundleId,
      chunkIndex,
      salt,
      plaintext,
      suite: plan.suite,
    });
    objects.push([chunkName(name), object]);
    records.push(name, salt);
  }
  const { suite, files, torrents } = plan;
  const table: ContentTable = {
    ...{ bundleId, generation: 1, suite, files, torrents },
    ...{ length: plan.content.length, records: Buffer.concat(records) },
  };
  const sealed = sealTable({ bundleKey, libraryId }, table, source.bytes(24));
  objects.push([tableName(sealed.name), sealed.object]);
  let previous: Buffer | null = null;
  for (let generation = 1; generation <= plan.generations; generation++) {
    const manifest: Manifest = {
      ...{ bundleId, generation, previous, bundleKey: wrapBundleKey(keys, bundleId, bundleKey, source) },
      table: { name: sealed.name, generation: 1 },
      torrents: torrents.map(({ infoHash }) => {
        const limits = { uploadBytesPerSecond: 500_000 * generation, downloadBytesPerSecond: 0 };
        const seeding = { seeding: true, cacheMode: 'on-demand', ...limits };
        return { infoHash, trackers: [['https://tracker.example/announce?passkey=secret']], seeding };
      }),
      releases: [{ title: `Generation ${generation}`, artist: 'Sigur Rós' }],
    };
    const object: Buffer = sealManifest(keys, manifest, source.bytes(24));
    objects.push([manifestName(bundleHandle(keys, bundleId), generation), object]);
    previous = hash('sha256', object, 'buffer');
  }
  return objects;
}

/** Chunks by their figures: content is `pattern`, objects are told by SHA-256. */
function chunkVectors() {
  const plans = [1, 2].flatMap((suite) =>
    (
      [
        [0, CHUNK_BYTES],
        [1, 1],
        [77, 700_000],
        [2 ** 33 + 5, 262_144],
      ] as const
    ).map(([chunkIndex, length]) => {
      return { suite: suite as Suite, chunkIndex, length };
    }),
  );
  const source = random();
  return plans.map(({ suite, chunkIndex, length }, seed) => {
    const ids = { bundleKey: source.bytes(32), libraryId: source.bytes(16), bundleId: source.bytes(16), chunkIndex };
    const salt = source.bytes(24);
    const { object, name } = sealChunk({ ...ids, salt, suite, plaintext: pattern(length, seed) });
    const tags = [0, 1, 2, 3].map((segment) => object.subarray(64 + (segment + 1) * 262_160 - 16).subarray(0, 16));
    const { bundleKey, libraryId, bundleId } = hexed(ids);
    const content = { length, seed };
    return {
      suite,
      bundleKey,
      libraryId,
      bundleId,
      chunkIndex,
      salt: salt.toString('hex'),
      content,
      ...hexed({ header: object.subarray(0, 64), name }),
      tags: tags.map((tag) => tag.toString('hex')),
    };
  });
}

/** Sealed pieces: of one segment, of exactly one, of more. The object itself where it is short. */
function pieceVectors() {
  const source = random();
  return [1, 16_384, 262_144, 262_145, 300_000].map((length, seed) => {
    const ids = { bundleKey: source.bytes(32), libraryId: source.bytes(16), bundleId: source.bytes(16) };
    const salt = source.bytes(24);
    const object = sealPiece({ ...ids, number: seed * 1_000, salt, plaintext: pattern(length, seed) });
    const sha256 = hash('sha256', object, 'hex');
    const short = length === 1 ? { object: object.toString('hex') } : {};
    return { ...hexed({ ...ids, salt }), number: seed * 1_000, content: { length, seed }, sha256, ...short };
  });
}

/** What library.key opens k/library to. */
function keyVectors(keys: LibraryKeys) {
  const bundleId = bundleIdOf(1);
  const { libraryId, namingKey, master } = keys;
  return hexed({ libraryId, masterKey: master.key, namingKey, bundleId, handle: bundleHandle(keys, bundleId) });
}

function bundleIdOf(seed: number): Buffer {
  return seededRandom(1_000 + seed).bytes(16);
}

/** A single-file info dictionary (BEP 3) with true piece hashes. */
function infoDictionary(name: string, content: Buffer, pieceLength: number): Buffer {
  const hashes: Buffer[] = [];
  for (let at = 0; at < content.length; at += pieceLength) {
    hashes.push(hash('sha1', content.subarray(at, at + pieceLength), 'buffer'));
  }
  const head = `d6:lengthi${content.length}e4:name${Buffer.byteLength(name)}:${name}12:piece lengthi${pieceLength}e`;
  return Buffer.concat([Buffer.from(`${head}6:pieces${hashes.length * 20}:`), ...hashes, Buffer.from('e')]);
}

function hexed<Name extends string>(fields: Record<Name, Buffer | number>): Record<Name, string> {
  const pairs = Object.entries<Buffer | number>(fields).filter(([, value]) => Buffer.isBuffer(value));
  return Object.fromEntries(pairs.map(([name, value]) => [name, (value as Buffer).toString('hex')])) as Record<
    Name,
    string
  >;
}

function json(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

if (import.meta.main) {
  rmSync(VECTORS, { recursive: true, force: true });
  for (const [path, bytes] of makeVectors()) {
    mkdirSync(dirname(join(VECTORS, path)), { recursive: true });
    writeFileSync(join(VECTORS, path), bytes);
  }
}
