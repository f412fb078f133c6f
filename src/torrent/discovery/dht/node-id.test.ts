import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../lib/random.ts';
import { compareDistance, idInBucket, isIdOfAddress, makeNodeId, sharedBits } from './node-id.ts';

const id = () => fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => Buffer.from(bytes));

describe('ids that go with an address (BEP 42)', () => {
  // The examples of BEP 42; the last byte is the number drawn.
  it.each([
    ['124.31.75.21', '5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401'],
    ['21.75.31.124', '5a3ce9c14e7a08645677bbd1cfe7d8f956d53256'],
    ['65.23.51.170', 'a5d43220bc8f112a3d426c84764f8c2a1150e616'],
    ['84.124.73.14', '1b0321dd1bb1fe518101ceef99462b947a01ff41'],
    ['43.213.53.83', 'e56f6cbf5b7c4be0237986d5243b87aa6d51305a'],
  ])('%s', (address, hex) => {
    const known = Buffer.from(hex, 'hex');
    expect(isIdOfAddress(known, address)).toBe(true);
    expect(isIdOfAddress(known, '8.8.8.8')).toBe(false);
    for (const byte of [0, 1, 19]) {
      const other = Buffer.from(known);
      other[byte] = (other[byte] as number) ^ 1;
      expect(isIdOfAddress(other, address)).toBe(false);
    }
  });

  it.each(['8.8.4.4', '2600:1234:5678:9abc::1'])('are made for %s', (address) => {
    for (let seed = 0; seed < 50; seed++) {
      const made = makeNodeId(address, seededRandom(seed));
      expect([made.length, isIdOfAddress(made, address)]).toEqual([20, true]);
    }
    expect(isIdOfAddress(makeNodeId(null, seededRandom(1)), address)).toBe(false);
  });

  it.each(['127.0.0.1', '10.1.2.3', '192.168.7.7', '169.254.1.1', '::1', 'fe80::1'])('%s is exempt', (address) => {
    expect(isIdOfAddress(Buffer.alloc(20, 7), address)).toBe(true);
  });
});

describe('distance', () => {
  it('is XOR, most significant byte first', () => {
    fc.assert(
      fc.property(id(), id(), id(), (target, one, other) => {
        const distance = (from: Buffer) => BigInt(`0x${target.toString('hex')}`) ^ BigInt(`0x${from.toString('hex')}`);
        const [left, right] = [distance(one), distance(other)];
        expect(Math.sign(compareDistance(target, one, other))).toBe(left < right ? -1 : left > right ? 1 : 0);
        const bits = 160 - (left === 0n ? 0 : left.toString(2).length);
        expect(sharedBits(target, one)).toBe(bits);
      }),
    );
  });

  it('an id of a bucket has exactly so many bits in common', () => {
    fc.assert(
      fc.property(id(), fc.integer({ min: 0, max: 159 }), fc.integer(), (own, bits, seed) => {
        expect(sharedBits(own, idInBucket(own, bits, seededRandom(seed)))).toBe(bits);
      }),
    );
  });
});
