import type { Random } from '../../lib/random.ts';
import {
  DEFAULT_INTERVAL_SECONDS,
  FIRST_RETRY_SECONDS,
  LEAST_INTERVAL_SECONDS,
  MOST_INTERVAL_SECONDS,
  MOST_RETRY_SECONDS,
} from './limits.ts';
import type { AnnounceEvent, AnnounceReply, AnnounceRequest, PeerAddress, TrackerError } from './ports.ts';

/** What the owner of a torrent gives for its announces. */
export interface SessionSpec {
  readonly infoHash: Buffer;
  readonly peerId: Buffer;
  readonly key: number;
  /** Tiers (BEP 12). */
  readonly trackers: readonly (readonly string[])[];
  /** The tracker that acknowledged `started` in a session that goes on after a restart; else null. */
  readonly startedWith: string | null;
  counters(): { uploaded: number; downloaded: number; left: number };
  /** How many peers would be welcome now. */
  wanted(): number;
  found(peers: readonly PeerAddress[]): void;
  /** Something worth saving or showing changed. */
  changed(session: AnnounceSession): void;
}

export interface TrackerStatus {
  /** Scheme, host and port; what follows may hold a passkey. */
  readonly tracker: string;
  readonly tier: number;
  readonly state: 'not-asked' | 'working' | 'failing' | 'given-up';
  readonly message: string | null;
  readonly seeders: number | null;
  readonly leechers: number | null;
}

interface Tracker {
  readonly url: URL;
  readonly text: string;
  readonly tier: number;
  state: TrackerStatus['state'];
  message: string | null;
  seeders: number | null;
  leechers: number | null;
  trackerId: Buffer | null;
}

/** What one torrent's announces have come to; the scheduler drives it. One tracker at a time is spoken to (BEP 12). */
export class AnnounceSession {
  readonly spec: SessionSpec;
  readonly #random: Random;
  /** In the order they are tried; one that works is first of its tier. */
  readonly #trackers: Tracker[];
  #at = 0;
  #rounds = 0;
  #intervalSeconds = DEFAULT_INTERVAL_SECONDS;
  #leastSeconds = LEAST_INTERVAL_SECONDS;
  #startedWith: string | null;
  #completedPending = false;
  #completedSent = false;

  constructor(spec: SessionSpec, random: Random) {
    this.spec = spec;
    this.#random = random;
    this.#startedWith = spec.startedWith;
    this.#trackers = spec.trackers.flatMap((tier, number) => shuffled(tier, random).map((text) => track(text, number)));
    const known = this.#trackers.findIndex((tracker) => tracker.text === spec.startedWith);
    if (known > 0) this.#promote(known);
  }

  get startedWith(): string | null {
    return this.#startedWith;
  }

  /** Whether `completed` was acknowledged in this run. */
  get completedSent(): boolean {
    return this.#completedSent;
  }

  /** How soon after an announce the next may follow when somebody asks for it. */
  get leastSeconds(): number {
    return this.#leastSeconds;
  }

  status(): TrackerStatus[] {
    return this.#trackers.map(({ url, tier, state, message, seeders, leechers }) => {
      return { tracker: `${url.protocol}//${url.host}`, tier, state, message, seeders, leechers };
    });
  }

  /** A download came to its end in this session: the next announce says so, once. */
  completed(): void {
    this.#completedPending = true;
  }

  /** The tracker to speak to next and what to say; null when none is left. */
  next(port: number, stopping: boolean): { url: URL; request: AnnounceRequest } | null {
    const tracker = stopping ? this.#trackers.find(({ text }) => text === this.#startedWith) : this.#trackers[this.#at];
    if (tracker === undefined || tracker.state === 'given-up') return null;
    const { infoHash, peerId, key } = this.spec;
    const event: AnnounceEvent = stopping
      ? 'stopped'
      : this.#startedWith !== tracker.text
        ? 'started'
        : this.#completedPending
          ? 'completed'
          : null;
    const wanted = this.spec.wanted();
    const request = {
      infoHash,
      peerId,
      key,
      port,
      ...this.spec.counters(),
      event,
      wanted,
      trackerId: tracker.trackerId,
    };
    return { url: tracker.url, request };
  }

  /** Takes a reply in; gives the seconds to the next announce. */
  succeeded(request: AnnounceRequest, reply: AnnounceReply): number {
    const tracker = this.#trackers[this.#at] as Tracker;
    Object.assign(tracker, {
      state: 'working',
      message: reply.warning,
      seeders: reply.seeders,
      leechers: reply.leechers,
    });
    if (reply.trackerId !== null) tracker.trackerId = reply.trackerId;
    if (request.event === 'started') this.#startedWith = tracker.text;
    if (request.event === 'completed') {
      this.#completedPending = false;
      this.#completedSent = true;
    }
    this.#promote(this.#at);
    this.#rounds = 0;
    this.#intervalSeconds = clamp(reply.intervalSeconds, LEAST_INTERVAL_SECONDS, MOST_INTERVAL_SECONDS);
    this.#leastSeconds = clamp(reply.minIntervalSeconds ?? 0, LEAST_INTERVAL_SECONDS, MOST_INTERVAL_SECONDS);
    // A `completed` that became due while `started` was under way follows at once: trackers take one event a request.
    return this.#completedPending ? 0 : this.#intervalSeconds;
  }

  /** Takes a failure in; gives the seconds to the next try, or null when no tracker is left to try. */
  failed(error: TrackerError): number | null {
    const tracker = this.#trackers[this.#at] as Tracker;
    tracker.state = error.kind === 'never' ? 'given-up' : 'failing';
    tracker.message = error.message;
    const next = this.#trackers.findIndex(({ state }, index) => index > this.#at && state !== 'given-up');
    if (next > 0) {
      this.#at = next;
      return 0;
    }
    this.#at = this.#trackers.findIndex(({ state }) => state !== 'given-up');
    if (this.#at < 0) return null;
    const pause = Math.min(FIRST_RETRY_SECONDS * 2 ** this.#rounds++, MOST_RETRY_SECONDS, this.#intervalSeconds);
    const jittered = pause * (0.75 + this.#random.int(5_000) / 10_000);
    return Math.max(jittered, Math.min(error.retryInSeconds ?? 0, MOST_INTERVAL_SECONDS));
  }

  /** The tracker no longer counts us: its next announce begins anew. */
  stopped(): void {
    this.#startedWith = null;
  }

  /** BEP 12: a tracker that works goes to the front of its tier, and the next round begins with the first tier. */
  #promote(index: number): void {
    const [tracker] = this.#trackers.splice(index, 1) as [Tracker];
    const front = this.#trackers.findIndex(({ tier }) => tier >= tracker.tier);
    this.#trackers.splice(front < 0 ? this.#trackers.length : front, 0, tracker);
    this.#at = this.#trackers.indexOf(tracker);
  }
}

function track(text: string, tier: number): Tracker {
  const rest = { message: null, seeders: null, leechers: null, trackerId: null };
  return { url: new URL(text), text, tier, state: 'not-asked', ...rest };
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const copy = [...list];
  for (let at = copy.length - 1; at > 0; at--) {
    const other = random.int(at + 1);
    [copy[at], copy[other]] = [copy[other] as T, copy[at] as T];
  }
  return copy;
}

const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value));
