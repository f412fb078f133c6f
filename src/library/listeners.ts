import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

/** Who listens to one kind of event. A listener that fails is told to the log and hinders nobody. */
export class Listeners<Event> {
  readonly #listeners = new Set<(event: Event) => void | Promise<void>>();
  readonly #name: string;
  readonly #log: Log;

  constructor(name: string, log: Log) {
    this.#name = name;
    this.#log = log;
  }

  /** Returns the way to stop listening. */
  add(listener: (event: Event) => void | Promise<void>): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves when every listener has acted; never rejects. */
  async emit(event: Event): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => this.#call(listener, event)));
  }

  async #call(listener: (event: Event) => void | Promise<void>, event: Event): Promise<void> {
    try {
      await listener(event);
    } catch (error) {
      this.#log.error('a listener failed', { event: this.#name, error: errorMessage(error) });
    }
  }
}
