import { unlessAborted } from '../lib/abort.ts';
import type {
  ByteRange,
  Handle,
  Lease,
  LossHandler,
  PieceStore,
  ReadOptions,
  StoredTorrent,
  Tier,
} from '../torrent/ports.ts';
import type { Bundle } from './bundle.ts';
import type { Segment } from './cache/index.ts';
import { CHUNK_BYTES, type ChunkSpan, pieceLengthAt } from './chunk/index.ts';
import type { Egress } from './egress.ts';
import { SegmentLease, zeroViews } from './lease.ts';
import { segmentsOf } from './seal/index.ts';
import type { Sealing } from './sealing.ts';
import { cut, SpanReader, type SpanReaderParts } from './span-reader.ts';
import type { TorrentView } from './torrent-view.ts';
import type { Torrents } from './torrents.ts';

/** One read at most: a whole piece of the largest kind. */
export const MAX_READ_BYTES = 64 * 1_048_576;
/** Chunks looked at by one `hotPieces`. */
const MAX_HOT_LOOKS = 4_096;

export interface PiecesParts extends SpanReaderParts {
  readonly torrents: Torrents;
  readonly sealing: Sealing;
  readonly egress: Egress;
}

/** The engine's PieceStore over the vault. */
export class Pieces implements PieceStore {
  readonly #deps: PiecesParts;
  readonly #reader: SpanReader;

  constructor(deps: PiecesParts) {
    this.#deps = deps;
    this.#reader = new SpanReader(deps);
  }

  open(torrent: StoredTorrent): Promise<Handle> {
    return this.#deps.torrents.open(torrent);
  }

  close(handle: Handle): void {
    this.#deps.torrents.close(view(handle));
  }

  have(handle: Handle) {
    return view(handle).have;
  }

  onLost(handle: Handle, handler: LossHandler): () => void {
    const { lossHandlers } = view(handle);
    lossHandlers.add(handler);
    return () => lossHandlers.delete(handler);
  }

  tryRead(handle: Handle, offset: number, length: number): Lease | null {
    const torrent = view(handle);
    const views: Buffer[] = [];
    const segments: Segment[] = [];
    let ownBytes = 0;
    for (const span of torrent.map.locate(offset, length)) {
      if (span.bundle === null) views.push(...zeroViews(span.length));
      else if (!this.#takeSegments(span, views, segments)) {
        const bytes = this.#reader.copyOpen(torrent.bundle(span.bundle), span);
        if (bytes === null) return null;
        views.push(bytes);
        ownBytes += bytes.length;
      }
    }
    this.#deps.segments.reads.ram++;
    for (const segment of segments) this.#deps.ram.lease(segment);
    return new SegmentLease(this.#deps.ram, views, segments, ownBytes);
  }

  tier(handle: Handle, offset: number, length: number): Tier {
    const torrent = view(handle);
    let worst: Tier = 'ram';
    for (const span of torrent.map.locate(offset, length)) {
      const tier = span.bundle === null ? 'ram' : this.#tierOf(torrent.bundle(span.bundle), span);
      if (tier === 'remote') return tier;
      if (tier === 'disk') worst = tier;
    }
    return worst;
  }

  async read(handle: Handle, offset: number, length: number, options: ReadOptions = {}): Promise<Lease> {
    if (length > MAX_READ_BYTES) throw new RangeError(`a read of ${length} bytes`);
    const torrent = view(handle);
    const spans = torrent.map.locate(offset, length);
    const taking = this.#reader
      .read(torrent, spans, offset + length)
      .then(({ views, segments, ownBytes }) => new SegmentLease(this.#deps.ram, views, segments, ownBytes));
    return unlessAborted(taking, options.signal, (lease) => lease.release());
  }

  mayFetch(): boolean {
    return this.#deps.egress.mayFetch;
  }

  prefetch(handle: Handle, ranges: readonly ByteRange[]): void {
    this.#deps.readAhead.prefetch(view(handle), ranges);
  }

  hotPieces(handle: Handle, max: number): number[] {
    const torrent = view(handle);
    const { pieceLength, totalLength } = torrent.torrent;
    const hot: number[] = [];
    let looks = 0;
    for (let piece = 0; piece < torrent.have.length && hot.length < max && looks < MAX_HOT_LOOKS; piece++) {
      looks += Math.ceil(pieceLength / CHUNK_BYTES);
      if (!torrent.have.has(piece)) continue;
      const length = pieceLengthAt(piece, pieceLength, totalLength);
      if (this.tier(handle, piece * pieceLength, length) !== 'remote') hot.push(piece);
    }
    return hot;
  }

  writePiece(handle: Handle, index: number, data: Buffer): Promise<void> {
    const torrent = view(handle);
    const { pieceLength, totalLength } = torrent.torrent;
    if (data.length !== pieceLengthAt(index, pieceLength, totalLength)) {
      return Promise.reject(new RangeError(`piece ${index} with ${data.length} bytes`));
    }
    if (torrent.have.has(index)) return Promise.resolve();
    let write = torrent.writes.get(index);
    if (write === undefined) {
      write = this.#write(torrent, index, data).finally(() => torrent.writes.delete(index));
      torrent.writes.set(index, write);
    }
    return write;
  }

  hasRoom(handle: Handle): boolean {
    return !view(handle).isWriting || this.#deps.sealing.hasRoom;
  }

  onRoom(handle: Handle, room: () => void): () => void {
    const torrent = view(handle);
    return this.#deps.sealing.onRoom(() => {
      if (torrent.isWriting) room();
    });
  }

  async #write(torrent: TorrentView, index: number, data: Buffer): Promise<void> {
    let at = 0;
    for (const span of torrent.map.locatePiece(index, torrent.torrent.pieceLength)) {
      const bytes = data.subarray(at, at + span.length);
      at += span.length;
      if (span.bundle === null) continue;
      const bundle = torrent.bundle(span.bundle);
      if (bundle.isSealed(span.chunkIndex)) continue;
      this.#deps.torrents.assertWritable(bundle);
      const chunk = await this.#deps.open.acquire(bundle, span.chunkIndex);
      if (chunk !== null) this.#deps.open.put(chunk, span.chunkOffset, bytes);
    }
    torrent.have.add(index);
  }

  /** Adds the views of a span whose segments are all in RAM; false, and nothing added, if one is not. */
  #takeSegments(span: ChunkSpan, views: Buffer[], segments: Segment[]): boolean {
    const { first, end } = segmentsOf(span.chunkOffset, span.length);
    const before = segments.length;
    for (let at = first; at < end; at++) {
      const segment = this.#deps.ram.tryGet(span.bundle, span.chunkIndex, at);
      if (segment === null) {
        segments.length = before;
        return false;
      }
      segments.push(segment);
    }
    for (let at = first; at < end; at++) views.push(cut(segments[before + at - first] as Segment, span));
    return true;
  }

  #tierOf(bundle: Bundle, span: ChunkSpan): Tier {
    if (!bundle.isSealed(span.chunkIndex)) {
      const chunk = this.#deps.open.get(bundle, span.chunkIndex);
      return chunk?.inBuffer.covers(span.chunkOffset, span.chunkOffset + span.length) === true ? 'ram' : 'disk';
    }
    const { first, end } = segmentsOf(span.chunkOffset, span.length);
    let worst: Tier = 'ram';
    for (let at = first; at < end; at++) {
      const tier = this.#deps.segments.tier(bundle, span.chunkIndex, at);
      if (tier !== 'ram') worst = tier;
    }
    return worst;
  }
}

function view(handle: Handle): TorrentView {
  return handle as TorrentView;
}
