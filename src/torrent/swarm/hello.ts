import { encodeBitfield, encodeHave, encodeHaveAll, encodeHaveNone, encodePort, type Features } from '../wire/index.ts';
import { extensionsMessage } from './extensions.ts';
import type { SessionOwner } from './session-owner.ts';

/** What a peer at `address` is told first: our pieces, our extensions, our DHT node. */
export function firstMessages(owner: SessionOwner, features: Features, address: string): Buffer[] {
  const extensions = features.extended ? extensionsMessage(owner, address) : null;
  const messages = [piecesMessage(owner, features.fast), extensions, portMessage(owner, features)];
  return messages.filter((message) => message !== null);
}

/** What we have, as the first message of a connection (BEP 3, 6); null if nothing need be said. */
function piecesMessage({ source }: SessionOwner, fast: boolean): Buffer | null {
  if (fast && source?.have.full === true) return encodeHaveAll();
  if (source !== null && source.have.count > 0) return encodeBitfield(source.have.bytes);
  return fast ? encodeHaveNone() : null;
}

/** A `have` for each piece, as one buffer. */
export function haveMessages(pieces: Iterable<number>): Buffer {
  return Buffer.concat(Array.from(pieces, (index) => encodeHave(index)));
}

/** Where our DHT node is (BEP 5), for a peer that has one too; null for others. */
function portMessage({ context, isPrivate }: SessionOwner, { dht }: Features): Buffer | null {
  const port = context.dht?.port ?? null;
  return dht && !isPrivate && port !== null ? encodePort(port) : null;
}
