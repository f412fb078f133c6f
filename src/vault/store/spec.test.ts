import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStore } from './open.ts';
import { parseStoreSpec } from './spec.ts';

it('parses stores of every kind', () => {
  expect(parseStoreSpec('memory:')).toEqual({ kind: 'memory' });
  expect(parseStoreSpec('file:/var/store')).toEqual({ kind: 'directory', root: '/var/store' });
  expect(parseStoreSpec('file:///var/store')).toEqual({ kind: 'directory', root: '/var/store' });
  expect(parseStoreSpec('file:music store')).toEqual({ kind: 'directory', root: 'music store' });
  const s3 = { kind: 's3', endpoint: undefined, region: undefined };
  expect(parseStoreSpec('s3://my.bucket')).toEqual({ ...s3, bucket: 'my.bucket', prefix: '' });
  expect(parseStoreSpec('s3://bucket/')).toEqual({ ...s3, bucket: 'bucket', prefix: '' });
  expect(parseStoreSpec('s3://bucket/a//b/')).toEqual({ ...s3, bucket: 'bucket', prefix: 'a/b/' });
  expect(parseStoreSpec('s3://bucket/a?endpoint=http://127.0.0.1:7480&region=eu-1')).toEqual({
    kind: 's3',
    bucket: 'bucket',
    prefix: 'a/',
    endpoint: 'http://127.0.0.1:7480/',
    region: 'eu-1',
  });
});

it('says what is wrong with a store', () => {
  for (const [spec, sentence] of [
    ['', 'is no store'],
    ['/var/store', 'is no store'],
    ['memory', 'is no store'],
    ['file:', 'names no folder'],
    ['s3://', 'no name of a bucket'],
    ['s3:///prefix', 'no name of a bucket'],
    ['s3://key:secret@bucket', 'no name of a bucket'],
    ['s3://bucket/../other', 'no prefix'],
    ['s3://bucket/a b', 'no prefix'],
    [`s3://bucket/${'a'.repeat(500)}`, 'no prefix'],
    ['s3://bucket?endpoint=localhost:7480', 'no endpoint'],
    ['s3://bucket?endpoint=ftp://localhost', 'no endpoint'],
    ['s3://bucket?endpoint=', 'no endpoint'],
    ['s3://bucket?endpoint=http://key:secret@localhost', 'holds no keys'],
    ['s3://bucket?secret=x', 'not "secret"'],
  ] as const) {
    expect(() => parseStoreSpec(spec), spec).toThrow(expect.objectContaining({ kind: 'bad-input' }));
    expect(() => parseStoreSpec(spec), spec).toThrow(sentence);
  }
});

it('opens the folder and the memory it parsed', async () => {
  const root = await mkdtemp(join(tmpdir(), 'bae-spec-'));
  const store = await openStore(`file:${root}/store`, {});
  expect(store.describe()).toBe(`file:${root}/store`);
  await store.put('a', Buffer.from('x'));
  expect((await openStore('memory:', {})).describe()).toBe('memory');
  await expect(openStore(`file:${root}/store/a`, {})).rejects.toMatchObject({ kind: 'refused' });
  await rm(root, { recursive: true });
});
