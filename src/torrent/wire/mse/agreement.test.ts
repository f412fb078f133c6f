import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../protocol.ts';
import { EXPONENT_BYTES, KEY_BYTES, KeyAgreement } from './agreement.ts';

const PRIME = BigInt(
  `0x${'F'.repeat(16)}C90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563`,
);
const key = (value: bigint) => Buffer.from(value.toString(16).padStart(2 * KEY_BYTES, '0'), 'hex');
const exponents = fc
  .uint8Array({ minLength: EXPONENT_BYTES, maxLength: EXPONENT_BYTES })
  .map((bytes) => Buffer.from(bytes));

describe('key agreement', () => {
  it('gives both sides one secret', () => {
    fc.assert(
      fc.property(exponents, exponents, (a, b) => {
        const [one, other] = [new KeyAgreement(a), new KeyAgreement(b)];
        expect(one.publicKey).toHaveLength(KEY_BYTES);
        expect(one.secret(other.publicKey)).toEqual(other.secret(one.publicKey));
      }),
      { numRuns: 20 },
    );
  });

  it('is arithmetic that can be checked by hand', () => {
    const agreement = new KeyAgreement(Buffer.alloc(EXPONENT_BYTES));
    let power = 1n;
    for (let bit = 0n; bit < 1n << 8n; bit++) power = (power * 2n) % PRIME;
    // 2 ** 2 ** 159: the square of 2 ** 2 ** 8, 151 times.
    for (let count = 8; count < 159; count++) power = (power * power) % PRIME;
    expect(agreement.publicKey).toEqual(key(power));
    expect(agreement.secret(key(2n))).toEqual(agreement.publicKey);
  });

  it('refuses keys outside [2, p - 2]', () => {
    const agreement = new KeyAgreement(Buffer.alloc(EXPONENT_BYTES, 7));
    for (const bad of [0n, 1n, PRIME - 1n, PRIME, PRIME + 1n, PRIME + 2n, (1n << 768n) - 1n]) {
      expect(() => agreement.secret(key(bad))).toThrow(ProtocolError);
    }
    for (const good of [2n, 3n, PRIME - 2n]) expect(agreement.secret(key(good))).toHaveLength(KEY_BYTES);
  });

  it('costs under 2 ms, with room for a slow machine', () => {
    const before = process.cpuUsage();
    for (let count = 0; count < 50; count++) {
      new KeyAgreement(Buffer.alloc(EXPONENT_BYTES, count)).secret(key(PRIME - BigInt(count) - 2n));
    }
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000 / 50).toBeLessThan(20);
  });
});
