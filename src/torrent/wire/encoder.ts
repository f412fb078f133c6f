import { MESSAGE_ID, type Message } from './protocol.ts';

/** Bytes of a piece message before its data. */
export const PIECE_HEADER_BYTES = 13;
/** Bytes of a request, cancel or reject message. */
export const REQUEST_BYTES = 17;

/** A block of a torrent: `length` bytes from `begin` in piece `index`. */
export interface BlockRange {
  readonly index: number;
  readonly begin: number;
  readonly length: number;
}

/** The four zero bytes that only say we are here (BEP 3). */
export function encodeKeepAlive(): Buffer {
  return Buffer.alloc(4);
}

export function encodeChoke(): Buffer {
  return plain(MESSAGE_ID.choke);
}

export function encodeUnchoke(): Buffer {
  return plain(MESSAGE_ID.unchoke);
}

export function encodeInterested(): Buffer {
  return plain(MESSAGE_ID.interested);
}

export function encodeNotInterested(): Buffer {
  return plain(MESSAGE_ID.notInterested);
}

/** BEP 6. */
export function encodeHaveAll(): Buffer {
  return plain(MESSAGE_ID.haveAll);
}

/** BEP 6. */
export function encodeHaveNone(): Buffer {
  return plain(MESSAGE_ID.haveNone);
}

export function encodeHave(index: number): Buffer {
  return withIndex(MESSAGE_ID.have, index);
}

/** BEP 6. */
export function encodeSuggest(index: number): Buffer {
  return withIndex(MESSAGE_ID.suggest, index);
}

/** BEP 6. */
export function encodeAllowedFast(index: number): Buffer {
  return withIndex(MESSAGE_ID.allowedFast, index);
}

/** `bytes` as `Bitfield.bytes` has them: one bit a piece, the first in the high bit. */
export function encodeBitfield(bytes: Uint8Array): Buffer {
  return withBody(MESSAGE_ID.bitfield, bytes);
}

/** Our DHT port (BEP 5). */
export function encodePort(port: number): Buffer {
  const bytes = Buffer.alloc(7);
  bytes[3] = 3;
  bytes[4] = MESSAGE_ID.port;
  bytes.writeUInt16BE(port, 5);
  return bytes;
}

export function encodeRequest(index: number, begin: number, length: number): Buffer {
  return withBlock(MESSAGE_ID.request, index, begin, length);
}

export function encodeCancel(index: number, begin: number, length: number): Buffer {
  return withBlock(MESSAGE_ID.cancel, index, begin, length);
}

/** BEP 6. */
export function encodeReject(index: number, begin: number, length: number): Buffer {
  return withBlock(MESSAGE_ID.reject, index, begin, length);
}

/** Many requests as one buffer to be written at once. */
export function encodeRequests(blocks: readonly BlockRange[]): Buffer {
  const bytes = Buffer.allocUnsafe(blocks.length * REQUEST_BYTES);
  let at = 0;
  for (const block of blocks) {
    at = writeBlockMessage(bytes, at, MESSAGE_ID.request, block.index, block.begin, block.length);
  }
  return bytes;
}

/** The 13 bytes that go before a block's data. */
export function pieceHeader(index: number, begin: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(PIECE_HEADER_BYTES);
  writePieceHeader(bytes, 0, index, begin, length);
  return bytes;
}

/** Writes a piece message's header at an offset and returns the offset behind it: one slab serves many blocks. */
export function writePieceHeader(
  target: Uint8Array,
  offset: number,
  index: number,
  begin: number,
  length: number,
): number {
  writeUint32(target, offset, length + 9);
  target[offset + 4] = MESSAGE_ID.piece;
  writeUint32(target, offset + 5, index);
  writeUint32(target, offset + 9, begin);
  return offset + PIECE_HEADER_BYTES;
}

/** An extended message (BEP 10); `id` 0 is the handshake, others are the receiver's own ids. */
export function encodeExtended(id: number, ...payload: readonly Uint8Array[]): Buffer {
  return withBody(MESSAGE_ID.extended, Buffer.of(id), ...payload);
}

/** Any message whole; `piece` with a copy of its data. The upload path writes headers and views instead. */
export function encodeMessage(message: Message): Buffer {
  switch (message.type) {
    case 'keepAlive':
      return encodeKeepAlive();
    case 'have':
    case 'suggest':
    case 'allowedFast':
      return withIndex(MESSAGE_ID[message.type], message.index);
    case 'request':
    case 'cancel':
    case 'reject':
      return withBlock(MESSAGE_ID[message.type], message.index, message.begin, message.length);
    case 'bitfield':
      return encodeBitfield(message.bytes);
    case 'piece':
      return Buffer.concat([pieceHeader(message.index, message.begin, message.data.length), message.data]);
    case 'port':
      return encodePort(message.port);
    case 'extended':
      return encodeExtended(message.id, message.payload);
    default:
      return plain(MESSAGE_ID[message.type]);
  }
}

function plain(id: number): Buffer {
  return Buffer.of(0, 0, 0, 1, id);
}

function withIndex(id: number, index: number): Buffer {
  const bytes = Buffer.of(0, 0, 0, 5, id, 0, 0, 0, 0);
  writeUint32(bytes, 5, index);
  return bytes;
}

function withBlock(id: number, index: number, begin: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(REQUEST_BYTES);
  writeBlockMessage(bytes, 0, id, index, begin, length);
  return bytes;
}

function withBody(id: number, ...parts: readonly Uint8Array[]): Buffer {
  const head = Buffer.allocUnsafe(5);
  writeUint32(
    head,
    0,
    parts.reduce((sum, part) => sum + part.length, 1),
  );
  head[4] = id;
  return Buffer.concat([head, ...parts]);
}

function writeBlockMessage(
  target: Uint8Array,
  offset: number,
  id: number,
  index: number,
  begin: number,
  length: number,
): number {
  writeUint32(target, offset, 13);
  target[offset + 4] = id;
  writeUint32(target, offset + 5, index);
  writeUint32(target, offset + 9, begin);
  writeUint32(target, offset + 13, length);
  return offset + REQUEST_BYTES;
}

function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}
