import { statSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, rmdir, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packKey, unpackKey } from './keys.ts';

/** Folder of files being written; no bundle has that name. */
const WRITING = '~writing';

/** A file found at start. */
export interface Found {
  key: number;
  /** When it was last read, within the touch interval; milliseconds since the epoch. */
  readAt: number;
}

/** The cache's folder: `<bundle>/<index>`, whole objects only; nothing is synced. Keys are packed. */
export class CacheFiles {
  readonly #root: string;
  readonly #objectBytes: number;
  #writing = 0;

  constructor(root: string, objectBytes: number) {
    this.#root = root;
    this.#objectBytes = objectBytes;
  }

  path(key: number): string {
    const { bundle, index } = unpackKey(key);
    return join(this.#root, String(bundle), String(index));
  }

  /**
   * Makes the folder and tells what whole objects are in it, read longest ago first. Removes what was left half-written
   * and files of a wrong size; names that are not the cache's stay untouched.
   */
  async open(): Promise<Found[]> {
    await rm(join(this.#root, WRITING), { recursive: true, force: true });
    await mkdir(join(this.#root, WRITING), { recursive: true });
    const found: Found[] = [];
    for (const entry of await readdir(this.#root, { withFileTypes: true })) {
      const bundle = toInteger(entry.name);
      if (entry.isDirectory() && bundle !== null) await this.#readBundle(bundle, found);
    }
    return found.sort((one, other) => one.readAt - other.readAt);
  }

  /** Writes an object aside and moves it into place. */
  async write(key: number, object: Buffer): Promise<void> {
    await this.#viaAside(key, (aside) => writeFile(aside, object, { flag: 'wx', mode: 0o600 }));
  }

  /** Moves a finished file into place (true), or copies it from another file system (false: `from` is still there). */
  async adopt(key: number, from: string): Promise<boolean> {
    const { size } = await stat(from);
    if (size !== this.#objectBytes) throw new Error(`a spool file of ${size} bytes is no chunk object`);
    try {
      await this.#intoPlace(from, key);
      return true;
    } catch (error) {
      if (codeOf(error) !== 'EXDEV') throw error;
      await this.#viaAside(key, (aside) => copyFile(from, aside));
      return false;
    }
  }

  /** Removes a file; one that is not there is fine. */
  async remove(path: string): Promise<void> {
    await rm(path, { force: true });
  }

  /** Removes a bundle's folder if nothing is in it. */
  async removeFolder(bundle: number): Promise<void> {
    try {
      await rmdir(join(this.#root, String(bundle)));
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(String(codeOf(error)))) throw error;
    }
  }

  /** Notes on disk that an object was read now, for the order after a restart. */
  async touch(key: number, now: number): Promise<void> {
    await utimes(this.path(key), now / 1_000, now / 1_000);
  }

  async #viaAside(key: number, fill: (aside: string) => Promise<void>): Promise<void> {
    const aside = join(this.#root, WRITING, String(this.#writing++));
    try {
      await fill(aside);
      await this.#intoPlace(aside, key);
    } catch (error) {
      await this.remove(aside);
      throw error;
    }
  }

  async #intoPlace(from: string, key: number): Promise<void> {
    const path = this.path(key);
    try {
      await rename(from, path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      await mkdir(join(path, '..'), { recursive: true });
      await rename(from, path);
    }
  }

  async #readBundle(bundle: number, found: Found[]): Promise<void> {
    const folder = join(this.#root, String(bundle));
    const entries = await readdir(folder, { withFileTypes: true });
    if (entries.length === 0) await this.removeFolder(bundle);
    for (const entry of entries) {
      const index = toInteger(entry.name);
      if (!entry.isFile() || index === null) continue;
      const path = join(folder, entry.name);
      // Nothing is served before the cache is open, and a hundred thousand promises cost four times as much.
      const { size, mtimeMs } = statSync(path);
      if (size === this.#objectBytes) found.push({ key: packKey({ bundle, index }), readAt: mtimeMs });
      else await unlink(path);
    }
  }
}

/** The number that a name writes in the one way we write it, else null. */
function toInteger(name: string): number | null {
  return /^(0|[1-9]\d{0,8})$/.test(name) ? Number(name) : null;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
