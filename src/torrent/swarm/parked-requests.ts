import type { BlockRun } from './leases.ts';
import { PARKED_MILLISECONDS, QUEUED_REQUESTS } from './limits.ts';
import { RequestQueue } from './request-queue.ts';

/**
 * Requests of one peer that nothing may be fetched for now: its budget or the day's egress is used up. They are refused only
 * after a while: a peer that asks again at once, as clients do, would else keep both sides busy. What else it asks for goes on.
 */
export class ParkedRequests {
  readonly #queue = new RequestQueue();
  #until = 0;

  /** Takes them, to be refused later; false when so many wait already that these must be refused now. */
  add(run: BlockRun, now: number): boolean {
    if (this.#queue.length + run.length / 3 > QUEUED_REQUESTS) return false;
    if (this.#queue.length === 0) this.#until = now + PARKED_MILLISECONDS;
    this.#queue.pushRun(run);
    return true;
  }

  /** True if the block was waiting and is not any more. */
  cancel(index: number, begin: number): boolean {
    return this.#queue.remove(index, begin);
  }

  /** Calls for each block that waits. */
  scan(call: (index: number, begin: number, length: number) => void): void {
    this.#queue.scan((index, begin, length) => {
      call(index, begin, length);
      return true;
    });
  }

  /** Those whose time has come: all of them, or none. */
  due(now: number): BlockRun {
    if (this.#queue.length === 0 || now < this.#until) return [];
    return this.#queue.takeRun(this.#queue.totalBytes);
  }
}
