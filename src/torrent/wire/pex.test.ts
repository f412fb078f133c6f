import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Encodable, encode } from '../metainfo/index.ts';
import { decodePex, encodePex, PEX_FLAGS, PEX_PEERS, type PexPeer } from './pex.ts';
import { ProtocolError } from './protocol.ts';

/** A message without the length, the message id and the extension's id. */
const payloadOf = (bytes: Buffer) => bytes.subarray(6);
const decoded = (dictionary: Record<string, Encodable>) => decodePex(Buffer.from(encode(dictionary)));

const many = (count: number, host: (at: number) => string): PexPeer[] =>
  Array.from({ length: count }, (_, at) => ({ host: host(at), port: at + 1, flags: at % 32 }));

describe('peer exchange messages', () => {
  it('are written as BEP 11 says', () => {
    const added = [
      { host: '203.0.113.9', port: 6881, flags: PEX_FLAGS.seed | PEX_FLAGS.reachable },
      { host: '2001:db8::1', port: 258, flags: PEX_FLAGS.prefersEncryption },
    ];
    const bytes = encodePex(7, { added, dropped: [{ host: '198.51.100.1', port: 1 }] });
    expect(bytes.readUInt32BE(0)).toBe(bytes.length - 4);
    expect([...bytes.subarray(4, 6)]).toEqual([20, 7]);
    expect(payloadOf(bytes).toString('latin1')).toBe(
      'd5:added6:\xcb\x00\x71\x09\x1a\xe17:added.f1:\x126:added618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\x02' +
        '8:added6.f1:\x017:dropped6:\xc6\x33\x64\x01\x00\x018:dropped60:e',
    );
    expect(decodePex(payloadOf(bytes))).toEqual({ added, dropped: [{ host: '198.51.100.1', port: 1 }] });
  });

  it('hold at most 50 peers that came and 50 that went, of both families together', () => {
    const mixed = many(2 * PEX_PEERS, (at) => (at % 2 === 0 ? `20.0.0.${at}` : `2001:db8::${at.toString(16)}`));
    const { added, dropped } = decodePex(payloadOf(encodePex(1, { added: mixed, dropped: mixed })));
    expect(added.length).toBe(PEX_PEERS);
    expect(dropped.length).toBe(PEX_PEERS);
    const [four] = many(1, () => '20.0.0.1');
    const bytes = Buffer.concat(Array.from({ length: 4_500 }, () => Buffer.from([20, 0, 0, 1, 0, 1])));
    const flood = decoded({ added: bytes, added6: Buffer.alloc(18 * 300, 1), dropped: bytes });
    expect(flood.added.length).toBe(PEX_PEERS);
    expect(flood.added[0]).toEqual(four);
    expect(flood.dropped.length).toBe(PEX_PEERS);
  });

  it('keep flags with their peers where some are left out or have none', () => {
    const two = Buffer.from([20, 0, 0, 1, 0, 0, 20, 0, 0, 2, 0, 9]);
    expect(decoded({ added: two, 'added.f': Buffer.from([1, 2]) }).added).toEqual([
      { host: '20.0.0.2', port: 9, flags: 2 },
    ]);
    expect(decoded({ added: two, 'added.f': Buffer.from([1]) }).added).toEqual([
      { host: '20.0.0.2', port: 9, flags: 0 },
    ]);
    expect(decoded({ added: two }).added.length).toBe(1);
  });

  it.each(['added', 'added6', 'dropped', 'dropped6'])('are refused with half an address in %s', (key) => {
    expect(() => decoded({ [key]: Buffer.alloc(17, 1) })).toThrow(ProtocolError);
  });

  it.each<[string, Encodable]>([
    ['a number', 5],
    ['a list', [1]],
    ['a dictionary', {}],
  ])('are as if a key were not there that is %s', (_, value) => {
    for (const key of ['added', 'added.f', 'added6', 'added6.f', 'dropped', 'dropped6']) {
      expect(decoded({ [key]: value })).toEqual({ added: [], dropped: [] });
    }
  });

  it.each(['', 'i1e', 'le', '4:spam', 'd5:added', 'd5:added999:xe', `${'d1:a'.repeat(100)}`, 'de!'])(
    'are refused when they are %j',
    (text) => {
      expect(() => decodePex(Buffer.from(text))).toThrow(ProtocolError);
    },
  );

  it('throw nothing but ProtocolError, whatever comes', () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
    const value = fc.oneof(bytes, fc.integer(), fc.constant([]), fc.constant({}));
    const keys = fc.constantFrom('added', 'added.f', 'added6', 'added6.f', 'dropped', 'dropped6', 'x');
    const near = fc.dictionary(keys, value).map((dictionary) => Buffer.from(encode(dictionary as never)));
    fc.assert(
      fc.property(fc.oneof(bytes, near), (payload) => {
        try {
          const { added, dropped } = decodePex(payload);
          expect(added.length).toBeLessThanOrEqual(PEX_PEERS);
          expect(dropped.length).toBeLessThanOrEqual(PEX_PEERS);
          for (const { host, port } of [...added, ...dropped]) expect(host !== '' && port > 0).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
