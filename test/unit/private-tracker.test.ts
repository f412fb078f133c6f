// The rules that the system test of private trackers relies on are themselves held to their word.
import { beforeEach, expect, test } from 'vitest';
import { type PrivateAnnounce, PrivateTrackerRules } from '../parts/private-tracker-rules.ts';

const good: PrivateAnnounce = {
  passkey: 'key',
  infoHash: 'aa',
  peerId: Buffer.from('-BA0100-xxxxxxxxxxxx').toString('hex'),
  event: 'started',
  uploaded: 0,
  downloaded: 0,
  left: 0,
  port: 1,
  address: '127.0.0.1',
  key: '1',
  compact: '1',
  userAgent: 'bae/0.1.0',
  headers: ['host', 'user-agent'],
  at: 0,
};
let rules: PrivateTrackerRules;
let now: number;
const say = (more: Partial<PrivateAnnounce>, seconds = 60) => {
  now += seconds * 1_000;
  return rules.announce({ ...good, at: now, ...more });
};

beforeEach(() => {
  rules = new PrivateTrackerRules();
  rules.addUser('key');
  rules.register('aa');
  now = 0;
});

test('started sets the base, positive deltas count, a decrease is a reset, stopped counts and forgets', () => {
  say({ uploaded: 500, downloaded: 9 });
  say({ event: '', uploaded: 700, downloaded: 9 });
  expect(rules.credit('key')).toMatchObject({ uploaded: 200, downloaded: 0 });
  say({ event: '', uploaded: 100, downloaded: 9 });
  say({ event: '', uploaded: 110, downloaded: 12 });
  expect(rules.credit('key')).toMatchObject({ uploaded: 210, downloaded: 3 });
  say({ event: 'stopped', uploaded: 111, downloaded: 12 });
  expect(rules.credit('key').uploaded).toBe(211);
  expect(rules.peersOf('key', 'aa')).toBe(0);
  say({ event: '', uploaded: 9_999 });
  expect(rules.credit('key').uploaded).toBe(211);
});

test.each([
  ['Passkey other not found', { passkey: 'other' }],
  ['Unregistered torrent', { infoHash: 'bb' }],
  ['Invalid user agent', { userAgent: '' }],
  ['Invalid user agent', { userAgent: 'x'.repeat(65) }],
  ['compact', { compact: null }],
  ['browser', { headers: ['accept-language'] }],
])('%s', (reason, more) => expect(say(more)).toMatchObject({ failure: expect.stringContaining(reason) }));

test('the same event within 30 seconds is refused, another or a later one is not', () => {
  say({});
  expect(say({}, 29)).toHaveProperty('failure');
  expect(say({ event: '' }, 0)).not.toHaveProperty('failure');
  expect(say({}, 1)).not.toHaveProperty('failure');
});

test('clients that are not on the list are refused', () => {
  rules.allowedClients = ['-XX'];
  expect(say({})).toEqual({ failure: 'Your client is not on the whitelist' });
  rules.allowedClients = ['-BA0100-'];
  expect(say({}, 0)).not.toHaveProperty('failure');
});
