import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { ObfuscatedHashes } from './obfuscated-hashes.ts';

const sha1 = (...parts: (Buffer | string)[]) =>
  createHash('sha1')
    .update(Buffer.concat(parts.map((part) => Buffer.from(part))))
    .digest();

it('finds one of 50,000 torrents by HASH of req2 and its info-hash, and none after it is gone', () => {
  const index = new ObfuscatedHashes();
  const all = Array.from({ length: 50_000 }, (_, number) => sha1(String(number)));
  for (const infoHash of all) index.add(infoHash);
  expect(index.size).toBe(50_000);
  for (const infoHash of all) expect(index.find(sha1('req2', infoHash))).toBe(infoHash);
  const [first] = all as [Buffer];
  expect(index.find(first)).toBeNull();
  index.delete(first);
  expect(index.find(sha1('req2', first))).toBeNull();
  expect(index.size).toBe(49_999);
});
