import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import type { DiskCache, HeldObject } from './ports.ts';
import { bytesIn, key, newFolder, OBJECT_BYTES, object, open } from './testing.ts';

describe('the disk cache, whatever is done at once', () => {
  const step = fc.record({
    act: fc.constantFrom(
      'add',
      'add',
      'add',
      'adopt',
      'acquire',
      'release',
      'look',
      'drop',
      'pin',
      'unpin',
      'dropBundle',
    ),
    index: fc.nat(9),
    bundle: fc.integer({ min: 1, max: 2 }),
  });

  type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;
  let spooled = 0;

  async function act(cache: DiskCache, spool: string, held: HeldObject[], { act, index, bundle }: Step) {
    const chunk = key(index, bundle);
    if (act === 'add') await cache.add(chunk, object(index));
    else if (act === 'adopt') {
      const path = join(spool, String(spooled++));
      await writeFile(path, object(index));
      if (!(await cache.adopt(chunk, path))) await rm(path);
    } else if (act === 'acquire') {
      const one = cache.acquire(chunk);
      if (one !== null) held.push(one);
    } else if (act === 'look') cache.acquire(chunk)?.release();
    else if (act === 'release') held.shift()?.release();
    else if (act === 'drop') await cache.drop(chunk);
    else if (act === 'dropBundle') await cache.dropBundle(bundle);
    else if (act === 'unpin') cache.unpinChunks(index % 2);
    else if (cache.pinnedBytes < 200) cache.pinChunks(index % 2, [chunk]);
  }

  it('never holds more than its budget, and its books are right', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 6 }), async (batches) => {
        // An hour passes at every look, so that each read is noted on disk and meets whatever else is done.
        let now = 1_700_000_000_000;
        const clock = { ...systemClock, now: () => (now += 3_600_000) };
        const cache = await open(4, { pinBudgetBytes: 200, clock });
        const spool = await newFolder();
        const held: HeldObject[] = [];
        for (const batch of batches) {
          let running = true;
          const done = Promise.all(batch.map((one) => act(cache, spool, held, one))).finally(() => {
            running = false;
          });
          while (running) {
            expect(bytesIn(cache.folder)).toBeLessThanOrEqual(cache.budgetBytes);
            expect(cache.usedBytes).toBeLessThanOrEqual(cache.budgetBytes);
            await new Promise((resolve) => setImmediate(resolve));
          }
          await done;
        }
        for (const one of held) one.release();
        await cache.close();
        const all = [1, 2].flatMap((bundle) => Array.from({ length: 10 }, (_, index) => key(index, bundle)));
        const cached = all.filter((chunk) => cache.has(chunk));
        for (const chunk of cached) {
          expect(readFileSync(cache.acquire(chunk)?.path as string)).toEqual(object(chunk.index));
        }
        expect(cache.usedBytes).toBe(cached.length * OBJECT_BYTES);
        expect(cache.cachedBytes(1) + cache.cachedBytes(2)).toBe(cache.usedBytes);
        expect(bytesIn(cache.folder)).toBe(cache.usedBytes);
        const again = await open(4, { folder: cache.folder });
        expect(all.filter((chunk) => again.has(chunk))).toEqual(cached);
      }),
      { numRuns: 40 },
    );
  });
});
