import { dirname } from 'node:path';
import type { Random } from '../../src/lib/random.ts';
import { type Files, systemFiles } from '../../src/vault/index.ts';

/** A file's bytes as of its last sync; null if it never was synced. */
interface Inode {
  synced: Buffer | null;
  dirty: boolean;
}

/** For tests: a file system that forgets at a power cut what was not synced. */
export interface ForgetfulFiles extends Files {
  /** Resolves when nothing is under way. */
  settled(): Promise<void>;
  /** Makes of the folders what a power cut leaves: each unsynced name and each unsynced byte is kept or lost at random. */
  powerCut(random: Random): Promise<void>;
}

/**
 * Over the real file system, since workers read the files themselves. Names that something else took away (the cache moves
 * spool files) may come back at a power cut.
 */
export function forgetfulFiles(): ForgetfulFiles {
  return new Forgetful();
}

class Forgetful implements ForgetfulFiles {
  readonly #under = new Set<Promise<unknown>>();
  #durable = new Map<string, Inode>();
  #live = new Map<string, Inode>();
  #durableFolders = new Set<string>();
  #liveFolders = new Set<string>();

  async settled(): Promise<void> {
    while (this.#under.size > 0) await Promise.allSettled(this.#under);
  }

  async makeFolder(path: string): Promise<void> {
    await this.#run(systemFiles.makeFolder(path));
    this.#liveFolders.add(path);
  }

  async write(path: string, data: Uint8Array): Promise<void> {
    await this.#run(systemFiles.write(path, data));
    const inode = this.#live.get(path) ?? { synced: null, dirty: true };
    inode.dirty = true;
    this.#live.set(path, inode);
  }

  async sync(path: string): Promise<void> {
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
    await this.#run(systemFiles.rename(from, to));
    const inode = this.#live.get(from);
    this.#live.delete(from);
    if (inode !== undefined) this.#live.set(to, inode);
  }

  async remove(path: string): Promise<void> {
    await this.#run(systemFiles.remove(path));
    this.#liveFolders.delete(path);
    for (const name of [...this.#live.keys()]) {
      if (name === path || name.startsWith(`${path}/`)) this.#live.delete(name);
    }
  }

  list(folder: string): Promise<string[]> {
    return systemFiles.list(folder);
  }

  read(path: string, into?: Buffer): Promise<Buffer | null> {
    return systemFiles.read(path, into);
  }

  size(path: string): Promise<number | null> {
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

  async #run<Result>(work: Promise<Result>): Promise<Result> {
    this.#under.add(work);
    try {
      return await work;
    } finally {
      this.#under.delete(work);
    }
  }
}
