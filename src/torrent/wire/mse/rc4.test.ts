import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rc4 } from './rc4.ts';

const { rc4: vectors } = JSON.parse(
  readFileSync(new URL('../../../../test/mse/vectors.json', import.meta.url), 'utf8'),
) as { rc4: { key: string; stream: string }[] };
const key = Buffer.from('0102030405', 'hex');

describe('RC4 without its first 1,024 bytes', () => {
  it('is that of RFC 6229 at offset 1,024', () => {
    expect(new Rc4(key).apply(Buffer.alloc(16)).toString('hex')).toBe('30abbcc7c20b01609f23ee2d5f6bb7df');
  });

  it.each(vectors)('is that of the second implementation, key $key', ({ key: hex, stream }) => {
    const bytes = Buffer.alloc(stream.length / 2);
    expect(new Rc4(Buffer.from(hex, 'hex')).apply(bytes).toString('hex')).toBe(stream);
  });

  it('is the same however it is cut, beside another stream, beyond what the machine takes at once', () => {
    const whole = new Rc4(key).apply(Buffer.alloc(200_000));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 70_000 }), { maxLength: 8 }), (sizes) => {
        const [one, other] = [new Rc4(key), new Rc4(Buffer.from('another'))];
        const stream = Buffer.alloc(whole.length);
        let at = 0;
        for (const size of [...sizes, whole.length]) {
          one.apply(stream.subarray(at, at + size));
          other.apply(Buffer.alloc(100));
          at += size;
        }
        expect(stream.equals(whole)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('gives back what it was given', () => {
    const text = Buffer.from('a block');
    const sent = new Rc4(key).apply(Buffer.from(text));
    expect(sent.equals(text)).toBe(false);
    expect(new Rc4(key).apply(sent)).toEqual(text);
  });
});
