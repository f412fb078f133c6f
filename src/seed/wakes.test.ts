import { expect, test } from 'vitest';
import { WAKES_AT_ONCE, WAKES_WAITING, Wakes } from './wakes.ts';

test('wakes run side by side up to a bound, the others in order, each once', async () => {
  const gates = new Map<number, () => void>();
  const begun: number[] = [];
  const wakes = new Wakes((id) => {
    begun.push(id);
    return new Promise((resolve) => gates.set(id, resolve));
  });
  const first = wakes.take(0);
  expect(wakes.take(0)).toBe(first);
  const others = Array.from({ length: WAKES_AT_ONCE + WAKES_WAITING - 1 }, (_, at) => wakes.take(at + 1));
  expect(begun).toEqual(Array.from({ length: WAKES_AT_ONCE }, (_, at) => at));
  // One more than may wait is told at once that it was not woken.
  await wakes.take(99_999);
  expect([begun.length, wakes.size]).toEqual([WAKES_AT_ONCE, WAKES_AT_ONCE + WAKES_WAITING]);
  for (let at = 0; at < WAKES_AT_ONCE + WAKES_WAITING; at++) {
    gates.get(at)?.();
    await (at === 0 ? first : others[at - 1]);
  }
  expect(begun).toEqual([...begun].sort((a, b) => a - b));
  expect(wakes.size).toBe(0);
  const again = wakes.take(0);
  gates.get(0)?.();
  await again;
  expect(begun.filter((id) => id === 0)).toHaveLength(2);
});
