import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BaeError } from '../../lib/errors.ts';
import { formatHostPort, parseHostPort } from './host-port.ts';
import { formatMagnet, MAX_FILE_RANGES, MAX_MAGNET_CHARS, MAX_MAGNET_PEERS, parseMagnet } from './magnet.ts';

const HEX = '0123456789abcdef0123456789abcdef01234567';
const BASE32 = 'AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH';
const XT = `magnet:?xt=urn:btih:${HEX}`;

function problem(uri: string): string {
  try {
    parseMagnet(uri);
  } catch (error) {
    expect(error).toBeInstanceOf(BaeError);
    return (error as BaeError).message;
  }
  throw new Error('nothing was refused');
}

describe('magnet links', () => {
  it('reads hex and base32 hashes in either case', () => {
    for (const digits of [HEX, HEX.toUpperCase(), BASE32, BASE32.toLowerCase()]) {
      expect(parseMagnet(` MAGNET:?xt=urn:btih:${digits}\n`).infoHash.toString('hex')).toBe(HEX);
    }
    expect(parseMagnet(`magnet:?xt=urn:btih:${'A'.repeat(32)}`).infoHash).toEqual(Buffer.alloc(20));
  });

  it('reads everything else', () => {
    const magnet = parseMagnet(
      `${XT}&dn=A+Name%2F%C3%A9&tr=http%3A%2F%2Ft%2Fa%3Fk%3D1%2B2&tr.1=udp://u:1&tr=wss://x&ws=http://w/&x.pe=1.2.3.4:5` +
        '&x.pe=[::1]:6&x.pe=name.example:7&x.pe=bad&x.pe=1.2.3.4:0&so=0,2,4-6&xl=9&unknown',
    );
    expect(magnet).toEqual({
      infoHash: Buffer.from(HEX, 'hex'),
      name: 'A Name_é',
      trackers: [['http://t/a?k=1+2'], ['udp://u:1']],
      webSeeds: ['http://w/'],
      peers: [
        { host: '1.2.3.4', port: 5 },
        { host: '::1', port: 6 },
        { host: 'name.example', port: 7 },
      ],
      selectedFiles: [
        { first: 0, last: 0 },
        { first: 2, last: 2 },
        { first: 4, last: 6 },
      ],
    });
    expect(parseMagnet(XT)).toMatchObject({ name: null, trackers: [], peers: [], selectedFiles: null });
  });

  it('takes a hybrid by its version 1 hash and the same hash twice', () => {
    const uri = `magnet:?xt=urn:btmh:1220${'ab'.repeat(32)}&xt.1=urn:btih:${HEX}&xt.2=urn:btih:${BASE32}`;
    expect(parseMagnet(uri).infoHash.toString('hex')).toBe(HEX);
  });

  it.each([
    ['http://example', 'does not start with magnet:?'],
    ['magnet:?dn=x', 'has no info-hash'],
    ['magnet:?xt=urn:btih:abc', 'neither 40 hex nor 32 base32'],
    [`magnet:?xt=urn:btih:${HEX}0`, 'neither 40 hex nor 32 base32'],
    [`magnet:?xt=urn:btih:${'1'.repeat(32)}`, 'neither 40 hex nor 32 base32'],
    [`magnet:?xt=urn:btmh:1220${'ab'.repeat(32)}`, 'version 2 torrent only'],
    [`${XT}&xt=urn:btih:${'0'.repeat(40)}`, 'more than one info-hash'],
    [`${XT}&dn=%zz`, 'broken %-escape'],
    [`${XT}&so=1-0`, 'file selection'],
    [`${XT}&so=a`, 'file selection'],
    [`${XT}&so=0-99999999999`, 'file selection'],
    [`${XT}&so=${'1,'.repeat(MAX_FILE_RANGES + 1)}`, `more than ${MAX_FILE_RANGES} ranges`],
    [XT.padEnd(MAX_MAGNET_CHARS + 1, '&'), `longer than ${MAX_MAGNET_CHARS}`],
  ])('refuses %.60s', (uri, message) => {
    expect(problem(uri)).toMatch(/^This magnet link cannot be used: it /);
    expect(problem(uri)).toContain(message);
  });

  it('keeps no more peers than the limit', () => {
    expect(parseMagnet(XT + '&x.pe=1.2.3.4:5'.repeat(MAX_MAGNET_PEERS + 1)).peers).toHaveLength(MAX_MAGNET_PEERS);
  });

  it('reads back what it writes', () => {
    const magnet = {
      infoHash: Buffer.from(HEX, 'hex'),
      name: 'A & B = 100%+',
      trackers: [['http://t/a?k=1&l=2'], ['udp://u:1']],
      peers: [{ host: '::1', port: 6 }],
    };
    expect(parseMagnet(formatMagnet(magnet))).toMatchObject(magnet);
    expect(formatMagnet({ infoHash: magnet.infoHash })).toBe(XT);
  });

  it('throws nothing but bad-input', () => {
    const text = fc.array(
      fc.constantFrom('magnet:?', 'xt=urn:btih:', HEX, '&', '=', '%', '%41', 'so=', '1-2', ',', 'x.pe=', '['),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          text.map((parts) => `${XT}&${parts.join('')}`),
        ),
        (uri) => {
          try {
            parseMagnet(uri);
          } catch (error) {
            expect(error).toBeInstanceOf(BaeError);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('host and port', () => {
  it('reads and writes names, IPv4 and IPv6', () => {
    for (const text of ['a.example:1', '127.0.0.1:65535', '[2001:db8::1]:6881', '[::ffff:1.2.3.4]:9']) {
      const address = parseHostPort(text);
      expect(address === null ? null : formatHostPort(address)).toBe(text);
    }
  });

  it.each([
    '',
    ':1',
    'a',
    'a:',
    'a:0',
    'a:65536',
    'a:1x',
    '::1:80',
    '[::1]',
    '[]:1',
    '[1.2.3.4]:1',
    'a b:1',
    'u@h:1',
    'a&b:1',
    'a%62:1',
    'a+b:1',
  ])('refuses %j', (text) => expect(parseHostPort(text)).toBeNull());

  it('refuses a name that is too long', () => {
    expect(parseHostPort(`${'a'.repeat(253)}:1`)).not.toBeNull();
    expect(parseHostPort(`${'a'.repeat(254)}:1`)).toBeNull();
  });
});
