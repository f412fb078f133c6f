// The one place of this room that touches files; runs in the seal worker, so its calls may block.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { BaeError } from '../../lib/errors.ts';
import { CHUNK_OBJECT_BYTES } from './layout.ts';
import type { ReadRange } from './sealer.ts';

/** Sealed bytes are read into the same memory again and again: fresh pages cost as much as the read itself. */
const scratch = Buffer.allocUnsafeSlow(CHUNK_OBJECT_BYTES);

/**
 * Reads exactly [offset, offset + length) of a file, or all of it: `missing`, `unavailable`, or `corrupt` when cut. The
 * bytes are good until the next call.
 */
export const readFileRange: ReadRange = (path, offset, length) => {
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
