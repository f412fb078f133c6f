import type { Random } from '../../lib/random.ts';
import * as limits from './limits.ts';
import type { PeerSession } from './session.ts';
import { UploadSlots } from './upload-slots.ts';

/** A torrent as the choker sees it. */
export interface ServingTorrent {
  readonly sessions: ReadonlySet<PeerSession>;
  /** Null when it wants nothing from peers; else those are served that give. */
  readonly downloader: object | null;
}

/** A peer's place in the line of those who want something. */
interface Place {
  /** When it was served first, or choked last, monotonic. */
  since: number;
  /** Bytes it had been sent by then. */
  sentBytes: number;
}

/** Decides which peers of all torrents are served: all who want something while there are few, else each in its turn. */
export class Choker {
  readonly #random: Random;
  readonly #antiLeech: boolean;
  readonly #slots = new UploadSlots();
  /** Those we do not choke. */
  readonly #served = new Set<PeerSession>();
  readonly #places = new WeakMap<PeerSession, Place>();
  readonly #optimistic = new WeakMap<ServingTorrent, PeerSession>();
  #dueAt = 0;
  #ticks = 0;

  /**
   * With `antiLeech`, of those who wait for a seed the ones near the start and the end of their download come sooner: the
   * first have nothing to share yet, the last become seeds. Nobody waits for ever all the same.
   */
  constructor(random: Random, antiLeech = false) {
    this.#random = random;
    this.#antiLeech = antiLeech;
  }

  /** Peers served at once, at most. */
  get slots(): number {
    return this.#slots.count;
  }

  /** A peer's interest has changed: a free slot is given at once. */
  interest(session: PeerSession, now: number): void {
    if (session.interested && this.#served.size < this.slots) this.#set(session, false, now);
  }

  closed(session: PeerSession): void {
    this.#served.delete(session);
  }

  /** Once a second, with the torrents that have peers: free slots are given; every CHOKE_MILLISECONDS all are given anew. */
  tick(torrents: Iterable<ServingTorrent>, now: number): void {
    let bytesPerSecond = 0;
    for (const { uploader } of this.#served) bytesPerSecond += uploader?.rate.bytesPerSecond ?? 0;
    this.#slots.feed(bytesPerSecond);
    if (now >= this.#dueAt) {
      this.#dueAt = now + limits.CHOKE_MILLISECONDS;
      this.#ticks++;
      this.#giveAnew([...torrents], bytesPerSecond, now);
      return;
    }
    for (const session of [...this.#served]) if (!session.interested) this.#set(session, true, now);
    const free = this.slots - this.#served.size;
    if (free <= 0) return;
    const waiting: PeerSession[] = [];
    for (const torrent of torrents) {
      waiting.push(...wantingOf(torrent).filter((session) => !this.#served.has(session)));
    }
    for (const session of this.#inTurn(waiting, now).slice(0, free)) this.#set(session, false, now);
  }

  #set(session: PeerSession, choked: boolean, now: number): void {
    const { uploader } = session;
    if (uploader === null || session.isClosed || uploader.choking === choked) return;
    this.#places.set(session, { since: now, sentBytes: uploader.rate.total });
    if (choked) this.#served.delete(session);
    else this.#served.add(session);
    session.setChoked(choked);
  }

  #giveAnew(torrents: readonly ServingTorrent[], bytesPerSecond: number, now: number): void {
    const groups = torrents.map((torrent) => ({ torrent, wanting: wantingOf(torrent) }));
    const wanting = groups.reduce((sum, group) => sum + group.wanting.length, 0);
    this.#slots.measure(bytesPerSecond, wanting);
    const chosen = new Set<PeerSession>();
    const ofSeeds: PeerSession[] = [];
    for (const { torrent, wanting: its } of groups) {
      if (torrent.downloader !== null) {
        const share = Math.floor((this.slots * its.length) / Math.max(1, wanting));
        const best = this.#givers(torrent, its, Math.max(limits.DOWNLOADING_SLOTS, share));
        for (const session of best) chosen.add(session);
      } else ofSeeds.push(...its);
    }
    const rest = Math.max(limits.SEEDING_SLOTS, this.slots - chosen.size);
    for (const session of this.#inTurn(ofSeeds, now).slice(0, rest)) chosen.add(session);
    for (const session of [...this.#served]) if (!chosen.has(session)) this.#set(session, true, now);
    for (const session of chosen) this.#set(session, false, now);
  }

  /** Who gives most gets most, and one slot is for finding someone better (BEP 3). */
  #givers(torrent: ServingTorrent, wanting: PeerSession[], count: number): PeerSession[] {
    if (wanting.length <= count) return wanting;
    const rate = (session: PeerSession) => session.requests.rate.bytesPerSecond;
    const sorted = wanting.sort((a, b) => rate(b) - rate(a));
    const rest = sorted.splice(count - 1);
    let optimistic = this.#optimistic.get(torrent);
    if (optimistic === undefined || !rest.includes(optimistic) || this.#ticks % limits.OPTIMISTIC_TICKS === 0) {
      optimistic = rest[this.#random.int(rest.length)] as PeerSession;
      this.#optimistic.set(torrent, optimistic);
    }
    return [...sorted, optimistic];
  }

  /** Those whose turn lasts, the newest first, those who wait, the longest first, those who had their turn, the fastest first. */
  #inTurn(wanting: PeerSession[], now: number): PeerSession[] {
    const ranked = wanting.map((session) => ({
      session,
      rank: this.#rank(session, now),
      since: (this.#places.get(session)?.since ?? session.startedAt) - this.#headStart(session),
      rate: session.uploader?.rate.bytesPerSecond ?? 0,
    }));
    ranked.sort((a, b) => {
      if (a.rank !== b.rank) return a.rank - b.rank;
      if (a.rank === 2) return b.rate - a.rate;
      return a.rank === 0 ? b.since - a.since : a.since - b.since;
    });
    return ranked.map(({ session }) => session);
  }

  #headStart({ pieces }: PeerSession): number {
    return this.#antiLeech ? limits.ANTI_LEECH_MILLISECONDS * Math.abs(2 * pieces.progress - 1) : 0;
  }

  #rank(session: PeerSession, now: number): number {
    const { uploader } = session;
    const place = this.#places.get(session);
    if (uploader === null || place === undefined || uploader.choking) return 1;
    const isOver =
      now - place.since >= limits.SEED_TURN_MILLISECONDS ||
      uploader.rate.total - place.sentBytes >= limits.SEED_TURN_BYTES;
    return isOver ? 2 : 0;
  }
}

/** Those of a torrent's peers that want something and can be served. */
function wantingOf({ sessions }: ServingTorrent): PeerSession[] {
  return [...sessions].filter(({ interested, uploader }) => interested && uploader !== null);
}
