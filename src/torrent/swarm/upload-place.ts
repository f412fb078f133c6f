import * as limits from './limits.ts';
import type { PeerSession } from './session.ts';

/** A peer's place among those who want something from us: its turn, and what it made of it. */
export class UploadPlace {
  /** When it was served first, or choked last, monotonic. */
  since: number;
  /** It has been seen to take its part: what it shows once it is served, and keeps while it waits for its next turn. */
  isProven = false;
  /** It is served and takes next to nothing, so it uses no slot up. */
  isIdle = false;
  /** Bytes it had been sent at `since`. */
  #sentBytes = 0;

  constructor(since: number) {
    this.since = since;
  }

  /** It is served from now on, or choked. */
  begin(now: number, sentBytes: number): void {
    this.since = now;
    this.#sentBytes = sentBytes;
    this.isIdle = false;
  }

  /** Looks at what a served peer takes; `least`: bytes per second of one who uses its slot. */
  judge(bytesPerSecond: number, least: number, now: number): void {
    if (now - this.since < limits.TRIAL_MILLISECONDS) return;
    this.isProven = bytesPerSecond >= least;
    this.isIdle = !this.isProven;
  }

  /** Its turn is over: it may go on only where nobody waits. */
  isOver(now: number, sentBytes: number): boolean {
    return now - this.since >= limits.SEED_TURN_MILLISECONDS || sentBytes - this.#sentBytes >= limits.SEED_TURN_BYTES;
  }
}

/** A peer in the line, as it was when the line was made. */
interface Waiting {
  readonly session: PeerSession;
  readonly place: UploadPlace | undefined;
  /** 0: its turn lasts, 1: it waits, 2: it has had its turn. */
  readonly rank: 0 | 1 | 2;
  /** Lower comes first among those of one rank. */
  readonly order: number;
}

/** How a peer stands in the line; `headStart`: milliseconds that it seems to have waited longer. */
export function standing(
  session: PeerSession,
  place: UploadPlace | undefined,
  headStart: number,
  now: number,
): Waiting {
  const { uploader } = session;
  if (uploader === null || uploader.choking || place === undefined) {
    return { session, place, rank: 1, order: (place?.since ?? session.startedAt) - headStart };
  }
  if (place.isOver(now, uploader.rate.total)) return { session, place, rank: 2, order: -uploader.rate.bytesPerSecond };
  return { session, place, rank: 0, order: headStart - place.since };
}

/**
 * Those to be served, in order: whose turn lasts, the newest first; who waits, the longest first; who had its turn, the
 * fastest first. Of those who have not shown yet that they take something no more than `trials`, unless nobody else wants
 * the slots: else strangers who take nothing, and come again and again, would have a slot each.
 */
export function firstInLine(line: Waiting[], count: number, trials: number): PeerSession[] {
  line.sort((a, b) => a.rank - b.rank || a.order - b.order);
  const chosen: PeerSession[] = [];
  const strangers: PeerSession[] = [];
  let left = trials;
  for (const { session, place } of line) {
    if (chosen.length >= count) return chosen;
    if (place?.isProven === true || left-- > 0) chosen.push(session);
    else strangers.push(session);
  }
  chosen.push(...strangers.slice(0, count - chosen.length));
  return chosen;
}
