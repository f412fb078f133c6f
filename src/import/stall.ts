import type { Clock } from '../lib/clock.ts';

/** Time between two looks beyond this is not counted: the machine slept, not the swarm. */
export const COUNTED_MILLISECONDS = 5_000;

/** Counts how long nothing has arrived while nothing of ours held it up. */
export class Stall {
  readonly #clock: Clock;
  #lookedAt: number;
  #progressAt: number | null = null;
  #idleMilliseconds = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lookedAt = clock.monotonic();
  }

  /** Counts from zero again. */
  reset(): void {
    this.#idleMilliseconds = 0;
  }

  /** Milliseconds idle; `lastProgressAt` is when something last arrived, whatever clock tells it. */
  look({ lastProgressAt, heldUp }: { lastProgressAt: number; heldUp: boolean }): number {
    const now = this.#clock.monotonic();
    const passed = Math.min(now - this.#lookedAt, COUNTED_MILLISECONDS);
    this.#lookedAt = now;
    if (lastProgressAt !== this.#progressAt) this.#idleMilliseconds = 0;
    else if (!heldUp) this.#idleMilliseconds += passed;
    this.#progressAt = lastProgressAt;
    return this.#idleMilliseconds;
  }
}
