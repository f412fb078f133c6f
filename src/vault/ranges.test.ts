import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ranges } from './ranges.ts';

const SIZE = 40;
const runs = fc.array(fc.tuple(fc.nat(SIZE), fc.nat(SIZE)), { maxLength: 12 });

function bits(list: readonly (readonly [number, number])[]): boolean[] {
  const set = new Array<boolean>(SIZE).fill(false);
  for (const [start, end] of list) for (let at = start; at < end; at++) set[at] = true;
  return set;
}

function rangesOf(list: readonly (readonly [number, number])[]): Ranges {
  const ranges = new Ranges();
  for (const [start, end] of list) ranges.add(start, end);
  return ranges;
}

function bitsOf(list: readonly { start: number; end: number }[]): boolean[] {
  return bits(list.map(({ start, end }) => [start, end] as const));
}

describe('ranges', () => {
  it('are a set of bytes in runs that neither overlap nor touch', () => {
    fc.assert(
      fc.property(runs, runs, fc.nat(SIZE), fc.nat(SIZE), (one, other, start, end) => {
        const ranges = rangesOf(one);
        const set = bits(one);
        expect(bitsOf(ranges.runs)).toEqual(set);
        expect(ranges.bytes).toBe(set.filter(Boolean).length);
        for (const [at, run] of ranges.runs.entries()) {
          expect(run.start).toBeLessThan(run.end);
          if (at > 0) expect((ranges.runs[at - 1] as { end: number }).end).toBeLessThan(run.start);
        }
        expect(ranges.covers(start, end)).toBe(start >= end || set.slice(start, end).every(Boolean));
        const taken = bits(other);
        expect(bitsOf(ranges.minus(rangesOf(other)))).toEqual(set.map((there, at) => there && !taken[at]));
        expect(bitsOf(ranges.addAll(rangesOf(other)).runs)).toEqual(
          set.map((there, at) => there || (taken[at] as boolean)),
        );
      }),
    );
  });
});
