import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../lib/random.ts';
import { ProtocolError } from '../protocol.ts';
import { EXPONENT_BYTES, KEY_BYTES, KeyAgreement } from './agreement.ts';
import { MAX_INITIAL_BYTES, MAX_PADDING_BYTES, MSE_METHODS } from './exchange.ts';
import { MseHandshake } from './handshake.ts';
import { labelledHash, obfuscatedHash } from './obfuscated-hashes.ts';
import { Rc4 } from './rc4.ts';

const BOTH = MSE_METHODS.plaintext | MSE_METHODS.rc4;
const INFO_HASH = Buffer.alloc(20, 0x5a);
const ZEROES = Buffer.alloc(8);
const number = (value: number, length: number) => {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
};

/** Our side, and what it has sent. */
function ours(role: 'initiator' | 'responder') {
  const sent: Buffer[] = [];
  const options = { methods: BOTH, random: seededRandom(3), send: (part: Buffer) => sent.push(part) };
  const side =
    role === 'initiator'
      ? MseHandshake.initiate({ ...options, infoHash: INFO_HASH, initialPayload: Buffer.from('hello') })
      : MseHandshake.respond({ ...options, find: () => INFO_HASH });
  return { side, sent };
}

interface Steps {
  readonly key?: Buffer;
  /** Bytes of PadA or PadB, PadC or PadD, and initial payload; the said length of the last two may be another. */
  readonly first?: number;
  readonly second?: number;
  readonly initial?: number;
  readonly constant?: Buffer;
  readonly method?: number;
}

/** A peer that dials our responder and says whatever it is told to; returns what comes of it. */
function dial({ first = 0, second = 0, initial = 0, constant = ZEROES, method = BOTH, ...steps }: Steps): Buffer {
  const { side, sent } = ours('responder');
  const keys = new KeyAgreement(Buffer.alloc(EXPONENT_BYTES, 9));
  side.push(steps.key ?? keys.publicKey);
  const secret = keys.secret((sent[0] as Buffer).subarray(0, KEY_BYTES));
  side.push(Buffer.alloc(first, 0xee));
  const name = obfuscatedHash(INFO_HASH).map((byte, at) => byte ^ (labelledHash('req3', secret)[at] as number));
  side.push(Buffer.concat([labelledHash('req1', secret), name]));
  const padding = Buffer.alloc(second);
  const offer = [constant, number(method, 4), number(second, 2), padding, number(initial, 2), Buffer.alloc(initial, 7)];
  return side.push(new Rc4(labelledHash('keyA', secret, INFO_HASH)).apply(Buffer.concat(offer)));
}

/** A peer that answers our initiator. */
function answer({ first = 0, second = 0, method = MSE_METHODS.rc4, ...steps }: Steps): MseHandshake {
  const { side, sent } = ours('initiator');
  const keys = new KeyAgreement(Buffer.alloc(EXPONENT_BYTES, 9));
  const secret = keys.secret((sent[0] as Buffer).subarray(0, KEY_BYTES));
  side.push(steps.key ?? keys.publicKey);
  side.push(Buffer.alloc(first, 0xee));
  const said = [ZEROES, number(method, 4), number(second, 2), Buffer.alloc(second)];
  side.push(new Rc4(labelledHash('keyB', secret, INFO_HASH)).apply(Buffer.concat(said)));
  return side;
}

describe('limits of an encrypted handshake', () => {
  it(`take up to ${MAX_PADDING_BYTES} bytes of padding, everywhere`, () => {
    for (const padding of [0, 1, MAX_PADDING_BYTES]) {
      expect(dial({ first: padding, second: padding, initial: 5 })).toEqual(Buffer.alloc(5, 7));
      expect(answer({ first: padding, second: padding }).isSettled).toBe(true);
    }
    const over = MAX_PADDING_BYTES + 1;
    expect(() => dial({ first: over })).toThrow(ProtocolError);
    expect(() => dial({ second: over })).toThrow(ProtocolError);
    expect(() => answer({ first: over })).toThrow(ProtocolError);
    expect(() => answer({ second: over })).toThrow(ProtocolError);
  });

  it('end the search for the mark at the byte where it must have been', () => {
    for (const [role, mark] of [
      ['responder', 20],
      ['initiator', 8],
    ] as const) {
      const { side } = ours(role);
      side.push(new KeyAgreement(Buffer.alloc(EXPONENT_BYTES, 9)).publicKey);
      side.push(Buffer.alloc(MAX_PADDING_BYTES + mark - 1, 0xee));
      side.push(Buffer.alloc(0));
      expect(() => side.push(Buffer.alloc(2, 0xee))).toThrow('no mark after the longest padding');
    }
  });

  it(`take up to ${MAX_INITIAL_BYTES} bytes of initial payload`, () => {
    expect(dial({ initial: MAX_INITIAL_BYTES })).toEqual(Buffer.alloc(MAX_INITIAL_BYTES, 7));
    expect(() => dial({ initial: MAX_INITIAL_BYTES + 1 })).toThrow(ProtocolError);
  });

  it('want the verification constant, and one method that was offered', () => {
    expect(() => dial({ constant: Buffer.alloc(8, 1) })).toThrow('a wrong verification constant');
    for (const method of [0, 4, 0x8000_0000]) expect(() => dial({ method })).toThrow(ProtocolError);
    for (const method of [0, 3, 4, 0xffff_ffff]) expect(() => answer({ method })).toThrow(ProtocolError);
  });

  it('refuse keys that give the secret away, before a word is said', () => {
    const prime = dhPrime();
    for (const bad of [0n, 1n, prime - 1n, prime, prime + 1n, (1n << 768n) - 1n]) {
      const key = Buffer.from(bad.toString(16).padStart(2 * KEY_BYTES, '0'), 'hex');
      const { side, sent } = ours('responder');
      expect(() => side.push(key)).toThrow(new ProtocolError('mse', 'a key outside [2, p - 2]'));
      expect([sent, side.infoHash, side.isSettled]).toEqual([[], null, false]);
      expect(() => answer({ key })).toThrow(ProtocolError);
    }
  });

  it.each(['initiator', 'responder'] as const)('throw nothing but ProtocolError at an %s', (role) => {
    const start = fc.constantFrom(Buffer.alloc(0), new KeyAgreement(Buffer.alloc(EXPONENT_BYTES, 9)).publicKey);
    const chunks = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 });
    fc.assert(
      fc.property(start, chunks, (key, garbage) => {
        const { side } = ours(role);
        try {
          for (const chunk of [key, ...garbage]) expect(side.push(Buffer.from(chunk))).toHaveLength(0);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
        expect(side.infoHash).toBeNull();
      }),
      { numRuns: 300 },
    );
  });
});

/** The prime as one number, from its other form: 2^768 - c. */
function dhPrime(): bigint {
  const hex =
    'C90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563';
  return (1n << 768n) - (1n << 704n) + BigInt(`0x${hex}`);
}
