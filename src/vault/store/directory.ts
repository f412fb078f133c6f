import * as nodeFiles from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { BaeError } from '../../lib/errors.ts';
import {
  cancelled,
  checkBody,
  checkDigest,
  checkName,
  checkPrefix,
  checkRange,
  checkSignal,
  missing,
  tooShort,
} from './contract.ts';
import { errorCode, ignoreAbsent, tellFileError } from './file-errors.ts';
import { Folders } from './folders.ts';
import {
  type CallOptions,
  type GetOptions,
  MAX_OBJECT_BYTES,
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
} from './ports.ts';
import { Slots } from './slots.ts';
import { syncPath } from './sync.ts';

/** Files under way at a time. */
const MAX_OPEN_FILES = 64;
/** Unfinished files older than this were left by a process that died; no put takes so long. */
const LEFTOVER_AGE_MILLISECONDS = 900_000;
/** Folder of unfinished files: `~` is in no object's name. Its absence tells that the store's disk is not there. */
const UNFINISHED = '~unfinished';
/** Why a file cannot be linked, and must be put: other disk, no or too many links, the name is taken, file or folder is gone. */
const NO_LINK = ['EXDEV', 'EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EEXIST', 'ENOENT'];

/** The calls of node:fs/promises that the store makes, and `syncPath`, as an argument so that tests can lose power. */
export type Files = Pick<typeof nodeFiles, 'link' | 'mkdir' | 'open' | 'opendir' | 'rename' | 'stat' | 'unlink'> & {
  readonly sync: typeof syncPath;
};
const systemFiles: Files = { ...nodeFiles, sync: syncPath };

/**
 * Opens a store in a folder, made if it is not there: an object is a file of its name. A put writes a file aside, syncs it,
 * links or renames it into place and syncs the folder. Files that a dead process left unfinished are removed.
 */
export async function directoryStore(root: string, clock: Clock, files: Files = systemFiles): Promise<ObjectStore> {
  const store = new DirectoryStore(root, files);
  await store.open(clock);
  return store;
}

class DirectoryStore implements ObjectStore {
  readonly #root: string;
  readonly #files: Files;
  readonly #slots = new Slots(MAX_OPEN_FILES);
  readonly #folders: Folders;
  /** Tells this opening's unfinished files from any other's. */
  #run = '';
  #unfinishedCount = 0;

  constructor(root: string, files: Files) {
    this.#root = resolve(root);
    this.#files = files;
    this.#folders = new Folders(this.#root, files);
  }

  async open(clock: Clock): Promise<void> {
    this.#run = `${process.pid}-${clock.now()}`;
    const unfinished = join(this.#root, UNFINISHED);
    await this.#told('opening it', async () => {
      await this.#folders.makeRoot(unfinished);
      for await (const entry of await this.#files.opendir(unfinished)) {
        const path = join(unfinished, entry.name);
        const age = clock.now() - (await this.#files.stat(path)).mtimeMs;
        if (age > LEFTOVER_AGE_MILLISECONDS) await this.#files.unlink(path);
      }
    });
  }

  async put(name: string, body: Buffer, options: PutOptions = {}): Promise<'stored' | 'exists'> {
    checkName(name);
    checkBody(name, body);
    return await this.#slots.run(options.signal, () =>
      this.#told(name, async () => {
        await checkDigest(name, body, options.sha256);
        const unfinished = join(this.#root, UNFINISHED, `${this.#run}-${this.#unfinishedCount++}`);
        try {
          await this.#writeSynced(unfinished, body);
          checkSignal(options.signal);
          return await this.#giveName(unfinished, join(this.#root, name), options.ifAbsent ?? false);
        } finally {
          // After a rename it is gone already.
          await this.#files.unlink(unfinished).catch(ignoreAbsent);
        }
      }),
    );
  }

  async link(name: string, path: string, options: CallOptions = {}): Promise<boolean> {
    checkName(name);
    return await this.#slots.run(options.signal, () =>
      this.#told(name, async () => {
        const target = join(this.#root, name);
        await this.#folders.make(dirname(target));
        try {
          await this.#files.link(path, target);
        } catch (error) {
          if (NO_LINK.includes(errorCode(error))) return false;
          throw error;
        }
        await this.#folders.sync(dirname(target));
        return true;
      }),
    );
  }

  async get(name: string, options: GetOptions = {}): Promise<Buffer> {
    checkName(name);
    checkRange(options.range);
    return await this.#slots.run(options.signal, async () => {
      const body = await this.#told(name, () => this.#read(name, options.range));
      if (body === null) throw missing(name);
      if (options.signal?.aborted) throw cancelled(options.signal);
      return body;
    });
  }

  async head(name: string, options: { signal?: AbortSignal | undefined } = {}): Promise<{ size: number } | null> {
    checkName(name);
    return await this.#slots.run(options.signal, () =>
      this.#told(name, async () => {
        try {
          const stats = await this.#files.stat(join(this.#root, name));
          return stats.isFile() ? { size: stats.size } : null;
        } catch (error) {
          return await this.#absent(error);
        }
      }),
    );
  }

  async delete(name: string, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkName(name);
    await this.#slots.run(options.signal, () =>
      this.#told(name, async () => {
        const path = join(this.#root, name);
        try {
          await this.#files.unlink(path);
          await this.#folders.sync(dirname(path));
        } catch (error) {
          await this.#absent(error);
        }
      }),
    );
  }

  async *list(
    prefix: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<ObjectInfo, void, undefined> {
    checkPrefix(prefix);
    const folders = [prefix.slice(0, prefix.lastIndexOf('/') + 1)];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const inside: string = folder;
      const found = await this.#slots.run(options.signal, () =>
        this.#told(prefix, () => this.#readFolder(inside, prefix)),
      );
      folders.push(...found.folders);
      for (const name of found.names) {
        const info = await this.head(name, options);
        if (info !== null) yield { name, size: info.size };
      }
    }
  }

  describe(): string {
    return `file:${this.#root}`;
  }

  async close(): Promise<void> {
    this.#slots.close(new BaeError('unavailable', 'The store was closed.', { retryable: false }));
  }

  /** Writes a new file and makes its bytes durable; its name is not yet. */
  async #writeSynced(path: string, body: Buffer): Promise<void> {
    const file = await this.#files.open(path, 'wx', 0o600);
    try {
      await file.writeFile(body);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Puts the finished file in its place and makes that durable. */
  async #giveName(unfinished: string, path: string, ifAbsent: boolean): Promise<'stored' | 'exists'> {
    await this.#folders.make(dirname(path));
    try {
      const stored = ifAbsent ? await this.#linkIfAbsent(unfinished, path) : true;
      if (!ifAbsent) await this.#files.rename(unfinished, path);
      await this.#folders.sync(dirname(path));
      return stored ? 'stored' : 'exists';
    } catch (error) {
      if (errorCode(error) === 'ENOENT') this.#folders.forget();
      throw error;
    }
  }

  /** Gives the finished file its name unless something has it. */
  async #linkIfAbsent(from: string, to: string): Promise<boolean> {
    try {
      await this.#files.link(from, to);
      return true;
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false;
      if (errorCode(error) === 'EPERM' || errorCode(error) === 'ENOTSUP' || errorCode(error) === 'ENOSYS') {
        throw new BaeError('refused', `The file system of ${this.#root} has no hard links, so it cannot hold a store.`);
      }
      throw error;
    }
  }

  /** The bytes asked for, or null if nothing has that name. */
  async #read(name: string, range: GetOptions['range']): Promise<Buffer | null> {
    let file: nodeFiles.FileHandle;
    try {
      file = await this.#files.open(join(this.#root, name), 'r');
    } catch (error) {
      return await this.#absent(error);
    }
    try {
      const stats = await file.stat();
      if (!stats.isFile()) return null;
      const { offset, length } = range ?? { offset: 0, length: stats.size };
      if (length > MAX_OBJECT_BYTES)
        throw new BaeError('corrupt', `${name} has ${length} bytes, too many for an object.`);
      const available = Math.max(0, Math.min(length, stats.size - offset));
      if (available < length) throw tooShort(name, length, available);
      const body = Buffer.allocUnsafeSlow(length);
      let got = 0;
      while (got < length) {
        const { bytesRead } = await file.read(body, got, length - got, offset + got);
        if (bytesRead === 0) throw tooShort(name, length, got);
        got += bytesRead;
      }
      return body;
    } finally {
      await file.close();
    }
  }

  /** One folder's objects and sub-folders that a prefix wants; `folder` is '' or ends with a slash. */
  async #readFolder(folder: string, prefix: string): Promise<{ names: string[]; folders: string[] }> {
    const names: string[] = [];
    const folders: string[] = [];
    try {
      for await (const entry of await this.#files.opendir(join(this.#root, folder))) {
        const name = folder + entry.name;
        if (entry.isFile() && name.startsWith(prefix)) names.push(name);
        const wanted = name.startsWith(prefix) || prefix.startsWith(`${name}/`);
        if (entry.isDirectory() && wanted && entry.name !== UNFINISHED) folders.push(`${name}/`);
      }
    } catch (error) {
      await this.#absent(error);
    }
    return { names, folders };
  }

  /** null for "nothing has that name"; throws other errors, and `unavailable` if the whole store is not there. */
  async #absent(error: unknown): Promise<null> {
    if (!['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errorCode(error))) throw error;
    await this.#files.stat(join(this.#root, UNFINISHED));
    return null;
  }

  /** Runs `work` with the system's errors told as BaeErrors. */
  async #told<Result>(subject: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw tellFileError(this.#root, subject, error);
    }
  }
}
