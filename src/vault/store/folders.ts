import { dirname } from 'node:path';
import type { Files } from './directory.ts';
import { errorCode } from './file-errors.ts';

/** Folders remembered as durable; beyond it all are looked at again. */
const MAX_KNOWN_FOLDERS = 10_000;

/** Makes folders below one root durable: a name survives a power cut once the folder it stands in is synced. */
export class Folders {
  readonly #root: string;
  readonly #files: Pick<Files, 'mkdir' | 'sync'>;
  readonly #known = new Map<string, Promise<void>>();

  constructor(root: string, files: Pick<Files, 'mkdir' | 'sync'>) {
    this.#root = root;
    this.#files = files;
  }

  /** Makes the root with a folder `first` in it, and all above that was not there. */
  async makeRoot(first: string): Promise<void> {
    const firstMade = await this.#files.mkdir(first, { recursive: true });
    for (let path = dirname(first); firstMade !== undefined; path = dirname(path)) {
      await this.sync(path);
      if (path === dirname(firstMade) || path === dirname(path)) return;
    }
  }

  /** Makes a folder below the root, and those between, durable; does so once. */
  make(folder: string): Promise<void> {
    let made = this.#known.get(folder);
    if (made === undefined) {
      if (this.#known.size >= MAX_KNOWN_FOLDERS) this.#known.clear();
      made = this.#makeNow(folder);
      this.#known.set(folder, made);
    }
    return made;
  }

  /** Looks at all folders again, since one was not there after all. */
  forget(): void {
    this.#known.clear();
  }

  /** Makes the names in a folder durable. */
  sync(folder: string): Promise<void> {
    return this.#files.sync(folder);
  }

  async #makeNow(folder: string): Promise<void> {
    if (folder === this.#root) return;
    try {
      await this.make(dirname(folder));
      await this.#files.mkdir(folder).catch((error: unknown) => {
        if (errorCode(error) !== 'EEXIST') throw error;
      });
      // Also when it was there: who made it may have died before this.
      await this.sync(dirname(folder));
    } catch (error) {
      this.#known.delete(folder);
      throw error;
    }
  }
}
