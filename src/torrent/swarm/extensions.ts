import * as wire from '../wire/index.ts';
import { QUEUED_REQUESTS } from './limits.ts';
import type { PeerSession } from './session.ts';
import type { SessionOwner } from './session-owner.ts';

/** Our ids of the extensions (BEP 10) that peers send us messages of: BEP 9, 11, 54. */
const METADATA_ID = 1;
const DONT_HAVE_ID = 2;
const PEX_ID = 3;
const PRIVATE_EXTENSIONS = new Map([['lt_donthave', DONT_HAVE_ID]]);
const EXTENSIONS = new Map([...PRIVATE_EXTENSIONS, ['ut_metadata', METADATA_ID], ['ut_pex', PEX_ID]]);

/** Our extension handshake (BEP 10) to a peer at `address`. */
export function extensionsMessage({ context, source, isPrivate, uploadOnly }: SessionOwner, address: string): Buffer {
  const listenPort = context.listenPort();
  return wire.encodeExtensionHandshake({
    messages: isPrivate ? PRIVATE_EXTENSIONS : EXTENSIONS,
    client: `bae ${context.version}`,
    requestQueue: QUEUED_REQUESTS,
    uploadOnly,
    yourIp: address,
    ...(listenPort !== null && { listenPort }),
    ...(source !== null && !isPrivate && { metadataSize: source.info.rawInfo.length }),
  });
}

/** Takes in an extended message; one of an extension that we did not name is left alone. @throws ProtocolError */
export function receiveExtended(session: PeerSession, owner: SessionOwner, id: number, payload: Buffer): void {
  if (id === wire.EXTENSION_HANDSHAKE_ID) {
    if (!session.extensionHandshakes.allows(owner.context.clock.monotonic())) {
      session.close('extension handshakes too often');
      return;
    }
    const extensions = wire.decodeExtensionHandshake(payload);
    session.extensions = extensions;
    session.uploadOnly = extensions.uploadOnly ?? session.uploadOnly;
    session.requests.setPeerQueue(extensions.requestQueue);
    if (extensions.yourIp !== undefined) {
      owner.context.ownAddress.heard(session.connection.remoteAddress, extensions.yourIp);
    }
    owner.onExtensions(session);
  } else if (id === METADATA_ID && !owner.isPrivate) {
    const message = wire.decodeMetadataMessage(payload);
    if (message !== null) owner.onMetadata(session, message);
  } else if (id === PEX_ID && !owner.isPrivate) {
    owner.members.exchange.received(session, payload);
  } else if (id === DONT_HAVE_ID && session.pieces.pieces !== null) {
    const index = wire.decodeDontHave(payload, session.pieces.pieces.length);
    if (session.pieces.pieces.delete(index)) owner.onDontHave(session, index);
  }
}

/**
 * Takes back pieces that a peer was told of (BEP 54). One that cannot be told would ask for them again and again: it is let
 * go, and hears the truth when it comes back.
 */
export function takeBack(session: PeerSession, pieces: readonly number[]): void {
  if (session.pieces.full) return;
  const id = session.extensions?.messages.get('lt_donthave') ?? 0;
  if (id === 0) session.close('pieces it was told of are gone');
  else session.send(Buffer.concat(pieces.map((index) => wire.encodeDontHave(id, index))));
}
