/**
 * Things due at whole seconds, in O(1) each: set, move and take out, with no timer and no scan per thing. The owner calls
 * `due` about once a second.
 */
export class TimingWheel<T> {
  readonly #buckets = new Map<number, Set<T>>();
  readonly #seconds = new Map<T, number>();
  #handled: number;

  /** `nowSeconds` and all later times are seconds of one clock. */
  constructor(nowSeconds: number) {
    this.#handled = Math.floor(nowSeconds) - 1;
  }

  get size(): number {
    return this.#seconds.size;
  }

  /** Makes it due at a second (a past one: at the next look), in place of when it was due before. */
  set(thing: T, atSeconds: number): void {
    this.delete(thing);
    const second = Math.max(this.#handled, Math.ceil(atSeconds));
    let bucket = this.#buckets.get(second);
    if (bucket === undefined) {
      bucket = new Set();
      this.#buckets.set(second, bucket);
    }
    bucket.add(thing);
    this.#seconds.set(thing, second);
  }

  delete(thing: T): void {
    const second = this.#seconds.get(thing);
    if (second === undefined) return;
    this.#seconds.delete(thing);
    const bucket = this.#buckets.get(second);
    bucket?.delete(thing);
    if (bucket?.size === 0) this.#buckets.delete(second);
  }

  /** Takes out and gives all that is due by now, in order of their seconds. */
  due(nowSeconds: number): T[] {
    const last = Math.floor(nowSeconds);
    const found: T[] = [];
    // After a long sleep there are more seconds to walk than buckets to look at.
    const seconds =
      last - this.#handled > this.#buckets.size
        ? [...this.#buckets.keys()].filter((second) => second <= last).sort((a, b) => a - b)
        : Array.from({ length: Math.max(0, last - this.#handled) + 1 }, (_, at) => this.#handled + at);
    for (const second of seconds) {
      for (const thing of this.#buckets.get(second) ?? []) {
        this.#seconds.delete(thing);
        found.push(thing);
      }
      this.#buckets.delete(second);
    }
    this.#handled = Math.max(this.#handled, last);
    return found;
  }
}
