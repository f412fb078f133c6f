import { type Clock, sleep } from '../../lib/clock.ts';
import { BaeError, errorMessage } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { cancelled } from './contract.ts';
import type { ObjectStore } from './ports.ts';

const FIRST_DELAY_MILLISECONDS = 100;
const MAX_DELAY_MILLISECONDS = 32_000;
/** Tries of a call where nothing else is said: about 40 s of waiting in all. */
const DEFAULT_TRIES = 10;

export interface RetryOptions {
  clock: Clock;
  random: Random;
  log: Log;
  /** Tries of one call at most; Infinity for calls that go on until their signal aborts or the store is closed. */
  tries?: number | undefined;
}

/**
 * A store whose calls are tried again after retryable errors, with a delay drawn from 0 to 0.1 s, 0.2 s, … 32 s ("full jitter"). The
 * last error is passed on. A listing is tried again only until its first object. A put with `ifAbsent` that was tried again
 * may find its own body and say 'exists': whoever must know compares.
 */
export function retrying(store: ObjectStore, options: RetryOptions): ObjectStore {
  const retries = new Retries(store.describe(), options);
  return {
    put: (name, body, call) => retries.run(call?.signal, () => store.put(name, body, call)),
    link: (name, path, call) => retries.run(call?.signal, () => store.link(name, path, call)),
    get: (name, call) => retries.run(call?.signal, () => store.get(name, call)),
    head: (name, call) => retries.run(call?.signal, () => store.head(name, call)),
    delete: (name, call) => retries.run(call?.signal, () => store.delete(name, call)),
    async *list(prefix, call) {
      const { listing, first } = await retries.run(call?.signal, async () => {
        const listing = store.list(prefix, call)[Symbol.asyncIterator]();
        return { listing, first: await listing.next() };
      });
      if (first.done) return;
      yield first.value;
      yield* { [Symbol.asyncIterator]: () => listing };
    },
    describe: () => store.describe(),
    close() {
      retries.close();
      return store.close();
    },
  };
}

class Retries {
  readonly #store: string;
  readonly #options: RetryOptions;
  readonly #closing = new AbortController();

  constructor(store: string, options: RetryOptions) {
    this.#store = store;
    this.#options = options;
  }

  async run<Result>(signal: AbortSignal | undefined, call: () => Promise<Result>): Promise<Result> {
    const { random, log, tries = DEFAULT_TRIES } = this.#options;
    for (let tried = 1; ; tried++) {
      try {
        return await call();
      } catch (error) {
        const again = error instanceof BaeError && error.retryable && tried < tries;
        if (!again || this.#closing.signal.aborted) throw error;
        const bound = Math.min(MAX_DELAY_MILLISECONDS, FIRST_DELAY_MILLISECONDS * 2 ** (tried - 1));
        const delay = random.int(bound + 1);
        log.debug('store call failed, trying again', { store: this.#store, tried, delay, error: errorMessage(error) });
        await this.#wait(delay, signal, error);
      }
    }
  }

  close(): void {
    this.#closing.abort();
  }

  /** Rejects with `cancelled` when the caller gives up, with the call's own error when the store is closed. */
  async #wait(milliseconds: number, signal: AbortSignal | undefined, error: BaeError): Promise<void> {
    const closing = this.#closing.signal;
    try {
      await sleep(this.#options.clock, milliseconds, signal ? AbortSignal.any([signal, closing]) : closing);
    } catch {
      throw signal?.aborted ? cancelled(signal) : error;
    }
  }
}
