import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BaeError } from '../../lib/errors.ts';
import { BENCODE_LIMITS, decode, decodePrefix } from './bencode-decode.ts';
import { type Encodable, encode } from './bencode-encode.ts';
import type { BencodeValue } from './bencode-value.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const failing = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(BaeError);
    expect((error as BaeError).kind).toBe('bad-input');
    return (error as BaeError).message;
  }
  throw new Error('nothing was refused');
};

describe('bencode decoding', () => {
  it('reads every kind and keeps its raw bytes', () => {
    const value = decode(bytes('d1:ai-42e1:bl3:xyz0:e1:cdee'));
    expect(value.need('a').integer()).toBe(-42);
    expect(
      value
        .need('b')
        .list()
        .map((item) => item.text()),
    ).toEqual(['xyz', '']);
    expect(value.need('b').raw.toString()).toBe('l3:xyz0:e');
    expect(value.need('c').dictionary().size).toBe(0);
    expect(value.get('d')).toBeUndefined();
    expect(value.keysSorted).toBe(true);
  });

  it('keeps keys byte for byte', () => {
    const value = decode(Buffer.from([...bytes('d2:'), 0xff, 0x00, ...bytes('i1ee')]));
    expect([...value.dictionary().keys()]).toEqual(['\xff\x00']);
  });

  it('takes unsorted keys, at any depth, and says so', () => {
    expect(decode(bytes('d1:bi1e1:ai2ee')).keysSorted).toBe(false);
    expect(decode(bytes('ld1:a0:eld1:bi1e1:ai2eeee')).keysSorted).toBe(false);
  });

  it.each([
    ['', 'the outermost value is cut off (byte 0)'],
    ['i1', 'the outermost value is cut off (byte 0)'],
    ['l', '[0] is cut off (byte 1)'],
    ['ie', 'not a whole number'],
    ['i-e', 'not a whole number'],
    ['i1.5e', 'not a whole number'],
    ['i+1e', 'not a whole number'],
    ['i123456789012345678901e', 'not a whole number'],
    ['i03e', 'leading zero'],
    ['i-0e', 'leading zero or is -0'],
    ['i-03e', 'leading zero'],
    ['03:abc', 'leading zero'],
    ['-3:abc', 'negative length'],
    ['4:abc', 'has 4 bytes by its length and 3 follow (byte 0)'],
    ['99999999999:a', 'is not bencoded'],
    ['3', 'is cut off'],
    [':', 'is not bencoded'],
    ['x', 'is not bencoded'],
    ['e', 'is not bencoded'],
    ['i1ei2e', 'has 3 bytes after it (byte 3)'],
    ['d1:ai1e1:ai2ee', 'a is there twice (byte 7)'],
    ['d1:a', 'a is cut off'],
    ['d1:ae', 'a is not bencoded'],
    ['di1e1:ae', '(key) is not bencoded'],
    ['d4:infod5:filesld6:lengthi05eeeee', 'info.files[0].length has a leading zero'],
  ])('refuses %j', (text, problem) => {
    expect(failing(() => decode(bytes(text)))).toContain(problem);
  });

  it('refuses one more than each limit', () => {
    const depth = (levels: number) => bytes('l'.repeat(levels) + 'e'.repeat(levels));
    decode(depth(32));
    expect(failing(() => decode(depth(33)))).toContain('more than 32 levels deep');
    const tokens = (count: number) => bytes(`l${'0:'.repeat(count - 1)}e`);
    decode(tokens(500_000));
    expect(failing(() => decode(tokens(500_001)))).toContain('beyond the 500000 values');
    const limits = { ...BENCODE_LIMITS, maxBytes: 5 };
    decode(bytes('3:abc'), limits);
    expect(failing(() => decode(bytes('4:abcd'), limits))).toContain('is 6 bytes long, and 5 are allowed');
    expect(failing(() => decode(Buffer.alloc(10 * 1024 * 1024 + 1, 'i')))).toContain('10485760 are allowed');
  });

  it('counts keys among the tokens', () => {
    expect(failing(() => decode(bytes('d1:ai1ee'), { ...BENCODE_LIMITS, maxTokens: 2 }))).toContain(
      'beyond the 2 values',
    );
  });

  it('leaves what follows a prefix', () => {
    expect(decodePrefix(bytes('i7exyz')).end).toBe(3);
  });

  it('names path, kind and byte when an accessor finds something else', () => {
    const value = decode(bytes('d1:ali1e2:xxee'));
    const [number, text] = value.need('a').list() as [BencodeValue, BencodeValue];
    expect(failing(() => number.text())).toBe('a[0] must be a byte string, and is an integer (byte 5).');
    expect(failing(() => number.integer(2, 3))).toBe('a[0] must be from 2 to 3, and is 1 (byte 5).');
    expect(failing(() => text.bytes(20))).toBe('a[1] must have 20 bytes, and has 2 (byte 8).');
    expect(failing(() => text.list())).toContain('must be a list, and is a byte string');
    expect(failing(() => value.need('a').dictionary())).toContain('must be a dictionary, and is a list');
    expect(failing(() => value.need('b'))).toBe('b is missing (byte 0).');
    expect(failing(() => decode(bytes('i9223372036854775807e')).integer())).toContain('too large');
  });

  it('shows no unprintable key in an error', () => {
    expect(failing(() => decode(Buffer.from('d3:\n\x1bai01ee', 'latin1')))).toMatch(/^\?\?a has a leading zero/);
  });

  it('throws nothing but bad-input for garbage, and reads back what it takes', () => {
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.constantFrom(...'ilde0123456789:-a'), { maxLength: 60 }).map((parts) => bytes(parts.join(''))),
    );
    fc.assert(
      fc.property(garbage, (input) => {
        try {
          const value = decode(input);
          expect(encode(value).equals(Buffer.from(input))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(BaeError);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('bencode encoding', () => {
  it('sorts keys by bytes and takes every kind', () => {
    const map = new Map<string | Uint8Array, Encodable>([
      [Buffer.from([0xff]), 1],
      ['é', -2],
      ['a', 2n ** 63n],
    ]);
    expect(encode(map).toString('latin1')).toBe('d1:ai9223372036854775808e2:\xc3\xa9i-2e1:\xffi1ee');
    expect(encode({ b: [1, 'x', Buffer.from('yz')], a: undefined, c: -0 }).toString()).toBe('d1:bli1e1:x2:yze1:ci0ee');
  });

  it('takes a decoded value as its raw bytes, sorted or not', () => {
    expect(encode({ info: decode(bytes('d1:bi1e1:ai2ee')) }).toString()).toBe('d4:infod1:bi1e1:ai2eee');
  });

  it('refuses what has no bencoding', () => {
    expect(() => encode(1.5)).toThrow(RangeError);
    expect(() =>
      encode(
        new Map<string | Uint8Array, Encodable>([
          ['a', 1],
          [Buffer.from('a'), 2],
        ]),
      ),
    ).toThrow(RangeError);
  });

  it('is read back the same', () => {
    const { tree } = fc.letrec<{ tree: Encodable }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.maxSafeInteger(),
        fc.uint8Array({ maxLength: 20 }),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.string({ maxLength: 5 }), tie('tree'), { maxKeys: 4, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const once = encode(value);
        const decoded = decode(once);
        expect(decoded.keysSorted).toBe(true);
        expect(encode(plain(decoded)).equals(once)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

function plain(value: BencodeValue): Encodable {
  if (value.kind === 'integer') return value.integer();
  if (value.kind === 'bytes') return value.bytes();
  if (value.kind === 'list') return value.list().map(plain);
  return new Map([...value.dictionary()].map(([key, inner]) => [Buffer.from(key, 'latin1'), plain(inner)]));
}
