/** Counts what may come only so often. */
export class Frequency {
  readonly #most: number;
  readonly #milliseconds: number;
  #since = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** At most so many within so many milliseconds. */
  constructor(most: number, milliseconds: number) {
    this.#most = most;
    this.#milliseconds = milliseconds;
  }

  /** Another one; false if that is too often. */
  allows(now: number): boolean {
    if (now - this.#since >= this.#milliseconds) {
      this.#since = now;
      this.#count = 0;
    }
    return ++this.#count <= this.#most;
  }
}
