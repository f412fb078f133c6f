import { MAX_PIECES } from '../metainfo/index.ts';
import { BLOCK_BYTES, MAX_EXTENDED_BYTES, MESSAGE_ID, ProtocolError } from './protocol.ts';

/** A piece message's id, index and begin. */
export const PIECE_FIELDS_BYTES = 9;

/** The one length a message of this id may have, id included; 0: judged by a range; -1: no such id. */
const EXACT_LENGTH = new Int8Array(256).fill(-1);
EXACT_LENGTH[MESSAGE_ID.choke] = 1;
EXACT_LENGTH[MESSAGE_ID.unchoke] = 1;
EXACT_LENGTH[MESSAGE_ID.interested] = 1;
EXACT_LENGTH[MESSAGE_ID.notInterested] = 1;
EXACT_LENGTH[MESSAGE_ID.have] = 5;
EXACT_LENGTH[MESSAGE_ID.bitfield] = 0;
EXACT_LENGTH[MESSAGE_ID.request] = 13;
EXACT_LENGTH[MESSAGE_ID.piece] = 0;
EXACT_LENGTH[MESSAGE_ID.cancel] = 13;
EXACT_LENGTH[MESSAGE_ID.port] = 3;
EXACT_LENGTH[MESSAGE_ID.suggest] = 5;
EXACT_LENGTH[MESSAGE_ID.haveAll] = 1;
EXACT_LENGTH[MESSAGE_ID.haveNone] = 1;
EXACT_LENGTH[MESSAGE_ID.reject] = 13;
EXACT_LENGTH[MESSAGE_ID.allowedFast] = 5;
EXACT_LENGTH[MESSAGE_ID.extended] = 0;

/** Whether we know what messages with this id mean. */
export function isKnownId(id: number): boolean {
  return EXACT_LENGTH[id] !== -1;
}

/** Whether a message of a known id may have this length, which counts the id; `pieceCount` is null while not known. */
export function lengthFits(id: number, length: number, pieceCount: number | null): boolean {
  const exact = EXACT_LENGTH[id] as number;
  if (exact > 0) return length === exact;
  if (id === MESSAGE_ID.piece) return length > PIECE_FIELDS_BYTES && length <= PIECE_FIELDS_BYTES + BLOCK_BYTES;
  if (id === MESSAGE_ID.extended) return length >= 2 && length <= MAX_EXTENDED_BYTES;
  if (pieceCount === null) return length >= 2 && length <= 1 + Math.ceil(MAX_PIECES / 8);
  return length === 1 + Math.ceil(pieceCount / 8);
}

/**
 * Judges a bitfield that came before the piece count was known.
 * @throws ProtocolError if its length is wrong or a spare bit is set (BEP 3).
 */
export function checkBitfield(bytes: Uint8Array, pieceCount: number): void {
  if (bytes.length !== Math.ceil(pieceCount / 8)) {
    throw new ProtocolError('message-length', `a bitfield of ${bytes.length} bytes for ${pieceCount} pieces`);
  }
  const spareBits = bytes.length * 8 - pieceCount;
  if (((bytes[bytes.length - 1] as number) & ((1 << spareBits) - 1)) !== 0) {
    throw new ProtocolError('bitfield-spare-bits', 'spare bits of a bitfield are set');
  }
}
