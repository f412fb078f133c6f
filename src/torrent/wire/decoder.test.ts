import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { MAX_PIECES } from '../metainfo/index.ts';
import { type DecoderOptions, MessageDecoder } from './decoder.ts';
import { encodeBitfield, encodeHave, encodeMessage, encodeRequest, pieceHeader } from './encoder.ts';
import { checkBitfield } from './message-length.ts';
import { messageSink } from './message-sink.ts';
import {
  BLOCK_BYTES,
  MAX_EXTENDED_BYTES,
  MAX_UNKNOWN_BYTES,
  MAX_UNKNOWN_MESSAGES,
  MESSAGE_ID,
  type Message,
  ProtocolError,
} from './protocol.ts';

const PIECES = 13;
const ALL: DecoderOptions = { pieceCount: PIECES, fast: true, extended: true };
const ONE_OF_EACH: Message[] = [
  { type: 'keepAlive' },
  { type: 'choke' },
  { type: 'unchoke' },
  { type: 'interested' },
  { type: 'notInterested' },
  { type: 'have', index: 12 },
  { type: 'bitfield', bytes: Buffer.from([0xff, 0xf8]) },
  { type: 'request', index: 1, begin: 16_384, length: 16_384 },
  { type: 'piece', index: 0xffffffff, begin: 0x80000000, data: Buffer.from('a block') },
  { type: 'keepAlive' },
  { type: 'cancel', index: 1, begin: 2, length: 3 },
  { type: 'port', port: 65_535 },
  { type: 'suggest', index: 4 },
  { type: 'haveAll' },
  { type: 'haveNone' },
  { type: 'reject', index: 5, begin: 6, length: 7 },
  { type: 'allowedFast', index: 8 },
  { type: 'extended', id: 3, payload: Buffer.from('d1:ai1ee') },
  { type: 'extended', id: 0, payload: Buffer.alloc(0) },
];

/** What a stream in these chunks is decoded to, and the code it was refused with. */
function decoded(
  chunks: readonly Buffer[],
  options: DecoderOptions = ALL,
): { messages: Message[]; code: string | null } {
  const messages: Message[] = [];
  const decoder = new MessageDecoder(options);
  const sink = messageSink((message) => messages.push(message));
  try {
    for (const chunk of chunks) {
      const reused = Buffer.from(chunk);
      decoder.push(reused, sink);
      reused.fill(0xee);
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { messages, code: error.code };
  }
  return { messages, code: null };
}

function cut(stream: Buffer, size: number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size));
  return chunks;
}

/** Prefix and id only. */
function head(length: number, id: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length);
  bytes[4] = id;
  return bytes;
}

describe('message decoder', () => {
  const stream = Buffer.concat(ONE_OF_EACH.map(encodeMessage));
  const expected = { messages: ONE_OF_EACH, code: null };

  it('reads one of each, however the stream is cut', () => {
    expect(decoded([stream])).toEqual(expected);
    for (let at = 1; at < stream.length; at++) {
      expect(decoded([stream.subarray(0, at), stream.subarray(at)])).toEqual(expected);
    }
    for (let size = 1; size < 40; size++) expect(decoded(cut(stream, size))).toEqual(expected);
  });

  it('has the bytes of the protocol', () => {
    expect(encodeRequest(1, 0x4000, 0x4000).toString('hex')).toBe('0000000d06000000010000400000004000');
    expect(pieceHeader(2, 0x4000, 0x4000).toString('hex')).toBe('00004009070000000200004000');
    expect(encodeHave(258).toString('hex')).toBe('000000050400000102');
    expect(encodeMessage({ type: 'port', port: 6881 }).toString('hex')).toBe('00000003091ae1');
    expect(encodeMessage({ type: 'haveAll' }).toString('hex')).toBe('000000010e');
  });

  it('reads blocks in a row in socket-sized chunks', () => {
    const blocks = Array.from({ length: 20 }, (_, at): Message => {
      return { type: 'piece', index: at, begin: at * BLOCK_BYTES, data: Buffer.alloc(BLOCK_BYTES - (at % 3), at) };
    });
    const bulk = Buffer.concat(blocks.map(encodeMessage));
    for (const size of [65_536, 16_397, 1_448, 100_000]) {
      expect(decoded(cut(bulk, size))).toEqual({ messages: blocks, code: null });
    }
  });

  it('hands over a block that lies whole in a chunk without copying it', () => {
    const chunk = encodeMessage({ type: 'piece', index: 1, begin: 0, data: Buffer.from('block') });
    const seen: Buffer[] = [];
    const sink = {
      ...messageSink(() => undefined),
      onPiece: (_i: number, _b: number, data: Buffer) => seen.push(data),
    };
    new MessageDecoder(ALL).push(chunk, sink);
    expect(seen[0]?.buffer).toBe(chunk.buffer);
    expect(seen[0]?.byteOffset).toBe(chunk.byteOffset + 13);
  });

  it('keeps one buffer for all blocks that span chunks', () => {
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    const bulk = Buffer.alloc(100 * (13 + BLOCK_BYTES));
    for (let at = 0; at < 100; at++) pieceHeader(at, 0, BLOCK_BYTES).copy(bulk, at * (13 + BLOCK_BYTES));
    expect(decoded(cut(bulk, 10_000)).messages).toHaveLength(100);
    expect(allocate).toHaveBeenCalledTimes(1);
    expect(allocate).toHaveBeenCalledWith(8 + BLOCK_BYTES);
    allocate.mockRestore();
  });
});

describe('length limits', () => {
  const exact: [string, number, number][] = [
    ...(['choke', 'unchoke', 'interested', 'notInterested', 'haveAll', 'haveNone'] as const).map(
      (type): [string, number, number] => [type, MESSAGE_ID[type], 1],
    ),
    ...(['have', 'suggest', 'allowedFast'] as const).map((type): [string, number, number] => [
      type,
      MESSAGE_ID[type],
      5,
    ]),
    ...(['request', 'cancel', 'reject'] as const).map((type): [string, number, number] => [type, MESSAGE_ID[type], 13]),
    ['port', MESSAGE_ID.port, 3],
    ['bitfield', MESSAGE_ID.bitfield, 3],
  ];

  it.each(exact)('%s has its one length, judged before its body comes', (_type, id, length) => {
    for (const wrong of [1, length - 1, length + 1, 16_384, 0xffffffff]) {
      if (wrong === length || wrong === 0) continue;
      expect(decoded([head(wrong, id)]).code).toBe('message-length');
      expect(decoded(cut(head(wrong, id), 1)).code).toBe('message-length');
    }
    expect(decoded([head(length, id)]).code).toBeNull();
  });

  it.each([
    ['piece', MESSAGE_ID.piece, 10, 9 + BLOCK_BYTES, ALL],
    ['extended', MESSAGE_ID.extended, 2, MAX_EXTENDED_BYTES, ALL],
    ['bitfield before metadata', MESSAGE_ID.bitfield, 2, 1 + MAX_PIECES / 8, { ...ALL, pieceCount: null }],
  ])('%s has a range', (_type, id, least, most, options) => {
    for (const right of [least, most]) expect(decoded([head(right, id)], options).code).toBeNull();
    for (const wrong of [least - 1, most + 1, 0x80000000]) {
      expect(decoded([head(wrong, id)], options).code).toBe('message-length');
    }
  });

  it('allocates nothing for a refused length and at most the limit for any other', () => {
    const sizes: number[] = [];
    const allocate = vi.spyOn(Buffer, 'allocUnsafe').mockImplementation((size) => {
      sizes.push(size);
      return Buffer.alloc(size);
    });
    for (let id = 0; id < 256; id++) {
      for (const length of [2, 9, 16_393, 65_536, 65_537, 1 << 20, 0xffffffff]) {
        decoded([head(length, id)], { ...ALL, pieceCount: null });
      }
    }
    allocate.mockRestore();
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_EXTENDED_BYTES);
  });

  it('skips unknown messages, at most so long and so many', () => {
    const unknown = Buffer.concat([head(100, 21), Buffer.alloc(99, 20), head(1, 255)]);
    const around = Buffer.concat([encodeHave(1), unknown, encodeHave(2)]);
    for (const size of [1, 2, 7, 64, 1_000]) {
      const messages = [
        { type: 'have', index: 1 },
        { type: 'have', index: 2 },
      ];
      expect(decoded(cut(around, size))).toEqual({ messages, code: null });
    }
    expect(decoded([head(MAX_UNKNOWN_BYTES, 10)]).code).toBeNull();
    expect(decoded([head(MAX_UNKNOWN_BYTES + 1, 10)]).code).toBe('unknown-message');
    const many = new Array<Buffer>(MAX_UNKNOWN_MESSAGES).fill(head(1, 99));
    expect(decoded(many).code).toBeNull();
    expect(decoded([Buffer.concat([...many, head(1, 99)])]).code).toBe('unknown-message');
  });
});

describe('what was agreed on', () => {
  it.each(['suggest', 'haveAll', 'haveNone', 'reject', 'allowedFast'] as const)(
    '%s needs the fast extension',
    (type) => {
      const message = ONE_OF_EACH.find((candidate) => candidate.type === type) as Message;
      expect(decoded([encodeMessage(message)], { ...ALL, fast: false }).code).toBe('not-negotiated');
      expect(decoded([encodeMessage(message)], { ...ALL, extended: false }).messages).toEqual([message]);
    },
  );

  it('extended needs the extension protocol', () => {
    const bytes = encodeMessage({ type: 'extended', id: 0, payload: Buffer.from('de') });
    expect(decoded([bytes], { ...ALL, extended: false }).code).toBe('not-negotiated');
    expect(decoded([bytes], { ...ALL, fast: false }).messages).toHaveLength(1);
  });
});

describe('pieces in range', () => {
  it('refuses a have that no piece has', () => {
    expect(decoded([encodeHave(PIECES)]).code).toBe('index-out-of-range');
    expect(decoded([encodeHave(MAX_PIECES - 1)], { ...ALL, pieceCount: null }).code).toBeNull();
    expect(decoded([encodeHave(MAX_PIECES)], { ...ALL, pieceCount: null }).code).toBe('index-out-of-range');
  });

  it('refuses a bitfield with spare bits', () => {
    expect(decoded([encodeBitfield(Buffer.from([0, 0x04]))]).code).toBe('bitfield-spare-bits');
    expect(decoded([encodeBitfield(Buffer.from([0, 0x01]))], { ...ALL, pieceCount: 16 }).code).toBeNull();
    checkBitfield(Buffer.from([1, 8]), PIECES);
    expect(() => checkBitfield(Buffer.from([1, 4]), PIECES)).toThrow(ProtocolError);
    expect(() => checkBitfield(Buffer.alloc(3), PIECES)).toThrow(ProtocolError);
  });

  it('judges by the piece count from the moment it is told, even in the middle of a bitfield', () => {
    const decoder = new MessageDecoder({ ...ALL, pieceCount: null });
    const sink = messageSink(() => undefined);
    const bitfield = encodeBitfield(Buffer.alloc(100));
    decoder.push(bitfield.subarray(0, 50), sink);
    decoder.setPieceCount(PIECES);
    expect(() => decoder.push(bitfield.subarray(50), sink)).toThrow(ProtocolError);
  });
});

describe('a sink', () => {
  it('can stop the decoder in the middle of a chunk and of a message', () => {
    const two = Buffer.concat([encodeHave(1), encodeHave(2)]);
    for (const size of [4, 9, 12, 18]) {
      const seen: number[] = [];
      const decoder = new MessageDecoder(ALL);
      const onHave = (index: number) => {
        seen.push(index);
        decoder.stop();
      };
      for (const chunk of cut(two, size)) decoder.push(chunk, { ...messageSink(() => undefined), onHave });
      expect(seen).toEqual([1]);
    }
  });

  it('gets its own exception through push', () => {
    const onHave = () => {
      throw new RangeError('mine');
    };
    expect(() => new MessageDecoder(ALL).push(encodeHave(1), { ...messageSink(() => undefined), onHave })).toThrow(
      'mine',
    );
  });
});

describe('hostile streams', () => {
  const small = fc.nat(40);
  const message = fc.oneof(
    fc.constantFrom(...ONE_OF_EACH.map(encodeMessage)),
    fc.tuple(small, fc.nat(25), fc.uint8Array({ maxLength: 60 })).map(([length, id, body]) => {
      return Buffer.concat([head(length, id), body]);
    }),
    fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
  );
  const stream = fc.array(message, { maxLength: 12 }).map((parts) => Buffer.concat(parts));
  const options = fc.record({
    pieceCount: fc.constantFrom(null, PIECES, 8),
    fast: fc.boolean(),
    extended: fc.boolean(),
  });

  it('give the same messages and the same refusal however they are cut, and nothing but ProtocolError', () => {
    fc.assert(
      fc.property(
        stream,
        options,
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (bytes, agreed, sizes) => {
          const chunks: Buffer[] = [];
          for (let at = 0, next = 0; at < bytes.length; next++) {
            const size = sizes[next % sizes.length] as number;
            chunks.push(bytes.subarray(at, at + size));
            at += size;
          }
          expect(decoded(chunks, agreed)).toEqual(decoded([bytes], agreed));
        },
      ),
      { numRuns: 1_500 },
    );
  });
});
