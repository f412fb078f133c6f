import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { type Log, silentLog } from '../../lib/log.ts';
import type { HeldObject } from './ports.ts';
import { bytesIn, key, newFolder, OBJECT_BYTES, object, open, present } from './testing.ts';

describe('the disk cache', () => {
  it('keeps objects and lets go of what was read longest ago', async () => {
    const cache = await open(3);
    for (let index = 0; index < 3; index++) expect(await cache.add(key(index), object(index))).toBe(true);
    const held = cache.acquire(key(0)) as HeldObject;
    expect(await readFile(held.path)).toEqual(object(0));
    held.release();
    expect(await cache.add(key(3), object(3))).toBe(true);
    expect(present(cache, 4)).toEqual([0, 2, 3]);
    expect(cache.acquire(key(1))).toBeNull();
    expect([cache.usedBytes, cache.cachedBytes(1), cache.cachedBytes(2)]).toEqual([300, 300, 0]);
    expect(bytesIn(cache.folder)).toBe(300);
  });

  it('never evicts what is held, and says no instead of waiting', async () => {
    const cache = await open(2);
    await cache.add(key(0), object(0));
    await cache.add(key(1), object(1));
    const held = [cache.acquire(key(0)), cache.acquire(key(1)), cache.acquire(key(1))];
    expect(await cache.add(key(2), object(2))).toBe(false);
    held[1]?.release();
    held[1]?.release();
    expect(await cache.add(key(2), object(2))).toBe(false);
    held[2]?.release();
    expect(await cache.add(key(2), object(2))).toBe(true);
    expect(present(cache, 3)).toEqual([0, 2]);
  });

  it('counts pins by owner, keeps what is pinned, and refuses beyond the pin budget', async () => {
    const cache = await open(4, { pinBudgetBytes: 3 * OBJECT_BYTES });
    cache.pinChunks('one', [key(0), key(1)]);
    cache.pinChunks('two', [key(1), key(2)]);
    cache.pinChunks('two', [key(2)]);
    expect(cache.pinnedBytes).toBe(300);
    expect(() => cache.pinChunks('three', [key(1), key(3)])).toThrow(expect.objectContaining({ kind: 'refused' }));
    expect(cache.pinned('three')).toEqual([]);
    for (let index = 0; index < 9; index++) await cache.add(key(index), object(index));
    expect(present(cache, 9)).toEqual([0, 1, 2, 8]);
    cache.unpinChunks('one');
    cache.unpinChunks('one');
    expect(cache.pinned('two')).toEqual([key(1), key(2)]);
    for (let index = 3; index < 9; index++) await cache.add(key(index), object(index));
    expect(present(cache, 9)).toEqual([1, 2, 7, 8]);
  });

  it('does not hang when all is pinned, and takes in what is pinned and not here yet', async () => {
    const cache = await open(2);
    cache.pinChunks(7, [key(0), key(1)]);
    await cache.add(key(5), object(5));
    expect(await cache.add(key(0), object(0))).toBe(true);
    expect(await cache.add(key(1), object(1))).toBe(true);
    expect(await cache.add(key(5), object(5))).toBe(false);
    expect(present(cache, 6)).toEqual([0, 1]);
  });

  it('adopts spool files by moving them, and leaves them where there is no room', async () => {
    const cache = await open(1);
    const spool = join(await newFolder(), 'spooled');
    await writeFile(spool, object(4));
    expect(await cache.adopt(key(4), spool)).toBe(true);
    expect(statSync(spool, { throwIfNoEntry: false })).toBeUndefined();
    await writeFile(spool, object(4));
    expect(await cache.adopt(key(4), spool)).toBe(true);
    expect(statSync(spool, { throwIfNoEntry: false })).toBeUndefined();
    const held = cache.acquire(key(4)) as HeldObject;
    await writeFile(spool, object(5));
    expect(await cache.adopt(key(5), spool)).toBe(false);
    held.release();
    expect(readFileSync(spool)).toEqual(object(5));
    await writeFile(spool, 'too short');
    expect(await cache.adopt(key(5), spool)).toBe(false);
  });

  it('drops one object and a whole bundle, pins staying', async () => {
    const cache = await open(4);
    cache.pinChunks('owner', [key(0)]);
    for (const index of [0, 1]) await cache.add(key(index), object(index));
    await cache.add(key(0, 2), object(9));
    const held = cache.acquire(key(1));
    await cache.drop(key(1));
    await cache.drop(key(1));
    held?.release();
    expect([cache.has(key(1)), cache.usedBytes]).toEqual([false, 200]);
    await cache.dropBundle(1);
    expect([cache.usedBytes, cache.cachedBytes(1), cache.cachedBytes(2)]).toEqual([100, 0, 100]);
    expect(readdirSync(cache.folder).sort()).toEqual(['2', '~writing']);
    expect(cache.pinned('owner')).toEqual([key(0)]);
    expect(await cache.add(key(0), object(0))).toBe(true);
  });

  it('goes on without a disk that refuses, and tells it once', async () => {
    const told: string[] = [];
    const log: Log = { ...silentLog, warn: (message) => told.push(message) };
    const cache = await open(3, { log });
    await rm(cache.folder, { recursive: true });
    await writeFile(cache.folder, 'no folder any more');
    expect(await cache.add(key(0), object(0))).toBe(false);
    expect(await cache.add(key(0), object(0))).toBe(false);
    expect([cache.usedBytes, cache.has(key(0)), told.length]).toEqual([0, false, 1]);
    await rm(cache.folder);
    await mkdir(join(cache.folder, '~writing'), { recursive: true });
    expect(await cache.add(key(0), object(0))).toBe(true);
    await cache.close();
    expect(await cache.add(key(1), object(1))).toBe(false);
  });

  it('does not evict what is being added again, whose file a late removal would take', async () => {
    const clock = { ...systemClock, now: () => Date.now() + 3_600_000 };
    const cache = await open(2, { clock });
    for (const index of [0, 1]) {
      await cache.add(key(index), object(index));
      await utimes(join(cache.folder, '1', String(index)), 1_000, 1_000);
    }
    const again = await open(2, { clock, folder: cache.folder });
    const held = again.acquire(key(1));
    again.acquire(key(0))?.release();
    const adding = [again.add(key(0), object(0)), again.add(key(2), object(2))];
    held?.release();
    await Promise.all(adding);
    await again.close();
    for (const index of present(again, 3)) {
      expect(readFileSync(join(cache.folder, '1', String(index)))).toEqual(object(index));
    }
    expect(bytesIn(cache.folder)).toBe(again.usedBytes);
  });

  it('refuses keys and objects that are none', async () => {
    const cache = await open(3);
    for (const bad of [key(-1), key(2 ** 22), key(0.5), key(0, 2 ** 29), key(0, -1)]) {
      expect(() => cache.has(bad)).toThrow(RangeError);
    }
    await expect(cache.add(key(0), Buffer.alloc(99))).rejects.toThrow(RangeError);
    expect(await cache.add(key(2 ** 22 - 1, 2 ** 29 - 1), object(1))).toBe(true);
    expect(cache.cachedBytes(2 ** 29 - 1)).toBe(100);
  });
});

describe('the disk cache after a restart', () => {
  it('has what it had, in the order it was read, and without strays', async () => {
    const cache = await open(5);
    for (let index = 0; index < 5; index++) {
      await cache.add(key(index), object(index));
      const path = join(cache.folder, '1', String(index));
      await utimes(path, 1_000 + ((index * 3) % 5), 1_000 + ((index * 3) % 5));
    }
    await cache.close();
    await writeFile(join(cache.folder, '~writing', '17'), 'half');
    await writeFile(join(cache.folder, '1', '99'), 'cut short');
    await writeFile(join(cache.folder, '1', 'notes'), 'not ours');
    await mkdir(join(cache.folder, '7'));
    const again = await open(3, { folder: cache.folder });
    // Times by index: 0, 3, 1, 4, 2; the two read longest ago are over the new budget.
    expect(present(again, 100)).toEqual([1, 3, 4]);
    await again.add(key(50), object(50));
    expect(present(again, 100)).toEqual([1, 3, 50]);
    expect(readdirSync(join(cache.folder, '1')).sort()).toEqual(['1', '3', '50', 'notes']);
    expect(readdirSync(cache.folder).sort()).toEqual(['1', '~writing']);
    expect(again.usedBytes).toBe(300);
  });

  it('remembers what was read since', async () => {
    let now = 1_700_000_000_000;
    const clock = { ...systemClock, now: () => now };
    const cache = await open(3, { clock });
    for (let index = 0; index < 3; index++) {
      await cache.add(key(index), object(index));
      await utimes(join(cache.folder, '1', String(index)), now / 1_000 + index, now / 1_000 + index);
    }
    now += 3_600_000;
    cache.acquire(key(0))?.release();
    await cache.close();
    const again = await open(2, { folder: cache.folder, clock });
    expect(present(again, 3)).toEqual([0, 2]);
  });
});
