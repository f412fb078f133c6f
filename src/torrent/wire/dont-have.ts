import { encodeExtended } from './encoder.ts';
import { ProtocolError } from './protocol.ts';

/** Takes back a `have` (BEP 54 `lt_donthave`); `id` is the receiver's own for it. */
export function encodeDontHave(id: number, index: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(index);
  return encodeExtended(id, payload);
}

/**
 * Reads which piece its sender no longer has (BEP 54) from an extended message's payload.
 * @throws ProtocolError `extension` unless it is four bytes, `index-out-of-range` for a piece the torrent does not have
 */
export function decodeDontHave(payload: Buffer, pieceCount: number): number {
  if (payload.length !== 4) throw new ProtocolError('extension', `lt_donthave of ${payload.length} bytes`);
  const index = payload.readUInt32BE(0);
  if (index >= pieceCount) throw new ProtocolError('index-out-of-range', `lt_donthave ${index} of ${pieceCount}`);
  return index;
}
