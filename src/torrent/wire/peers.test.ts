import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../lib/random.ts';
import { ALLOWED_FAST_COUNT, allowedFastSet } from './allowed-fast.ts';
import { clientName, makePeerId, PEER_ID_BYTES } from './peer-id.ts';
import { crc32c, peerPriority } from './peer-priority.ts';

describe('allowed fast set', () => {
  const infoHash = Buffer.alloc(20, 0xaa);

  it('is that of BEP 6', () => {
    expect(allowedFastSet(infoHash, '80.4.4.200', 1313, 7)).toEqual([1059, 431, 808, 1217, 287, 376, 1188]);
    expect(allowedFastSet(infoHash, '80.4.4.200', 1313, 9)).toEqual([1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
  });

  it('is the same for the same network, and of all pieces where there are few', () => {
    expect(allowedFastSet(infoHash, '80.4.4.1', 1313)).toEqual(allowedFastSet(infoHash, '::ffff:80.4.4.2', 1313));
    expect(allowedFastSet(infoHash, '2001:db8::1', 1313)).toEqual(allowedFastSet(infoHash, '2001:db8::ffff:1', 1313));
    expect(allowedFastSet(infoHash, '2001:db8::1', 1313)).toHaveLength(ALLOWED_FAST_COUNT);
    expect(allowedFastSet(infoHash, '80.4.4.1', 3).sort()).toEqual([0, 1, 2]);
    expect(allowedFastSet(infoHash, '80.4.4.1', 0)).toEqual([]);
    expect(allowedFastSet(infoHash, 'a.name', 1313)).toEqual([]);
  });
});

describe('canonical peer priority', () => {
  const peer = (host: string, port = 1) => ({ host, port });
  const both = (one: string, other: string) => {
    const priority = peerPriority(peer(one), peer(other));
    expect(peerPriority(peer(other), peer(one))).toBe(priority);
    return priority;
  };

  it('is that of BEP 40', () => {
    expect(both('123.213.32.10', '98.76.54.32')).toBe(0xec2d7224);
    expect(both('123.213.32.10', '123.213.32.234')).toBe(0x99568189);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });

  it('takes ports of one address, and more of addresses in one network', () => {
    const ports = peerPriority(peer('1.1.1.1', 0x1234), peer('1.1.1.1', 0x0102));
    expect(ports).toBe(crc32c(Buffer.from('01021234', 'hex')));
    expect(both('10.20.255.255', '10.20.1.255')).toBe(crc32c(Buffer.from('0a1401550a14ff55', 'hex')));
    const far = '20010db8000155555555555555555555' + '20010db8000255555555555555555555';
    const ones = 'ffff:ffff:ffff:ffff:ffff';
    expect(both(`2001:db8:2:${ones}`, `2001:db8:1:${ones}`)).toBe(crc32c(Buffer.from(far, 'hex')));
    const near = '20010db80001015555555555555555' + '55' + '20010db8000102555555555555555555';
    expect(both(`2001:db8:1:2ff:${ones.slice(5)}`, `2001:db8:1:1ff:${ones.slice(5)}`)).toBe(
      crc32c(Buffer.from(near, 'hex')),
    );
  });

  it('is 0 where there is none', () => {
    expect(both('1.2.3.4', '::1')).toBe(0);
    expect(both('1.2.3.4', 'a.name')).toBe(0);
  });
});

describe('peer ids', () => {
  it('are made in the style of BEP 20', () => {
    const id = makePeerId(seededRandom(1), '0.1.0');
    expect(id).toHaveLength(PEER_ID_BYTES);
    expect(id.toString('latin1', 0, 8)).toBe('-BA0100-');
    expect(makePeerId(seededRandom(2), '0.1.0')).not.toEqual(id);
    expect(makePeerId(seededRandom(1), '12.99.x-beta.4').toString('latin1', 0, 8)).toBe('-BACZ00-');
    expect(clientName(id)).toBe('bae 0.1');
  });

  it.each([
    ['-qB4520-abcdefghijkl', 'qBittorrent 4.5.2'],
    ['-lt0D80-abcdefghijkl', 'rTorrent 0.13.8'],
    ['-TR3000-abcdefghijkl', 'Transmission 3.0'],
    ['-ZZ1234-abcdefghijkl', 'ZZ 1.2.3.4'],
    ['M7-10-1--abcdefghijk', 'BitTorrent 7.10.1'],
    ['A2-1-36-0-abcdefghij', 'A2-1-36-'],
    ['\0\x01abcdefghijklmnopqr', 'unknown'],
    ['ab\x1b[2Jcdefghijklmnop', 'unknown'],
    ['', 'unknown'],
  ])('%j is shown as %s', (id, name) => expect(clientName(Buffer.from(id, 'latin1'))).toBe(name));
});
