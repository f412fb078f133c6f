import type { Clock } from '../lib/clock.ts';
import type { ByteRange } from '../torrent/ports.ts';
import { Budget } from './budget.ts';
import type { Bundle } from './bundle.ts';
import { CHUNK_BYTES, type ChunkSpan } from './chunk/index.ts';
import { SEGMENT_BYTES, SEGMENTS_PER_CHUNK, segmentsOf } from './seal/index.ts';
import type { Segments } from './segments.ts';
import type { TorrentView } from './torrent-view.ts';

/** Bytes being prefetched at a time; a hint beyond that is dropped. */
export const MAX_PREFETCH_BYTES = 16 * 1_048_576;
/** Ranges of one hint that are looked at. */
const MAX_RANGES = 256;
/** Of a chunk, so much must be asked for before all of it is fetched: at most four bytes fetched for one taken. */
const WHOLE_CHUNK_FROM_BYTES = CHUNK_BYTES / 4;
/** A second cold read of a chunk, or one right after a chunk that was fetched, within this time looks like a stream. */
const STREAM_MILLISECONDS = 60_000;
const MAX_REMEMBERED_CHUNKS = 1_024;
/** A read of so many bytes is part of a stream. */
const STREAM_BYTES = 4 * 16_384;

/** Decides how much is fetched at once: a lone cold block costs one segment, a stream fetches whole chunks. */
export class ReadAhead {
  readonly #segments: Segments;
  readonly #clock: Clock;
  readonly #prefetching = new Budget(MAX_PREFETCH_BYTES);
  /** When a chunk was last read cold, oldest first. */
  readonly #coldReads = new Map<string, number>();

  constructor(segments: Segments, clock: Clock) {
    this.#segments = segments;
    this.#clock = clock;
  }

  /** Whether a read of segments [first, end) should fetch the whole chunk if it must fetch at all. Remembers the read. */
  wantsWhole(bundle: Bundle, chunk: number, first: number, end: number): boolean {
    let fetches = false;
    for (let at = first; at < end; at++) fetches ||= this.#segments.mustFetch(bundle, chunk, at);
    if (!fetches) return false;
    const before = this.#clock.monotonic() - STREAM_MILLISECONDS;
    const seen = (index: number) => (this.#coldReads.get(`${bundle.id}/${index}`) ?? Number.NEGATIVE_INFINITY) > before;
    const whole = end - first > 1 || seen(chunk) || (first === 0 && seen(chunk - 1));
    this.#remember(`${bundle.id}/${chunk}`);
    return whole;
  }

  /**
   * Where to stop when opening the segments of a read from disk: a reader that takes several blocks in a row wants the rest of
   * the piece too, and one opening of a whole chunk costs little more than one of a segment.
   */
  aheadEnd(torrent: TorrentView, span: ChunkSpan, readEnd: number): number {
    const { end } = segmentsOf(span.chunkOffset, span.length);
    const bundle = torrent.bundle(span.bundle);
    if (span.length < STREAM_BYTES || end === SEGMENTS_PER_CHUNK || !this.#segments.isLocal(bundle, span.chunkIndex)) {
      return end;
    }
    const { pieceLength, totalLength } = torrent.torrent;
    const pieceEnd = Math.min(Math.ceil(readEnd / pieceLength) * pieceLength, totalLength);
    const last = Math.min(CHUNK_BYTES, span.chunkOffset + span.length + pieceEnd - readEnd);
    return this.#segments.mayOpenAhead ? Math.ceil(last / SEGMENT_BYTES) : end;
  }

  /** Starts opening what these ranges need, as far as there is room. */
  prefetch(torrent: TorrentView, ranges: readonly ByteRange[]): void {
    const spans = ranges.slice(0, MAX_RANGES).flatMap(({ offset, length }) => torrent.map.locate(offset, length));
    const byChunk = new Map<string, ChunkSpan[]>();
    for (const span of spans) {
      if (span.bundle === null || !torrent.bundle(span.bundle).isSealed(span.chunkIndex)) continue;
      const key = `${span.bundle}/${span.chunkIndex}`;
      byChunk.set(key, [...(byChunk.get(key) ?? []), span]);
    }
    for (const [key, wanted] of byChunk) {
      const { bundle, chunkIndex } = wanted[0] as ChunkSpan;
      this.#prefetchChunk(torrent.bundle(bundle), chunkIndex, wanted, key);
    }
  }

  #prefetchChunk(bundle: Bundle, chunk: number, spans: readonly ChunkSpan[], key: string): void {
    const bytes = spans.reduce((sum, span) => sum + span.length, 0);
    let whole = bytes >= WHOLE_CHUNK_FROM_BYTES;
    const wanted = new Set<number>();
    for (const span of spans) {
      const { first, end } = segmentsOf(span.chunkOffset, span.length);
      for (let at = first; at < end; at++) if (this.#segments.tier(bundle, chunk, at) !== 'ram') wanted.add(at);
      whole ||= this.wantsWhole(bundle, chunk, first, end);
    }
    if (whole) this.#remember(key);
    for (const { first, end } of runs(wanted)) {
      const bytes = (end - first) * SEGMENT_BYTES;
      if (!this.#prefetching.tryReserve(bytes)) return;
      const opening = this.#segments.get(bundle, chunk, first, end, whole);
      // A hint never fails: whoever reads these bytes is told what is wrong with them.
      Promise.allSettled(opening.map((one) => one.then((segment) => this.#segments.release(segment)))).finally(() =>
        this.#prefetching.release(bytes),
      );
    }
  }

  #remember(key: string): void {
    this.#coldReads.delete(key);
    this.#coldReads.set(key, this.#clock.monotonic());
    if (this.#coldReads.size <= MAX_REMEMBERED_CHUNKS) return;
    const [oldest] = this.#coldReads.keys();
    if (oldest !== undefined) this.#coldReads.delete(oldest);
  }
}

/** Numbers as runs [first, end) of neighbours. */
function runs(numbers: Iterable<number>): { first: number; end: number }[] {
  const found: { first: number; end: number }[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last?.end === number) last.end++;
    else found.push({ first: number, end: number + 1 });
  }
  return found;
}
