import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TimingWheel } from './wheel.ts';

test('gives each thing once, when it is due, the latest setting counting', () => {
  const wheel = new TimingWheel<string>(100);
  wheel.set('a', 101.2);
  wheel.set('b', 105);
  wheel.set('c', 5);
  wheel.set('b', 103);
  expect(wheel.due(100)).toEqual(['c']);
  expect(wheel.due(101)).toEqual([]);
  expect(wheel.due(102)).toEqual(['a']);
  expect(wheel.due(1_000_000)).toEqual(['b']);
  expect(wheel.size).toBe(0);
});

test('agrees with a sorted list, whatever is set and taken out', () => {
  const act = fc.record({ name: fc.nat(5), at: fc.nat(60), step: fc.nat(20), drop: fc.boolean() });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const wheel = new TimingWheel<number>(0);
      const model = new Map<number, number>();
      let now = 0;
      for (const { name, at, step, drop } of acts) {
        if (drop) {
          wheel.delete(name);
          model.delete(name);
        } else {
          wheel.set(name, at);
          model.set(name, at);
        }
        now += step;
        const expected = [...model].filter(([, due]) => due <= now).map(([thing]) => thing);
        for (const thing of expected) model.delete(thing);
        expect(wheel.due(now).sort()).toEqual(expected.sort());
        expect(wheel.size).toBe(model.size);
      }
    }),
  );
});
