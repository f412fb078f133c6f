// The one place of this room that touches files; runs in the seal worker, so its calls may block.
import { closeSync, fstatSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { BaeError } from '../../lib/errors.ts';
import { CHUNK_OBJECT_BYTES } from './layout.ts';
import type { ReadRange, SealFiles, WriteNew } from './sealer.ts';

/** Sealed bytes are read into the same memory again and again: fresh pages cost as much as the read itself. */
const scratch = Buffer.allocUnsafeSlow(CHUNK_OBJECT_BYTES);

/**
 * Written at a time. Linux takes the page cache's memory in pieces as large as the write: large ones come from memory that
 * nobody used lately, and cost twice as much to fill where a virtual machine's host gives that out page by page.
 */
const WRITE_BYTES = 65_536;

/**
 * Reads exactly [offset, offset + length) of a file, or all of it: `missing`, `unavailable`, or `corrupt` when cut. The
 * bytes are good until the next call.
 */
const readFileRange: ReadRange = (path, offset, length) => {
  try {
    const file = openSync(path, 'r');
    try {
      const wanted = length ?? Math.max(0, fstatSync(file).size - offset);
      const bytes = wanted <= scratch.length ? scratch.subarray(0, wanted) : Buffer.allocUnsafeSlow(wanted);
      let done = 0;
      while (done < bytes.length) {
        const count = readSync(file, bytes, done, bytes.length - done, offset + done);
        if (count === 0) throw new BaeError('corrupt', `${path} is cut short.`, { cause: { reason: 'altered' } });
        done += count;
      }
      return bytes;
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    if (cause instanceof BaeError) throw cause;
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new BaeError(missing ? 'missing' : 'unavailable', `${path} cannot be read: ${(cause as Error).message}`);
  }
};

/** Never into a file that is there: other names of it may stand in the store and in the cache. */
const writeNewFile: WriteNew = (path, bytes) => {
  try {
    rmSync(path, { force: true });
    const file = openSync(path, 'wx', 0o600);
    try {
      for (let done = 0; done < bytes.length; )
        done += writeSync(file, bytes, done, Math.min(WRITE_BYTES, bytes.length - done));
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const words = code === 'ENOSPC' ? `The disk is full: ${path} cannot be written.` : `The disk refuses: ${message}.`;
    throw new BaeError('unavailable', words);
  }
};

export const sealFiles: SealFiles = { read: readFileRange, write: writeNewFile };
