import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressBytes,
  addressText,
  decodeCompactPeers4,
  decodeCompactPeers6,
  encodeCompactPeers,
} from './addresses.ts';
import { ProtocolError } from './protocol.ts';

describe('IP addresses', () => {
  it.each([
    ['0.0.0.0', '00000000'],
    ['203.0.113.255', 'cb0071ff'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['2001:db8::', `20010db8${'0'.repeat(24)}`],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
    ['2001:0:0:1::1', '20010000000000010000000000000001'],
    ['fe80::ffff:1:0:2', 'fe80000000000000ffff000100000002'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ])('%s is written and read as RFC 5952 has it', (text, hex) => {
    expect(addressBytes(text)?.toString('hex')).toBe(hex);
    expect(addressText(Buffer.from(hex, 'hex'))).toBe(text);
  });

  it('reads other ways to write the same', () => {
    const one = addressBytes('2001:db8::1');
    for (const text of ['2001:0DB8:0:0:0:0:0:1', '2001:db8:0::0:1', '2001:db8::0.0.0.1']) {
      expect(addressBytes(text)).toEqual(one);
    }
    expect(addressBytes('::ffff:192.0.2.1')).toEqual(Buffer.of(192, 0, 2, 1));
    expect(addressText(Buffer.from('00000000000000000000ffffc0000201', 'hex'))).toBe('192.0.2.1');
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.x',
    'name',
    ':',
    ':::',
    '1::2::3',
    '::12345',
    '1:2',
  ])('refuses %j', (text) => expect(addressBytes(text)).toBeNull());

  it.each(['1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', 'fe80::1%eth0', '1.2.3.4::', '::g', '::1.2.3', ':1::'])(
    'refuses %j',
    (text) => expect(addressBytes(text)).toBeNull(),
  );

  it('takes whatever the system takes and nothing else, and reads back what it writes', () => {
    const loose = fc.array(fc.constantFrom('1', 'ff', '0', ':', '::', '.', '255', '10'), { maxLength: 16 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6(),
          loose.map((parts) => parts.join('')),
        ),
        (text) => {
          const bytes = addressBytes(text);
          expect(bytes !== null).toBe(isIP(text) !== 0);
          if (bytes !== null) expect(addressBytes(addressText(bytes) as string)).toEqual(bytes);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('has no text for another length', () => expect(addressText(Buffer.alloc(5))).toBeNull());
});

describe('compact peers', () => {
  it('reads back what it writes, families apart, names left out', () => {
    const peers = [
      { host: '127.0.0.1', port: 6881 },
      { host: '2001:db8::1', port: 65_535 },
      { host: 'a.name', port: 1 },
    ];
    const { ipv4, ipv6 } = encodeCompactPeers(peers);
    expect(ipv4.toString('hex')).toBe('7f0000011ae1');
    expect(ipv6.toString('hex')).toBe('20010db8000000000000000000000001ffff');
    expect([...decodeCompactPeers4(ipv4), ...decodeCompactPeers6(ipv6)]).toEqual(peers.slice(0, 2));
  });

  it('leaves out port 0 and refuses a part of a peer', () => {
    expect(decodeCompactPeers4(Buffer.from('7f00000100007f0000010001', 'hex'))).toEqual([
      { host: '127.0.0.1', port: 1 },
    ]);
    expect(decodeCompactPeers4(Buffer.alloc(0))).toEqual([]);
    expect(() => decodeCompactPeers4(Buffer.alloc(7))).toThrow(ProtocolError);
    expect(() => decodeCompactPeers6(Buffer.alloc(17))).toThrow(ProtocolError);
  });
});
