import * as nodeFiles from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { directoryStore, type Files } from './directory.ts';
import { syncPath } from './sync.ts';

const roots: string[] = [];
afterAll(async () => {
  for (const root of roots) await nodeFiles.rm(root, { recursive: true });
});

/**
 * A disk that loses power: names last only once their folder was synced after them, bytes only once their file was. It
 * works on the real disk and keeps beside it what would be left.
 */
class MortalDisk {
  /** Inode of each name that lasts, by path. */
  readonly names = new Map<string, number>();
  /** Bytes of each file that last, by inode. */
  readonly bytes = new Map<number, Buffer>();
  /** Calls done, to die at each of them in turn. */
  calls = 0;
  diesAt = Number.POSITIVE_INFINITY;

  readonly files: Files = {
    link: (from, to) => this.#live(() => nodeFiles.link(from, to)),
    mkdir: ((path: string, options: { recursive: boolean }) =>
      this.#live(() => nodeFiles.mkdir(path, options))) as Files['mkdir'],
    open: (path, flags, mode) =>
      this.#live(async () => this.#syncing(String(path), await nodeFiles.open(path, flags, mode))),
    opendir: (path) => this.#live(() => nodeFiles.opendir(path)),
    rename: (from, to) => this.#live(() => nodeFiles.rename(from, to)),
    sync: (path) =>
      this.#live(async () => {
        await syncPath(path);
        await this.#nameLasts(path);
      }),
    stat: ((path: string) => this.#live(() => nodeFiles.stat(path))) as Files['stat'],
    unlink: (path) => this.#live(() => nodeFiles.unlink(path)),
  };

  /** What a reader finds after the power is back: null if the name or a folder above it is lost. */
  after(root: string, name: string): Buffer | null {
    const path = join(root, name);
    for (let folder = dirname(path); folder !== root; folder = dirname(folder)) {
      if (!this.names.has(folder)) return null;
    }
    const inode = this.names.get(path);
    return inode === undefined ? null : (this.bytes.get(inode) ?? Buffer.alloc(0));
  }

  async #live<Result>(call: () => Promise<Result>): Promise<Result> {
    if (++this.calls > this.diesAt) throw new Error('the power is gone');
    return await call();
  }

  /** A handle whose sync makes things last. */
  #syncing(path: string, handle: nodeFiles.FileHandle): nodeFiles.FileHandle {
    const sync = handle.sync.bind(handle);
    handle.sync = () =>
      this.#live(async () => {
        await sync();
        this.bytes.set((await handle.stat()).ino, await nodeFiles.readFile(path));
      });
    return handle;
  }

  async #nameLasts(folder: string): Promise<void> {
    for (const path of this.names.keys()) if (dirname(path) === folder) this.names.delete(path);
    for (const name of await nodeFiles.readdir(folder)) {
      const path = join(folder, basename(name));
      this.names.set(path, (await nodeFiles.stat(path)).ino);
    }
  }
}

it('loses nothing that was told stored, and shows nothing half, when the power goes at any moment', async () => {
  const old = Buffer.from('the old body');
  const body = Buffer.from('the new body, a longer one');
  let finished = 0;
  for (let diesAt = 1; finished < 1; diesAt++) {
    const root = await nodeFiles.mkdtemp(join(tmpdir(), 'bae-power-'));
    roots.push(root);
    const disk = new MortalDisk();
    const store = await directoryStore(root, systemClock, disk.files);
    await store.put('m/kept', old);
    disk.calls = 0;
    disk.diesAt = diesAt;
    const told: string[] = [];
    const note = async (what: string, call: Promise<unknown>) => {
      await call.then(
        () => told.push(what),
        () => told.push(`not ${what}`),
      );
    };
    await note('replaced', store.put('m/kept', body));
    await note('stored', store.put('c/ab/new', body, { ifAbsent: true }));
    await note('exists', store.put('c/ab/new', old, { ifAbsent: true }));
    const file = join(root, 'linked');
    await nodeFiles.writeFile(file, body);
    disk.bytes.set((await nodeFiles.stat(file)).ino, body);
    await note('linked', store.link('c/cd/linked', file));

    const kept = disk.after(root, 'm/kept');
    expect(kept?.equals(body) || (kept?.equals(old) && !told.includes('replaced'))).toBe(true);
    const stored = disk.after(root, 'c/ab/new');
    if (told.includes('stored') || told.includes('exists')) expect(stored?.equals(body)).toBe(true);
    else expect(stored === null || stored.equals(body)).toBe(true);
    const linked = disk.after(root, 'c/cd/linked');
    if (told.includes('linked')) expect(linked?.equals(body)).toBe(true);
    else expect(linked === null || linked.equals(body)).toBe(true);
    if (disk.calls < diesAt) finished++;
  }
  expect(finished).toBe(1);
});

it('deletes for good', async () => {
  const root = await nodeFiles.mkdtemp(join(tmpdir(), 'bae-power-'));
  roots.push(root);
  const disk = new MortalDisk();
  const store = await directoryStore(root, systemClock, disk.files);
  await store.put('c/ab/gone', Buffer.from('x'));
  expect(disk.after(root, 'c/ab/gone')).not.toBeNull();
  await store.delete('c/ab/gone');
  expect(disk.after(root, 'c/ab/gone')).toBeNull();
});
