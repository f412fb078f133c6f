// The parsers of torrent/wire: the handshake, messages, and what extension messages hold.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Encodable, encode } from '../../src/torrent/metainfo/index.ts';
import {
  addressBytes,
  addressText,
  BLOCK_BYTES,
  decodeCompactPeers4,
  decodeCompactPeers6,
  decodeDontHave,
  decodeExtensionHandshake,
  decodeMetadataMessage,
  encodeCompactPeers,
  encodeExtensionHandshake,
  encodeHandshake,
  encodeMessage,
  encodeMetadataData,
  encodeMetadataReject,
  encodeMetadataRequest,
  HANDSHAKE_BYTES,
  HandshakeDecoder,
  type Message,
  MessageDecoder,
  messageSink,
  ProtocolError,
} from '../../src/torrent/wire/index.ts';
import type { Target } from './driver.ts';
import { encodable } from './metainfo.ts';

const isProtocolError = (error: unknown) => error instanceof ProtocolError;
const PIECES = 30;
/** Bytes of an extended message before what its extension says: length, two ids. */
const EXTENDED_HEAD_BYTES = 6;

const buffer = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes));
const number = fc.oneof(fc.nat(40), fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 16_384, 16_385));
const port = fc.nat(65_535);

const handshake = fc
  .record({
    infoHash: buffer(20),
    peerId: buffer(20),
    features: fc.record({ extended: fc.boolean(), fast: fc.boolean(), dht: fc.boolean() }),
  })
  .map(encodeHandshake);

const hello = fc.record({
  messages: fc.array(fc.tuple(fc.constantFrom('ut_metadata', 'ut_pex', 'x'), fc.nat(255))).map((all) => new Map(all)),
  client: fc.string({ maxLength: 100 }),
  requestQueue: number,
  listenPort: port,
  yourIp: fc.oneof(fc.ipV4(), fc.ipV6()),
  uploadOnly: fc.boolean(),
  metadataSize: number,
});
const helloPayload = fc.oneof(
  hello.map((one) => encodeExtensionHandshake(one).subarray(EXTENDED_HEAD_BYTES)),
  fc
    .dictionary(fc.constantFrom('m', 'p', 'v', 'reqq', 'yourip', 'upload_only', 'metadata_size'), encodable)
    .map((one) => encode(one as Encodable)),
);
const metadataPayload = fc
  .oneof(
    fc.nat(700).map((piece) => encodeMetadataRequest(1, piece)),
    fc.nat(700).map((piece) => encodeMetadataReject(1, piece)),
    fc.nat(100).chain((length) => buffer(length).map((data) => encodeMetadataData(1, 0, length, data))),
  )
  .map((message) => message.subarray(EXTENDED_HEAD_BYTES));

const message: fc.Arbitrary<Message> = fc.oneof(
  fc
    .constantFrom('keepAlive', 'choke', 'unchoke', 'interested', 'notInterested', 'haveAll', 'haveNone')
    .map((type): Message => ({ type }) as Message),
  fc
    .tuple(fc.constantFrom('have', 'suggest', 'allowedFast'), number)
    .map(([type, index]): Message => ({ type, index })),
  fc
    .tuple(fc.constantFrom('request', 'cancel', 'reject'), number, number, number)
    .map(([type, index, begin, length]) => {
      return { type, index, begin, length } as Message;
    }),
  fc
    .nat(5)
    .chain((length) => buffer(length))
    .map((bytes): Message => ({ type: 'bitfield', bytes })),
  fc.tuple(number, number, fc.constantFrom(0, 1, 100, BLOCK_BYTES, BLOCK_BYTES + 1)).map(([index, begin, length]) => {
    return { type: 'piece', index, begin, data: Buffer.alloc(length, 3) } as Message;
  }),
  port.map((one): Message => ({ type: 'port', port: one })),
  fc.tuple(fc.nat(255), fc.oneof(helloPayload, metadataPayload)).map(([id, payload]) => {
    return { type: 'extended', id, payload } as Message;
  }),
);
const messages = fc.array(message, { maxLength: 8 }).map((all) => Buffer.concat(all.map(encodeMessage)));

/** What a decoder makes of bytes that come in chunks of a length, and the error it ends with. */
function heard(input: Buffer, chunkBytes: number): { got: Message[]; error: string } {
  const decoder = new MessageDecoder({ pieceCount: PIECES, fast: true, extended: true });
  const got: Message[] = [];
  const sink = messageSink((one) => got.push(one));
  try {
    for (let at = 0; at < input.length; at += chunkBytes) decoder.push(input.subarray(at, at + chunkBytes), sink);
    return { got, error: '' };
  } catch (error) {
    if (!isProtocolError(error)) throw error;
    return { got, error: String(error) };
  }
}

function readMessages(input: Buffer): boolean {
  const whole = heard(input, Math.max(1, input.length));
  // However the network cuts them, they are the same messages, and the same is refused.
  assert.deepEqual(heard(input, 1 + (input[0] ?? 0)), whole);
  for (const one of whole.got) {
    if (one.type === 'have') assert.ok(one.index < PIECES);
    if (one.type === 'piece') assert.ok(one.data.length > 0 && one.data.length <= BLOCK_BYTES);
  }
  return whole.error === '';
}

function readHandshake(input: Buffer): boolean {
  const decoder = new HandshakeDecoder();
  const at = input.length === 0 ? 0 : (input[input.length - 1] ?? 0) % input.length;
  const first = decoder.push(input.subarray(0, at));
  const rest = decoder.push(input.subarray(at));
  assert.equal(first.length + rest.length, Math.max(0, input.length - HANDSHAKE_BYTES));
  return decoder.handshake !== null;
}

function readAddress(input: Buffer): boolean {
  const found = addressBytes(input.toString());
  if (found === null) return false;
  assert.deepEqual(addressBytes(addressText(found) ?? ''), found);
  return true;
}

const peers = fc
  .array(fc.record({ host: fc.oneof(fc.ipV4(), fc.ipV6()), port }), { maxLength: 5 })
  .map(encodeCompactPeers);

export const WIRE: readonly Target[] = (
  [
    { name: 'handshake', drawn: handshake, read: readHandshake },
    { name: 'messages', drawn: messages, read: readMessages },
    { name: 'extension-handshake', drawn: helloPayload, read: decodeExtensionHandshake },
    { name: 'metadata-message', drawn: metadataPayload, read: (input) => decodeMetadataMessage(input) ?? false },
    { name: 'dont-have', drawn: fc.nat(40).map(uint32), read: (input) => decodeDontHave(input, PIECES) },
    { name: 'compact-peers', drawn: peers.map(({ ipv4 }) => ipv4), read: decodeCompactPeers4 },
    { name: 'compact-peers-6', drawn: peers.map(({ ipv6 }) => ipv6), read: decodeCompactPeers6 },
    {
      name: 'address',
      drawn: fc.oneof(fc.ipV4(), fc.ipV6()).map((one) => Buffer.from(one)),
      read: readAddress,
    },
  ] satisfies Omit<Target, 'isRefusal'>[]
).map((target) => ({ ...target, isRefusal: isProtocolError }));

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
