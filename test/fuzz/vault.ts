// What comes back from a store, which its provider may have changed: sealed objects, and what is in them once they open.
import assert from 'node:assert/strict';
import { createCipheriv, hash, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { BaeError } from '../../src/lib/errors.ts';
import { seededRandom } from '../../src/lib/random.ts';
import {
  bundleHandle,
  CHUNK_OBJECT_BYTES,
  type ContentTable,
  createRoot,
  formatKeyFile,
  isRoot,
  manifestName,
  newSlotKey,
  openChunk,
  openManifest,
  openPiece,
  openRoot,
  openTable,
  parseKeyFile,
  parseManifestName,
  RECORD_BYTES,
  sealChunk,
  sealManifest,
  sealPiece,
  sealTable,
  wrapBundleKey,
} from '../../src/vault/seal/index.ts';
import type { Target } from './driver.ts';
import { bytes, isBadInput, text } from './parts.ts';

const isRefused = (error: unknown) => error instanceof BaeError && ['corrupt', 'refused'].includes(error.kind);

const random = seededRandom(11);
const SLOT = newSlotKey(random);
const { root: ROOT, keys: KEYS } = createRoot(SLOT, random);
const BUNDLE_KEY = random.bytes(32);
const BUNDLE_ID = random.bytes(16);
const SALT = random.bytes(24);
const IDS = { bundleKey: BUNDLE_KEY, libraryId: KEYS.libraryId, bundleId: BUNDLE_ID };
const CONTENT = random.bytes(700);
const PIECE = sealPiece({ ...IDS, number: 3, salt: SALT, plaintext: CONTENT });
const CHUNK = sealChunk({ ...IDS, chunkIndex: 5, salt: SALT, plaintext: CONTENT }).object;
const HANDLE = bundleHandle(KEYS, BUNDLE_ID);
const INFO = Buffer.from('d4:name1:xe');

const TABLE: ContentTable = {
  ...{ bundleId: BUNDLE_ID, generation: 1, suite: 1, length: 9 },
  files: [{ path: ['a', 'b'], length: 9 }],
  torrents: [
    {
      infoHash: hash('sha1', INFO, 'buffer'),
      info: INFO,
      extents: [{ torrentOffset: 0, length: 9, bundleId: BUNDLE_ID, bundleOffset: 0 }],
    },
  ],
  records: Buffer.alloc(RECORD_BYTES, 7),
};
const MANIFEST = {
  ...{ bundleId: BUNDLE_ID, generation: 1, previous: null },
  bundleKey: wrapBundleKey(KEYS, BUNDLE_ID, BUNDLE_KEY, random),
  table: { name: Buffer.alloc(32, 8), generation: 1 },
  torrents: [{ infoHash: Buffer.alloc(20, 9), trackers: [['http://x/announce']], seeding: { ratio: 1 } }],
  releases: [{ title: 'x' }],
};
const SEALED_TABLE = sealTable(IDS, TABLE, SALT).object;
const SEALED_MANIFEST = sealManifest(KEYS, MANIFEST, SALT);

/** Nothing but what was sealed opens, and it opens as what it was. */
function opensOnly(good: Buffer, plaintext: Buffer, open: (sealed: Buffer) => Buffer) {
  return (input: Buffer) => {
    const opened = open(input);
    assert.ok(input.equals(good), 'changed bytes were opened');
    assert.deepEqual(opened.subarray(0, plaintext.length), plaintext);
  };
}

/** A chunk object that differs in the bytes, and from the place on, that the input says: it is too long for a corpus. */
function changedChunk(input: Buffer): Buffer {
  if (input.length < 4) return Buffer.from(CHUNK);
  const changed = Buffer.from(CHUNK);
  const at = input.readUInt32BE(0) % (CHUNK_OBJECT_BYTES + 1);
  if (input.length === 4) return changed.subarray(0, at);
  for (const [index, byte] of input.subarray(4).entries()) {
    if (at + index < changed.length) changed.writeUInt8(changed.readUInt8(at + index) ^ byte, at + index);
  }
  return changed;
}

/** Seals any plaintext (docs/format.md, "The envelope"), as our own writer never would. */
function sealed(kind: 'table' | 'manifest', key: Buffer, binding: Buffer, plaintext: Buffer): Buffer {
  const head = Buffer.concat([Buffer.from(kind === 'table' ? 'baeT' : 'baeM'), Buffer.of(1, 1, 18, 0)]);
  const label = Buffer.alloc(16);
  label.write(`bae ${kind}`);
  const derived = Buffer.from(hkdfSync('sha256', key, SALT, Buffer.concat([label, head, binding]), 64));
  const header = Buffer.concat([head, SALT, derived.subarray(32)]);
  const nonce = Buffer.alloc(12);
  nonce[11] = 1;
  const cipher = createCipheriv('aes-256-gcm', derived.subarray(0, 32), nonce, { authTagLength: 16 });
  cipher.setAAD(header);
  return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

const MOST_PLAIN_BYTES = 262_144;
const ONE = Buffer.from('0000000000000001', 'hex');

/** Zeros up to a power of two, as a document must have; an input that has them is left as it is. */
function padded(input: Buffer): Buffer {
  const whole = input.subarray(0, MOST_PLAIN_BYTES);
  let size = 4_096;
  while (size < whole.length) size *= 2;
  return Buffer.concat([whole, Buffer.alloc(size - whole.length)]);
}

/** Only what was sealed opens. */
function readSealed(input: Buffer): void {
  if (input.toString('latin1', 0, 4) === 'baeM') {
    assert.deepEqual(openManifest(KEYS, HANDLE, 1, input), MANIFEST);
    assert.ok(input.equals(SEALED_MANIFEST), 'a changed manifest was opened');
  } else {
    assert.deepEqual(openTable(input, { ...IDS, generation: 1 }), TABLE);
    assert.ok(input.equals(SEALED_TABLE), 'a changed table was opened');
  }
}

function readTable(input: Buffer): void {
  const object = sealed('table', BUNDLE_KEY, Buffer.concat([KEYS.libraryId, BUNDLE_ID, ONE]), padded(input));
  const ids = { ...IDS, generation: 1 };
  const table = openTable(object, ids);
  assert.equal(
    table.files.reduce((sum, { length }) => sum + length, 0),
    table.length,
  );
  assert.deepEqual(openTable(sealTable(IDS, table, SALT).object, ids), table);
}

function readManifest(input: Buffer): void {
  const object = sealed('manifest', KEYS.master.key, Buffer.concat([KEYS.libraryId, HANDLE, ONE]), padded(input));
  const manifest = openManifest(KEYS, HANDLE, 1, object);
  const again = openManifest(KEYS, HANDLE, 1, sealManifest(KEYS, manifest, SALT));
  // As JSON has it, since that has no infinity and no negative zero.
  assert.equal(JSON.stringify(again), JSON.stringify(manifest));
}

function readRoot(input: Buffer): void {
  const hasForm = isRoot(input);
  const keys = openRoot(input, SLOT);
  assert.ok(hasForm && input.equals(ROOT), 'a changed root was opened');
  assert.deepEqual(keys, KEYS);
}

function readKeyFile(input: Buffer): void {
  const slot = parseKeyFile(input.toString());
  assert.deepEqual(parseKeyFile(formatKeyFile(slot)), slot);
}

function readName(input: Buffer): boolean {
  const name = input.toString();
  const found = parseManifestName(name);
  if (found === null) return false;
  assert.equal(manifestName(found.handle, found.generation), name);
  return true;
}

/** A document (docs/format.md): JSON with its length before it, then sections. */
function document(content: unknown, ...sections: readonly Buffer[]): Buffer {
  const words = Buffer.from(JSON.stringify(content));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(words.length);
  return Buffer.concat([head, words, ...sections]);
}

const whole = fc.oneof(fc.nat(20), fc.constantFrom(-1, 1.5, 2 ** 53, 1e300), fc.string());
const hex = (length: number) => fc.constantFrom('00'.repeat(length), 'ab'.repeat(length), 'x');
const bundle = BUNDLE_ID.toString('hex');
const json = fc.jsonValue({ maxDepth: 2 });
const object = fc.dictionary(text, json, { maxKeys: 3 });

/** A good document in which a few members, or none, are others. */
function changed(good: object, others: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> {
  const change = fc.constantFrom(...Object.keys(others)).chain((name) => {
    return fc.oneof({ arbitrary: others[name] ?? json, weight: 3 }, json).map((value) => ({ [name]: value }));
  });
  return fc.array(change, { maxLength: 2 }).map((changes) => Object.assign({}, good, ...changes));
}

const tableJson = changed(
  {
    ...{ schema: 'bae table 1', bundle, generation: 1, suite: 1, length: 9, chunks: 1, files: TABLE.files },
    torrents: [{ infoHash: hash('sha1', INFO, 'hex'), infoLength: INFO.length, extents: null }],
  },
  {
    ...{ bundle: hex(16), generation: whole, suite: fc.constantFrom(1, 2, 3), length: whole, chunks: whole },
    files: fc.array(fc.record({ path: fc.array(text, { maxLength: 3 }), length: fc.oneof(fc.constant(9), whole) }), {
      maxLength: 3,
    }),
    torrents: fc.array(
      fc.record({ infoHash: hex(20), infoLength: whole, extents: fc.constantFrom(null, [[0, 9, null, 0]]) }),
      { maxLength: 2 },
    ),
  },
);
const manifestJson = changed(
  {
    ...{ schema: 'bae manifest 1', bundle, generation: 1, previous: null, bundleKey: 'ab'.repeat(60) },
    ...{ table: { name: 'ab'.repeat(32), generation: 1 }, torrents: [], releases: [] },
  },
  {
    ...{ bundle: hex(16), generation: whole, previous: hex(32), bundleKey: hex(60) },
    table: fc.record({ name: hex(32), generation: whole }),
    torrents: fc.array(
      fc.record({ infoHash: hex(20), trackers: fc.array(fc.array(text, { maxLength: 2 })), seeding: object }),
      { maxLength: 2 },
    ),
    releases: fc.array(object, { maxLength: 2 }),
  },
);

const slots = fc.nat().map((seed) => Buffer.from(formatKeyFile(newSlotKey(seededRandom(seed)))));
const names = fc.tuple(fc.nat(), fc.integer({ min: 1 })).map(([seed, generation]) => {
  return Buffer.from(manifestName(seededRandom(seed).bytes(32), generation));
});

export const VAULT: readonly Target[] = (
  [
    {
      name: 'sealed-piece',
      drawn: fc.constant(PIECE),
      read: opensOnly(PIECE, CONTENT, (input) => openPiece(input, { ...IDS, number: 3 })),
    },
    {
      name: 'sealed-chunk',
      drawn: fc.oneof(fc.constant(Buffer.alloc(0)), bytes(12)),
      read: (input) =>
        opensOnly(CHUNK, CONTENT, (object) => openChunk(object, { ...IDS, chunkIndex: 5 }))(changedChunk(input)),
    },
    {
      name: 'sealed-documents',
      drawn: fc.constantFrom(SEALED_TABLE, SEALED_MANIFEST),
      read: readSealed,
    },
    { name: 'table', drawn: tableJson.map((one) => document(one, TABLE.records, INFO)), read: readTable },
    { name: 'manifest', drawn: manifestJson.map((one) => document(one)), read: readManifest },
    { name: 'root', drawn: fc.constant(ROOT), read: readRoot },
    { name: 'manifest-name', drawn: names, read: readName },
  ] satisfies Omit<Target, 'isRefusal'>[]
)
  .map((target): Target => ({ ...target, isRefusal: isRefused }))
  .concat({ name: 'key-file', isRefusal: isBadInput, drawn: slots, read: readKeyFile });
