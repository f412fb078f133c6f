import { describe, expect, test } from 'vitest';
import { announceUrl, HttpTracker } from './http-tracker.ts';
import type { AnnounceRequest } from './ports.ts';
import { createResolver } from './resolver.ts';

const request: AnnounceRequest = {
  ...{
    infoHash: Buffer.alloc(20, 7),
    peerId: Buffer.alloc(20, 8),
    key: 1,
    port: 2,
    uploaded: 3,
    downloaded: 4,
    left: 5,
  },
  ...{ event: 'started', wanted: 6, trackerId: null },
};

describe('the URL of an announce', () => {
  test('a regular announce has no event, and a tracker without a query gets a question mark', () => {
    const plain = announceUrl(new URL('http://t.example/a#x'), { ...request, event: null, trackerId: null }, 'prefer');
    expect(plain).toMatch(/^http:\/\/t\.example\/a\?info_hash=/);
    expect(plain).not.toMatch(/event|trackerid|#/);
  });

  test.each([
    ['off', '&no_peer_id=1'],
    ['prefer', '&no_peer_id=1&supportcrypto=1'],
    ['require', '&no_peer_id=1&supportcrypto=1&requirecrypto=1'],
  ] as const)('with encryption %s ends with %s', (encryption, end) => {
    const text = announceUrl(new URL('http://t.example/a'), { ...request, trackerId: null }, encryption);
    expect(text.endsWith(`&compact=1${end}`)).toBe(true);
  });
});

test('private addresses are refused where they are not allowed, after a redirect too', async () => {
  const strict = new HttpTracker({ resolver: createResolver(false), userAgent: 'bae/0.1.0', encryption: 'prefer' });
  // Nobody listens there: who was not refused could not be reached.
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0x7f.1']) {
    const place = new URL(`http://${host}/announce`);
    await expect(strict.announce(place, request, new AbortController().signal)).rejects.toThrow('private address');
  }
  strict.close();
});
