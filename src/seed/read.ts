import { BaeError } from '../lib/errors.ts';
import type { PieceStore } from '../torrent/ports.ts';
import type { StoredRow } from './rows.ts';

/** Bytes leased at a time, so that a piece of 64 MiB does not pin as much of the RAM cache. */
export const READ_BYTES = 1024 * 1024;

/**
 * One piece out of the store, wherever it lies, as a Buffer of its own.
 * @throws BaeError `bad-input` for a piece the torrent does not have; else as the store says
 */
export async function readPiece(store: PieceStore, torrent: StoredRow, pieceIndex: number): Promise<Buffer> {
  const { pieceLength, pieceCount, totalLength } = torrent;
  if (!Number.isInteger(pieceIndex) || pieceIndex < 0 || pieceIndex >= pieceCount) {
    throw new BaeError('bad-input', `torrent t${torrent.id} has pieces 0 to ${pieceCount - 1}`);
  }
  const start = pieceIndex * pieceLength;
  const piece = Buffer.allocUnsafe(Math.min(pieceLength, totalLength - start));
  const handle = await store.open(torrent);
  try {
    for (let at = 0; at < piece.length; at += READ_BYTES) {
      const lease = await store.read(handle, start + at, Math.min(READ_BYTES, piece.length - at));
      let to = at;
      for (const view of lease.views) to += view.copy(piece, to);
      lease.release();
    }
  } finally {
    store.close(handle);
  }
  return piece;
}
