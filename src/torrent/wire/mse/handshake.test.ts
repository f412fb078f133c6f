import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../../lib/random.ts';
import { ProtocolError } from '../protocol.ts';
import { MSE_METHODS } from './exchange.ts';
import { MseHandshake } from './handshake.ts';

interface Vector {
  readonly name: string;
  readonly provide: number;
  readonly select: number;
  readonly padC: number;
  readonly padD: number;
  readonly infoHash: string;
  readonly exponentA: string;
  readonly exponentB: string;
  readonly padA: string;
  readonly padB: string;
  readonly initialPayload: string;
  readonly laterA: string;
  readonly laterB: string;
  readonly fromA: [string, string, string];
  readonly fromB: [string, string, string];
}

const { connections } = JSON.parse(
  readFileSync(new URL('../../../../test/mse/vectors.json', import.meta.url), 'utf8'),
) as { connections: Vector[] };
const BOTH = MSE_METHODS.plaintext | MSE_METHODS.rc4;
const INFO_HASH = Buffer.alloc(20, 0x5a);
const bytes = (hex: string) => Buffer.from(hex, 'hex');
const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 30 });

/** Gives a vector's exponent, then its padding. */
function played(exponent: string, padding: string): Random {
  const parts = [bytes(exponent), bytes(padding)];
  return { bytes: () => parts.shift() as Buffer, int: () => padding.length / 2 };
}

/** Pushes a stream cut into pieces of these sizes; returns the payload that came of it. */
function pushCut(side: MseHandshake, stream: Buffer, sizes: readonly number[]): Buffer {
  const payload: Buffer[] = [];
  let at = 0;
  for (const size of [...sizes, stream.length]) {
    payload.push(Buffer.from(side.push(Buffer.from(stream.subarray(at, at + size)))));
    at += size;
  }
  return Buffer.concat(payload);
}

/** One side that keeps what it sends. */
function initiator(methods: number, random: Random, infoHash = INFO_HASH, initialPayload = Buffer.from('hello')) {
  const sent: Buffer[] = [];
  const send = (part: Buffer) => sent.push(part);
  return { sent, side: MseHandshake.initiate({ methods, random, infoHash, initialPayload, send }) };
}

function responder(methods: number, random: Random, infoHash: Buffer | null = INFO_HASH) {
  const sent: Buffer[] = [];
  const looked: Buffer[] = [];
  const find = (obfuscated: Buffer) => {
    looked.push(Buffer.from(obfuscated));
    return infoHash;
  };
  return { sent, looked, side: MseHandshake.respond({ methods, random, find, send: (part) => sent.push(part) }) };
}

describe.each(connections)('the second implementation, $name', (vector) => {
  const encrypts = vector.select === MSE_METHODS.rc4;

  it('is understood as the one who dialled', () => {
    fc.assert(
      fc.property(cuts, (sizes) => {
        const random = played(vector.exponentA, vector.padA);
        const { sent, side } = initiator(vector.provide, random, bytes(vector.infoHash), bytes(vector.initialPayload));
        expect(pushCut(side, bytes(vector.fromB.join('')), sizes).toString('hex')).toBe(vector.laterB);
        // Our own PadC has no bytes: from there on the vector with one is another stream.
        if (vector.padC === 0) expect(sent.map((part) => part.toString('hex'))).toEqual(vector.fromA.slice(0, 2));
        expect([side.isSettled, side.infoHash?.toString('hex')]).toEqual([true, vector.infoHash]);
        const later = bytes(vector.laterA);
        if (vector.padC === 0)
          expect((side.streams?.encrypt.apply(later) ?? later).toString('hex')).toBe(vector.fromA[2]);
        expect(side.streams !== null).toBe(encrypts);
      }),
      { numRuns: 20, examples: [[[]], [Array.from({ length: 1_400 }, () => 1)]] },
    );
  });

  it('is understood as the one who was dialled', () => {
    fc.assert(
      fc.property(cuts, (sizes) => {
        const random = played(vector.exponentB, vector.padB);
        const { sent, side } = responder(vector.select, random, bytes(vector.infoHash));
        const payload = pushCut(side, bytes(vector.fromA.join('')), sizes);
        expect(payload.toString('hex')).toBe(vector.initialPayload + vector.laterA);
        if (vector.padD === 0) expect(sent.map((part) => part.toString('hex'))).toEqual(vector.fromB.slice(0, 2));
        const later = bytes(vector.laterB);
        if (vector.padD === 0)
          expect((side.streams?.encrypt.apply(later) ?? later).toString('hex')).toBe(vector.fromB[2]);
        expect([side.isSettled, side.streams !== null]).toEqual([true, encrypts]);
      }),
      { numRuns: 20, examples: [[[]], [Array.from({ length: 3_000 }, () => 1)]] },
    );
  });
});

it('throws nothing but ProtocolError when one byte is another', () => {
  const change = fc.record({
    vector: fc.constantFrom(...connections),
    at: fc.nat(),
    mask: fc.integer({ min: 1, max: 255 }),
  });
  fc.assert(
    fc.property(change, fc.boolean(), cuts, ({ vector, at, mask }, dialled, sizes) => {
      const stream = bytes((dialled ? vector.fromA : vector.fromB).join(''));
      stream[at % stream.length] = (stream[at % stream.length] as number) ^ mask;
      const infoHash = bytes(vector.infoHash);
      const { side } = dialled
        ? responder(vector.select, played(vector.exponentB, vector.padB), infoHash)
        : initiator(vector.provide, played(vector.exponentA, vector.padA), infoHash, bytes(vector.initialPayload));
      try {
        pushCut(side, stream, sizes);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }),
    { numRuns: 500 },
  );
});

/** Lets two sides talk until both are silent; returns what each got as payload. */
function talk(a: ReturnType<typeof initiator>, b: ReturnType<typeof responder>): [string, string] {
  const got: [string, string] = ['', ''];
  while (a.sent.length + b.sent.length > 0) {
    for (const part of a.sent.splice(0)) got[1] += b.side.push(part).toString();
    for (const part of b.sent.splice(0)) got[0] += a.side.push(part).toString();
  }
  return got;
}

describe('what both sides allow', () => {
  it.each([
    [BOTH, BOTH, MSE_METHODS.plaintext],
    [BOTH, MSE_METHODS.rc4, MSE_METHODS.rc4],
    [MSE_METHODS.rc4, BOTH, MSE_METHODS.rc4],
    [MSE_METHODS.plaintext, BOTH, MSE_METHODS.plaintext],
    [0xffff_fffc | MSE_METHODS.rc4, BOTH, MSE_METHODS.rc4],
  ])('offered %i, allowed %i: %i', (offered, allowed, method) => {
    const [a, b] = [initiator(offered >>> 0, seededRandom(1)), responder(allowed, seededRandom(2))];
    expect(talk(a, b)).toEqual(['', 'hello']);
    expect([a.side.isSettled, b.side.isSettled]).toEqual([true, true]);
    expect([a.side.streams !== null, b.side.streams !== null]).toEqual(Array(2).fill(method === MSE_METHODS.rc4));
  });

  it.each([
    [MSE_METHODS.rc4, MSE_METHODS.plaintext],
    [MSE_METHODS.plaintext, MSE_METHODS.rc4],
    [0, BOTH],
    [4, BOTH],
  ])('offered %i, allowed %i: nothing', (offered, allowed) => {
    const [a, b] = [initiator(offered, seededRandom(1)), responder(allowed, seededRandom(2))];
    expect(() => talk(a, b)).toThrow(ProtocolError);
  });

  it('is for a torrent that is there, looked up once', () => {
    const b = responder(BOTH, seededRandom(2));
    talk(initiator(BOTH, seededRandom(1)), b);
    expect([b.looked.length, b.side.infoHash]).toEqual([1, INFO_HASH]);
    const none = responder(BOTH, seededRandom(2), null);
    expect(() => talk(initiator(BOTH, seededRandom(1)), none)).toThrow(new ProtocolError('mse', 'unknown info-hash'));
    expect(none.looked).toEqual(b.looked);
  });

  it('is not agreed on for another torrent than the one who dialled means', () => {
    const b = responder(BOTH, seededRandom(2), Buffer.alloc(20, 1));
    expect(() => talk(initiator(BOTH, seededRandom(1)), b)).toThrow(ProtocolError);
  });
});
