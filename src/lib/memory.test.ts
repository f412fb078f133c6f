import { expect, it } from 'vitest';
import { freeMemory } from './memory.ts';

const BYTES = 1024 * 1024;

it('gives memory back before any garbage collection', () => {
  const held = () => process.memoryUsage().arrayBuffers;
  const before = held();
  for (let round = 0; round < 1_000; round++) {
    const bytes = Buffer.allocUnsafeSlow(BYTES);
    freeMemory(bytes);
    expect(bytes.length).toBe(0);
  }
  expect(held() - before).toBeLessThan(10 * BYTES);
});

it('leaves views, pooled and shared bytes alone', () => {
  const whole = Buffer.alloc(BYTES, 7);
  const pooled = Buffer.from('a few bytes of the pool');
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  for (const bytes of [whole.subarray(1), pooled, shared]) freeMemory(bytes);
  expect(whole[BYTES - 1]).toBe(7);
  expect(pooled.toString()).toBe('a few bytes of the pool');
  expect(shared).toHaveLength(8);
});

it('may be called twice', () => {
  const bytes = Buffer.allocUnsafeSlow(BYTES);
  freeMemory(bytes);
  expect(() => freeMemory(bytes)).not.toThrow();
});
