// Time that passes only when a test says so.
import { setImmediate } from 'node:timers/promises';
import type { Clock, Timer } from '../../src/lib/clock.ts';

interface Call {
  at: number;
  order: number;
  call: () => void;
}

/** 2026-01-01. */
const START = 1_767_225_600_000;

/** A clock whose timers are called, in order, by `run`; between two of them all promises settle. */
export class VirtualClock implements Clock {
  readonly #calls: Call[] = [];
  #now = 0;
  #order = 0;
  #wall = START;

  now(): number {
    return this.#wall + this.#now;
  }

  /** The wall clock is set forward, or back; nothing else notices. */
  jump(milliseconds: number): void {
    this.#wall += milliseconds;
  }

  /** Calls that are still to come. */
  get pending(): number {
    return this.#calls.length;
  }

  monotonic(): number {
    return this.#now;
  }

  after(milliseconds: number, call: () => void): Timer {
    const entry = { at: this.#now + Math.max(0, milliseconds), order: this.#order++, call };
    this.#insert(entry);
    return { cancel: () => this.#remove(entry) };
  }

  every(milliseconds: number, call: () => void): Timer {
    let timer = this.after(milliseconds, again.bind(this));
    function again(this: VirtualClock): void {
      timer = this.after(milliseconds, again.bind(this));
      call();
    }
    return { cancel: () => timer.cancel() };
  }

  /** Lets time pass. */
  async run(milliseconds: number): Promise<void> {
    await this.until(() => false, milliseconds, false);
  }

  /** Lets time pass until the condition holds; throws when it does not within `milliseconds`. */
  async until(condition: () => boolean, milliseconds: number, must = true): Promise<void> {
    const end = this.#now + milliseconds;
    await setImmediate();
    while (!condition()) {
      const next = this.#calls[0];
      if (next === undefined || next.at > end) {
        this.#now = end;
        if (must) throw new Error(`it did not happen within ${milliseconds} virtual ms`);
        return;
      }
      this.#calls.shift();
      this.#now = next.at;
      next.call();
      // What is due at the same moment is called before promises settle: fewer turns, and no less real.
      if (this.#calls[0]?.at !== next.at) await setImmediate();
    }
  }

  #insert(entry: Call): void {
    let low = 0;
    let high = this.#calls.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#calls[middle] as Call;
      if (other.at < entry.at || (other.at === entry.at && other.order < entry.order)) low = middle + 1;
      else high = middle;
    }
    this.#calls.splice(low, 0, entry);
  }

  #remove(entry: Call): void {
    const at = this.#calls.indexOf(entry);
    if (at >= 0) this.#calls.splice(at, 1);
  }
}
