/** A set of bytes as runs that neither overlap nor touch, sorted. For the few dozen runs of one chunk. */
export class Ranges {
  readonly #runs: { start: number; end: number }[] = [];

  /** Bytes in the set. */
  get bytes(): number {
    let sum = 0;
    for (const run of this.#runs) sum += run.end - run.start;
    return sum;
  }

  get runs(): readonly { readonly start: number; readonly end: number }[] {
    return this.#runs;
  }

  /** Whether all of [start, end) is in the set. */
  covers(start: number, end: number): boolean {
    return start >= end || this.#runs.some((run) => run.start <= start && end <= run.end);
  }

  add(start: number, end: number): this {
    if (start >= end) return this;
    let at = 0;
    while (at < this.#runs.length && (this.#runs[at] as { end: number }).end < start) at++;
    let from = start;
    let to = end;
    let taken = 0;
    for (let run = this.#runs[at]; run !== undefined && run.start <= end; run = this.#runs[at + ++taken]) {
      from = Math.min(from, run.start);
      to = Math.max(to, run.end);
    }
    this.#runs.splice(at, taken, { start: from, end: to });
    return this;
  }

  addAll(other: Ranges): this {
    for (const { start, end } of other.#runs) this.add(start, end);
    return this;
  }

  /** The runs of this set that `other` lacks. */
  minus(other: Ranges): { start: number; end: number }[] {
    const rest: { start: number; end: number }[] = [];
    for (const run of this.#runs) {
      let at = run.start;
      for (const taken of other.#runs) {
        if (taken.end <= at || taken.start >= run.end) continue;
        if (taken.start > at) rest.push({ start: at, end: taken.start });
        at = taken.end;
      }
      if (at < run.end) rest.push({ start: at, end: run.end });
    }
    return rest;
  }
}
