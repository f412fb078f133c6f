// The one place of the vault's root that touches the file system.
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BaeError, errorMessage } from '../lib/errors.ts';
import { syncPath } from './store/index.ts';

/**
 * The file system as an argument, so that tests can lose what was never synced. Writes, renames and removals may be undone
 * by a power cut until `sync` of the file (its bytes) or of the folder (its names). Errors are BaeErrors `unavailable`, whose
 * words name the disk's own complaint.
 */
export interface Files {
  /** Makes a folder and those above it (0700). */
  makeFolder(path: string): Promise<void>;
  /** Makes or replaces a file (0600). */
  write(path: string, data: Uint8Array): Promise<void>;
  /** Waits until a file's bytes, or a folder's names, are on the disk itself. */
  sync(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a folder with all in it; one that is not there is fine. */
  remove(path: string): Promise<void>;
  /** The names in a folder; none if it is not there. */
  list(folder: string): Promise<string[]>;
  /** A whole file, in `into` where its size fits; null if it is not there. */
  read(path: string, into?: Buffer): Promise<Buffer | null>;
  /** Bytes; null if it is not there. */
  size(path: string): Promise<number | null>;
}

/** A file under its final name is whole, and stays so over a power cut: temporary name, fsync, rename, fsync of the folder. */
export async function writeDurably(files: Files, path: string, data: Uint8Array): Promise<void> {
  const temporary = `${path}${TEMPORARY}`;
  await files.write(temporary, data);
  await files.sync(temporary);
  await files.rename(temporary, path);
  await files.sync(dirname(path));
}

/** Ends the names of files that were not finished; whoever finds one after a restart deletes it. */
export const TEMPORARY = '.tmp';

export const systemFiles: Files = {
  makeFolder: (path) => attempt(path, async () => void (await mkdir(path, { recursive: true, mode: 0o700 }))),

  write: (path, data) =>
    attempt(path, async () => {
      await using file = await open(path, 'w', 0o600);
      for (let done = 0; done < data.length; ) {
        done += (await file.write(data, done, data.length - done)).bytesWritten;
      }
    }),

  sync: (path) => attempt(path, () => syncPath(path)),

  rename: (from, to) => attempt(from, () => rename(from, to)),

  // A file that is being written may appear in a folder while that goes: then it is tried again.
  remove: (path) => attempt(path, () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })),

  list: (folder) => attempt(folder, async () => (await orNull(readdir(folder))) ?? []),

  read: (path, into) =>
    attempt(path, async () => {
      const file = await orNull(open(path, 'r'));
      if (file === null) return null;
      try {
        const { size } = await file.stat();
        const target =
          into !== undefined && size <= into.length ? into.subarray(0, size) : Buffer.allocUnsafeSlow(size);
        let done = 0;
        while (done < size) {
          const { bytesRead } = await file.read(target, done, size - done, done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return target.subarray(0, done);
      } finally {
        await file.close();
      }
    }),

  size: (path) => attempt(path, async () => (await orNull(stat(path)))?.size ?? null),
};

async function attempt<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
    const words = full ? `The disk is full: ${path} cannot be written.` : `The disk refuses: ${errorMessage(cause)}.`;
    throw new BaeError('unavailable', words, { cause });
  }
}

async function orNull<Result>(work: Promise<Result>): Promise<Result | null> {
  try {
    return await work;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cause;
  }
}
