// Every parser of what strangers send, for some seconds each, with other inputs at each run.
import { expect, it } from 'vitest';
import { fuzz, fuzzMilliseconds } from '../fuzz/driver.ts';
import { TARGETS } from '../fuzz/targets.ts';

const MILLISECONDS = fuzzMilliseconds(2);

it.each(TARGETS)(
  '$name takes and refuses, and nothing else',
  (target) => {
    const outcome = fuzz(target, { milliseconds: MILLISECONDS });
    process.stderr.write(`${target.name}: ${JSON.stringify(outcome)}\n`);
    expect(outcome.taken).toBeGreaterThan(0);
  },
  MILLISECONDS * 2 + 60_000,
);
