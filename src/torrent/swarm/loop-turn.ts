/**
 * How much is done for all peers in one turn of the event loop, so that nobody waits long for anything else. Who finds
 * the turn over goes on in a later one, in the order in which they came.
 */
export class LoopTurn {
  readonly #most: number;
  readonly #soon: (call: () => void) => void;
  readonly #waiting = new Set<() => void>();
  #left: number;
  #isAsked = false;

  /** `most`: work of one turn, in bytes or what costs as much; `soon` calls in the next turn. */
  constructor(most: number, soon: (call: () => void) => void) {
    this.#most = most;
    this.#soon = soon;
    this.#left = most;
  }

  /** Nothing more is to be begun in this turn, but `later`. */
  get isOver(): boolean {
    return this.#left <= 0;
  }

  /** So much was done. */
  spend(work: number): void {
    this.#left -= work;
    this.#ask();
  }

  /** Calls once in a later turn that has room. */
  later(call: () => void): void {
    this.#waiting.add(call);
    this.#ask();
  }

  /** It need not be called any more. */
  forget(call: () => void): void {
    this.#waiting.delete(call);
  }

  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#soon(() => this.#begin());
  }

  #begin(): void {
    this.#isAsked = false;
    this.#left = this.#most;
    // Who asks again while being called comes after the others.
    for (const call of [...this.#waiting]) {
      if (this.isOver) break;
      this.#waiting.delete(call);
      call();
    }
    if (this.#waiting.size > 0) this.#ask();
  }
}
