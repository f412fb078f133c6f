import type { Clock } from '../lib/clock.ts';

/** Time between two looks beyond this is not counted: the machine slept, not the swarm. */
export const COUNTED_MILLISECONDS = 5_000;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A span of time for people, in the largest unit of which it has two: `90 s`, `45 min`, `24 h`. */
export function spanWords(milliseconds: number): string {
  if (milliseconds >= 2 * HOUR) return `${Math.round(milliseconds / HOUR)} h`;
  if (milliseconds >= 2 * MINUTE) return `${Math.round(milliseconds / MINUTE)} min`;
  return `${Math.max(1, Math.round(milliseconds / SECOND))} s`;
}

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
