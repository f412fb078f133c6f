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
  decodePex,
  encodeCompactPeers,
  encodeDontHave,
  encodeExtensionHandshake,
  encodeHandshake,
  encodeMessage,
  encodeMetadataData,
  encodeMetadataReject,
  encodeMetadataRequest,
  encodePex,
  HANDSHAKE_BYTES,
  type Handshake,
  HandshakeDecoder,
  type Message,
  MessageDecoder,
  messageSink,
  PEX_PEERS,
  ProtocolError,
} from '../../src/torrent/wire/index.ts';
import type { Target } from './driver.ts';
import { encodable } from './metainfo.ts';
import { buffer, bytes, cut } from './parts.ts';

const isProtocolError = (error: unknown) => error instanceof ProtocolError;
const PIECES = 30;
/** Bytes of an extended message before what its extension says: length, two ids. */
const EXTENDED_HEAD_BYTES = 6;

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

/** What a decoder makes of a stream in these chunks, and the error it ends with. */
function heard(chunks: readonly Buffer[]): { got: Message[]; error: string } {
  const decoder = new MessageDecoder({ pieceCount: PIECES, fast: true, extended: true });
  const got: Message[] = [];
  const sink = messageSink((one) => got.push(one));
  try {
    for (const chunk of chunks) {
      decoder.push(chunk, sink);
      // A chunk is its sender's again after the call: nothing may hang on it.
      chunk.fill(0xee);
    }
    return { got, error: '' };
  } catch (error) {
    if (!isProtocolError(error)) throw error;
    return { got, error: String(error) };
  }
}

function readMessages(input: Buffer): boolean {
  const whole = heard([Buffer.from(input)]);
  // However the network cuts them, they are the same messages, and the same is refused.
  assert.deepEqual(heard(cut(input)), whole);
  for (const one of whole.got) {
    if (one.type === 'have') assert.ok(one.index < PIECES);
    if (one.type === 'piece') assert.ok(one.data.length > 0 && one.data.length <= BLOCK_BYTES);
    assert.deepEqual(heard([encodeMessage(one)]).got, [one]);
  }
  return whole.error === '';
}

function shaken(chunks: readonly Buffer[]): { handshake: Handshake | null; rest: Buffer; error: string } {
  const decoder = new HandshakeDecoder();
  const rest: Buffer[] = [];
  try {
    for (const chunk of chunks) rest.push(decoder.push(chunk));
    return { handshake: decoder.handshake, rest: Buffer.concat(rest), error: '' };
  } catch (error) {
    if (!isProtocolError(error)) throw error;
    return { handshake: null, rest: Buffer.alloc(0), error: String(error) };
  }
}

function readHandshake(input: Buffer): boolean {
  const whole = shaken([input]);
  assert.deepEqual(shaken(cut(input)), whole);
  if (whole.handshake === null) return false;
  assert.equal(whole.rest.length, input.length - HANDSHAKE_BYTES);
  assert.deepEqual(shaken([encodeHandshake(whole.handshake)]).handshake, whole.handshake);
  return true;
}

function readHello(input: Buffer): void {
  const { prefersEncryption: _, messages: all, ...rest } = decodeExtensionHandshake(input);
  // Names are written as UTF-8, and ours are ASCII.
  const messages = new Map([...all].filter(([name]) => /^[\x20-\x7e]*$/.test(name)));
  const hello = { ...rest, messages };
  assert.deepEqual(decodeExtensionHandshake(encodeExtensionHandshake(hello).subarray(EXTENDED_HEAD_BYTES)), hello);
}

function readMetadataMessage(input: Buffer): boolean {
  const found = decodeMetadataMessage(input);
  if (found === null) return false;
  const written =
    found.type === 'data'
      ? encodeMetadataData(1, found.piece, found.totalBytes, found.data)
      : (found.type === 'request' ? encodeMetadataRequest : encodeMetadataReject)(1, found.piece);
  assert.deepEqual(decodeMetadataMessage(written.subarray(EXTENDED_HEAD_BYTES)), found);
  return true;
}

function readPex(input: Buffer): void {
  const found = decodePex(input);
  assert.ok(found.added.length <= PEX_PEERS && found.dropped.length <= PEX_PEERS);
  for (const { port } of [...found.added, ...found.dropped]) assert.ok(port > 0 && port <= 65_535);
  const again = decodePex(encodePex(1, found).subarray(EXTENDED_HEAD_BYTES));
  const named = (all: typeof found) => [
    all.added.map(({ host, port, flags }) => `${host} ${port} ${flags}`).sort(),
    all.dropped.map(({ host, port }) => `${host} ${port}`).sort(),
  ];
  assert.deepEqual(named(again), named(found));
}

function readDontHave(input: Buffer): void {
  const index = decodeDontHave(input, PIECES);
  assert.ok(index < PIECES);
  assert.deepEqual(encodeDontHave(1, index).subarray(EXTENDED_HEAD_BYTES), input);
}

/** IPv4 where the first byte is even, else IPv6. */
function readCompactPeers(input: Buffer): void {
  const [kind = 0] = input;
  const list = input.subarray(1);
  const found = kind % 2 === 0 ? decodeCompactPeers4(list) : decodeCompactPeers6(list);
  assert.ok(found.length <= list.length / (kind % 2 === 0 ? 6 : 18));
  const { ipv4, ipv6 } = encodeCompactPeers(found);
  assert.equal(decodeCompactPeers4(ipv4).length + decodeCompactPeers6(ipv6).length, found.length);
  if (kind % 2 === 0) assert.deepEqual(decodeCompactPeers4(ipv4), found);
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

const pex = fc
  .record({
    added: peers.map(({ ipv4 }) => ipv4),
    added6: peers.map(({ ipv6 }) => ipv6),
    'added.f': bytes(5),
    'added6.f': bytes(5),
    dropped: fc.oneof(
      peers.map(({ ipv4 }) => ipv4),
      bytes(12),
    ),
  })
  .map((one) => encode(one));

export const WIRE: readonly Target[] = (
  [
    { name: 'handshake', drawn: handshake, read: readHandshake },
    { name: 'messages', drawn: messages, read: readMessages },
    { name: 'extension-handshake', drawn: helloPayload, read: readHello },
    { name: 'metadata-message', drawn: metadataPayload, read: readMetadataMessage },
    { name: 'pex', drawn: pex, read: readPex },
    { name: 'dont-have', drawn: fc.nat(40).map(uint32), read: readDontHave },
    {
      name: 'compact-peers',
      drawn: peers.chain(({ ipv4, ipv6 }) =>
        fc.constantFrom(Buffer.concat([Buffer.of(0), ipv4]), Buffer.concat([Buffer.of(1), ipv6])),
      ),
      read: readCompactPeers,
    },
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
