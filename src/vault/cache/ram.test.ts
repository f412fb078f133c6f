import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SEGMENT_BYTES } from '../seal/index.ts';
import type { RamCache, Segment } from './ports.ts';
import { MAX_FREE_SEGMENTS, ramCache } from './ram.ts';

const bytes = (length: number) => Buffer.from(new ArrayBuffer(length));

/** Puts a segment that nobody holds. */
function keep(cache: RamCache, bundle: number, chunk: number, index: number, content: Buffer): Segment {
  const segment = cache.put(bundle, chunk, index, content);
  cache.release(segment);
  return segment;
}

describe('ramCache', () => {
  it('gives what was put and forgets what was read longest ago', () => {
    const cache = ramCache(300);
    keep(cache, 1, 0, 0, bytes(100));
    keep(cache, 1, 0, 1, bytes(100));
    keep(cache, 2, 7, 3, bytes(100));
    expect(cache.tryGet(1, 0, 0)?.bytes.length).toBe(100);
    keep(cache, 3, 0, 0, bytes(100));
    expect(cache.tryGet(1, 0, 1)).toBeNull();
    expect(cache.has(1, 0, 0)).toBe(true);
    expect(cache.tryGet(2, 7, 3)).toMatchObject({ bundle: 2, chunk: 7, index: 3 });
    expect(cache.usedBytes).toBe(300);
  });

  it('never evicts a leased segment, and counts a dropped one until its last release', () => {
    const cache = ramCache(200);
    const held = keep(cache, 1, 0, 0, bytes(100));
    cache.lease(held);
    cache.lease(held);
    for (let chunk = 1; chunk < 10; chunk++) keep(cache, 1, chunk, 0, bytes(100));
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
    const held = keep(cache, 1, 0, 0, bytes(100));
    cache.lease(held);
    const extra = cache.put(1, 1, 0, bytes(100));
    expect(cache.has(1, 1, 0)).toBe(false);
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
    for (let index = 0; index < 4; index++) keep(cache, 1, 5, index, bytes(10));
    keep(cache, 1, 6, 0, bytes(10));
    cache.dropChunk(1, 5);
    expect([cache.usedBytes, cache.has(1, 5, 3), cache.has(1, 6, 0)]).toEqual([10, false, true]);
  });

  it('uses the memory of what was evicted again, as much as it keeps, and of nothing else', () => {
    const cache = ramCache((MAX_FREE_SEGMENTS + 10) * SEGMENT_BYTES);
    const own = new Set<Buffer>();
    const held = cache.put(9, 0, 0, cache.take());
    const heldTwice = cache.put(9, 1, 0, cache.take());
    cache.lease(heldTwice);
    for (let chunk = 0; chunk < MAX_FREE_SEGMENTS + 8; chunk++) own.add(keep(cache, 1, chunk, 0, cache.take()).bytes);
    cache.dropBundle(9);
    cache.release(heldTwice);
    cache.dropBundle(1);
    const taken = Array.from({ length: MAX_FREE_SEGMENTS + 20 }, () => cache.take());
    expect(taken.filter((memory) => own.has(memory))).toHaveLength(MAX_FREE_SEGMENTS);
    expect(new Set(taken.map(({ buffer }) => buffer)).size).toBe(taken.length);
    for (const segment of [held, heldTwice]) expect(taken).not.toContain(segment.bytes);
    cache.release(held);
    expect(cache.take()).toBe(held.bytes);
  });

  it('leaves leased bytes as they are, whatever is opened meanwhile', () => {
    const step = fc.record({ act: fc.constantFrom('open', 'lease', 'release', 'drop'), chunk: fc.nat(9) });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4 }), fc.array(step, { maxLength: 200 }), (budget, steps) => {
        const cache = ramCache(budget * SEGMENT_BYTES);
        const leased: { segment: Segment; mark: number }[] = [];
        let mark = 0;
        for (const { act, chunk } of steps) {
          if (act === 'open') {
            const memory = cache.take();
            memory.writeUInt32LE(++mark, 0);
            const segment = cache.put(1, chunk, 0, memory);
            if (mark % 3 === 0) leased.push({ segment, mark });
            else cache.release(segment);
          } else if (act === 'drop') cache.dropChunk(1, chunk);
          else if (act === 'release') {
            const one = leased.pop();
            if (one !== undefined) cache.release(one.segment);
          } else {
            const segment = cache.tryGet(1, chunk, 0);
            if (segment === null) continue;
            cache.lease(segment);
            leased.push({ segment, mark: segment.bytes.readUInt32LE(0) });
          }
          for (const one of leased) expect(one.segment.bytes.readUInt32LE(0)).toBe(one.mark);
        }
      }),
      { numRuns: 300 },
    );
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
          if (act === 'put') keep(cache, 1, chunk, index, bytes(size));
          else if (act === 'drop') cache.dropChunk(1, chunk);
          else if (act === 'release') {
            const segment = leased.pop();
            if (segment !== undefined) cache.release(segment);
          } else {
            const segment = cache.tryGet(1, chunk, index);
            if (act === 'lease') {
              const taken = segment ?? cache.put(1, chunk, index, bytes(size));
              if (segment !== null) cache.lease(segment);
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
