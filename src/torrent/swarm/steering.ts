import { ALLOWED_FAST_COUNT, allowedFastSet, encodeAllowedFast, encodeSuggest } from '../wire/index.ts';
import type { SwarmContext } from './context.ts';
import { SUGGESTIONS } from './limits.ts';
import type { PeerSession } from './session.ts';
import type { UploadSource } from './uploader.ts';

/** Lets a peer that has next to nothing ask for a few pieces while it is choked, so that it has something to trade (BEP 6). */
export function allowFast(session: PeerSession, source: UploadSource, infoHash: Buffer): void {
  const { uploader, pieces } = session;
  if (!session.fast || uploader === null || pieces.pieces === null || pieces.pieces.count >= ALLOWED_FAST_COUNT) return;
  for (const index of allowedFastSet(infoHash, session.connection.remoteAddress, source.info.pieceCount)) {
    if (!source.have.has(index)) continue;
    uploader.allowedFast.add(index);
    session.send(encodeAllowedFast(index));
  }
}

/** Tells peers which pieces are at hand (BEP 6), so that fewer are fetched from far away. */
export function suggestHot(sessions: Iterable<PeerSession>, source: UploadSource, context: SwarmContext): void {
  const hot = context.store.hotPieces(source.handle, SUGGESTIONS);
  for (const session of sessions) {
    if (!session.fast || !session.interested) continue;
    for (const index of hot) if (session.pieces.pieces?.has(index) === false) session.send(encodeSuggest(index));
  }
}
