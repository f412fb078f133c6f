// A disk that can lose its power: a real ext4 in an image file. What was never synced is not in the image.
import { execFile } from 'node:child_process';
import { mkdir, open, rename } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Seconds until ext4 writes its journal by itself: later than any test lasts. */
const COMMIT_SECONDS = 300;

/** A mounted disk image. Root only. */
export interface Disk {
  /** Where it is mounted. */
  readonly path: string;
  /**
   * Cuts the power: everything that was written, renamed or removed and not synced is as before; then the disk is mounted
   * again, which replays its journal. No program may use it meanwhile.
   */
  cutPower(): Promise<void>;
  remove(): Promise<void>;
}

async function mount(image: string, path: string): Promise<void> {
  await run('mount', ['-t', 'ext4', '-o', `loop,noatime,commit=${COMMIT_SECONDS}`, image, path]);
}

/** Makes an empty ext4 of `bytes` in `folder` (which must not be on it) and mounts it. */
export async function mountDisk(folder: string, bytes: number): Promise<Disk> {
  if (process.getuid?.() !== 0) throw new Error('Only root can mount the disk image that the power is cut of.');
  const image = `${folder}/disk.img`;
  const path = `${folder}/disk`;
  await mkdir(path);
  const file = await open(image, 'w');
  await file.truncate(bytes);
  await file.close();
  await run('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
  await mount(image, path);
  let mounted = true;
  const unmount = async () => {
    if (mounted) await run('umount', [path]);
    mounted = false;
  };
  return {
    path,
    async cutPower() {
      // The image as the disk has it now; unmounting would write the rest.
      await run('cp', ['--sparse=always', image, `${image}.cut`]);
      await unmount();
      await rename(`${image}.cut`, image);
      await mount(image, path);
      mounted = true;
    },
    remove: unmount,
  };
}

/** A folder in memory with room for `bytes` and no more. Root only. */
export async function mountSmall(
  path: string,
  bytes: number,
): Promise<{ grow(bytes: number): Promise<void>; remove(): Promise<void> }> {
  if (process.getuid?.() !== 0) throw new Error('Only root can mount the small folder that gets full.');
  await mkdir(path, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path]);
  return {
    async grow(size) {
      await run('mount', ['-o', `remount,size=${size}`, path]);
    },
    async remove() {
      await run('umount', [path]);
    },
  };
}
