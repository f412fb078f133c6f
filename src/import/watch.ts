import type { Clock } from '../lib/clock.ts';

const LOOK_MILLISECONDS = 1_000;

/** Waits for conditions that events bring about: looked at with every event told, and every second besides. */
export class Watch {
  readonly #clock: Clock;
  readonly #guard: () => void;
  readonly #tick: () => void;
  #check: (() => void) | null = null;

  /** `guard` throws what ends the wait; it is asked after each look in vain. `tick` runs every second of a wait. */
  constructor(clock: Clock, guard: () => void, tick: () => void) {
    this.#clock = clock;
    this.#guard = guard;
    this.#tick = tick;
  }

  /** Something happened: looks at the condition that is waited for, if there is one. */
  look(): void {
    this.#check?.();
  }

  /** Resolves when `condition` gives true; rejects with what it or the guard throws. One wait at a time. */
  async until(condition: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#check = () => {
      try {
        if (condition()) resolve();
        else this.#guard();
      } catch (error) {
        reject(error);
      }
    };
    const timer = this.#clock.every(LOOK_MILLISECONDS, () => {
      this.look();
      this.#tick();
    });
    try {
      this.#check();
      await promise;
    } finally {
      this.#check = null;
      timer.cancel();
    }
  }
}
