import { type Clock, sleep } from '../lib/clock.ts';
import { errorKind, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

const FIRST_PAUSE_MILLISECONDS = 250;
const MAX_PAUSE_MILLISECONDS = 5_000;
/** After a refusal a person must act: asking more often helps nobody. */
const REFUSED_PAUSE_MILLISECONDS = 30_000;

/** What must be done sooner or later, and is tried again until then. */
export class Patience {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Map<object, string>();
  readonly #changed: () => void;

  /** `changed` is called when `waiting` turns from or to null. */
  constructor(clock: Clock, log: Log, changed: () => void = () => undefined) {
    this.#clock = clock;
    this.#log = log;
    this.#changed = changed;
  }

  /** Why something stands still now, as a sentence; null while all goes on. */
  get waiting(): string | null {
    for (const words of this.#waiting.values()) return words;
    return null;
  }

  /**
   * Works until it succeeds, with growing pauses; rejects at once with `cancelled` when the signal aborts, and with what
   * `final` says no pause can mend.
   */
  async until<Result>(
    what: string,
    signal: AbortSignal,
    work: () => Promise<Result>,
    final: (error: unknown) => boolean = () => false,
  ): Promise<Result> {
    const token = {};
    try {
      for (let pause = FIRST_PAUSE_MILLISECONDS; ; pause = Math.min(pause * 2, MAX_PAUSE_MILLISECONDS)) {
        signal.throwIfAborted();
        try {
          return await work();
        } catch (error) {
          signal.throwIfAborted();
          if (final(error)) throw error;
          this.#say(token, what, error);
          const refused = errorKind(error) === 'refused';
          await sleep(this.#clock, refused ? REFUSED_PAUSE_MILLISECONDS : pause, signal);
        }
      }
    } finally {
      if (this.#waiting.delete(token) && this.#waiting.size === 0) {
        this.#log.info('It goes on.', { what });
        this.#changed();
      }
    }
  }

  #say(token: object, what: string, error: unknown): void {
    const first = this.#waiting.size === 0;
    const words = errorMessage(error);
    const again = this.#waiting.get(token) === words;
    this.#waiting.set(token, words);
    if (first) this.#changed();
    if (!again) this.#log.warn(`${what}: ${words} It is tried again.`, { kind: errorKind(error) });
  }
}
