import { closeSync, fsync, open } from 'node:fs';

/**
 * Waits until a file's bytes, or a folder's names, are on the disk itself. By callbacks, since the promises of a FileHandle
 * cost more than the calls; and the closing of what was only read from waits for nothing.
 */
export function syncPath(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    open(path, 'r', (error, file) => {
      if (error !== null) {
        reject(error);
        return;
      }
      fsync(file, (failure) => {
        closeSync(file);
        if (failure === null) resolve();
        else reject(failure);
      });
    });
  });
}
