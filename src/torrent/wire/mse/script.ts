/** What asks for bytes, and ends with a result: each `yield n` gets exactly n bytes, valid until the next. */
export type Script<Result> = Generator<number, Result, Buffer>;

/** Runs a script over a stream, however the stream is cut; keeps the bytes of one `yield` and nothing else. */
export class ScriptReader<Result> {
  /** Null while the script runs. */
  result: Result | null = null;
  readonly #script: Script<Result>;
  readonly #bytes: Buffer;
  #length = 0;
  #wanted = 0;

  /** Runs the script up to its first `yield`. `mostBytes`: the most it asks for at once. */
  constructor(script: Script<Result>, mostBytes: number) {
    this.#script = script;
    this.#bytes = Buffer.alloc(mostBytes);
    this.#resume();
  }

  /** Takes what the script still needs and returns the rest of the chunk (a view). What the script throws comes out. */
  push(chunk: Buffer): Buffer {
    let at = 0;
    while (this.result === null && at < chunk.length) {
      const taken = chunk.copy(this.#bytes, this.#length, at, at + this.#wanted - this.#length);
      this.#length += taken;
      at += taken;
      if (this.#length === this.#wanted) this.#resume();
    }
    return chunk.subarray(at);
  }

  #resume(): void {
    do {
      const step = this.#script.next(this.#bytes.subarray(0, this.#wanted));
      if (step.done === true) this.result = step.value;
      else this.#wanted = step.value;
    } while (this.#wanted === 0 && this.result === null);
    if (this.#wanted > this.#bytes.length) throw new RangeError(`a script asks for ${this.#wanted} bytes at once`);
    this.#length = 0;
  }
}
