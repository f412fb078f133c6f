import type { BeginSpec, SessionsOptions } from './session-options.ts';
import { TorrentSession } from './torrent-session.ts';

/** All torrents that peers and trackers know of now: the engine's side and the trackers' side of each, as one. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, TorrentSession>();
  #isLeaving = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** Adds a torrent to the engine and tells its trackers, unless `seeding` is false. `refused` if it is there already. */
  begin(spec: BeginSpec): TorrentSession {
    const name = spec.infoHash.toString('hex');
    const session = new TorrentSession(spec, this.#options, () => this.#sessions.delete(name));
    this.#sessions.set(name, session);
    if (!this.#isLeaving && spec.seeding !== false) session.announce();
    return session;
  }

  /**
   * Refuses peers and tells trackers `stopped`, for all torrents, those first whose payload moved last. What is not told
   * after `milliseconds` goes on at the next start as if nothing had been. The sessions are still to be ended.
   */
  async sayGoodbye(milliseconds: number): Promise<void> {
    this.#isLeaving = true;
    const sessions = [...this.#sessions.values()].sort((a, b) => b.activeAt - a.activeAt);
    for (const { torrent } of sessions) torrent.setSeeding(false);
    const late = new AbortController();
    const timer = this.#options.clock.after(milliseconds, () => late.abort());
    await Promise.all(sessions.map((session) => session.tellStopped(late.signal)));
    timer.cancel();
  }

  /** By info-hash, 40 hex digits. */
  get(infoHash: string): TorrentSession | null {
    return this.#sessions.get(infoHash) ?? null;
  }

  all(): readonly TorrentSession[] {
    return [...this.#sessions.values()];
  }
}
