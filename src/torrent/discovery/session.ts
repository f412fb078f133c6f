import { errorMessage } from '../../lib/errors.ts';
import type { Random } from '../../lib/random.ts';
import { COMPLETED_TRIES } from './limits.ts';
import {
  type AnnounceEvent,
  type AnnounceReply,
  type AnnounceRequest,
  type PeerAddress,
  TrackerError,
} from './ports.ts';
import { earlyOf, refusalWords } from './refusals.ts';
import { type RestedTracker, Tracker, type TrackerStatus } from './tracker.ts';
import { secretsOf } from './words.ts';

/** No shorter part of an announce URL is taken for a passkey; most have 32. */
const PASSKEY_CHARACTERS = 16;

/** Payload bytes of an announce session, and what is still to come. */
export interface AnnounceCounters {
  readonly uploaded: number;
  readonly downloaded: number;
  readonly left: number;
}

/** What the owner of a torrent gives for its announces. */
export interface SessionSpec {
  readonly infoHash: Buffer;
  readonly peerId: Buffer;
  readonly key: number;
  /** Tiers (BEP 12). */
  readonly trackers: readonly (readonly string[])[];
  /** The trackers that know us, in a session that goes on after a restart; else empty. */
  readonly startedWith: readonly string[];
  /** What may be announced: for one peer id, never less than at any call before, in whatever run. */
  counters(): Promise<AnnounceCounters>;
  /** Whether it wants nothing more and is not whole (BEP 21). */
  partial(): boolean;
  /** How many peers would be welcome now. */
  wanted(): number;
  /** Whether somebody waits for its peers: it goes before those that only seed. */
  eager(): boolean;
  found(peers: readonly PeerAddress[]): void;
  /** Something worth saving or showing changed. */
  changed(session: AnnounceSession): void;
  /**
   * `completed` is about to be sent: resolves when the end of this process cannot make us forget it. Where it rejects,
   * `completed` waits. Absent for one that is whole from its begin.
   */
  completing?(session: AnnounceSession): Promise<void>;
  /** Peers are those of another tracker from now on, not of one that was spoken to before (BEP 27); called before `found`. */
  switched?(): void;
  /** No announce is under way any more, or waits for its turn: `rest` gives what it has come to. */
  settled?(): void;
}

/** An announce session between two announces. */
export interface RestedAnnounces {
  /** When the next is due, in seconds of the scheduler's clock; null: no tracker is left to try. */
  readonly dueAt: number | null;
  /** The announce URL that is asked first then; null: there is none. It may hold a passkey. */
  readonly next: string | null;
  /** Those that were asked. */
  readonly trackers: readonly RestedTracker[];
}

/** What one torrent's announces have come to; the scheduler drives it. One tracker at a time is spoken to (BEP 12). */
export class AnnounceSession {
  /** May be replaced by another of the same announce session, when its owner changes. */
  spec: SessionSpec;
  readonly #random: Random;
  /** In the order they are tried; one that works is first of its tier. */
  readonly #trackers: Tracker[];
  #completed: 'none' | 'pending' | 'told' = 'none';
  /** How often `completed` was sent and not answered; one under way counts. */
  #completedTries = 0;
  /** The tracker that answered last. */
  #current: Tracker | null = null;

  /** `urlOf` parses an announce URL; `rested`: what trackers had come to. */
  constructor(spec: SessionSpec, random: Random, urlOf: (text: string) => URL, rested: readonly RestedTracker[] = []) {
    this.spec = spec;
    this.#random = random;
    this.#trackers = spec.trackers.flatMap((tier, number) =>
      shuffled(tier, random).map((text) => new Tracker(text, urlOf(text), number, spec.startedWith.includes(text))),
    );
    for (const one of rested) this.#trackers.find(({ text }) => text === one.text)?.resume(one);
    // Those that know us go on where they were.
    for (const tracker of [...this.#trackers]) if (tracker.knowsUs) this.#promote(tracker);
  }

  /** The trackers that acknowledged `started` and no `stopped` since. */
  get startedWith(): string[] {
    return this.#trackers.filter(({ knowsUs }) => knowsUs).map(({ text }) => text);
  }

  /**
   * Whether another run has nothing to tell of a download's end: it was told, or may have been. Null where no download came
   * to its end in this session.
   */
  get completedSent(): boolean | null {
    return this.#completed === 'none' ? null : this.#completed === 'told' || this.#completedTries > 0;
  }

  /** The announce URL of the tracker that is asked first. */
  get next(): string | null {
    return this.#trackers[0]?.text ?? null;
  }

  /** What its trackers have come to; null while a `completed` is untold. */
  rest(): RestedTracker[] | null {
    return this.#completed === 'pending' ? null : this.#trackers.flatMap((tracker) => tracker.rest() ?? []);
  }

  /** Whether its next announce goes before those of others. */
  get isUrgent(): boolean {
    return this.#completed === 'pending' || this.spec.eager();
  }

  status(): TrackerStatus[] {
    return this.#trackers.map(({ status }) => status);
  }

  /** Why none of the trackers has us, in words, when that is so and one of them said why; else null. */
  get refusal(): string | null {
    if (this.#trackers.some(({ state }) => state === 'working' || state === 'not-asked')) return null;
    const refusing = this.#trackers.find(({ refusal }) => refusal !== null);
    if (refusing === undefined || refusing.refusal === null) return null;
    return refusalWords(refusing.refusal, refusing.url.host, refusing.message ?? '');
  }

  /** A download came to its end in this session: an announce says so, once. */
  completed(): void {
    if (this.#completed === 'none') this.#completed = 'pending';
  }

  /** The `completed` of a request is about to leave. Rejects with TrackerError when that cannot be kept: it must not leave. */
  async completing(): Promise<void> {
    this.#completedTries++;
    try {
      await this.spec.completing?.(this);
    } catch (error) {
      this.#completedTries--;
      throw new TrackerError('unreachable', `the end of the download cannot be kept: ${errorMessage(error)}`);
    }
  }

  /** A person wants all trackers tried again. */
  retry(): void {
    for (const tracker of this.#trackers) tracker.forgive();
  }

  /**
   * The tracker to speak to now: each round begins with the first tier (BEP 12), leaving out those whose pause after a
   * failure is not over. Null when that is so for all.
   */
  choose(now: number): Tracker | null {
    return this.#trackers.find(({ state, notBefore }) => state !== 'given-up' && notBefore <= now) ?? null;
  }

  /** Seconds until `choose` gives a tracker; null when it never will. */
  wait(now: number): number | null {
    const times = this.#trackers.filter(({ state }) => state !== 'given-up').map(({ notBefore }) => notBefore);
    return times.length === 0 ? null : Math.max(0, Math.min(...times) - now);
  }

  /** The trackers that are to be told when the session ends. */
  knowing(): Tracker[] {
    return this.#trackers.filter(({ knowsUs }) => knowsUs);
  }

  /** What to say to a tracker now. */
  request(tracker: Tracker, port: number, counters: AnnounceCounters, stopping: boolean): AnnounceRequest {
    const { infoHash, peerId, key } = this.spec;
    const event = stopping ? 'stopped' : this.#event(tracker, counters);
    const { trackerId } = tracker;
    return { infoHash, peerId, key, port, ...counters, event, wanted: this.spec.wanted(), trackerId };
  }

  /** Whether a download's end is to be told yet, and can be. */
  owesCompleted({ left }: AnnounceCounters): boolean {
    return this.#completed === 'pending' && left === 0;
  }

  /** Takes a reply in; gives the seconds to the next announce. */
  succeeded(tracker: Tracker, request: AnnounceRequest, reply: AnnounceReply, now: number): number {
    const pause = tracker.succeeded(reply, now);
    if (request.event === 'started') tracker.knowsUs = true;
    if (request.event === 'completed') this.#completed = 'told';
    this.#promote(tracker);
    if (this.#current !== null && !isSameTracker(this.#current.url, tracker.url)) this.spec.switched?.();
    this.#current = tracker;
    // A `completed` that became due while another was under way follows at once: trackers take one event a request.
    return this.#completed === 'pending' ? 0 : pause;
  }

  /**
   * Takes a failure in; gives the seconds to the next try, of whichever tracker, or null when none is left to try.
   */
  failed(
    tracker: Tracker,
    request: AnnounceRequest,
    error: TrackerError,
    mayHaveLeft: boolean,
    now: number,
  ): number | null {
    const early = error.kind === 'refused' ? earlyOf(error.message) : null;
    if (request.event === 'completed') this.#completedFailed(error, early, mayHaveLeft);
    // Whose reply was lost, in this run or one that was killed, is known to it all the same.
    if (request.event === 'started' && early === 'same-event') tracker.knowsUs = true;
    if (early !== null && tracker.knowsUs) return tracker.early(error, now, this.#random);
    tracker.failed(error, now, this.#random);
    return this.wait(now);
  }

  /** It was told `stopped`. */
  stopped(tracker: Tracker): void {
    tracker.knowsUs = false;
  }

  /**
   * What was answered was not counted, unless it was the second answer to the same event; what was never answered may have
   * been, and is sent again a few times, since some trackers that count do not answer.
   */
  #completedFailed(error: TrackerError, early: ReturnType<typeof earlyOf>, mayHaveLeft: boolean): void {
    if (error.kind !== 'unreachable' || error.isUncounted) {
      if (mayHaveLeft) this.#completedTries--;
      if (early === 'same-event') this.#completed = 'told';
    } else if (this.#completedTries >= COMPLETED_TRIES) this.#completed = 'told';
  }

  #event(tracker: Tracker, counters: AnnounceCounters): AnnounceEvent {
    if (!tracker.knowsUs) return 'started';
    if (this.owesCompleted(counters)) return 'completed';
    return this.spec.partial() ? 'paused' : null;
  }

  /** BEP 12: a tracker that works goes to the front of its tier. */
  #promote(tracker: Tracker): void {
    this.#trackers.splice(this.#trackers.indexOf(tracker), 1);
    const front = this.#trackers.findIndex(({ tier }) => tier >= tracker.tier);
    this.#trackers.splice(front < 0 ? this.#trackers.length : front, 0, tracker);
  }
}

/**
 * Whether two announce URLs are of one tracker: of one host, or, since it may have several, with the same secrets. Two
 * trackers never gave us the same passkey.
 */
function isSameTracker(one: URL, other: URL): boolean {
  if (one.hostname === other.hostname) return true;
  const secrets = secretsOf(one);
  return (secrets[0]?.length ?? 0) >= PASSKEY_CHARACTERS && secrets.join(' ') === secretsOf(other).join(' ');
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const copy = [...list];
  for (let at = copy.length - 1; at > 0; at--) {
    const other = random.int(at + 1);
    [copy[at], copy[other]] = [copy[other] as T, copy[at] as T];
  }
  return copy;
}
