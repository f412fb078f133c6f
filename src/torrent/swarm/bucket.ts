import { BURST_MILLISECONDS, DEBT_MILLISECONDS, SHARE_BYTES } from './limits.ts';

/**
 * A token bucket of one rate limit. It lets through while it holds anything and may then owe up to a share: so the lowest
 * limit serves whole blocks too, and the rate holds over time.
 */
export class Bucket {
  /** Those in line for it. */
  waiting = 0;
  /** 0: no limit. */
  #bytesPerSecond = 0;
  #bytes = 0;
  #refilledAt = 0;

  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  get isLimited(): boolean {
    return this.#bytesPerSecond > 0;
  }

  /** Whether it lets something through now. */
  get isOpen(): boolean {
    return this.#bytesPerSecond === 0 || this.#bytes > 0;
  }

  /** Bytes it holds, infinitely many without a limit. */
  get bytes(): number {
    return this.#bytesPerSecond === 0 ? Number.POSITIVE_INFINITY : this.#bytes;
  }

  /** A new limit in bytes per second, 0 for none; what was owed under the old one is forgotten. */
  limit(bytesPerSecond: number, now: number): void {
    this.refill(now);
    this.#bytesPerSecond = bytesPerSecond;
    this.#bytes = Math.max(0, Math.min(this.#bytes, this.#most));
  }

  refill(now: number): void {
    const bytes = this.#bytes + (this.#bytesPerSecond * (now - this.#refilledAt)) / 1000;
    this.#bytes = Math.min(bytes, this.#most);
    this.#refilledAt = now;
  }

  /** Takes bytes out; gives them back where they are fewer than none. What nobody could foresee is owed for a while at most. */
  take(bytes: number): void {
    if (this.#bytesPerSecond === 0) return;
    const least = -2 * SHARE_BYTES - (this.#bytesPerSecond * DEBT_MILLISECONDS) / 1000;
    this.#bytes = Math.min(this.#most, Math.max(least, this.#bytes - bytes));
  }

  get #most(): number {
    return (this.#bytesPerSecond * BURST_MILLISECONDS) / 1000;
  }
}
