import type { IFormat } from 'music-metadata';
import type { WindowTokenizer } from './tokenizer.ts';

/** A page's longest: its header, 255 lengths, 255 segments of 255 bytes (RFC 3533 section 6). */
const PAGE_BYTES = 27 + 255 + 255 * 255;
const CAPTURE_PATTERN = 'OggS';
/** From the capture pattern on. */
const GRANULE_OFFSET = 6;
const GRANULE_END = GRANULE_OFFSET + 8;
/** Of an Opus file: behind a header of 27 bytes with one length and ten bytes of its first packet (RFC 7845 section 5.1). */
const PRE_SKIP_OFFSET = 38;
/** What Opus counts in, whatever went in. */
const OPUS_SAMPLES_PER_SECOND = 48_000;

/** Seconds of an Ogg file, from the granule position of its last page that has one; undefined for what does not tell. */
export async function oggSeconds(tokenizer: WindowTokenizer, format: IFormat): Promise<number | undefined> {
  if (format.container !== 'Ogg') return undefined;
  const { size } = tokenizer.fileInfo;
  const tail = Buffer.alloc(Math.min(size, PAGE_BYTES));
  await tokenizer.peekBuffer(tail, { position: size - tail.length });
  const samples = lastGranule(tail);
  if (samples === null) return undefined;
  if (format.codec !== 'Opus') return format.sampleRate === undefined ? undefined : samples / format.sampleRate;
  const preSkip = Buffer.alloc(2);
  await tokenizer.peekBuffer(preSkip, { position: PRE_SKIP_OFFSET });
  return (samples - preSkip.readUInt16LE()) / OPUS_SAMPLES_PER_SECOND;
}

function lastGranule(tail: Buffer): number | null {
  for (let at = tail.length - GRANULE_END; at >= 0; at--) {
    at = tail.lastIndexOf(CAPTURE_PATTERN, at);
    if (at < 0) return null;
    const granule = tail.readBigInt64LE(at + GRANULE_OFFSET);
    // -1: no packet ends on this page.
    if (granule >= 0n) return Number(granule);
  }
  return null;
}
