import { describe, expect, test } from 'vitest';
import { type Refusal, refusalOf, trackerWords } from './words.ts';

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

describe('failure reasons', () => {
  const known: readonly (readonly [string, Refusal | null])[] = [
    ['Your client is not on the whitelist', 'client'],
    ['Client not allowed', 'client'],
    ['Banned client, please use another one', 'client'],
    ['Your client is banned', 'client'],
    ['Unsupported user agent', 'client'],
    ['Your user-agent has been blacklisted', 'client'],
    ['The peer_id you use is not approved here', 'client'],
    ['Unregistered torrent', 'torrent'],
    ['Torrent not registered with this tracker.', 'torrent'],
    ['torrent not found', 'torrent'],
    ['Torrent has been deleted: trumped', 'torrent'],
    ['InfoHash not found.', 'torrent'],
    ['info_hash is not authorized for use with this tracker', 'torrent'],
    ['Requested download is not authorized for use with this tracker.', 'torrent'],
    ['Torrent has been rejected', 'torrent'],
    ['Passkey not found', 'account'],
    ['Invalid passkey', 'account'],
    ['passkey does not exist. Please download the torrent again.', 'account'],
    ['Your account is disabled', 'account'],
    ['Unknown user', 'account'],
    ['You are banned', 'account'],
    ['Authentication failed', 'account'],
    ['Too many announces, slow down', null],
    ['Database is down', null],
    ['You already are seeding this torrent from 3 places', null],
    ['invalid port', null],
    ['', null],
  ];
  test.each(known)('%j is told as %j', (reason, refusal) => expect(refusalOf(reason)).toBe(refusal));

  test('of any content are judged in no time', () => {
    const began = performance.now();
    for (const part of ['un ', 'not a ', 'client ', 'torrent not ', 'info hash un'])
      refusalOf(part.repeat(100).slice(0, 300));
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
