import * as limits from './limits.ts';

/** A number of slots tried, and what was measured with the number before. */
interface Trial {
  readonly count: number;
  readonly before: number;
  readonly bytesPerSecond: number;
}

/**
 * How many peers are served at once, over all torrents: as many as our line feeds well. While others wait, by turns more and
 * fewer are tried: more are kept if the total rate grew with them, fewer if it hardly fell. On a line that is full it does
 * not grow.
 */
export class UploadSlots {
  #steady = limits.UPLOAD_SLOTS;
  #byRate = 0;
  #trial: Trial | null = null;
  #isUp = true;
  #rest = 0;
  /** When it was measured last, others waited. */
  #wasFull = false;

  get count(): number {
    return Math.min(limits.MOST_UPLOAD_SLOTS, Math.max(this.#trial?.count ?? this.#steady, this.#byRate));
  }

  /** Once a second: payload sent per second to all peers. A fast line has its slots at once. */
  feed(bytesPerSecond: number): void {
    this.#byRate = Math.floor(bytesPerSecond / limits.SLOT_BYTES_PER_SECOND);
  }

  /** Every CHOKE_MILLISECONDS, after `feed`: the same, and how many want some. */
  measure(bytesPerSecond: number, wanting: number): void {
    if (this.#trial !== null) this.#judge(this.#trial, bytesPerSecond);
    const isFull = wanting > this.count;
    if (this.#rest > 0) this.#rest--;
    // What is compared with must have been measured with all slots in use.
    else if (isFull && this.#wasFull && bytesPerSecond > 0) this.#try(bytesPerSecond);
    this.#wasFull = isFull;
  }

  #judge({ count, before, bytesPerSecond }: Trial, now: number): void {
    this.#trial = null;
    const step = (count - before) / before;
    if (now >= bytesPerSecond * (1 + limits.SLOT_GAIN * step)) this.#steady = count;
    else {
      this.#isUp = !this.#isUp;
      this.#rest = limits.SLOT_REST_TICKS;
    }
  }

  #try(bytesPerSecond: number): void {
    const before = this.count;
    const step = Math.ceil(before / 4);
    if (before === limits.MOST_UPLOAD_SLOTS) this.#isUp = false;
    else if (before === limits.UPLOAD_SLOTS || this.#byRate >= this.#steady) this.#isUp = true;
    const count = this.#isUp
      ? Math.min(limits.MOST_UPLOAD_SLOTS, before + step)
      : Math.max(limits.UPLOAD_SLOTS, before - step);
    this.#trial = { count, before, bytesPerSecond };
  }
}
