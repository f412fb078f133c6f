// Every parser of bytes from outside, for a minute each. With BAE_FUZZ_KEEP=true the corpus grows.
import { describe, expect, it } from 'vitest';
import { fuzzInThread } from '../fuzz/crew.ts';
import { TARGETS } from '../fuzz/targets.ts';

const SECONDS = 60;

describe.concurrent('fuzzing', () => {
  it.each(TARGETS)('$name takes and refuses, and nothing else', async ({ name }) => {
    const { promising, ...counts } = await fuzzInThread(name, SECONDS);
    process.stderr.write(`${name}: ${JSON.stringify({ ...counts, promising: promising.length })}\n`);
    expect(counts.taken).toBeGreaterThan(0);
  });
});
