import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Segment } from './ports.ts';
import { ramCache } from './ram.ts';

const bytes = (length: number) => Buffer.from(new ArrayBuffer(length));

describe('ramCache', () => {
  it('gives what was put and forgets what was read longest ago', () => {
    const cache = ramCache(300);
    cache.put(1, 0, 0, bytes(100));
    cache.put(1, 0, 1, bytes(100));
    cache.put(2, 7, 3, bytes(100));
    expect(cache.tryGet(1, 0, 0)?.bytes.length).toBe(100);
    cache.put(3, 0, 0, bytes(100));
    expect(cache.tryGet(1, 0, 1)).toBeNull();
    expect(cache.has(1, 0, 0)).toBe(true);
    expect(cache.tryGet(2, 7, 3)).toMatchObject({ bundle: 2, chunk: 7, index: 3 });
    expect(cache.usedBytes).toBe(300);
  });

  it('never evicts a leased segment, and counts a dropped one until its last release', () => {
    const cache = ramCache(200);
    const held = cache.put(1, 0, 0, bytes(100));
    cache.lease(held);
    cache.lease(held);
    for (let chunk = 1; chunk < 10; chunk++) cache.put(1, chunk, 0, bytes(100));
    expect(cache.tryGet(1, 0, 0)).toBe(held);
    cache.dropBundle(1);
    expect(cache.tryGet(1, 0, 0)).toBeNull();
    expect([cache.usedBytes, cache.pinnedBytes]).toEqual([100, 100]);
    cache.release(held);
    expect(cache.usedBytes).toBe(100);
    cache.release(held);
    expect([cache.usedBytes, cache.pinnedBytes]).toEqual([0, 0]);
    expect(() => cache.release(held)).toThrow('released more often');
  });

  it('gives a segment to lease when leases leave no room, and then counts it', () => {
    const cache = ramCache(100);
    const held = cache.put(1, 0, 0, bytes(100));
    cache.lease(held);
    const extra = cache.put(1, 1, 0, bytes(100));
    expect(cache.has(1, 1, 0)).toBe(false);
    cache.lease(extra);
    expect([cache.usedBytes, cache.pinnedBytes]).toEqual([200, 200]);
    cache.release(extra);
    expect(cache.usedBytes).toBe(100);
  });

  it('refuses a view of a larger buffer, which eviction would not free, and a segment beyond a chunk', () => {
    expect(() => ramCache(1000).put(1, 0, 0, bytes(200).subarray(0, 100))).toThrow(RangeError);
    expect(() => ramCache(1000).put(1, 0, 16, bytes(100))).toThrow(RangeError);
  });

  it('forgets a chunk alone', () => {
    const cache = ramCache(1000);
    for (let index = 0; index < 4; index++) cache.put(1, 5, index, bytes(10));
    cache.put(1, 6, 0, bytes(10));
    cache.dropChunk(1, 5);
    expect([cache.usedBytes, cache.has(1, 5, 3), cache.has(1, 6, 0)]).toEqual([10, false, true]);
  });

  it('stays within its budget but for what leases hold, whatever is done', () => {
    const step = fc.record({
      act: fc.constantFrom('put', 'get', 'lease', 'release', 'drop'),
      chunk: fc.nat(5),
      index: fc.nat(3),
      size: fc.integer({ min: 1, max: 60 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), fc.array(step, { maxLength: 120 }), (budget, steps) => {
        const cache = ramCache(budget);
        const leased: Segment[] = [];
        for (const { act, chunk, index, size } of steps) {
          if (act === 'put') cache.put(1, chunk, index, bytes(size));
          else if (act === 'drop') cache.dropChunk(1, chunk);
          else if (act === 'release') {
            const segment = leased.pop();
            if (segment !== undefined) cache.release(segment);
          } else {
            const segment = cache.tryGet(1, chunk, index);
            if (act === 'lease') {
              const taken = segment ?? cache.put(1, chunk, index, bytes(size));
              cache.lease(taken);
              leased.push(taken);
            }
          }
          const pinned = [...new Set(leased)].reduce((sum, segment) => sum + segment.bytes.length, 0);
          expect(cache.pinnedBytes).toBe(pinned);
          expect(cache.usedBytes).toBeGreaterThanOrEqual(pinned);
          expect(cache.usedBytes).toBeLessThanOrEqual(Math.max(budget, pinned));
        }
        for (const segment of leased) cache.release(segment);
        expect(cache.pinnedBytes).toBe(0);
        expect(cache.usedBytes).toBeLessThanOrEqual(budget);
      }),
      { numRuns: 300 },
    );
  });
});
