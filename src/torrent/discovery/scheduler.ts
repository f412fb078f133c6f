import { isPublicAddress } from '../../lib/addresses.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { TimingWheel } from '../../lib/wheel.ts';
import { ANNOUNCE_MILLISECONDS, ANNOUNCES_AT_ONCE, STOPPED_MILLISECONDS } from './limits.ts';
import { type TrackerClient, TrackerError } from './ports.ts';
import { AnnounceSession, type SessionSpec } from './session.ts';

export interface SchedulerOptions {
  /** By URL protocol: `http:`, `https:`, `udp:`. */
  readonly clients: ReadonlyMap<string, TrackerClient>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The peer port we tell; 0 until it is known. */
  readonly port: () => number;
  /** Whether trackers may name private addresses as peers. */
  readonly allowPrivateAddresses: boolean;
}

/** What a session's owner holds. */
export interface AnnounceHandle {
  readonly session: AnnounceSession;
  /** A download ended: tells the tracker now. */
  completed(): void;
  /** Announces as soon as the tracker's minimum interval allows. */
  announceSoon(): void;
  /**
   * Ends the session. With `tell`, the tracker that knows us gets `stopped`; resolves when it was told or when the time
   * for that is over, and never rejects.
   */
  stop(tell: boolean): Promise<void>;
}

interface Entry {
  readonly session: AnnounceSession;
  lastSeconds: number;
  busy: boolean;
  again: boolean;
  ended: boolean;
  idle: (() => void) | null;
}

/** All torrents' announces: one wheel, one tick a second, a bounded number under way. */
export class AnnounceScheduler {
  readonly #options: SchedulerOptions;
  readonly #wheel: TimingWheel<Entry>;
  readonly #ready = new Set<Entry>();
  readonly #tick: Timer;
  #running = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#wheel = new TimingWheel(this.#seconds());
    this.#tick = options.clock.every(1_000, () => this.#look());
  }

  /** Announces begin at once; a torrent without trackers is quietly none of our business. */
  add(spec: SessionSpec): AnnounceHandle {
    const session = new AnnounceSession(spec, this.#options.random);
    const entry: Entry = { session, lastSeconds: -1e9, busy: false, again: false, ended: false, idle: null };
    this.#now(entry);
    return {
      session,
      completed: () => {
        session.completed();
        this.#now(entry);
      },
      announceSoon: () => {
        if (!entry.ended && !entry.busy) this.#wheel.set(entry, entry.lastSeconds + session.leastSeconds);
      },
      stop: (tell) => this.#stop(entry, tell),
    };
  }

  close(): void {
    this.#tick.cancel();
    this.#ready.clear();
  }

  #seconds(): number {
    return this.#options.clock.monotonic() / 1_000;
  }

  #look(): void {
    for (const entry of this.#wheel.due(this.#seconds())) this.#ready.add(entry);
    this.#run();
  }

  #now(entry: Entry): void {
    this.#wheel.delete(entry);
    if (entry.busy) entry.again = true;
    else if (!entry.ended) this.#ready.add(entry);
    this.#run();
  }

  #run(): void {
    for (const entry of this.#ready) {
      if (this.#running >= ANNOUNCES_AT_ONCE) return;
      this.#ready.delete(entry);
      if (entry.ended || entry.busy) continue;
      this.#running++;
      entry.busy = true;
      this.#announce(entry)
        .catch((error) => this.#options.log.error('an announce broke', { error: errorMessage(error) }))
        .finally(() => {
          this.#running--;
          entry.busy = false;
          entry.idle?.();
          if (entry.again) {
            entry.again = false;
            this.#now(entry);
          } else this.#run();
        });
    }
  }

  async #announce(entry: Entry): Promise<void> {
    const { session } = entry;
    const next = session.next(this.#options.port(), false);
    if (next === null) return;
    let pauseSeconds: number | null;
    try {
      const reply = await this.#send(next, ANNOUNCE_MILLISECONDS);
      pauseSeconds = session.succeeded(next.request, reply);
      const peers = reply.peers.filter(({ host }) => this.#options.allowPrivateAddresses || isPublicAddress(host));
      if (!entry.ended && peers.length > 0) session.spec.found(peers);
    } catch (error) {
      if (!(error instanceof TrackerError)) throw error;
      this.#options.log.warn('an announce failed', { tracker: next.url.host, reason: error.message });
      pauseSeconds = session.failed(error);
    }
    entry.lastSeconds = this.#seconds();
    if (pauseSeconds !== null && !entry.ended) {
      if (pauseSeconds === 0) entry.again = true;
      else this.#wheel.set(entry, entry.lastSeconds + pauseSeconds);
    }
    session.spec.changed(session);
  }

  async #send(next: NonNullable<ReturnType<AnnounceSession['next']>>, milliseconds: number) {
    const client = this.#options.clients.get(next.url.protocol);
    if (client === undefined) throw new TrackerError('never', `${next.url.protocol} trackers are not supported`);
    const abort = new AbortController();
    const timer = this.#options.clock.after(milliseconds, () => abort.abort());
    try {
      return await client.announce(next.url, next.request, abort.signal);
    } finally {
      timer.cancel();
    }
  }

  async #stop(entry: Entry, tell: boolean): Promise<void> {
    if (entry.ended) return;
    entry.ended = true;
    entry.again = false;
    this.#wheel.delete(entry);
    if (!tell) return;
    // A `started` under way may be acknowledged yet: then it wants its `stopped`.
    if (entry.busy) await this.#untilIdle(entry);
    const next = entry.session.next(this.#options.port(), true);
    if (next === null) return;
    try {
      await this.#send(next, STOPPED_MILLISECONDS);
    } catch (error) {
      this.#options.log.warn('a tracker could not be told of the stop', {
        tracker: next.url.host,
        reason: errorMessage(error),
      });
    }
    entry.session.stopped();
    entry.session.spec.changed(entry.session);
  }

  #untilIdle(entry: Entry): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(STOPPED_MILLISECONDS, resolve);
      entry.idle = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
