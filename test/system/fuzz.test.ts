// Every parser of bytes from outside, for ten seconds each, some at a time, with other inputs at each run. What an input
// breaks is told with the input; kept in test/fuzz/corpus, it is read at each run from then on.
import { describe, expect, it } from 'vitest';
import { fuzzInThread } from '../fuzz/crew.ts';
import { TARGETS } from '../fuzz/targets.ts';

const SECONDS = 10;
/** All wait for their turn from the beginning. */
const MOST_MILLISECONDS = 15 * 60_000;

describe.concurrent('fuzzing', () => {
  it.each(TARGETS)(
    '$name takes and refuses, and nothing else',
    async ({ name }) => {
      const { promising, ...counts } = await fuzzInThread(name, SECONDS);
      process.stderr.write(`${name}: ${JSON.stringify({ ...counts, promising: promising.length })}\n`);
      expect(counts.taken).toBeGreaterThan(0);
    },
    MOST_MILLISECONDS,
  );
});
