import type { Random } from '../../lib/random.ts';
import * as limits from './limits.ts';
import type { AnnounceReply, TrackerError } from './ports.ts';
import { type Refusal, refusalOf } from './words.ts';

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

  get status(): TrackerStatus {
    const { url, tier, state, message, seeders, leechers } = this;
    return { tracker: `${url.protocol}//${url.host}`, tier, state, message, seeders, leechers };
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

  /** Takes a failure in: it is left alone for a while, with jitter, longer each time, and as long as it asks (BEP 31). */
  failed(error: TrackerError, now: number, random: Random): void {
    this.message = error.message;
    this.refusal = error.kind === 'refused' ? refusalOf(error.message) : null;
    this.state = error.kind === 'never' ? 'given-up' : this.refusal === null ? 'failing' : 'refused';
    const [first, most] =
      this.refusal === null
        ? [limits.FIRST_RETRY_SECONDS, Math.min(limits.MOST_RETRY_SECONDS, this.#intervalSeconds)]
        : [limits.FIRST_REFUSED_RETRY_SECONDS, limits.MOST_REFUSED_RETRY_SECONDS];
    const pause = Math.min(first * 2 ** this.#failures++, most);
    const jittered = pause * (0.75 + random.int(5_000) / 10_000);
    this.notBefore = now + Math.max(jittered, Math.min(error.retryInSeconds ?? 0, limits.MOST_INTERVAL_SECONDS));
  }

  /** A person wants it tried again, whatever it said. */
  forgive(): void {
    if (this.state === 'working') return;
    this.state = 'not-asked';
    this.notBefore = Number.NEGATIVE_INFINITY;
    this.#failures = 0;
  }
}

const clampInterval = (seconds: number) =>
  Math.min(limits.MOST_INTERVAL_SECONDS, Math.max(limits.LEAST_INTERVAL_SECONDS, seconds));
