import type { Random } from '../../lib/random.ts';
import * as limits from './limits.ts';
import type { AnnounceReply, TrackerError } from './ports.ts';
import { type Refusal, refusalOf, refusalWords } from './refusals.ts';

/** What a tracker has come to; for people too. */
export interface TrackerStatus {
  /** Scheme, host and port; what follows may hold a passkey. */
  readonly tracker: string;
  readonly tier: number;
  /** refused: it will not have us, and is asked again after hours; given-up: it said never, or cannot be spoken to. */
  readonly state: 'not-asked' | 'working' | 'failing' | 'refused' | 'given-up';
  readonly message: string | null;
  readonly seeders: number | null;
  readonly leechers: number | null;
}

/** What one tracker has come to, without what its URL says: enough to go on with it. Times as in Tracker. */
export interface RestedTracker {
  /** As it stands in the torrent. */
  readonly text: string;
  readonly tier: number;
  readonly state: TrackerStatus['state'];
  readonly message: string | null;
  readonly seeders: number | null;
  readonly leechers: number | null;
  readonly trackerId: Buffer | null;
  readonly notBefore: number;
  readonly leastAt: number;
  readonly intervalSeconds: number;
  readonly failures: number;
}

/** For people. */
export function statusOf({ protocol, host }: URL, state: Omit<TrackerStatus, 'tracker'>): TrackerStatus {
  const { tier, message, seeders, leechers } = state;
  return { tracker: `${protocol}//${host}`, tier, state: state.state, message, seeders, leechers };
}

/** Why a tracker that is not spoken to now will not have us, in words; null unless it said so. */
export function restedRefusal({ text, state, message }: RestedTracker): string | null {
  const refusal = state === 'refused' ? refusalOf(message ?? '') : null;
  return refusal === null ? null : refusalWords(refusal, new URL(text).host, message ?? '');
}

/** One tracker as one torrent's announce session sees it. Times are seconds of the scheduler's clock. */
export class Tracker {
  readonly url: URL;
  /** As it stands in the torrent. */
  readonly text: string;
  readonly tier: number;
  state: TrackerStatus['state'] = 'not-asked';
  message: string | null = null;
  refusal: Refusal | null = null;
  seeders: number | null = null;
  leechers: number | null = null;
  trackerId: Buffer | null = null;
  /** It acknowledged `started`, and no `stopped` since. */
  knowsUs: boolean;
  /** It is not to be spoken to before; only failures set it. */
  notBefore = Number.NEGATIVE_INFINITY;
  /** The earliest time for an announce that nothing but a wish calls for (BEP 3 `min interval`). */
  leastAt = Number.NEGATIVE_INFINITY;
  #intervalSeconds = limits.DEFAULT_INTERVAL_SECONDS;
  #failures = 0;

  constructor(text: string, url: URL, tier: number, knowsUs: boolean) {
    this.url = url;
    this.text = text;
    this.tier = tier;
    this.knowsUs = knowsUs;
  }

  /** What it has come to; null as long as it was not asked. */
  rest(): RestedTracker | null {
    const { text, tier, state, message, seeders, leechers, trackerId, notBefore, leastAt } = this;
    if (state === 'not-asked') return null;
    const [intervalSeconds, failures] = [this.#intervalSeconds, this.#failures];
    return { text, tier, state, message, seeders, leechers, trackerId, notBefore, leastAt, intervalSeconds, failures };
  }

  /** Goes on with what it had come to. */
  resume(rested: RestedTracker): void {
    this.state = rested.state;
    this.message = rested.message;
    this.refusal = rested.state === 'refused' ? refusalOf(rested.message ?? '') : null;
    this.seeders = rested.seeders;
    this.leechers = rested.leechers;
    this.trackerId = rested.trackerId;
    this.notBefore = rested.notBefore;
    this.leastAt = rested.leastAt;
    this.#intervalSeconds = rested.intervalSeconds;
    this.#failures = rested.failures;
  }

  get status(): TrackerStatus {
    return statusOf(this.url, this);
  }

  /** Takes a reply in; gives the seconds to the next announce. */
  succeeded(reply: AnnounceReply, now: number): number {
    this.state = 'working';
    this.refusal = null;
    this.message = reply.warning;
    this.seeders = reply.seeders;
    this.leechers = reply.leechers;
    this.trackerId = reply.trackerId ?? this.trackerId;
    this.#failures = 0;
    this.notBefore = Number.NEGATIVE_INFINITY;
    this.#intervalSeconds = clampInterval(reply.intervalSeconds);
    const least = clampInterval(reply.minIntervalSeconds ?? 0);
    this.leastAt = now + least;
    // A minimum above the interval is what the tracker would refuse us for.
    return Math.max(this.#intervalSeconds, least);
  }

  /** Takes a failure in: it is left alone for a while. */
  failed(error: TrackerError, now: number, random: Random): void {
    this.message = error.message;
    this.refusal = error.kind === 'refused' ? refusalOf(error.message) : null;
    this.state = error.kind === 'never' ? 'given-up' : this.refusal === null ? 'failing' : 'refused';
    const [first, most] =
      this.refusal === null
        ? [limits.FIRST_RETRY_SECONDS, Math.min(limits.MOST_RETRY_SECONDS, this.#intervalSeconds)]
        : [limits.FIRST_REFUSED_RETRY_SECONDS, limits.MOST_REFUSED_RETRY_SECONDS];
    this.notBefore = now + this.#pause(first, most, error, random);
  }

  /** It says that we are early: no failure, and nothing to complain of. Gives the seconds to the next announce. */
  early(error: TrackerError, now: number, random: Random): number {
    this.message = error.message;
    this.refusal = null;
    this.state = 'working';
    this.notBefore = Number.NEGATIVE_INFINITY;
    const most = Math.min(limits.MOST_RETRY_SECONDS, this.#intervalSeconds);
    const pause = Math.max(limits.EVENT_REPEAT_SECONDS, this.#pause(limits.EVENT_REPEAT_SECONDS, most, error, random));
    this.leastAt = now + pause;
    return pause;
  }

  /** A person wants it tried again, whatever it said. */
  forgive(): void {
    if (this.state === 'working') return;
    this.state = 'not-asked';
    this.notBefore = Number.NEGATIVE_INFINITY;
    this.#failures = 0;
  }

  /** Seconds, with jitter, longer each time, and as long as it asks (BEP 31). */
  #pause(first: number, most: number, { retryInSeconds }: TrackerError, random: Random): number {
    const pause = Math.min(first * 2 ** this.#failures++, most);
    const jittered = pause * (0.75 + random.int(5_000) / 10_000);
    return Math.max(jittered, Math.min(retryInSeconds ?? 0, limits.MOST_INTERVAL_SECONDS));
  }
}

const clampInterval = (seconds: number) =>
  Math.min(limits.MOST_INTERVAL_SECONDS, Math.max(limits.LEAST_INTERVAL_SECONDS, seconds));
