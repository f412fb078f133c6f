// Every parser with its corpus, and a moment of what can be drawn: the same each time, so that a check tells of changes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/lib/random.ts';
import { bent, spliced } from '../fuzz/bent.ts';
import { corpusOf } from '../fuzz/corpus.ts';
import { fuzzInThread } from '../fuzz/crew.ts';
import { fuzz, readOnce, type Target } from '../fuzz/driver.ts';
import { cut, joined, partsOf } from '../fuzz/parts.ts';
import { smaller } from '../fuzz/smaller.ts';
import { TARGETS } from '../fuzz/targets.ts';

const MILLISECONDS = 60;

it.each(TARGETS)(
  '$name takes and refuses, and nothing else',
  async (target) => {
    expect(corpusOf(target.name).length).toBeGreaterThan(0);
    const { taken, runs } = await fuzz(target, { milliseconds: MILLISECONDS, seed: 1 });
    expect(taken).toBeGreaterThan(0);
    expect(runs).toBeGreaterThan(corpusOf(target.name).length);
  },
  MILLISECONDS + 30_000,
);

describe('the driver', () => {
  const target = (read: (input: Buffer) => unknown): Target => {
    const isRefusal = (error: unknown) => error instanceof RangeError;
    return { name: 'bencode', read, isRefusal, drawn: fc.constant(Buffer.from('le')) };
  };

  it('finds what throws another error, and makes it small', async () => {
    const breaks = target((input) => {
      if (input.length > 3 && input.includes(0xff)) throw new TypeError('it breaks');
      throw new RangeError('refused');
    });
    const found = fuzz(breaks, { milliseconds: 5_000, seed: 1 });
    await expect(found).rejects.toThrow(/bencode breaks \(seed 1\): TypeError: it breaks/);
    const words = await found.catch((error: Error) => error.message);
    const [, hex = ''] = /^input: ([0-9a-f]+)$/m.exec(String(words)) ?? [];
    expect(Buffer.from(hex, 'hex').length).toBe(4);
    expect(words).toContain(`printf '${hex}' | xxd -r -p > test/fuzz/corpus/bencode/NAME`);
  });

  it('finds what takes too long, and what takes too much memory', async () => {
    const long = target(() => {
      const began = process.threadCpuUsage();
      for (let at = 0; ; at++) {
        const used = at % 1e5 === 0 ? process.threadCpuUsage(began) : { user: 0, system: 0 };
        if (used.user + used.system > 30_000) return;
      }
    });
    await expect(readOnce(long, Buffer.alloc(0), 20)).rejects.toThrow('of the processor');
    const large = target(() => Buffer.alloc(100_000_000));
    await expect(readOnce(large, Buffer.alloc(0))).rejects.toThrow('of memory');
  });

  it('bends and cuts in every way, and never the original', () => {
    const original = Buffer.from('d1:ai1ee');
    const random = seededRandom(1);
    const results = Array.from({ length: 500 }, () => bent(random, original).toString('hex'));
    expect(new Set(results).size).toBeGreaterThan(200);
    expect(original.toString()).toBe('d1:ai1ee');
    expect(spliced(random, original, Buffer.alloc(8)).length).toBeLessThanOrEqual(16);
    for (const one of [original, Buffer.alloc(0), Buffer.alloc(3_000, 5)]) expect(Buffer.concat(cut(one))).toEqual(one);
    expect(partsOf(joined([original, Buffer.alloc(0)]), 9)).toEqual([original, Buffer.alloc(0)]);
  });

  it.each([
    ['endless', 'endless does not end with this'],
    ['hungry', 'hungry takes all memory'],
    ['unanswered', 'the thread of unanswered ended with 13'],
  ])('ends a thread whose parser is %s, and tells the input', { timeout: 60_000 }, async (name, words) => {
    const module = new URL('../fuzz/broken-targets.ts', import.meta.url).href;
    const ended = fuzzInThread(name, 1, { module, stuckMilliseconds: name === 'endless' ? 1_000 : 50_000 });
    await expect(ended).rejects.toThrow(words);
    await expect(ended).rejects.toThrow(/^repeat it: printf '[0-9a-f]*' \| xxd/m);
  });

  it('sees in a thread which blocks of our code ran', { timeout: 60_000 }, async () => {
    const { blocks, taken } = await fuzzInThread('host-port', 0.2);
    expect(taken).toBeGreaterThan(0);
    expect(blocks).toBeGreaterThan(10);
  });

  it('makes an input as small as it can be', async () => {
    const needed = async (input: Buffer) => input.includes(1) && input.includes(2);
    expect(await smaller(Buffer.from([0, 1, 0, 0, 2, 9]), needed)).toEqual(Buffer.of(1, 2));
  });
});
