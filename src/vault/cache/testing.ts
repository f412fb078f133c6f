import { readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { type DiskCacheOptions, openDiskCache } from './disk.ts';
import type { ChunkKey, DiskCache } from './ports.ts';

export const OBJECT_BYTES = 100;
export const object = (value: number) => Buffer.alloc(OBJECT_BYTES, value);
export const key = (index: number, bundle = 1): ChunkKey => ({ bundle, index });

/** A folder that is there until the test ends. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bae-cache-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

export async function open(
  objects: number,
  changes: Partial<DiskCacheOptions> = {},
): Promise<DiskCache & { folder: string }> {
  const folder = changes.folder ?? (await newFolder());
  const budgetBytes = objects * OBJECT_BYTES;
  const options = { folder, objectBytes: OBJECT_BYTES, budgetBytes, pinBudgetBytes: budgetBytes };
  const cache = await openDiskCache({ ...options, clock: systemClock, log: silentLog, ...changes });
  return Object.assign(cache, { folder });
}

/** Bytes of all files in the cache's folder, right now; what is being written last, since it only ever moves out of there. */
export function bytesIn(folder: string): number {
  const bytesOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let bytes = 0;
  for (const name of readdirSync(folder).sort()) {
    for (const file of namesIn(join(folder, name))) bytes += bytesOf(join(folder, name, file));
  }
  return bytes;
}

/** Names in a folder that may go at this moment. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (statSync(folder, { throwIfNoEntry: false }) !== undefined) throw error;
    return [];
  }
}

export const present = (cache: DiskCache, upTo: number) =>
  Array.from({ length: upTo }, (_, index) => index).filter((index) => cache.has(key(index)));
