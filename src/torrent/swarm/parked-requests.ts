import { type BlockRun, CANCELLED } from './leases.ts';
import { PARKED_MILLISECONDS, QUEUED_REQUESTS } from './limits.ts';

/**
 * Requests of one peer that nothing may be fetched for now: its budget or the day's egress is used up. They are refused only
 * after a while: a peer that asks again at once, as clients do, would else keep both sides busy. What else it asks for goes on.
 */
export class ParkedRequests {
  #run: BlockRun = [];
  #until = 0;

  /** Takes them, to be refused later; false when so many wait already that these must be refused now. */
  add(run: BlockRun, now: number): boolean {
    if (this.#run.length + run.length > 3 * QUEUED_REQUESTS) return false;
    if (this.#run.length === 0) this.#until = now + PARKED_MILLISECONDS;
    this.#run.push(...run);
    return true;
  }

  /** True if the block was waiting and is not any more. */
  cancel(index: number, begin: number): boolean {
    for (let at = 0; at < this.#run.length; at += 3) {
      if (this.#run[at] !== index || this.#run[at + 1] !== begin) continue;
      this.#run[at] = CANCELLED;
      return true;
    }
    return false;
  }

  /** Calls for each block that waits. */
  scan(call: (index: number, begin: number, length: number) => void): void {
    for (let at = 0; at < this.#run.length; at += 3) {
      if (this.#run[at] !== CANCELLED)
        call(this.#run[at] as number, this.#run[at + 1] as number, this.#run[at + 2] as number);
    }
  }

  /** Those whose time has come: all of them, or none. */
  due(now: number): BlockRun {
    if (this.#run.length === 0 || now < this.#until) return [];
    const run = this.#run;
    this.#run = [];
    return run;
  }
}
