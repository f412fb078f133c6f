import { encodeBitfield, encodeExtensionHandshake, encodeHaveAll, encodeHaveNone } from '../wire/index.ts';
import { QUEUED_REQUESTS } from './limits.ts';
import type { SessionOwner } from './session-owner.ts';

/** Our id of ut_metadata (BEP 9), which peers send it under. */
export const METADATA_EXTENSION = 1;
const EXTENSIONS = new Map([['ut_metadata', METADATA_EXTENSION]]);
const NO_EXTENSIONS = new Map<string, number>();

/** What we have, as the first message of a connection (BEP 3, 6); null if nothing need be said. */
export function piecesMessage({ source }: SessionOwner, fast: boolean): Buffer | null {
  if (fast && source?.have.full === true) return encodeHaveAll();
  if (source !== null && source.have.count > 0) return encodeBitfield(source.have.bytes);
  return fast ? encodeHaveNone() : null;
}

/** Our extension handshake (BEP 10) to a peer at `address`. */
export function extensionsMessage({ context, source, isPrivate, uploadOnly }: SessionOwner, address: string): Buffer {
  const listenPort = context.listenPort();
  return encodeExtensionHandshake({
    messages: isPrivate ? NO_EXTENSIONS : EXTENSIONS,
    client: `bae ${context.version}`,
    requestQueue: QUEUED_REQUESTS,
    uploadOnly,
    yourIp: address,
    ...(listenPort !== null && { listenPort }),
    ...(source !== null && !isPrivate && { metadataSize: source.info.rawInfo.length }),
  });
}
