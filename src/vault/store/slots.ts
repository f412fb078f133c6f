import { BaeError } from '../../lib/errors.ts';
import { cancelled, checkSignal } from './contract.ts';

/** Calls that may wait for a slot; beyond it the store is plainly overrun. */
export const MAX_WAITING_CALLS = 10_000;

interface Waiting {
  start(): void;
  fail(error: unknown): void;
}

/** At most `count` calls at a time; others wait their turn, first come first served. */
export class Slots {
  #free: number;
  #closed: BaeError | null = null;
  readonly #waiting = new Set<Waiting>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` in a slot. Rejects with `cancelled` when the signal aborts first, `unavailable` when too many wait. */
  async run<Result>(signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
    checkSignal(signal);
    if (this.#closed !== null) throw this.#closed;
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  /** Refuses all that wait and come later with `error`. */
  close(error: BaeError): void {
    this.#closed = error;
    for (const waiting of [...this.#waiting]) waiting.fail(error);
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.size >= MAX_WAITING_CALLS) {
      throw new BaeError('unavailable', `${MAX_WAITING_CALLS} calls to the store are waiting already.`);
    }
    return new Promise((resolve, reject) => {
      const abort = () => waiting.fail(cancelled(signal as AbortSignal));
      const settle = () => {
        this.#waiting.delete(waiting);
        signal?.removeEventListener('abort', abort);
      };
      const waiting: Waiting = {
        start: () => {
          settle();
          resolve();
        },
        fail: (error) => {
          settle();
          reject(error);
        },
      };
      this.#waiting.add(waiting);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Hands the slot to whoever waits longest. */
  #next(): void {
    for (const waiting of this.#waiting) {
      waiting.start();
      return;
    }
    this.#free++;
  }
}
