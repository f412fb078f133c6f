import { type Clock, sleep } from '../lib/clock.ts';
import { errorKind, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { type Bundle, LOST, STORED } from './bundle.ts';
import type { Bundles } from './bundles.ts';
import type { Fetcher } from './fetch.ts';
import type { Journal } from './journal.ts';

/** Lost chunks are asked for again this long after the last time. */
export const RECHECK_MILLISECONDS = 10 * 60_000;

export interface RecheckParts {
  readonly bundles: Bundles;
  readonly fetcher: Fetcher;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends it. */
  readonly stop: AbortSignal;
}

/**
 * Asks the store again for chunks that were lost: a bucket is restored, a provider's fault passes. When a torrent is
 * opened and every ten minutes while one is open, one object at a time. What opens whole is read again from then on.
 */
export class Recheck {
  readonly #parts: RecheckParts;
  /** Bundles with lost chunks that are waited for. */
  readonly #looking = new Set<number>();
  #turn: Promise<void> = Promise.resolve();

  constructor(parts: RecheckParts) {
    this.#parts = parts;
  }

  /** Somebody has the bundle open. */
  look(bundle: Bundle): void {
    if (!isWorthALook(bundle) || this.#looking.has(bundle.id)) return;
    this.#looking.add(bundle.id);
    const { log, stop } = this.#parts;
    this.#repeat(bundle.id)
      .catch((error) => {
        if (!stop.aborted) log.warn('Lost chunks could not be looked for.', { error: errorMessage(error) });
      })
      .finally(() => this.#looking.delete(bundle.id));
  }

  async #repeat(id: number): Promise<void> {
    const { bundles, clock, stop } = this.#parts;
    for (let lost = true; lost; ) {
      const turn = this.#turn.then(() => bundles.with(id, (bundle) => this.#check(bundle)));
      this.#turn = turn.then(
        () => undefined,
        () => undefined,
      );
      await turn;
      await sleep(clock, RECHECK_MILLISECONDS, stop);
      // The next opening begins anew.
      lost = bundles.isHeld(id) && (await bundles.with(id, async (bundle) => isWorthALook(bundle)));
    }
  }

  async #check(bundle: Bundle): Promise<void> {
    const { fetcher, journal, log, stop } = this.#parts;
    for (let chunk = 0; chunk < bundle.chunkCount && bundle.count(LOST) > 0; chunk++) {
      if (bundle.chunkState(chunk) !== LOST) continue;
      stop.throwIfAborted();
      try {
        await fetcher.check(bundle, chunk);
      } catch (error) {
        const kind = errorKind(error);
        if (kind === 'corrupt' || kind === 'missing') continue;
        throw error;
      }
      if (bundle.chunkState(chunk) !== LOST) continue;
      log.info('A lost chunk is whole again.', { bundle: bundle.id, chunk });
      await bundle.work(() => journal.stored(bundle.id, chunk));
      bundle.setState(chunk, STORED);
      bundle.tellFound(chunk);
    }
  }
}

/** While an import writes, what is lost comes from the swarm again. */
function isWorthALook(bundle: Bundle): boolean {
  return bundle.state === 'committed' && bundle.count(LOST) > 0;
}
