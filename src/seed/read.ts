import { BaeError } from '../lib/errors.ts';
import type { PieceStore } from '../torrent/ports.ts';
import { readBytes } from '../vault/index.ts';
import type { StoredRow } from './rows.ts';

/**
 * One piece out of the store, wherever it lies, as a Buffer of its own.
 * @throws BaeError `bad-input` for a piece the torrent does not have; else as the store says
 */
export async function readPiece(store: PieceStore, torrent: StoredRow, pieceIndex: number): Promise<Buffer> {
  const { pieceLength, pieceCount, totalLength } = torrent;
  if (!Number.isInteger(pieceIndex) || pieceIndex < 0 || pieceIndex >= pieceCount) {
    throw new BaeError('bad-input', `Torrent t${torrent.id} has pieces 0 to ${pieceCount - 1}.`);
  }
  const start = pieceIndex * pieceLength;
  const handle = await store.open(torrent);
  try {
    return await readBytes(store, handle, start, Math.min(pieceLength, totalLength - start));
  } finally {
    store.close(handle);
  }
}
