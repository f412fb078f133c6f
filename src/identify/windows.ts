import { READ_BYTES } from './limits.ts';
import type { Window } from './ports.ts';

interface Range {
  readonly offset: number;
  readonly length: number;
}

interface Known {
  /** Bytes of the file. */
  readonly length: number;
  /** Sorted. */
  readonly windows: readonly Window[];
  /** May be read of it still. */
  readonly bytesLeft: number;
}

/** So many reads later, a read is twice as long: a parser that goes on and on soon comes to an end. */
const READS_PER_DOUBLING = 3;

/** What to read when `missing` is asked for: at least that, and nothing twice. Null when that is more than may be read. */
export function nextRead(missing: Range, { length, windows, bytesLeft }: Known): Range | null {
  const before = windows.findLast(({ offset }) => offset < missing.offset);
  const next = windows.find(({ offset }) => offset > missing.offset);
  const floor = before === undefined ? 0 : before.offset + before.bytes.length;
  const ceiling = next?.offset ?? length;
  const usual = READ_BYTES * 2 ** Math.floor(windows.length / READS_PER_DOUBLING);
  const wanted = Math.min(Math.max(missing.length, usual), bytesLeft);
  const end = Math.min(missing.offset + wanted, ceiling);
  // Near the end of the file, what lies before is as likely to be asked for.
  const start = end === length ? Math.min(missing.offset, Math.max(floor, end - wanted)) : missing.offset;
  const isEnough = end >= Math.min(missing.offset + missing.length, ceiling) && end > missing.offset;
  return isEnough && end - start <= bytesLeft ? { offset: start, length: end - start } : null;
}
