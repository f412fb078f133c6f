import { describe, expect, test } from 'vitest';
import { trackerWords } from './words.ts';

describe('words of trackers', () => {
  const urls = ['http://me:pass%20word@t.example/0a1b2c3d4e5f/announce.php?uid=77&auth=ab%2Bcd&announce'].map(
    (url) => new URL(url),
  );
  test.each([
    ['passkey 0a1b2c3d4e5f is unknown', 'passkey … is unknown'],
    ['PASSKEY=0A1B2C3D4E5F', 'PASSKEY=…'],
    ['see /0a1b2c3d4e5f/announce.php', 'see /…/announce.php'],
    ['ab+cd or ab%2Bcd', '… or …'],
    ['not pass word, nor pass%20word', 'not …, nor …'],
    ['line\nbreak', 'line break'],
  ])('%j is shown as %j', (said, shown) => expect(trackerWords(said, urls)).toBe(shown));

  test('are cut after the secrets are gone, so that no piece of one is left', () => {
    for (let before = 280; before < 310; before++) {
      const words = trackerWords(`${'x'.repeat(before)}0a1b2c3d4e5f`, urls);
      expect(words).not.toMatch(/0a1b?/);
      expect(words.length).toBeLessThanOrEqual(300);
    }
  });
});
