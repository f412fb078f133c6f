import { blockKey } from './blocks.ts';
import { ENDGAME_REQUESTS } from './limits.ts';
import type { PartialPiece } from './partial-piece.ts';
import type { PeerSession } from './session.ts';

/** Whom there was too little to ask of, snubbed ones last: they get what no other takes. */
export function* starved(sessions: Iterable<PeerSession>): Generator<PeerSession> {
  const waiting = [...sessions].filter(({ requests }) => requests.starved);
  for (const session of waiting) if (!session.requests.snubbed) yield session;
  for (const session of waiting) if (session.requests.snubbed) yield session;
}

/** Which pieces a peer may be asked for now, of those it has. */
export function mayAskFor({ requests, choking }: PeerSession, isAlone: (index: number) => boolean, now: number) {
  return (index: number): boolean =>
    (!choking || requests.allowedFast.has(index)) &&
    (requests.refused.size === 0 || !requests.refused.has(index)) &&
    (now >= requests.loneAt || !isAlone(index));
}

/** Blocks that others owe and a peer could send as well. */
export function* owedByOthers(
  partials: Iterable<PartialPiece>,
  { requests }: PeerSession,
  may: (partial: PartialPiece) => boolean,
): Generator<[PartialPiece, number]> {
  for (const partial of partials) {
    if (requests.refused.has(partial.index) || !may(partial)) continue;
    for (let block = 0; block < partial.blockCount; block++) {
      if (partial.has(block) || partial.askedOf(block) >= ENDGAME_REQUESTS) continue;
      if (!requests.inFlight.has(blockKey(partial.index, block))) yield [partial, block];
    }
  }
}
