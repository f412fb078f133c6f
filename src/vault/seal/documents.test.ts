import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { BaeError, errorKind } from '../../lib/errors.ts';
import { seededRandom } from '../../lib/random.ts';
import { decodeDocument, encodeDocument, MIN_DOCUMENT_BYTES } from './document.ts';
import {
  bundleHandle,
  type ContentTable,
  chunkName,
  createRoot,
  DEFAULT_SUITE,
  HEADER_BYTES,
  MAX_TABLE_BYTES,
  type Manifest,
  manifestName,
  newSlotKey,
  openManifest,
  openTable,
  parseManifestName,
  RECORD_BYTES,
  sealManifest,
  sealReason,
  sealTable,
  tableName,
  tableRecord,
  wrapBundleKey,
} from './index.ts';

const random = seededRandom(23);
const { keys } = createRoot(newSlotKey(random), random);
const { libraryId } = keys;
const bundleId = random.bytes(16);
const bundleKey = random.bytes(32);
const ids = { bundleKey, libraryId, bundleId, generation: 3 };

/** kind and reason of what was thrown. */
function refusal(open: () => unknown): [string, string | null] {
  try {
    open();
  } catch (error) {
    return [errorKind(error), sealReason(error)];
  }
  throw new Error('it opened');
}

function table(chunks: number, fileCount = 1): ContentTable {
  const length = chunks * 1_048_576;
  const info = Buffer.from('d4:name1:xe');
  const torrent = { infoHash: hash('sha1', info, 'buffer'), info, extents: null };
  const share = Math.floor(length / fileCount);
  const files = Array.from({ length: fileCount }, (_, at) => {
    return { path: ['dir', `ü${at}.flac`], length: at === 0 ? length - share * (fileCount - 1) : share };
  });
  const records = Buffer.alloc(chunks * RECORD_BYTES, 7);
  return { bundleId, generation: 3, suite: DEFAULT_SUITE, length, files, torrents: [torrent], records };
}

describe('content table', () => {
  it('opens to what was sealed', () => {
    const source = bundleId.subarray();
    const extents = [
      { torrentOffset: 0, length: 9, bundleId: source, bundleOffset: 2 ** 40 },
      { torrentOffset: 9, length: 5, bundleId: null, bundleOffset: 0 },
    ];
    const [torrent] = table(1).torrents as [ContentTable['torrents'][number]];
    const files = [
      { path: ['a'], length: 1_048_570 },
      { path: ['.pad', '6'], length: 6, pad: true },
    ];
    const full = { ...table(1), files, torrents: [torrent, { ...torrent, extents }] };
    const sealed = sealTable(ids, full, random.bytes(24));
    expect(openTable(sealed.object, ids)).toEqual(full);
    expect(sealed.name).toEqual(hash('sha256', sealed.object, 'buffer'));
    const empty = { ...table(0, 1), torrents: [] };
    expect(openTable(sealTable(ids, empty, random.bytes(24)).object, ids)).toEqual(empty);
  });

  it('of 50,000 files and 200,000 chunks is compact, and gives records by index', () => {
    const big = table(200_000, 50_000);
    big.records.fill(9, 199_999 * RECORD_BYTES);
    const { object } = sealTable(ids, big, random.bytes(24));
    expect(object.length).toBeLessThan(17 * 1_048_576);
    const opened = openTable(object, ids);
    expect(tableRecord(opened, 199_999)).toEqual({ name: Buffer.alloc(32, 9), salt: Buffer.alloc(24, 9) });
    expect(tableRecord(opened, 0).salt).toEqual(Buffer.alloc(24, 7));
    expect(() => tableRecord(opened, 200_000)).toThrow(RangeError);
  });

  it('does not tell its size but by powers of two', () => {
    const sizes = [1, 2, 30, 60].map((chunks) => sealTable(ids, table(chunks), random.bytes(24)).object.length);
    expect(sizes).toEqual([4096, 4096, 4096, 4096].map((padded) => padded + HEADER_BYTES + 16));
    expect(sealTable(ids, table(80), random.bytes(24)).object.length).toBe(8192 + HEADER_BYTES + 16);
  });

  it('is refused for another bundle, library, generation or key, and with any sampled bit flipped', () => {
    const { object } = sealTable(ids, table(2), random.bytes(24));
    const others = [
      { generation: 4 },
      { bundleId: random.bytes(16) },
      { libraryId: random.bytes(16) },
      { bundleKey: random.bytes(32) },
    ];
    for (const other of others)
      expect(refusal(() => openTable(object, { ...ids, ...other }))).toEqual(['corrupt', 'wrong-key']);
    for (let sample = 0; sample < 300; sample++) {
      const bad = Buffer.from(object);
      const bit = random.int(bad.length * 8);
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(refusal(() => openTable(bad, ids))[0]).toBe('corrupt');
      expect(refusal(() => openTable(object.subarray(0, bit >> 3), ids))[0]).toBe('corrupt');
    }
  });

  it('that contradicts itself is neither sealed nor opened; one too long is bad input', () => {
    const good = table(2);
    const [torrent] = good.torrents as [ContentTable['torrents'][number]];
    const bad = [
      { ...good, length: good.length + 1 },
      { ...good, records: good.records.subarray(1) },
      { ...good, files: [] },
      { ...good, torrents: [{ ...torrent, infoHash: random.bytes(20) }] },
    ];
    for (const one of bad) expect(() => sealTable(ids, one, random.bytes(24))).toThrow(BaeError);
    const info = Buffer.alloc(MAX_TABLE_BYTES - 100);
    const long = { ...good, torrents: [{ infoHash: hash('sha1', info, 'buffer'), info, extents: null }] };
    expect(refusal(() => sealTable(ids, long, random.bytes(24)))).toEqual(['bad-input', null]);
  });
});

const manifest: Manifest = {
  ...{ bundleId, generation: 2, previous: random.bytes(32) },
  bundleKey: wrapBundleKey(keys, bundleId, bundleKey, random),
  table: { name: random.bytes(32), generation: 1 },
  torrents: [{ infoHash: random.bytes(20), trackers: [['https://a/secret'], []], seeding: { ratio: 1.5, on: null } }],
  releases: [{ title: 'Ágætis byrjun', discs: [{ tracks: 3 }] }],
};
const handle = bundleHandle(keys, bundleId);

describe('manifest', () => {
  const object = sealManifest(keys, manifest, random.bytes(24));

  it('opens to what was sealed, and holds nothing in clear', () => {
    expect(openManifest(keys, handle, 2, object)).toEqual(manifest);
    expect(object.length).toBe(4096 + HEADER_BYTES + 16);
    for (const word of ['secret', 'byrjun', 'schema']) expect(object.includes(word)).toBe(false);
  });

  it('opens after the master key changed', () => {
    const changed = { ...keys, master: { epoch: 2, key: random.bytes(32) }, previous: [keys.master] };
    expect(openManifest(changed, handle, 2, object)).toEqual(manifest);
    const lost = { ...keys, master: { epoch: 2, key: random.bytes(32) } };
    expect(refusal(() => openManifest(lost, handle, 2, object))).toEqual(['corrupt', 'wrong-key']);
  });

  it('is refused under another name, cut, or with any sampled bit flipped', () => {
    expect(refusal(() => openManifest(keys, handle, 3, object))).toEqual(['corrupt', 'wrong-key']);
    expect(refusal(() => openManifest(keys, random.bytes(32), 2, object))).toEqual(['corrupt', 'wrong-key']);
    for (let sample = 0; sample < 300; sample++) {
      const bad = Buffer.from(object);
      const bit = random.int(bad.length * 8);
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(refusal(() => openManifest(keys, handle, 2, bad))[0]).toBe('corrupt');
      expect(refusal(() => openManifest(keys, handle, 2, object.subarray(0, bit >> 3)))[0]).toBe('corrupt');
    }
  });

  it('that cannot follow from another one is not sealed', () => {
    const bad = [
      { ...manifest, previous: null },
      { ...manifest, generation: 1 },
      { ...manifest, table: { ...manifest.table, generation: 3 } },
    ];
    for (const one of bad) expect(() => sealManifest(keys, one, random.bytes(24))).toThrow(BaeError);
  });
});

describe('document frame', () => {
  it('refuses lengths and paddings that are not right', () => {
    const good = encodeDocument({ a: 1 }, [Buffer.from('xy')], 8192);
    const parts = decodeDocument(good, 'it');
    expect([parts.text, parts.take(2).toString()]).toEqual(['{"a":1}', 'xy']);
    parts.end();
    expect(refusal(() => decodeDocument(good, 'it').take(MIN_DOCUMENT_BYTES))).toEqual(['corrupt', 'altered']);
    expect(refusal(() => decodeDocument(good, 'it').end())).toEqual(['corrupt', 'altered']);
    expect(refusal(() => decodeDocument(good.subarray(1), 'it'))).toEqual(['corrupt', 'altered']);
    expect(refusal(() => decodeDocument(Buffer.alloc(0), 'it'))).toEqual(['corrupt', 'altered']);
    const long = Buffer.from(good);
    long.writeUInt32BE(2 ** 32 - 1);
    expect(refusal(() => decodeDocument(long, 'it'))).toEqual(['corrupt', 'altered']);
    expect(refusal(() => encodeDocument('x'.repeat(8190), [], 8192))).toEqual(['bad-input', null]);
  });
});

describe('names', () => {
  const sha256 = Buffer.from('ab'.repeat(32), 'hex');
  it('are as docs/format.md says', () => {
    expect(chunkName(sha256)).toBe(`c/ab/${'ab'.repeat(32)}`);
    expect(tableName(sha256)).toBe(`t/${'ab'.repeat(32)}`);
    expect(manifestName(sha256, 12)).toBe(`m/${'ab'.repeat(32)}/0000000000000012`);
    expect(parseManifestName(manifestName(sha256, 12))).toEqual({ handle: sha256, generation: 12 });
  });

  it('that are not manifests read as null', () => {
    const good = manifestName(sha256, 1);
    for (const bad of [
      '',
      `${good}0`,
      good.toUpperCase(),
      good.replace(/1$/, '0'),
      good.replace(/\d{16}$/, '9'.repeat(16)),
      `x${good}`,
    ]) {
      expect(parseManifestName(bad)).toBeNull();
    }
    for (const generation of [0, -1, 0.5, 2 ** 53]) expect(() => manifestName(sha256, generation)).toThrow(RangeError);
    expect(() => chunkName(sha256.subarray(1))).toThrow(RangeError);
  });
});
