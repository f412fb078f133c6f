import { Bitfield } from '../lib/bitfield.ts';
import type { Handle, LossHandler, StoredTorrent } from '../torrent/ports.ts';
import { type Bundle, type BundleListener, SPOOLED, STORED } from './bundle.ts';
import { CHUNK_BYTES, type PieceMap, pieceCount, type Span } from './chunk/index.ts';
import type { OpenChunks } from './open-chunks.ts';

/** An open torrent: its piece map, its bundles and which of its pieces can be read. */
export class TorrentView implements Handle, BundleListener {
  readonly torrent: StoredTorrent;
  readonly unitBytes = CHUNK_BYTES;
  readonly map: PieceMap;
  readonly bundles: ReadonlyMap<number, Bundle>;
  readonly have: Bitfield;
  readonly lossHandlers = new Set<LossHandler>();
  /** Pieces being taken in, by index. */
  readonly writes = new Map<number, Promise<void>>();
  /** How often it is open. */
  opened = 0;
  readonly #open: OpenChunks;
  readonly #unitsEach: () => number;

  constructor(
    torrent: StoredTorrent,
    map: PieceMap,
    bundles: ReadonlyMap<number, Bundle>,
    open: OpenChunks,
    unitsEach: () => number,
  ) {
    this.torrent = torrent;
    this.map = map;
    this.bundles = bundles;
    this.#open = open;
    this.#unitsEach = unitsEach;
    this.have = new Bitfield(pieceCount(torrent.totalLength, torrent.pieceLength));
    this.#fillHave();
    for (const bundle of bundles.values()) bundle.listeners.add(this);
  }

  get maxOpenUnits(): number {
    return this.#unitsEach();
  }

  get isWriting(): boolean {
    for (const bundle of this.bundles.values()) if (bundle.state === 'importing') return true;
    return false;
  }

  bundle(id: number): Bundle {
    return this.bundles.get(id) as Bundle;
  }

  /** Whether a run of the torrent's bytes can be read. */
  isReadable(span: Span): boolean {
    if (span.bundle === null) return true;
    const bundle = this.bundle(span.bundle);
    if (bundle.isSealed(span.chunkIndex)) return true;
    const filled = this.#open.get(bundle, span.chunkIndex)?.filled() ?? bundle.savedRanges(span.chunkIndex);
    return filled.covers(span.chunkOffset, span.chunkOffset + span.length);
  }

  // The listener's part: looks again at the pieces of a chunk.

  lost(bundle: Bundle, chunkIndex: number): void {
    const gone = this.#piecesOf(bundle, chunkIndex).filter((piece) => this.have.has(piece) && !this.#isWhole(piece));
    for (const piece of gone) this.have.delete(piece);
    if (gone.length > 0) for (const handler of [...this.lossHandlers]) handler.lost(gone);
  }

  found(bundle: Bundle, chunkIndex: number): void {
    const back = this.#piecesOf(bundle, chunkIndex).filter((piece) => !this.have.has(piece) && this.#isWhole(piece));
    for (const piece of back) this.have.add(piece);
    if (back.length > 0) for (const handler of [...this.lossHandlers]) handler.found(back);
  }

  close(): void {
    for (const bundle of this.bundles.values()) bundle.listeners.delete(this);
  }

  #piecesOf(bundle: Bundle, chunkIndex: number): number[] {
    return this.map
      .piecesOfChunk(bundle.id, chunkIndex, this.torrent.pieceLength)
      .flatMap(({ first, end }) => Array.from({ length: end - first }, (_, at) => first + at));
  }

  #fillHave(): void {
    const sealed = (bundle: Bundle) => bundle.count(SPOOLED) + bundle.count(STORED) === bundle.chunkCount;
    if ([...this.bundles.values()].every(sealed)) {
      this.have.fill();
      return;
    }
    for (let piece = 0; piece < this.have.length; piece++) if (this.#isWhole(piece)) this.have.add(piece);
  }

  #isWhole(piece: number): boolean {
    return this.map.locatePiece(piece, this.torrent.pieceLength).every((span) => this.isReadable(span));
  }
}
