import type { Random } from '../../lib/random.ts';
import {
  CHOKE_MILLISECONDS,
  OPTIMISTIC_TICKS,
  SEED_TURN_MILLISECONDS,
  UNCHOKED_PEER_BYTES_PER_SECOND,
  UNCHOKED_PEERS,
} from './limits.ts';
import type { PeerSession } from './session.ts';

/** Decides who of a torrent's peers is served: all who want something while there are few, else those who deserve it. */
export class Choker {
  readonly #random: Random;
  /** When each was served first, or began to wait, monotonic. */
  readonly #since = new WeakMap<PeerSession, number>();
  #dueAt = 0;
  #ticks = 0;
  #optimistic: PeerSession | null = null;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A peer's interest has changed: a free place is given at once. */
  interest(session: PeerSession, sessions: ReadonlySet<PeerSession>, now: number): void {
    if (session.interested && freePlaces(sessions) > 0) this.#set(session, false, now);
  }

  /** Once a second: free places are given; every CHOKE_MILLISECONDS all are given anew. */
  tick(sessions: ReadonlySet<PeerSession>, seeding: boolean, now: number): void {
    const wanting = [...sessions].filter((session) => session.interested);
    if (now < this.#dueAt) {
      const waiting = wanting.filter((session) => session.uploader?.choking === true);
      for (const session of waiting.slice(0, freePlaces(sessions))) this.#set(session, false, now);
      return;
    }
    this.#dueAt = now + CHOKE_MILLISECONDS;
    this.#ticks++;
    const count = places(sessions);
    const served = new Set(wanting.length <= count ? wanting : this.#choose(wanting, count, seeding, now));
    for (const session of sessions) this.#set(session, !served.has(session), now);
  }

  #set(session: PeerSession, choked: boolean, now: number): void {
    const { uploader } = session;
    if (uploader === null || uploader.choking === choked) return;
    this.#since.set(session, now);
    session.setChoked(choked);
  }

  #choose(wanting: PeerSession[], count: number, seeding: boolean, now: number): PeerSession[] {
    if (seeding) return this.#inTurn(wanting, now).slice(0, count);
    // Who gives most gets most, and one place is for finding someone better (BEP 3).
    const rate = (session: PeerSession) => session.requests.rate.bytesPerSecond;
    const served = wanting.sort((a, b) => rate(b) - rate(a)).slice(0, count - 1);
    const rest = wanting.slice(count - 1);
    const stays = this.#optimistic !== null && rest.includes(this.#optimistic) && this.#ticks % OPTIMISTIC_TICKS !== 0;
    if (!stays) this.#optimistic = rest[this.#random.int(rest.length)] ?? null;
    return this.#optimistic === null ? served : [...served, this.#optimistic];
  }

  /** Those whose turn lasts, then those who wait, the longest first, then those who had their turn, the fastest first. */
  #inTurn(wanting: PeerSession[], now: number): PeerSession[] {
    const rank = (session: PeerSession) => {
      if (session.uploader?.choking !== false) return 1;
      return now - (this.#since.get(session) ?? 0) < SEED_TURN_MILLISECONDS ? 0 : 2;
    };
    const rate = (session: PeerSession) => session.uploader?.rate.bytesPerSecond ?? 0;
    const since = (session: PeerSession) => this.#since.get(session) ?? session.startedAt;
    return wanting.sort((a, b) => {
      const difference = rank(a) - rank(b);
      if (difference !== 0) return difference;
      return rank(a) === 2 ? rate(b) - rate(a) : since(a) - since(b);
    });
  }
}

/** How many may be served: as many as our line feeds well. */
function places(sessions: ReadonlySet<PeerSession>): number {
  let bytesPerSecond = 0;
  for (const { uploader } of sessions) bytesPerSecond += uploader?.rate.bytesPerSecond ?? 0;
  return Math.max(UNCHOKED_PEERS, Math.floor(bytesPerSecond / UNCHOKED_PEER_BYTES_PER_SECOND));
}

function freePlaces(sessions: ReadonlySet<PeerSession>): number {
  let served = 0;
  for (const { interested, uploader } of sessions) if (interested && uploader?.choking === false) served++;
  return Math.max(0, places(sessions) - served);
}
