import * as nodeFiles from 'node:fs/promises';
import { mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as vitest from 'vitest';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { storeConformance } from './conformance.ts';
import { directoryStore } from './directory.ts';
import { syncPath } from './sync.ts';

const roots: string[] = [];
async function newRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'bae-store-'));
  roots.push(root);
  return root;
}
afterAll(async () => {
  for (const root of roots) await rm(root, { recursive: true });
});

storeConformance(vitest, 'the directory store', {
  open: async () => directoryStore(join(await newRoot(), 'made', 'by it'), systemClock),
  listedObjects: 60,
});

describe('the directory store', () => {
  it('keeps objects over a restart and removes what a dead process left unfinished, not what a live one writes', async () => {
    const root = await newRoot();
    const first = await directoryStore(root, systemClock);
    await first.put('c/ab/object', Buffer.from('kept'));
    await first.close();
    const unfinished = join(root, '~unfinished');
    await writeFile(join(unfinished, 'old'), 'x');
    await utimes(join(unfinished, 'old'), 1_000, 1_000);
    await writeFile(join(unfinished, 'young'), 'x');
    const again = await directoryStore(root, systemClock);
    expect((await again.get('c/ab/object')).toString()).toBe('kept');
    expect(await readdir(unfinished)).toEqual(['young']);
  });

  it('leaves no unfinished file behind a put that failed or lost', async () => {
    const root = await newRoot();
    const store = await directoryStore(root, systemClock);
    await store.put('a/b', Buffer.from('x'), { ifAbsent: true });
    await store.put('a/b', Buffer.from('y'), { ifAbsent: true });
    await expect(store.put('a/b/c', Buffer.from('z'))).rejects.toMatchObject({ kind: 'refused' });
    expect(await readdir(join(root, '~unfinished'))).toEqual([]);
  });

  it('links a file of its own disk, and puts one of another', async () => {
    const root = await newRoot();
    const file = join(root, 'file');
    await writeFile(file, 'a whole file');
    const store = await directoryStore(join(root, 'store'), systemClock);
    expect(await store.link('c/ab/object', file)).toBe(true);
    expect((await stat(join(root, 'store/c/ab/object'))).ino).toBe((await stat(file)).ino);
    // Of two names, either may go.
    await rm(file);
    expect((await store.get('c/ab/object')).toString()).toBe('a whole file');
    const otherDisk = async () => {
      throw Object.assign(new Error('EXDEV'), { code: 'EXDEV' });
    };
    const far = await directoryStore(join(root, 'store'), systemClock, {
      ...nodeFiles,
      sync: syncPath,
      link: otherDisk,
    });
    expect(await far.link('c/ab/other', file)).toBe(false);
  });

  it('is unavailable, not empty, while its disk is not there', async () => {
    const root = await newRoot();
    const store = await directoryStore(root, systemClock);
    await store.put('a/b', Buffer.from('x'));
    await rename(root, `${root}-elsewhere`);
    const kind = { kind: 'unavailable', retryable: true };
    await expect(store.get('a/b')).rejects.toMatchObject(kind);
    await expect(store.head('a/b')).rejects.toMatchObject(kind);
    await expect(store.delete('a/b')).rejects.toMatchObject(kind);
    await expect(store.put('a/c', Buffer.from('y'))).rejects.toMatchObject(kind);
    await expect(store.list('')[Symbol.asyncIterator]().next()).rejects.toMatchObject(kind);
    await rename(`${root}-elsewhere`, root);
    expect((await store.get('a/b')).toString()).toBe('x');
  });

  it('makes a folder again that somebody removed', async () => {
    const root = await newRoot();
    const store = await directoryStore(root, systemClock);
    await store.put('a/b', Buffer.from('x'));
    await rm(join(root, 'a'), { recursive: true });
    await expect(store.put('a/b', Buffer.from('y'))).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await store.put('a/b', Buffer.from('y'))).toBe('stored');
  });
});
