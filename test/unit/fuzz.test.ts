// Every parser with its corpus, and a moment of what can be drawn: the same each time, so that a check tells of changes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bent } from '../fuzz/bent.ts';
import { corpusOf, fuzz, fuzzMilliseconds, readOnce, type Target } from '../fuzz/driver.ts';
import { TARGETS } from '../fuzz/targets.ts';

const MILLISECONDS = fuzzMilliseconds(0.08);

it.each(TARGETS)(
  '$name takes and refuses, and nothing else',
  (target) => {
    expect(corpusOf(target.name).length).toBeGreaterThan(0);
    const { taken, refused } = fuzz(target, { milliseconds: MILLISECONDS, seed: 1 });
    expect(taken).toBeGreaterThan(0);
    expect(refused + taken).toBeGreaterThan(10);
  },
  MILLISECONDS * 2 + 10_000,
);

describe('the driver', () => {
  const target = (read: (input: Buffer) => unknown): Target => {
    const isRefusal = (error: unknown) => error instanceof RangeError;
    return { name: 'bencode', read, isRefusal, drawn: fc.constant(Buffer.from('le')) };
  };

  it('finds what throws another error, and makes it small', () => {
    const breaks = target((input) => {
      if (input.length > 3 && input.includes(0xff)) throw new TypeError('it breaks');
      throw new RangeError('refused');
    });
    expect(() => fuzz(breaks, { milliseconds: 5_000, seed: 1 })).toThrow(
      /bencode breaks \(seed 1\): TypeError: it breaks/,
    );
  });

  it('finds what takes too long, and what takes too much memory', () => {
    const long = target(() => {
      const began = process.cpuUsage();
      for (let at = 0; ; at++) {
        const used = at % 1e5 === 0 ? process.cpuUsage(began) : { user: 0, system: 0 };
        if (used.user + used.system > 30_000) return;
      }
    });
    expect(() => readOnce(long, Buffer.alloc(0), 20)).toThrow('of the processor');
    const large = target(() => Buffer.alloc(100_000_000));
    expect(() => readOnce(large, Buffer.alloc(0))).toThrow('of memory');
  });

  it('bends in every way, and never the original', () => {
    const original = Buffer.from('d1:ai1ee');
    const results = fc.sample(bent(fc.constant(original)), 500).map((bytes) => bytes.toString('hex'));
    expect(new Set(results).size).toBeGreaterThan(200);
    expect(original.toString()).toBe('d1:ai1ee');
  });
});
