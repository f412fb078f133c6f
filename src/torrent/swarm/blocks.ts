import type { Info } from '../metainfo/index.ts';
import { BLOCK_BYTES } from '../wire/index.ts';

/** More blocks than the longest piece has. */
const BLOCKS_PER_PIECE = 4_096;

/** One number for a block of a torrent: a piece's index and the block's place in it. */
export function blockKey(index: number, block: number): number {
  return index * BLOCKS_PER_PIECE + block;
}

export function pieceOfKey(key: number): number {
  return Math.floor(key / BLOCKS_PER_PIECE);
}

export function blockOfKey(key: number): number {
  return key % BLOCKS_PER_PIECE;
}

/** Bytes of one block: 16 KiB, or less for a piece's last. */
export function blockBytes(info: Info, key: number): number {
  return Math.min(BLOCK_BYTES, info.pieceBytes(pieceOfKey(key)) - blockOfKey(key) * BLOCK_BYTES);
}
