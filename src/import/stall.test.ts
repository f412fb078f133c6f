import { expect, test } from 'vitest';
import { spanWords } from './stall.ts';

test('a span of time is told in the largest unit of which it has two', () => {
  const words = [0, 5_000, 119_000, 120_000, 3_600_000, 7_199_000, 7_200_000, 86_400_000].map(spanWords);
  expect(words).toEqual(['1 s', '5 s', '119 s', '2 min', '60 min', '120 min', '2 h', '24 h']);
});
