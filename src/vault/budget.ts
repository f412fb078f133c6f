import { BaeError } from '../lib/errors.ts';

interface Waiter {
  readonly amount: number;
  readonly grant: () => void;
  readonly cancel: (reason: unknown) => void;
}

/** So many bytes (or other units) to share out, first come first served. What is reserved is given back by `release`. */
export class Budget {
  #total: number;
  #used = 0;
  readonly #waiting: Waiter[] = [];
  readonly #maxWaiting: number;

  constructor(total: number, maxWaiting = 10_000) {
    this.#total = total;
    this.#maxWaiting = maxWaiting;
  }

  get total(): number {
    return this.#total;
  }

  /** Makes the total at least so large. */
  raise(total: number): void {
    if (total <= this.#total) return;
    this.#total = total;
    this.#grant();
  }

  get used(): number {
    return this.#used;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes `amount` if it is there now and nobody waits. */
  tryReserve(amount: number): boolean {
    if (this.#waiting.length > 0 || this.#used + amount > this.#total) return false;
    this.#used += amount;
    return true;
  }

  /** Takes `amount` without asking: what is on disk already, or must go there to get anything out. */
  force(amount: number): void {
    this.#used += amount;
  }

  /** Waits for `amount`, more than the total included: it is then given when nothing else is taken. */
  async reserve(amount: number, signal?: AbortSignal): Promise<void> {
    if (this.tryReserve(amount)) return;
    if (signal?.aborted) throw cancelled(signal.reason);
    if (this.#waiting.length >= this.#maxWaiting) throw new BaeError('unavailable', 'Too many wait for room already.');
    await new Promise<void>((resolve, reject) => {
      const settle = () => signal?.removeEventListener('abort', abort);
      const waiter: Waiter = {
        amount,
        grant: () => {
          settle();
          resolve();
        },
        cancel: (reason) => {
          settle();
          reject(cancelled(reason));
        },
      };
      const abort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        waiter.cancel(signal?.reason);
        this.#grant();
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiter);
      this.#grant();
    });
  }

  release(amount: number): void {
    this.#used -= amount;
    this.#grant();
  }

  #grant(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#used > 0 && this.#used + next.amount > this.#total) return;
      this.#used += next.amount;
      this.#waiting.shift();
      next.grant();
    }
  }
}

function cancelled(reason: unknown): BaeError {
  return new BaeError('cancelled', 'It was called off while it waited for room.', { cause: reason });
}
