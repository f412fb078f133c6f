import type { Clock } from '../../lib/clock.ts';
import { BaeError } from '../../lib/errors.ts';

/**
 * Longest wait for the right to write. Long enough for any honest transaction; a write through `db` inside a transaction
 * of its own would otherwise wait for itself for ever.
 */
export const WRITE_WAIT_MILLISECONDS = 30_000;
/** Writers that may wait. */
export const MAX_WAITING_WRITERS = 4096;

/** The right to write, one holder at a time, first come first served. */
export class WriteLock {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #held = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the lock is held; `release` it once. Rejects with `unavailable` after too long or when too many wait. */
  acquire(): Promise<void> {
    if (!this.#held) {
      this.#held = true;
      return Promise.resolve();
    }
    if (this.#waiting.length >= MAX_WAITING_WRITERS) {
      return Promise.reject(new BaeError('unavailable', 'The database is too busy: too many writes are waiting.'));
    }
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(WRITE_WAIT_MILLISECONDS, () => {
        this.#waiting.splice(this.#waiting.indexOf(granted), 1);
        reject(new BaeError('unavailable', 'The database is too busy: a write waited too long for another.'));
      });
      const granted = () => {
        timer.cancel();
        resolve();
      };
      this.#waiting.push(granted);
    });
  }

  /** Hands the lock to the next in line. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#held = false;
    else next();
  }
}
