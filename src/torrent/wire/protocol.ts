import type { BencodeLimits } from '../metainfo/index.ts';

/** Why a peer's bytes were refused; sessions count these. */
export type ProtocolErrorCode =
  | 'handshake'
  | 'mse'
  | 'message-length'
  | 'unknown-message'
  | 'not-negotiated'
  | 'index-out-of-range'
  | 'bitfield-spare-bits'
  | 'extension'
  | 'compact-peers';

/** A peer broke the protocol: its session is closed and the code counted. Never shown to people. */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string) {
    super(message);
    this.name = 'ProtocolError';
    this.code = code;
  }
}

/** Message ids: BEP 3 (0–8), BEP 5 (9), BEP 6 (13–17), BEP 10 (20). */
export const MESSAGE_ID = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
} as const;

/** The largest block, in bytes: what we ask for, and the most we take or serve at once. */
export const BLOCK_BYTES = 16_384;
/** Bytes of an extended message with its two ids (BEP 10), at most. */
export const MAX_EXTENDED_BYTES = 65_536;
/** Bytes of a message whose id we do not know; it is skipped unread. */
export const MAX_UNKNOWN_BYTES = 16_384;
/** Messages with unknown ids one connection may send. */
export const MAX_UNKNOWN_MESSAGES = 64;
/** What the bencoded part of an extended message may hold. */
export const EXTENDED_LIMITS: BencodeLimits = { maxBytes: MAX_EXTENDED_BYTES, maxDepth: 8, maxTokens: 1_000 };

/** A message after the handshake. `data`, `bytes` and `payload` of a decoded one are its own copies. */
export type Message =
  | { readonly type: 'keepAlive' | 'choke' | 'unchoke' | 'interested' | 'notInterested' | 'haveAll' | 'haveNone' }
  | { readonly type: 'have' | 'suggest' | 'allowedFast'; readonly index: number }
  | { readonly type: 'bitfield'; readonly bytes: Buffer }
  | {
      readonly type: 'request' | 'cancel' | 'reject';
      readonly index: number;
      readonly begin: number;
      readonly length: number;
    }
  | { readonly type: 'piece'; readonly index: number; readonly begin: number; readonly data: Buffer }
  | { readonly type: 'port'; readonly port: number }
  | { readonly type: 'extended'; readonly id: number; readonly payload: Buffer };

/**
 * Where a decoder hands over messages, in their order, while `push` runs. Every Buffer is a view that is only valid
 * during the call. A sink may throw: the exception leaves `push`, and the decoder is then of no more use.
 */
export interface MessageSink {
  onKeepAlive(): void;
  onChoke(): void;
  onUnchoke(): void;
  onInterested(): void;
  onNotInterested(): void;
  /** `index` is within the piece count, once that is known. */
  onHave(index: number): void;
  /** One bit a piece, spare bits zero; exactly the right length once the piece count is known. */
  onBitfield(bytes: Buffer): void;
  /** Not judged: any 32-bit numbers. */
  onRequest(index: number, begin: number, length: number): void;
  /** 1 to BLOCK_BYTES bytes; index and begin are not judged. */
  onPiece(index: number, begin: number, data: Buffer): void;
  /** Not judged. */
  onCancel(index: number, begin: number, length: number): void;
  /** The peer's DHT port (BEP 5). */
  onPort(port: number): void;
  /** Not judged. */
  onSuggest(index: number): void;
  onHaveAll(): void;
  onHaveNone(): void;
  /** Not judged. */
  onReject(index: number, begin: number, length: number): void;
  /** Not judged. */
  onAllowedFast(index: number): void;
  /** BEP 10: id 0 is the extension handshake, others are of our own handshake. */
  onExtended(id: number, payload: Buffer): void;
}
