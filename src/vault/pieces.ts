import { unlessAborted } from '../lib/abort.ts';
import { BaeError } from '../lib/errors.ts';
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
import type { RamCache, Segment } from './cache/index.ts';
import { CHUNK_BYTES, type ChunkSpan, pieceLengthAt, type Span } from './chunk/index.ts';
import { SegmentLease, zeroViews } from './lease.ts';
import type { OpenChunks } from './open-chunks.ts';
import type { Parts } from './parts.ts';
import type { ReadAhead } from './read-ahead.ts';
import { SEGMENT_BYTES, segmentsOf } from './seal/index.ts';
import type { Sealing } from './sealing.ts';
import type { Segments } from './segments.ts';
import type { TorrentView } from './torrent-view.ts';
import type { Torrents } from './torrents.ts';

/** One read at most: a whole piece of the largest kind. */
export const MAX_READ_BYTES = 64 * 1_048_576;
/** Chunks looked at by one `hotPieces`. */
const MAX_HOT_LOOKS = 4_096;
/** A chunk may be sealed between two looks; then it is read as such. */
const MAX_LOOKS = 4;

export interface PiecesParts {
  readonly torrents: Torrents;
  readonly segments: Segments;
  readonly readAhead: ReadAhead;
  readonly ram: RamCache;
  readonly open: OpenChunks;
  readonly parts: Parts;
  readonly sealing: Sealing;
}

/** What one read is put together from. */
interface Taken {
  readonly views: Buffer[];
  readonly segments: Segment[];
  readonly ownBytes: number;
}

/** The engine's PieceStore over the vault. */
export class Pieces implements PieceStore {
  readonly #deps: PiecesParts;

  constructor(deps: PiecesParts) {
    this.#deps = deps;
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
        const bytes = this.#copyOpen(torrent.bundle(span.bundle), span);
        if (bytes === null) return null;
        views.push(bytes);
        ownBytes += bytes.length;
      }
    }
    this.#deps.segments.reads.ram++;
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
    const taking = Promise.all(spans.map((span) => this.#take(torrent, span)));
    const taken = await unlessAborted(taking, options.signal);
    const views = taken.flatMap((one) => one.views);
    const segments = taken.flatMap((one) => one.segments);
    const ownBytes = taken.reduce((sum, one) => sum + one.ownBytes, 0);
    return new SegmentLease(this.#deps.ram, views, segments, ownBytes);
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

  /** A copy, since the buffer of an open chunk is soon used for another. */
  #copyOpen(bundle: Bundle, span: ChunkSpan): Buffer | null {
    const chunk = this.#deps.open.get(bundle, span.chunkIndex);
    const end = span.chunkOffset + span.length;
    if (chunk === undefined || !chunk.inBuffer.covers(span.chunkOffset, end)) return null;
    return Buffer.from(chunk.buffer.subarray(span.chunkOffset, end));
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

  async #take(torrent: TorrentView, span: Span): Promise<Taken> {
    if (span.bundle === null) return { views: zeroViews(span.length), segments: [], ownBytes: 0 };
    const bundle = torrent.bundle(span.bundle);
    for (let look = 0; look < MAX_LOOKS; look++) {
      if (bundle.isSealed(span.chunkIndex)) return this.#takeSealed(bundle, span);
      const bytes = await this.#readUnsealed(bundle, span);
      if (bytes !== null) return { views: [bytes], segments: [], ownBytes: bytes.length };
    }
    throw new BaeError('missing', 'These bytes are not in the vault.');
  }

  async #takeSealed(bundle: Bundle, span: ChunkSpan): Promise<Taken> {
    const { first, end } = segmentsOf(span.chunkOffset, span.length);
    const whole = this.#deps.readAhead.wantsWhole(bundle, span.chunkIndex, first, end);
    const segments = await Promise.all(this.#deps.segments.get(bundle, span.chunkIndex, first, end, whole));
    return { views: segments.map((segment) => cut(segment, span)), segments, ownBytes: 0 };
  }

  /** From the open chunk's buffer and the parts in the spool; null if the chunk was sealed meanwhile. */
  async #readUnsealed(bundle: Bundle, span: ChunkSpan): Promise<Buffer | null> {
    const copied = this.#copyOpen(bundle, span);
    if (copied !== null) return copied;
    const { chunkIndex, chunkOffset, length } = span;
    const bytes = Buffer.allocUnsafeSlow(length);
    const chunk = this.#deps.open.get(bundle, chunkIndex);
    const wanted = bundle.savedRanges(chunkIndex);
    const end = chunkOffset + length;
    if (chunk === undefined) {
      if (!wanted.covers(chunkOffset, end)) return null;
      return this.#load(bundle, chunkIndex, chunkOffset, end, bytes, chunkOffset);
    }
    if (!chunk.filled().covers(chunkOffset, end)) return null;
    chunk.buffer.copy(bytes, 0, chunkOffset, end);
    for (const run of wanted.minus(chunk.inBuffer)) {
      const from = Math.max(run.start, chunkOffset);
      const to = Math.min(run.end, end);
      if (from < to && (await this.#load(bundle, chunkIndex, from, to, bytes, chunkOffset)) === null) return null;
    }
    return bytes;
  }

  /** Null if the parts went because the chunk was sealed. */
  async #load(
    bundle: Bundle,
    chunk: number,
    start: number,
    end: number,
    into: Buffer,
    intoStart: number,
  ): Promise<Buffer | null> {
    try {
      await this.#deps.parts.load(bundle, chunk, start, end, into, intoStart);
      return into;
    } catch (error) {
      if (bundle.isSealed(chunk)) return null;
      throw error;
    }
  }
}

function view(handle: Handle): TorrentView {
  return handle as TorrentView;
}

/** The part of a segment that a span asks for. */
function cut(segment: Segment, span: ChunkSpan): Buffer {
  const start = segment.index * SEGMENT_BYTES;
  return segment.bytes.subarray(
    Math.max(0, span.chunkOffset - start),
    Math.min(SEGMENT_BYTES, span.chunkOffset + span.length - start),
  );
}
