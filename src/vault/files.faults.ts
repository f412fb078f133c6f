import { dirname } from 'node:path';
import { BaeError } from '../lib/errors.ts';
import type { Random } from '../lib/random.ts';
import { type Files, systemFiles } from './files.ts';

/** A file's bytes as of its last sync; null if it never was synced. */
interface Inode {
  synced: Buffer | null;
  dirty: boolean;
}

/** For tests: a file system that forgets at a power cut what was not synced. */
export interface ForgetfulFiles extends Files {
  /** Called before each call; may throw, or kill. */
  before: ((call: keyof Files, path: string) => void) | null;
  /** From now on every call rejects, as in a process that is gone. */
  kill(): void;
  /** Makes of the folders what a power cut leaves: each unsynced name and each unsynced byte is kept or lost at random. */
  powerCut(random: Random): Promise<void>;
  /** The next process may use it. */
  revive(): void;
}

/**
 * Over the real file system, since workers read the files themselves. Names that something else took away (the cache moves
 * spool files) may come back at a power cut.
 */
export function forgetfulFiles(): ForgetfulFiles {
  return new Forgetful();
}

class Forgetful implements ForgetfulFiles {
  before: ((call: keyof Files, path: string) => void) | null = null;
  #dead = false;
  #durable = new Map<string, Inode>();
  #live = new Map<string, Inode>();
  #durableFolders = new Set<string>();
  #liveFolders = new Set<string>();

  kill(): void {
    this.#dead = true;
  }

  revive(): void {
    this.#dead = false;
    this.before = null;
  }

  async makeFolder(path: string): Promise<void> {
    this.#enter('makeFolder', path);
    await systemFiles.makeFolder(path);
    this.#liveFolders.add(path);
  }

  async write(path: string, data: Uint8Array): Promise<void> {
    this.#enter('write', path);
    await systemFiles.write(path, data);
    const inode = this.#live.get(path) ?? { synced: null, dirty: true };
    inode.dirty = true;
    this.#live.set(path, inode);
  }

  async sync(path: string): Promise<void> {
    this.#enter('sync', path);
    const inode = this.#live.get(path);
    if (inode !== undefined) {
      inode.synced = await systemFiles.read(path);
      inode.dirty = false;
      return;
    }
    for (const folder of [...this.#durableFolders, ...this.#liveFolders]) {
      if (dirname(folder) !== path) continue;
      if (this.#liveFolders.has(folder)) this.#durableFolders.add(folder);
      else this.#forgetFolder(folder);
    }
    for (const name of [...this.#durable.keys(), ...this.#live.keys()]) {
      if (dirname(name) !== path) continue;
      const now = this.#live.get(name);
      if (now === undefined) this.#durable.delete(name);
      else this.#durable.set(name, now);
    }
  }

  async rename(from: string, to: string): Promise<void> {
    this.#enter('rename', from);
    await systemFiles.rename(from, to);
    const inode = this.#live.get(from);
    this.#live.delete(from);
    if (inode !== undefined) this.#live.set(to, inode);
  }

  async remove(path: string): Promise<void> {
    this.#enter('remove', path);
    await systemFiles.remove(path);
    this.#liveFolders.delete(path);
    for (const name of [...this.#live.keys()]) {
      if (name === path || name.startsWith(`${path}/`)) this.#live.delete(name);
    }
  }

  list(folder: string): Promise<string[]> {
    this.#enter('list', folder);
    return systemFiles.list(folder);
  }

  read(path: string, into?: Buffer): Promise<Buffer | null> {
    this.#enter('read', path);
    return systemFiles.read(path, into);
  }

  size(path: string): Promise<number | null> {
    this.#enter('size', path);
    return systemFiles.size(path);
  }

  async powerCut(random: Random): Promise<void> {
    const kept = new Map<string, Inode>();
    for (const path of new Set([...this.#durable.keys(), ...this.#live.keys()])) {
      const inode = random.int(2) === 0 ? this.#durable.get(path) : this.#live.get(path);
      const bytes = inode === undefined ? null : await this.#whatIsLeft(path, inode, random);
      if (bytes === null || !this.#folderStays(path)) {
        await systemFiles.remove(path);
        continue;
      }
      await systemFiles.makeFolder(dirname(path));
      await systemFiles.write(path, bytes);
      kept.set(path, { synced: bytes, dirty: false });
    }
    for (const folder of this.#liveFolders) if (!this.#durableFolders.has(folder)) await systemFiles.remove(folder);
    this.#liveFolders = new Set(this.#durableFolders);
    this.#durable = kept;
    this.#live = new Map(kept);
  }

  /** Synced bytes are whole; others are cut anywhere. */
  async #whatIsLeft(path: string, inode: Inode, random: Random): Promise<Buffer | null> {
    if (!inode.dirty) return inode.synced;
    const written = (await systemFiles.read(path)) ?? inode.synced;
    return written?.subarray(0, random.int(written.length + 1)) ?? null;
  }

  /** Folders that were there before this file system are durable. */
  #folderStays(path: string): boolean {
    const folder = dirname(path);
    return this.#durableFolders.has(folder) || !this.#liveFolders.has(folder);
  }

  #forgetFolder(folder: string): void {
    this.#durableFolders.delete(folder);
    for (const name of [...this.#durable.keys()]) if (name.startsWith(`${folder}/`)) this.#durable.delete(name);
  }

  #enter(call: keyof Files, path: string): void {
    if (!this.#dead) this.before?.(call, path);
    if (this.#dead) throw new BaeError('unavailable', 'This process is gone.');
  }
}
