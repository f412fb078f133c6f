// What a person, or an earlier run, left on the disk: lists of addresses, bae.toml, the counters file, the names of stores.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Config, loadConfig } from '../../src/config.ts';
import { type CounterRecord, decodeRecords, encodeRecord } from '../../src/seed/index.ts';
import { parseIpFilter } from '../../src/torrent/index.ts';
import { parseStoreSpec } from '../../src/vault/store/index.ts';
import type { Target } from './driver.ts';
import { buffer, isBadInput, text } from './parts.ts';

const range = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(130)).map(([address, bits]) => `${address}/${bits}`),
  fc.tuple(fc.ipV4(), fc.ipV4()).map(([first, last]) => `${first}-${last}`),
  fc.tuple(text, fc.ipV4(), fc.ipV4()).map(([name, first, last]) => `${name}:${first}-${last}`),
  fc.nat(999).map((level) => `001.002.003.004 - 001.002.003.009 , ${level} , name`),
  fc.constantFrom('', '# words', '// words', '1.2.3.4 - 1.2.3.9', 'a:b:::1-::2'),
);
const MOST_ADDRESSES = 20;

function readFilter(input: Buffer): boolean {
  const list = input.toString('latin1');
  const filter = parseIpFilter(list, 'list');
  assert.ok(filter.size <= list.split('\n').length);
  // Every address that stands alone in a line is blocked, and what is no address always.
  const alone = list.split('\n').filter((one) => /^\d{1,3}(\.\d{1,3}){3}$/.test(one.trim()));
  for (const one of alone.slice(0, MOST_ADDRESSES)) {
    assert.ok(filter.blocks(one.trim().split('.').map(Number).join('.')), `${one} is let in`);
  }
  assert.ok(filter.blocks('no address'));
  return filter.size > 0;
}

const setting = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('cache_bytes', 'spool_bytes', 'pin_bytes'),
      fc.constantFrom('"1MiB"', '5', '"2 GB"', '-1', '1e99', '"x"'),
    )
    .map(([key, value]) => `${key} = ${value}`),
  fc
    .tuple(fc.constantFrom('dht', 'lsd', 'anti_leech'), fc.constantFrom('true', 'false', '"true"', '1'))
    .map((one) => one.join(' = ')),
  fc
    .tuple(fc.constantFrom('listen', 'dht_bootstrap', 'token', 'url', 'store'), text)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
  fc.nat(70_000).map((port) => `listen = "127.0.0.1:${port}"\npeer_port = ${port}`),
  fc.constantFrom('[table]', 'a.b = 1', '# words', 'data = "x"', 'encryption = "require"', 'cache_bytes = 0x10'),
);

let folder: string | null = null;

function readConfig(input: Buffer): void {
  folder ??= mkdtempSync(join(tmpdir(), 'bae-fuzz-'));
  writeFileSync(join(folder, 'bae.toml'), input);
  const config = loadConfig({ environment: { BAE_DATA: folder }, flags: {} });
  assert.equal(config.data, folder);
  for (const key of ['cache_bytes', 'pin_bytes', 'spool_bytes', 'ram_cache_bytes'] satisfies (keyof Config)[]) {
    assert.ok(Number.isSafeInteger(config[key]) && config[key] >= 0, `${key} is ${config[key]}`);
  }
  const { port } = config.listen;
  assert.ok(config.peer_port >= 0 && config.peer_port <= 65_535 && port >= 0 && port <= 65_535);
}

async function removeFolder(): Promise<void> {
  if (folder !== null) rmSync(folder, { recursive: true });
  folder = null;
}

function readCounters(input: Buffer): boolean {
  const records = decodeRecords(input);
  assert.ok(records.length <= input.length / encodeRecord(EMPTY).length);
  for (const record of records) {
    assert.ok(record.uploadedBytes >= 0 && record.downloadedBytes >= 0 && record.totalUploadedBytes >= 0);
    if (Object.values(record).every((value) => typeof value !== 'number' || Number.isSafeInteger(value))) {
      assert.deepEqual(decodeRecords(encodeRecord(record)), [record]);
    }
  }
  return records.length > 0;
}

const EMPTY: CounterRecord = {
  ...{ torrentId: 0, infoHash: Buffer.alloc(20), peerId: Buffer.alloc(20) },
  ...{ uploadedBytes: 0, downloadedBytes: 0, totalUploadedBytes: 0, totalDownloadedBytes: 0 },
};
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const record = fc
  .record({
    ...{ torrentId: count, infoHash: buffer(20), peerId: buffer(20) },
    ...{ uploadedBytes: count, downloadedBytes: count, totalUploadedBytes: count, totalDownloadedBytes: count },
  })
  .map(encodeRecord);

function readStore(input: Buffer): void {
  const spec = parseStoreSpec(input.toString());
  if (spec.kind !== 's3') return;
  assert.ok(!spec.prefix.startsWith('/') && spec.prefix.length <= MOST_PREFIX);
  assert.ok(spec.prefix.split('/').every((part) => part !== '.' && part !== '..'));
}

const MOST_PREFIX = 500;
const store = fc.oneof(
  text.map((path) => `file:${path}`),
  fc.constantFrom('memory:', 's3://bucket', 's3://bucket/a/b?endpoint=http://127.0.0.1:1&region=x', 's3://u:p@b/../x'),
  fc.tuple(text, text).map(([prefix, endpoint]) => `s3://bucket/${prefix}?endpoint=${encodeURIComponent(endpoint)}`),
);

export const SETTINGS: readonly Target[] = (
  [
    {
      name: 'ip-filter',
      drawn: fc.array(range, { maxLength: 8 }).map((lines) => Buffer.from(lines.join('\n'), 'latin1')),
      read: readFilter,
    },
    {
      name: 'config',
      drawn: fc.uniqueArray(setting, { maxLength: 4 }).map((lines) => Buffer.from(lines.join('\n'))),
      read: readConfig,
      close: removeFolder,
    },
    {
      name: 'counters-file',
      drawn: fc.array(record, { maxLength: 4 }).map((all) => Buffer.concat(all)),
      read: readCounters,
    },
    { name: 'store-name', drawn: store.map((one) => Buffer.from(one)), read: readStore },
  ] satisfies Omit<Target, 'isRefusal'>[]
).map((target) => ({ ...target, isRefusal: isBadInput }));
