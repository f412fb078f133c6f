import type { Clock, Timer } from '../../src/lib/clock.ts';

interface Pending {
  at: number;
  readonly every: number | null;
  readonly call: () => void;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  readonly #timers = new Set<Pending>();
  #milliseconds = 1_000_000;

  now(): number {
    return this.#milliseconds;
  }

  monotonic(): number {
    return this.#milliseconds;
  }

  after(milliseconds: number, call: () => void): Timer {
    return this.#add({ at: this.#milliseconds + milliseconds, every: null, call });
  }

  every(milliseconds: number, call: () => void): Timer {
    return this.#add({ at: this.#milliseconds + milliseconds, every: milliseconds, call });
  }

  /** Lets time pass: what falls due is called in order, each at its own time. */
  advance(milliseconds: number): void {
    const end = this.#milliseconds + milliseconds;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#milliseconds = Math.max(this.#milliseconds, next.at);
      if (next.every === null) this.#timers.delete(next);
      else next.at += next.every;
      next.call();
    }
    this.#milliseconds = end;
  }

  /** Jumps as after a sleep of the machine: what falls due meanwhile is called once. */
  sleep(milliseconds: number): void {
    this.#milliseconds += milliseconds;
    for (const timer of [...this.#timers]) {
      if (timer.at > this.#milliseconds) continue;
      if (timer.every === null) this.#timers.delete(timer);
      else timer.at = this.#milliseconds + timer.every;
      timer.call();
    }
  }

  #add(timer: Pending): Timer {
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }
}
