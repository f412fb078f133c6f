import type { RestedAnnounces, RestedTracker } from '../torrent/index.ts';
import { SharedTexts } from './shared-texts.ts';

const FIRST_SLOTS = 64;
/** In a count's cell: the tracker did not say. */
const UNKNOWN = -1;

/**
 * Announce sessions between two announces, by slot. Nearly all have one tracker that works and had nothing to say: that is a
 * few cells. The others, and all whose tracker is down, are kept as they are.
 */
export class RestingCells {
  /** Seconds of the scheduler's clock; infinite: none is due. */
  #dueAt = new Float64Array(FIRST_SLOTS);
  #leastAt = new Float64Array(FIRST_SLOTS);
  #intervalSeconds = new Uint32Array(FIRST_SLOTS);
  #seeders = new Int32Array(FIRST_SLOTS);
  #leechers = new Int32Array(FIRST_SLOTS);
  /** Of the tracker that works, and one more; 0 where the cells do not tell. */
  #tier = new Uint8Array(FIRST_SLOTS);
  readonly #next: (string | null)[] = [];
  readonly #others = new Map<number, readonly RestedTracker[]>();
  readonly #texts = new SharedTexts();

  put(slot: number, { dueAt, next, trackers }: RestedAnnounces): void {
    if (slot >= this.#dueAt.length) this.#grow(slot);
    this.#dueAt[slot] = dueAt ?? Number.POSITIVE_INFINITY;
    this.#next[slot] = next === null ? null : this.#texts.share(next);
    this.clear(slot);
    const [tracker] = trackers;
    if (tracker?.text === next && trackers.length === 1 && isPlain(tracker)) this.#putPlain(slot, tracker);
    else if (trackers.length > 0) this.#others.set(slot, trackers);
  }

  get(slot: number): RestedAnnounces {
    const dueAt = this.#dueAt[slot] as number;
    const trackers = this.trackers(slot);
    return { dueAt: Number.isFinite(dueAt) ? dueAt : null, next: this.nextOf(slot), trackers };
  }

  /** The announce URL that is asked next, also of one that is not resting any more. */
  nextOf(slot: number): string | null {
    return this.#next[slot] ?? null;
  }

  /** The slots of those whose tracker could not be reached: as many looks as there are torrents that the cells cannot tell. */
  failing(): number[] {
    return [...this.#others]
      .filter(([, trackers]) => trackers.some(({ state }) => state === 'failing'))
      .map(([slot]) => slot);
  }

  clear(slot: number): void {
    this.#tier[slot] = 0;
    this.#others.delete(slot);
  }

  trackers(slot: number): readonly RestedTracker[] {
    const tier = this.#tier[slot] ?? 0;
    const text = this.nextOf(slot);
    if (tier === 0 || text === null) return this.#others.get(slot) ?? [];
    const count = (cell: number | undefined) => (cell === UNKNOWN || cell === undefined ? null : cell);
    return [
      {
        text,
        tier: tier - 1,
        state: 'working',
        message: null,
        seeders: count(this.#seeders[slot]),
        leechers: count(this.#leechers[slot]),
        trackerId: null,
        notBefore: Number.NEGATIVE_INFINITY,
        leastAt: this.#leastAt[slot] as number,
        intervalSeconds: this.#intervalSeconds[slot] as number,
        failures: 0,
      },
    ];
  }

  #putPlain(slot: number, tracker: RestedTracker): void {
    this.#tier[slot] = tracker.tier + 1;
    this.#leastAt[slot] = tracker.leastAt;
    this.#intervalSeconds[slot] = tracker.intervalSeconds;
    this.#seeders[slot] = tracker.seeders ?? UNKNOWN;
    this.#leechers[slot] = tracker.leechers ?? UNKNOWN;
  }

  #grow(slot: number): void {
    const length = Math.max(slot + 1, this.#dueAt.length * 2);
    this.#dueAt = grown(this.#dueAt, new Float64Array(length));
    this.#leastAt = grown(this.#leastAt, new Float64Array(length));
    this.#intervalSeconds = grown(this.#intervalSeconds, new Uint32Array(length));
    this.#seeders = grown(this.#seeders, new Int32Array(length));
    this.#leechers = grown(this.#leechers, new Int32Array(length));
    this.#tier = grown(this.#tier, new Uint8Array(length));
  }
}

/** Whether the cells can tell all of it. */
function isPlain({ state, message, trackerId, tier, seeders, leechers, intervalSeconds }: RestedTracker): boolean {
  const counts = [seeders ?? 0, leechers ?? 0];
  const fits = counts.every((one) => Number.isInteger(one) && one >= 0 && one < 2 ** 31);
  return (
    fits &&
    tier < 255 &&
    state === 'working' &&
    message === null &&
    trackerId === null &&
    Number.isInteger(intervalSeconds)
  );
}

/** What was in `from`, at the beginning of `to`. */
export function grown<Cells extends { set(from: Cells): void }>(from: Cells, to: Cells): Cells {
  to.set(from);
  return to;
}
