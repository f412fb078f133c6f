import { isPublicAddress } from '../../lib/addresses.ts';
import type { Timer } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Random } from '../../lib/random.ts';
import { TimingWheel } from '../../lib/wheel.ts';
import { aborted } from './aborted.ts';
import { type ExchangeOptions, exchange, send } from './exchange.ts';
import { HostQueues, type Job } from './host-queues.ts';
import { ANNOUNCE_MILLISECONDS, MOST_RETRY_SECONDS, STOPPED_MILLISECONDS } from './limits.ts';
import { TrackerError } from './ports.ts';
import { AnnounceSession, type RestedAnnounces, type SessionSpec } from './session.ts';
import type { Tracker } from './tracker.ts';

export interface SchedulerOptions extends ExchangeOptions {
  readonly random: Random;
  /** Whether trackers may name private addresses as peers. */
  readonly allowPrivateAddresses: boolean;
}

/** What a session's owner holds. */
export interface AnnounceHandle {
  readonly session: AnnounceSession;
  /** No announce is under way, nor waits for its turn. */
  isResting(): boolean;
  /** A download ended: tells the tracker now. */
  completed(): void;
  /** A person's wish: trackers that failed are tried at once, one that works as soon as its minimum interval allows. */
  retry(): void;
  /**
   * Ends the announces, tells nobody and gives what `add` can go on with. Null, and nothing is ended, while an announce is
   * under way or a `completed` is untold.
   */
  rest(): RestedAnnounces | null;
  /** Gives the session, an announce under way and all, to another owner. */
  handOver(spec: SessionSpec): void;
  /** Ends the announces and tells nobody: trackers go on thinking of us as there. */
  leave(): void;
  /**
   * Ends the announces and tells `stopped` to the trackers that know us. Resolves when they were told or the signal
   * aborts, and never rejects; a tracker that could not be told still is among the session's `startedWith`.
   */
  stop(signal: AbortSignal): Promise<void>;
}

interface Entry {
  readonly session: AnnounceSession;
  /** Waiting in the queue of a host. */
  queued: { readonly host: string; readonly job: Job } | null;
  busy: boolean;
  /** On the wheel, in seconds; null: it is not. */
  dueAt: number | null;
  /** The next announce follows at once. */
  again: boolean;
  ended: boolean;
  /** Who waits for it not to be busy. */
  idle: (() => void) | null;
}

/** Announce URLs that torrents share. */
const URLS_SHARED = 1_000;

/** All torrents' announces: one wheel, one tick a second, queues by host. */
export class AnnounceScheduler {
  readonly #options: SchedulerOptions;
  readonly #wheel: TimingWheel<Entry>;
  readonly #queues = new HostQueues();
  readonly #tick: Timer;
  /** Most torrents of a private tracker have the same announce URL, and a URL takes a kilobyte. */
  readonly #urls = new Map<string, URL>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#wheel = new TimingWheel(this.#seconds());
    this.#tick = options.clock.every(1_000, () => {
      for (const entry of this.#wheel.due(this.#seconds())) this.#queue(entry, false);
      this.#queues.tick();
    });
  }

  /**
   * Announces begin at once, or when a session that rested has its next one due; a torrent without trackers is quietly none
   * of our business.
   */
  add(spec: SessionSpec, rested: RestedAnnounces | null = null): AnnounceHandle {
    const session = new AnnounceSession(spec, this.#options.random, (text) => this.#urlOf(text), rested?.trackers);
    const entry: Entry = { session, queued: null, busy: false, dueAt: null, again: false, ended: false, idle: null };
    const dueAt = rested === null ? this.#seconds() : rested.dueAt;
    if (dueAt !== null && dueAt <= this.#seconds()) this.#queue(entry, false);
    else if (dueAt !== null) this.#set(entry, dueAt);
    return {
      session,
      completed: () => {
        session.completed();
        this.#queue(entry, true);
      },
      retry: () => this.#retry(entry),
      isResting: () => !entry.busy && entry.queued === null,
      rest: () => this.#rest(entry),
      handOver: (next) => {
        session.spec = next;
      },
      leave: () => this.#end(entry),
      stop: (signal) => this.#stop(entry, signal),
    };
  }

  close(): void {
    this.#tick.cancel();
    this.#queues.clear();
  }

  #urlOf(text: string): URL {
    const known = this.#urls.get(text);
    if (known !== undefined) return known;
    const url = new URL(text);
    if (this.#urls.size < URLS_SHARED) this.#urls.set(text, url);
    return url;
  }

  #seconds(): number {
    return this.#options.clock.monotonic() / 1_000;
  }

  /** It is due: it waits its turn at the tracker that is to be spoken to. */
  #queue(entry: Entry, urgent: boolean): void {
    // One under way sees to what comes after it.
    if (entry.ended || entry.busy) return;
    this.#wheel.delete(entry);
    entry.dueAt = null;
    const now = this.#seconds();
    const tracker = entry.session.choose(now);
    if (tracker === null) {
      const pauseSeconds = entry.session.wait(now);
      if (pauseSeconds !== null) this.#set(entry, now + pauseSeconds);
      return;
    }
    this.#unqueue(entry);
    const job = () => this.#run(entry, tracker);
    entry.queued = { host: tracker.url.host, job };
    this.#queues.push(tracker.url.host, job, urgent || entry.session.isUrgent);
  }

  #unqueue(entry: Entry): void {
    if (entry.queued !== null) this.#queues.drop(entry.queued.host, entry.queued.job);
    entry.queued = null;
  }

  #later(entry: Entry, pauseSeconds: number | null): void {
    if (pauseSeconds === null || entry.ended) return;
    if (pauseSeconds === 0) entry.again = true;
    else this.#set(entry, this.#seconds() + pauseSeconds);
  }

  #set(entry: Entry, dueAt: number): void {
    entry.dueAt = dueAt;
    this.#wheel.set(entry, dueAt);
  }

  #rest(entry: Entry): RestedAnnounces | null {
    const trackers = entry.session.rest();
    if (entry.busy || entry.ended || trackers === null) return null;
    const dueAt = entry.queued === null ? entry.dueAt : this.#seconds();
    this.#end(entry);
    return { dueAt, next: entry.session.next, trackers };
  }

  #retry(entry: Entry): void {
    if (entry.busy || entry.ended) return;
    entry.session.retry();
    const tracker = entry.session.choose(this.#seconds());
    if (tracker?.state !== 'working') this.#queue(entry, true);
    else if (entry.queued === null) this.#set(entry, Math.max(this.#seconds(), tracker.leastAt));
  }

  async #run(entry: Entry, tracker: Tracker): Promise<void> {
    entry.queued = null;
    entry.busy = true;
    try {
      await this.#announce(entry, tracker);
    } catch (error) {
      this.#options.log.error('an announce broke', { error: errorMessage(error) });
      this.#later(entry, MOST_RETRY_SECONDS);
    }
    entry.busy = false;
    entry.idle?.();
    const { again } = entry;
    entry.again = false;
    if (again) this.#queue(entry, false);
    if (!entry.busy && entry.queued === null && !entry.ended) entry.session.spec.settled?.();
  }

  async #announce(entry: Entry, tracker: Tracker): Promise<void> {
    const { session } = entry;
    const counters = await session.spec.counters();
    if (entry.ended) return;
    const { reply, pauseSeconds } = await exchange(this.#options, session, tracker, counters, ANNOUNCE_MILLISECONDS);
    const { allowPrivateAddresses } = this.#options;
    const peers = (reply?.peers ?? []).filter(({ host }) => allowPrivateAddresses || isPublicAddress(host));
    if (!entry.ended && peers.length > 0) session.spec.found(peers);
    this.#later(entry, pauseSeconds);
    session.spec.changed(session);
  }

  /** False if it had ended before. */
  #end(entry: Entry): boolean {
    const isFirst = !entry.ended;
    entry.ended = true;
    entry.again = false;
    this.#wheel.delete(entry);
    this.#unqueue(entry);
    return isFirst;
  }

  async #stop(entry: Entry, signal: AbortSignal): Promise<void> {
    if (!this.#end(entry)) return;
    // A `started` under way may be acknowledged yet: then it wants its `stopped`.
    if (entry.busy) {
      const idle = new Promise<void>((resolve) => {
        entry.idle = resolve;
      });
      await Promise.race([idle, aborted(signal)]);
    }
    await Promise.all(entry.session.knowing().map((tracker) => this.#queueStopped(entry, tracker, signal)));
    entry.session.spec.changed(entry.session);
  }

  async #queueStopped(entry: Entry, tracker: Tracker, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const told = new Promise<void>((resolve) => {
      const job = async () => {
        if (!signal.aborted) await this.#tellStopped(entry, tracker, signal);
        resolve();
      };
      this.#queues.push(tracker.url.host, job, true);
    });
    await Promise.race([told, aborted(signal)]);
  }

  async #tellStopped(entry: Entry, tracker: Tracker, signal: AbortSignal): Promise<void> {
    const { session } = entry;
    try {
      const counters = await session.spec.counters();
      // A tracker that hears of the end of the session first would never count the download.
      if (session.owesCompleted(counters)) {
        await exchange(this.#options, session, tracker, counters, STOPPED_MILLISECONDS, signal);
      }
      const request = session.request(tracker, this.#options.port(), counters, true);
      await send(this.#options, tracker, request, STOPPED_MILLISECONDS, signal);
      session.stopped(tracker);
    } catch (error) {
      // A tracker that answers at all, if only with a refusal, was told.
      if (error instanceof TrackerError && error.kind !== 'unreachable') session.stopped(tracker);
      this.#options.log.warn('a tracker could not be told of the stop', {
        tracker: tracker.url.host,
        reason: errorMessage(error),
      });
    }
  }
}
