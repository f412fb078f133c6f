import { MINUTE_MILLISECONDS } from './limits.ts';

/** How many of something came from a peer within a minute, which begins with the first of them. */
export class MinuteCount {
  #count = 0;
  #since = Number.NEGATIVE_INFINITY;

  /** Counts one more, at a monotonic time; returns how many that makes. */
  add(now: number): number {
    if (now - this.#since >= MINUTE_MILLISECONDS) {
      this.#since = now;
      this.#count = 0;
    }
    return ++this.#count;
  }
}
