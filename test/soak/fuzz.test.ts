// Every parser of what strangers send, for a minute each.
import { expect, it } from 'vitest';
import { fuzz, fuzzMilliseconds } from '../fuzz/driver.ts';
import { TARGETS } from '../fuzz/targets.ts';

const MILLISECONDS = fuzzMilliseconds(60);

it.each(TARGETS)(
  '$name takes and refuses, and nothing else',
  (target) => {
    expect(fuzz(target, { milliseconds: MILLISECONDS }).taken).toBeGreaterThan(0);
  },
  MILLISECONDS * 2 + 60_000,
);
