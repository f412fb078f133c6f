import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Encodable, encode, MAX_INFO_BYTES } from '../metainfo/index.ts';
import { MessageDecoder } from './decoder.ts';
import {
  decodeExtensionHandshake,
  decodeMetadataMessage,
  type ExtensionHandshake,
  encodeExtensionHandshake,
  encodeMetadataData,
  encodeMetadataReject,
  encodeMetadataRequest,
  MAX_CLIENT_CHARS,
  MAX_EXTENSIONS,
  METADATA_PIECE_BYTES,
} from './extension.ts';
import { messageSink } from './message-sink.ts';
import { type Message, ProtocolError } from './protocol.ts';

function extended(bytes: Buffer): { id: number; payload: Buffer } {
  const found: Message[] = [];
  new MessageDecoder({ pieceCount: 1, fast: true, extended: true }).push(
    bytes,
    messageSink((message) => found.push(message)),
  );
  const [message] = found;
  if (message?.type !== 'extended') throw new Error('not one extended message');
  return message;
}

describe('extension handshake', () => {
  const full: ExtensionHandshake = {
    messages: new Map([
      ['ut_metadata', 3],
      ['ut_pex', 0],
    ]),
    client: 'bae 0.1.0',
    requestQueue: 2_000,
    listenPort: 6881,
    yourIp: '203.0.113.9',
    uploadOnly: true,
    metadataSize: 31_235,
  };

  it('is read back as it was written', () => {
    const { id, payload } = extended(encodeExtensionHandshake(full));
    expect(id).toBe(0);
    expect(payload.toString('latin1')).toBe(
      'd1:md11:ut_metadatai3e6:ut_pexi0ee13:metadata_sizei31235e1:pi6881e4:reqqi2000e11:upload_onlyi1e1:v9:bae 0.1.0' +
        '6:yourip4:\xcb\x00\x71\x09e',
    );
    expect(decodeExtensionHandshake(payload)).toEqual(full);
    const six = encodeExtensionHandshake({ messages: new Map(), yourIp: '2001:db8::1', uploadOnly: false });
    expect(decodeExtensionHandshake(extended(six).payload)).toEqual({
      messages: new Map(),
      yourIp: '2001:db8::1',
      uploadOnly: false,
    });
    expect(encodeExtensionHandshake({ messages: new Map(), yourIp: 'a name' }).toString()).not.toContain('yourip');
  });

  it('leaves out what is of the wrong kind or range', () => {
    const nothing = { messages: new Map() };
    const odd: Encodable[] = [
      {},
      { m: 5, v: 5, p: 'x', reqq: [], yourip: 'abc', upload_only: 'x', metadata_size: {} },
      { p: 0, reqq: 0, metadata_size: 0 },
      { p: 65_536, reqq: -1, metadata_size: MAX_INFO_BYTES + 1 },
      { m: { a: 256, b: -1, c: 'x', d: 2n ** 63n } },
    ];
    for (const value of odd) expect(decodeExtensionHandshake(encode(value))).toEqual(nothing);
    expect(decodeExtensionHandshake(encode({ metadata_size: MAX_INFO_BYTES })).metadataSize).toBe(MAX_INFO_BYTES);
  });

  it('keeps no more than the limits', () => {
    const m = Object.fromEntries(Array.from({ length: MAX_EXTENSIONS + 1 }, (_, at) => [`x${at}`, 1]));
    const read = decodeExtensionHandshake(encode({ m, v: '\x1b'.repeat(MAX_CLIENT_CHARS + 1) }));
    expect(read.messages.size).toBe(MAX_EXTENSIONS);
    expect(read.client).toBe('\ufffd'.repeat(MAX_CLIENT_CHARS));
    expect(() => decodeExtensionHandshake(encode({ m: new Array<number>(1_000).fill(1) }))).toThrow(ProtocolError);
    expect(() => decodeExtensionHandshake(Buffer.from('l'.repeat(9) + 'e'.repeat(9)))).toThrow(ProtocolError);
  });

  it('throws nothing but ProtocolError', () => {
    for (const bad of ['', 'le', 'i1e', 'd', 'dex', '5:abc']) {
      expect(() => decodeExtensionHandshake(Buffer.from(bad))).toThrow(ProtocolError);
    }
  });
});

describe('ut_metadata', () => {
  it('reads back what it writes', () => {
    const { id, payload } = extended(encodeMetadataRequest(7, 3));
    expect([id, payload.toString()]).toEqual([7, 'd8:msg_typei0e5:piecei3ee']);
    expect(decodeMetadataMessage(payload)).toEqual({ type: 'request', piece: 3 });
    expect(decodeMetadataMessage(extended(encodeMetadataReject(7, 3)).payload)).toEqual({ type: 'reject', piece: 3 });
    const data = Buffer.alloc(METADATA_PIECE_BYTES, 'x');
    const first = extended(encodeMetadataData(7, 0, data.length + 5, data));
    expect(decodeMetadataMessage(first.payload)).toEqual({ type: 'data', piece: 0, totalBytes: data.length + 5, data });
    const last = extended(encodeMetadataData(7, 1, data.length + 5, Buffer.from('12345')));
    expect(decodeMetadataMessage(last.payload)).toMatchObject({ piece: 1, data: Buffer.from('12345') });
  });

  it('ignores types it does not know', () => {
    expect(decodeMetadataMessage(encode({ msg_type: 3 }))).toBeNull();
    expect(decodeMetadataMessage(encode({ msg_type: -1 }))).toBeNull();
  });

  const bytes = (value: Encodable, data = '') => Buffer.concat([encode(value), Buffer.from(data)]);
  it.each([
    ['no dictionary', bytes([])],
    ['no type', bytes({ piece: 0 })],
    ['no piece', bytes({ msg_type: 0 })],
    ['a negative piece', bytes({ msg_type: 0, piece: -1 })],
    ['a piece beyond 10 MiB', bytes({ msg_type: 0, piece: 640 })],
    ['data without size', bytes({ msg_type: 1, piece: 0 }, 'x')],
    ['data too short', bytes({ msg_type: 1, piece: 0, total_size: 2 }, 'x')],
    ['data too long', bytes({ msg_type: 1, piece: 0, total_size: 2 }, 'xxx')],
    ['data behind the end', bytes({ msg_type: 1, piece: 1, total_size: 16_384 })],
    ['data far behind the end', bytes({ msg_type: 1, piece: 9, total_size: 16_384 })],
    ['a size of nothing', bytes({ msg_type: 1, piece: 0, total_size: 0 })],
    ['a size over 10 MiB', bytes({ msg_type: 1, piece: 0, total_size: MAX_INFO_BYTES + 1 }, 'x')],
  ])('refuses %s', (_name, payload) => expect(() => decodeMetadataMessage(payload)).toThrow(ProtocolError));

  it('throws nothing but ProtocolError', () => {
    const parts = fc.constantFrom(
      'd',
      'e',
      'l',
      '8:msg_type',
      'i0e',
      'i1e',
      'i2e',
      '5:piece',
      '10:total_size',
      'i5e',
      'x',
    );
    const payload = fc.array(parts, { maxLength: 12 }).map((found) => Buffer.from(found.join('')));
    fc.assert(
      fc.property(payload, (input) => {
        for (const read of [decodeMetadataMessage, decodeExtensionHandshake]) {
          try {
            read(input);
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
