import { expect, it } from 'vitest';
import { seededRandom, systemRandom } from './random.ts';

it('draws whole numbers below the bound, all of them about as often, over many fillings of the pool', () => {
  const seen = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 100_000; draw++) {
    const at = systemRandom.int(10);
    seen[at] = (seen[at] as number) + 1;
  }
  expect(seen).toHaveLength(10);
  // Of 10,000 each, six standard deviations are 570.
  for (const count of seen) expect(Math.abs(count - 10_000)).toBeLessThan(600);
  expect(systemRandom.int(1)).toBe(0);
  const large = Array.from({ length: 100 }, () => systemRandom.int(2 ** 32));
  expect(new Set(large).size).toBeGreaterThan(90);
});

it('repeats from a seed', () => {
  const draw = (seed: number) => Array.from({ length: 20 }, () => 0).map(() => seededRandom(seed).int(1_000));
  expect(draw(7)).toEqual(draw(7));
  expect(seededRandom(7).bytes(40).equals(seededRandom(7).bytes(40))).toBe(true);
  expect(seededRandom(7).bytes(40).equals(seededRandom(8).bytes(40))).toBe(false);
});
