import { encodeBitfield, encodeHave, encodeHaveAll, encodeHaveNone } from '../wire/index.ts';
import type { SessionOwner } from './session-owner.ts';

/** What we have, as the first message of a connection (BEP 3, 6); null if nothing need be said. */
export function piecesMessage({ source }: SessionOwner, fast: boolean): Buffer | null {
  if (fast && source?.have.full === true) return encodeHaveAll();
  if (source !== null && source.have.count > 0) return encodeBitfield(source.have.bytes);
  return fast ? encodeHaveNone() : null;
}

/** A `have` for each piece, as one buffer. */
export function haveMessages(pieces: Iterable<number>): Buffer {
  return Buffer.concat(Array.from(pieces, (index) => encodeHave(index)));
}
