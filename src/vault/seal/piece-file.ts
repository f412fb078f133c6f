import { bundleBinding } from './chunk-object.ts';
import { type EnvelopeKey, openEnvelope, sealEnvelope } from './envelope.ts';
import { DEFAULT_SUITE } from './layout.ts';

/** Which run of a bundle's stream waits in the spool; `number` is the caller's (a piece's index), fixed for the run. */
export interface PieceIds {
  readonly bundleKey: Uint8Array;
  readonly libraryId: Uint8Array;
  readonly bundleId: Uint8Array;
  readonly number: number;
}

export interface SealPiece extends PieceIds {
  /** 24 random bytes that no other object has. */
  readonly salt: Uint8Array;
  readonly plaintext: Uint8Array;
}

/** Seals a piece whose chunk cannot close yet, for the local spool: as long as the piece and a little, never uploaded. */
export function sealPiece(job: SealPiece): Buffer {
  const header = { suite: DEFAULT_SUITE, salt: job.salt };
  return sealEnvelope(pieceEnvelope(job), header, job.plaintext);
}

/** Opens what `sealPiece` made: the plaintext alone, no padding; `corrupt` with a sealReason else. */
export function openPiece(sealed: Uint8Array, ids: PieceIds): Buffer {
  return openEnvelope(pieceEnvelope(ids), sealed);
}

function pieceEnvelope(ids: PieceIds): EnvelopeKey {
  return { kind: 'piece', key: ids.bundleKey, binding: bundleBinding(ids.libraryId, ids.bundleId, ids.number) };
}
