// Stream ↔ chunk ↔ piece arithmetic. Pure; offsets and lengths are doubles that hold whole bytes, up to 2^53.
export {
  CHUNK_BYTES,
  chunkContentLength,
  chunkCount,
  chunksOfPiece,
  chunksOfRange,
  type IndexRange,
  pieceCount,
  pieceLengthAt,
  piecesOfChunk,
} from './arithmetic.ts';
export { type ChunkSpan, type Extent, identityMap, PieceMap, type Span, type ZeroSpan } from './piece-map.ts';
