import { BaeError } from '../lib/errors.ts';
import type { Bundle } from './bundle.ts';
import type { RamCache, Segment } from './cache/index.ts';
import type { ChunkSpan, Span } from './chunk/index.ts';
import { zeroViews } from './lease.ts';
import type { OpenChunks } from './open-chunks.ts';
import type { Parts } from './parts.ts';
import type { ReadAhead } from './read-ahead.ts';
import { SEGMENT_BYTES, segmentsOf } from './seal/index.ts';
import type { Segments } from './segments.ts';
import type { TorrentView } from './torrent-view.ts';

/** A chunk may be sealed between two looks; then it is read as such. */
const MAX_LOOKS = 4;

/** What one read is put together from; its segments are leased for the reader. */
export interface Taken {
  readonly views: readonly Buffer[];
  readonly segments: readonly Segment[];
  readonly ownBytes: number;
}

export interface SpanReaderParts {
  readonly segments: Segments;
  readonly readAhead: ReadAhead;
  readonly ram: RamCache;
  readonly open: OpenChunks;
  readonly parts: Parts;
}

/** Reads runs of a torrent's bytes, wherever they lie: in segments of sealed chunks, an open chunk, pieces in the spool. */
export class SpanReader {
  readonly #deps: SpanReaderParts;

  constructor(deps: SpanReaderParts) {
    this.#deps = deps;
  }

  /** Spans that end at `readEnd` in the torrent. Rejects, and nothing is leased, if one cannot be read. */
  async read(torrent: TorrentView, spans: readonly Span[], readEnd: number): Promise<Taken> {
    const works = spans.map((span) => this.#take(torrent, span, readEnd));
    const taken = await this.#all(works, (one) => one.segments);
    return {
      views: taken.flatMap((one) => one.views),
      segments: taken.flatMap((one) => one.segments),
      ownBytes: taken.reduce((sum, one) => sum + one.ownBytes, 0),
    };
  }

  /** A copy, since the buffer of an open chunk is soon used for another. */
  copyOpen(bundle: Bundle, span: ChunkSpan): Buffer | null {
    const chunk = this.#deps.open.get(bundle, span.chunkIndex);
    const end = span.chunkOffset + span.length;
    if (chunk === undefined || !chunk.inBuffer.covers(span.chunkOffset, end)) return null;
    return Buffer.from(chunk.buffer.subarray(span.chunkOffset, end));
  }

  async #take(torrent: TorrentView, span: Span, readEnd: number): Promise<Taken> {
    if (span.bundle === null) return { views: zeroViews(span.length), segments: [], ownBytes: 0 };
    const bundle = torrent.bundle(span.bundle);
    for (let look = 0; look < MAX_LOOKS; look++) {
      if (bundle.isSealed(span.chunkIndex)) return this.#takeSealed(torrent, bundle, span, readEnd);
      const bytes = await this.#readUnsealed(bundle, span);
      if (bytes !== null) return { views: [bytes], segments: [], ownBytes: bytes.length };
    }
    throw new BaeError('missing', 'These bytes are not in the vault.');
  }

  async #takeSealed(torrent: TorrentView, bundle: Bundle, span: ChunkSpan, readEnd: number): Promise<Taken> {
    const { segments: source, readAhead } = this.#deps;
    const { first, end } = segmentsOf(span.chunkOffset, span.length);
    const whole = readAhead.wantsWhole(bundle, span.chunkIndex, first, end);
    const ahead = readAhead.aheadEnd(torrent, span, readEnd);
    const getting = source.get(bundle, span.chunkIndex, first, end, whole, ahead);
    const segments = await this.#all(getting, (segment) => [segment]);
    return { views: segments.map((segment) => cut(segment, span)), segments, ownBytes: 0 };
  }

  /** All of them, or a rejection after the leases of those that came were released. */
  async #all<Result>(
    works: readonly Promise<Result>[],
    leased: (result: Result) => readonly Segment[],
  ): Promise<Result[]> {
    try {
      return await Promise.all(works);
    } catch (error) {
      for (const one of await Promise.allSettled(works)) {
        if (one.status === 'fulfilled') for (const segment of leased(one.value)) this.#deps.ram.release(segment);
      }
      throw error;
    }
  }

  /** From the open chunk's buffer and the parts in the spool; null if the chunk was sealed meanwhile. */
  async #readUnsealed(bundle: Bundle, span: ChunkSpan): Promise<Buffer | null> {
    const copied = this.copyOpen(bundle, span);
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

/** The part of a segment that a span asks for. */
export function cut(segment: Segment, span: ChunkSpan): Buffer {
  const start = segment.index * SEGMENT_BYTES;
  return segment.bytes.subarray(
    Math.max(0, span.chunkOffset - start),
    Math.min(SEGMENT_BYTES, span.chunkOffset + span.length - start),
  );
}
