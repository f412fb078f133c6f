import { freeMemory } from '../../lib/memory.ts';
import { MAX_PIECES } from '../metainfo/index.ts';
import { checkBitfield, isKnownId, lengthFits, PIECE_FIELDS_BYTES } from './message-length.ts';
import {
  BLOCK_BYTES,
  MAX_UNKNOWN_BYTES,
  MAX_UNKNOWN_MESSAGES,
  MESSAGE_ID,
  type MessageSink,
  ProtocolError,
} from './protocol.ts';

const PREFIX_BYTES = 4;
const EMPTY = Buffer.alloc(0);

/** What both sides' handshakes agreed on, and the torrent's size. */
export interface DecoderOptions {
  /** Pieces of the torrent; null while its metadata is not known (BEP 9). */
  readonly pieceCount: number | null;
  /** Both sides speak BEP 6. */
  readonly fast: boolean;
  /** Both sides speak BEP 10. */
  readonly extended: boolean;
}

/**
 * Cuts a peer's byte stream, as it comes after the handshake, into messages. A message's length is judged, exactly per
 * type, as soon as its prefix and id are there, so a peer can make us hold no more than one message within its limit.
 *
 * A message that lies whole in one chunk is handed over where it lies; only one that spans chunks is copied, into a
 * buffer of its exact size (the one for blocks is kept, since blocks come in rows). No object is made per message.
 *
 * An unknown id is skipped unread if it is at most MAX_UNKNOWN_BYTES long, MAX_UNKNOWN_MESSAGES times: a newer
 * protocol's extra message costs us nothing.
 */
export class MessageDecoder {
  /** Messages handed over so far. */
  messages = 0;
  #pieceCount: number | null;
  readonly #fast: boolean;
  readonly #extended: boolean;
  /** Prefix and id of a message that is still coming; no length: the next byte starts a message. */
  readonly #head = new Uint8Array(PREFIX_BYTES + 1);
  #headLength = 0;
  /** The body (without id) of a message that is still coming, and how much of it is there. */
  #body: Buffer = EMPTY;
  #bodyLength = 0;
  /** Kept for the next block that spans chunks; empty until there was one. */
  #blockBuffer: Buffer = EMPTY;
  #skipBytes = 0;
  #unknownCount = 0;
  #stopped = false;

  constructor(options: DecoderOptions) {
    this.#pieceCount = options.pieceCount;
    this.#fast = options.fast;
    this.#extended = options.extended;
  }

  /** Tells the number of pieces when metadata came from peers; from then on lengths and indices are judged by it. */
  setPieceCount(pieceCount: number): void {
    this.#pieceCount = pieceCount;
  }

  /** Ends a running `push` after the message being handed over, and makes every later one do nothing. */
  stop(): void {
    this.#stopped = true;
    this.#body = EMPTY;
    this.#blockBuffer = EMPTY;
  }

  /**
   * Takes the next bytes of the stream and calls the sink for every message that is complete. The chunk may be used
   * again by the caller afterwards.
   * @throws ProtocolError at the first message that breaks the protocol; nothing may be pushed after that.
   */
  push(chunk: Buffer, sink: MessageSink): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#skipBytes > 0) {
        const skipped = Math.min(this.#skipBytes, chunk.length - at);
        this.#skipBytes -= skipped;
        at += skipped;
      } else if (this.#headLength === 0) {
        at = this.#whole(chunk, at, sink);
      } else {
        at = this.#rest(chunk, at, sink);
      }
    }
  }

  /** Hands over messages that lie whole in the chunk; keeps the beginning of one that does not. */
  #whole(chunk: Buffer, start: number, sink: MessageSink): number {
    let at = start;
    while (chunk.length - at > PREFIX_BYTES) {
      const length = readUint32(chunk, at);
      if (length === 0) {
        at += PREFIX_BYTES;
        this.messages++;
        sink.onKeepAlive();
      } else {
        const id = chunk[at + PREFIX_BYTES] as number;
        this.#judge(id, length);
        const bodyStart = at + PREFIX_BYTES + 1;
        if (this.#skipBytes > 0) return bodyStart;
        const end = bodyStart + length - 1;
        if (end > chunk.length) return this.#begin(id, length - 1, chunk, bodyStart);
        at = end;
        this.#handOver(id, chunk, bodyStart, end, sink);
      }
      if (this.#stopped) return at;
    }
    return this.#takeHead(chunk, at, sink);
  }

  /** Goes on with a message of which the prefix, the id or a part of the body came before. */
  #rest(chunk: Buffer, start: number, sink: MessageSink): number {
    if (this.#headLength <= PREFIX_BYTES) return this.#takeHead(chunk, start, sink);
    const taken = chunk.copy(this.#body, this.#bodyLength, start);
    this.#bodyLength += taken;
    if (this.#bodyLength === this.#body.length) this.#finish(sink);
    return start + taken;
  }

  /** Collects prefix and id byte by byte; a keep-alive is complete with its prefix. */
  #takeHead(chunk: Buffer, start: number, sink: MessageSink): number {
    let at = start;
    const head = this.#head;
    while (at < chunk.length) {
      head[this.#headLength++] = chunk[at++] as number;
      if (this.#headLength < PREFIX_BYTES) continue;
      const length = readUint32(head, 0);
      if (length === 0) {
        this.#headLength = 0;
        this.messages++;
        sink.onKeepAlive();
        return at;
      }
      if (this.#headLength === PREFIX_BYTES) continue;
      const id = head[PREFIX_BYTES] as number;
      this.#judge(id, length);
      this.#headLength = 0;
      if (this.#skipBytes > 0) return at;
      if (length === 1) this.#handOver(id, EMPTY, 0, 0, sink);
      else this.#begin(id, length - 1, EMPTY, 0);
      return at;
    }
    return at;
  }

  /** Makes room for a body and takes what the chunk has of it. */
  #begin(id: number, bodyLength: number, chunk: Buffer, start: number): number {
    this.#head[PREFIX_BYTES] = id;
    this.#headLength = PREFIX_BYTES + 1;
    this.#body = this.#room(id, bodyLength);
    this.#bodyLength = chunk.copy(this.#body, 0, start);
    return start + this.#bodyLength;
  }

  #room(id: number, bodyLength: number): Buffer {
    if (id !== MESSAGE_ID.piece) return Buffer.allocUnsafe(bodyLength);
    if (this.#blockBuffer.length === 0)
      this.#blockBuffer = Buffer.allocUnsafeSlow(PIECE_FIELDS_BYTES - 1 + BLOCK_BYTES);
    return this.#blockBuffer.subarray(0, bodyLength);
  }

  #finish(sink: MessageSink): void {
    const body = this.#body;
    const id = this.#head[PREFIX_BYTES] as number;
    this.#body = EMPTY;
    this.#bodyLength = 0;
    this.#headLength = 0;
    this.#handOver(id, body, 0, body.length, sink);
    if (id !== MESSAGE_ID.piece) freeMemory(body);
  }

  /** Refuses what this id may not be; starts skipping for an unknown id. `length` counts the id. */
  #judge(id: number, length: number): void {
    if (!isKnownId(id)) {
      this.#unknown(id, length);
      return;
    }
    if (!lengthFits(id, length, this.#pieceCount)) {
      throw new ProtocolError('message-length', `message ${id} with ${length} bytes`);
    }
    if (id >= MESSAGE_ID.suggest && !(id === MESSAGE_ID.extended ? this.#extended : this.#fast)) {
      throw new ProtocolError('not-negotiated', `message ${id} was not agreed on`);
    }
  }

  #unknown(id: number, length: number): void {
    this.#unknownCount++;
    if (length > MAX_UNKNOWN_BYTES || this.#unknownCount > MAX_UNKNOWN_MESSAGES) {
      throw new ProtocolError('unknown-message', `message ${id} with ${length} bytes`);
    }
    this.#skipBytes = length - 1;
  }

  #handOver(id: number, from: Buffer, start: number, end: number, sink: MessageSink): void {
    this.messages++;
    switch (id) {
      case MESSAGE_ID.request:
        sink.onRequest(readUint32(from, start), readUint32(from, start + 4), readUint32(from, start + 8));
        break;
      case MESSAGE_ID.piece:
        sink.onPiece(readUint32(from, start), readUint32(from, start + 4), from.subarray(start + 8, end));
        break;
      case MESSAGE_ID.have:
        sink.onHave(this.#haveIndex(readUint32(from, start)));
        break;
      case MESSAGE_ID.cancel:
        sink.onCancel(readUint32(from, start), readUint32(from, start + 4), readUint32(from, start + 8));
        break;
      case MESSAGE_ID.reject:
        sink.onReject(readUint32(from, start), readUint32(from, start + 4), readUint32(from, start + 8));
        break;
      case MESSAGE_ID.bitfield:
        sink.onBitfield(this.#bitfield(from.subarray(start, end)));
        break;
      case MESSAGE_ID.extended:
        sink.onExtended(from[start] as number, from.subarray(start + 1, end));
        break;
      default:
        handOverSmall(id, from, start, sink);
    }
  }

  #haveIndex(index: number): number {
    if (index >= (this.#pieceCount ?? MAX_PIECES)) {
      throw new ProtocolError('index-out-of-range', `have ${index} of ${this.#pieceCount ?? 'an unknown number'}`);
    }
    return index;
  }

  #bitfield(bytes: Buffer): Buffer {
    if (this.#pieceCount !== null) checkBitfield(bytes, this.#pieceCount);
    return bytes;
  }
}

/** The messages that come once in a while. */
function handOverSmall(id: number, from: Buffer, start: number, sink: MessageSink): void {
  switch (id) {
    case MESSAGE_ID.choke:
      sink.onChoke();
      break;
    case MESSAGE_ID.unchoke:
      sink.onUnchoke();
      break;
    case MESSAGE_ID.interested:
      sink.onInterested();
      break;
    case MESSAGE_ID.notInterested:
      sink.onNotInterested();
      break;
    case MESSAGE_ID.port:
      sink.onPort(from.readUInt16BE(start));
      break;
    case MESSAGE_ID.suggest:
      sink.onSuggest(readUint32(from, start));
      break;
    case MESSAGE_ID.haveAll:
      sink.onHaveAll();
      break;
    case MESSAGE_ID.haveNone:
      sink.onHaveNone();
      break;
    case MESSAGE_ID.allowedFast:
      sink.onAllowedFast(readUint32(from, start));
      break;
  }
}

/** Four bytes, high one first, without the argument checks of Buffer's own method. */
function readUint32(from: Uint8Array, at: number): number {
  return (
    (((from[at] as number) << 24) |
      ((from[at + 1] as number) << 16) |
      ((from[at + 2] as number) << 8) |
      (from[at + 3] as number)) >>>
    0
  );
}
