import type { Clock, Timer } from '../../lib/clock.ts';
import { KEY_AGREEMENTS_AT_ONCE, KEY_AGREEMENTS_PER_SECOND } from './limits.ts';

/** Somebody who came and wants a key agreement. */
export interface Applicant {
  /** It is its turn. */
  agree(): void;
}

/**
 * Key agreements with those who come, in their order and not too many at a time: each costs a good part of a millisecond,
 * and a thousand strangers who ask at once must not hold up the peers we have.
 */
export class AgreementQueue {
  readonly #clock: Clock;
  readonly #waiting = new Set<Applicant>();
  #tokens = KEY_AGREEMENTS_AT_ONCE;
  #countedAt: number;
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#countedAt = clock.monotonic();
  }

  /** Calls `agree`, now or later. */
  ask(applicant: Applicant): void {
    this.#waiting.add(applicant);
    this.#pump();
  }

  /** It is gone, or has had its turn. */
  leave(applicant: Applicant): void {
    this.#waiting.delete(applicant);
    if (this.#waiting.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #pump(): void {
    const now = this.#clock.monotonic();
    const earned = ((now - this.#countedAt) * KEY_AGREEMENTS_PER_SECOND) / 1000;
    this.#tokens = Math.min(KEY_AGREEMENTS_AT_ONCE, this.#tokens + earned);
    this.#countedAt = now;
    for (const applicant of this.#waiting) {
      if (this.#tokens < 1) break;
      this.#tokens--;
      this.#waiting.delete(applicant);
      applicant.agree();
    }
    if (this.#waiting.size === 0 || this.#timer !== null) return;
    this.#timer = this.#clock.after(1000 / KEY_AGREEMENTS_PER_SECOND, () => {
      this.#timer = null;
      this.#pump();
    });
  }
}
