// Which blocks of our own code ran: what tells the fuzzing that an input is like none before.
import { Session } from 'node:inspector/promises';

const OURS = '/src/';
/** Each block is told once, and code runs as fast as ever (V8's binary block coverage). Code that ran before is not seen. */
const MODE = { callCount: false, detailed: true } as const;

export class Coverage {
  readonly #session = new Session();
  readonly #known = new Set<string>();

  /** Watches this thread from now on. */
  static async begin(): Promise<Coverage> {
    const coverage = new Coverage();
    coverage.#session.connect();
    await coverage.#session.post('Profiler.enable');
    await coverage.#session.post('Profiler.startPreciseCoverage', MODE);
    return coverage;
  }

  /** Blocks that ran at any time. */
  get size(): number {
    return this.#known.size;
  }

  /** How many blocks ran since the last call that never ran before. */
  async fresh(): Promise<number> {
    const before = this.#known.size;
    for (const block of await this.#take()) this.#known.add(block);
    return this.#known.size - before;
  }

  end(): void {
    this.#session.disconnect();
  }

  async #take(): Promise<string[]> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    return result
      .filter(({ url }) => url.includes(OURS) && !url.includes('/node_modules/'))
      .flatMap(({ url, functions }) =>
        functions.flatMap(({ ranges }) =>
          ranges
            .filter(({ count }) => count > 0)
            .map(({ startOffset, endOffset }) => `${url} ${startOffset} ${endOffset}`),
        ),
      );
  }
}
