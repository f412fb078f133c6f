import type { Random } from '../../lib/random.ts';
import * as limits from './limits.ts';
import type { PeerSession } from './session.ts';
import { firstInLine, standing, UploadPlace } from './upload-place.ts';
import { UploadSlots } from './upload-slots.ts';

/** A torrent as the choker sees it. */
export interface ServingTorrent {
  readonly sessions: ReadonlySet<PeerSession>;
  /** Null when it wants nothing from peers; else those are served that give. */
  readonly downloader: object | null;
}

/**
 * Decides which peers of all torrents are served: all who want something while there are few, else each in its turn.
 *
 * A slot is for one who uses it. Who is served and takes next to nothing stays unchoked, costs nothing, and does not count:
 * its slot is for the next, so that no crowd that never reads holds up one that does.
 */
export class Choker {
  readonly #random: Random;
  readonly #antiLeech: boolean;
  readonly #slots = new UploadSlots();
  /** Those we do not choke. */
  readonly #served = new Set<PeerSession>();
  /** Of them, those that use a slot up … */
  #used = 0;
  /** … and, when it was looked at last, those of whom it is not known yet. */
  #onTrial = 0;
  /** More wanted something than there were slots for: who comes now must wait in line. */
  #isCrowded = false;
  readonly #places = new WeakMap<PeerSession, UploadPlace>();
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

  /** Peers served at once, at most, but for those who take next to nothing. */
  get slots(): number {
    return this.#slots.count;
  }

  /** A peer's interest has changed: a free slot is given at once. */
  interest(session: PeerSession, now: number): void {
    if (session.interested && !this.#isCrowded && this.#free > 0) this.#set(session, false, now);
  }

  closed(session: PeerSession): void {
    if (this.#served.delete(session) && !this.#isIdle(session)) this.#used--;
  }

  /** Once a second, with the torrents that have peers: free slots are given; every CHOKE_MILLISECONDS all are given anew. */
  tick(torrents: Iterable<ServingTorrent>, now: number): void {
    let bytesPerSecond = 0;
    for (const { uploader } of this.#served) bytesPerSecond += uploader?.rate.bytesPerSecond ?? 0;
    this.#slots.feed(bytesPerSecond);
    this.#judge(now);
    if (now >= this.#dueAt) {
      this.#dueAt = now + limits.CHOKE_MILLISECONDS;
      this.#ticks++;
      this.#giveAnew([...torrents], bytesPerSecond, now);
      return;
    }
    for (const session of [...this.#served]) if (!session.interested) this.#set(session, true, now);
    const waiting: PeerSession[] = [];
    for (const torrent of torrents) {
      waiting.push(...wantingOf(torrent).filter((session) => !this.#served.has(session)));
    }
    const free = Math.max(0, this.#free);
    this.#isCrowded = waiting.length > free;
    for (const session of this.#inTurn(waiting, free, this.#trials - this.#onTrial, now))
      this.#set(session, false, now);
  }

  get #free(): number {
    return Math.min(this.slots - this.#used, limits.MOST_UPLOAD_SLOTS - this.#served.size);
  }

  /** Of the slots, those for peers who have not shown yet that they take something, while others want them. */
  get #trials(): number {
    return Math.ceil(this.slots * limits.TRIAL_SHARE);
  }

  #isIdle(session: PeerSession): boolean {
    return this.#places.get(session)?.isIdle === true;
  }

  /** Tells who of the served uses its slot: takes a good part of what a slot is worth to those who do. */
  #judge(now: number): void {
    let bytesPerSecond = 0;
    for (const session of this.#served) {
      if (!this.#isIdle(session)) bytesPerSecond += session.uploader?.rate.bytesPerSecond ?? 0;
    }
    const least = Math.max(1, (limits.TAKER_SHARE * bytesPerSecond) / this.slots);
    this.#used = 0;
    this.#onTrial = 0;
    for (const session of this.#served) {
      const place = this.#places.get(session);
      place?.judge(session.uploader?.paceAt(now) ?? 0, least, now);
      if (place?.isIdle === true) continue;
      this.#used++;
      if (place?.isProven !== true) this.#onTrial++;
    }
  }

  #set(session: PeerSession, choked: boolean, now: number): void {
    const { uploader } = session;
    if (uploader === null || session.isClosed || uploader.choking === choked) return;
    if (choked) this.closed(session);
    let place = this.#places.get(session);
    if (place === undefined) {
      place = new UploadPlace(now);
      this.#places.set(session, place);
    }
    place.begin(now, uploader.rate.total);
    if (!choked) {
      this.#served.add(session);
      this.#used++;
    }
    session.setChoked(choked);
  }

  #giveAnew(torrents: readonly ServingTorrent[], bytesPerSecond: number, now: number): void {
    const groups = torrents.map((torrent) => {
      const all = wantingOf(torrent);
      const idle = all.filter((session) => this.#isIdle(session));
      return { torrent, idle, wanting: all.filter((session) => !idle.includes(session)) };
    });
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
    for (const session of this.#inTurn(ofSeeds, rest, this.#trials, now)) chosen.add(session);
    const idle = groups.flatMap((group) => group.idle).sort(byRate);
    for (const session of idle.slice(0, Math.max(0, limits.MOST_UPLOAD_SLOTS - chosen.size))) chosen.add(session);
    for (const session of [...this.#served]) if (!chosen.has(session)) this.#set(session, true, now);
    for (const session of chosen) this.#set(session, false, now);
    this.#isCrowded = wanting > this.slots;
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

  /** So many of those who want something from seeds, and of them as many at most that are to be tried first. */
  #inTurn(wanting: readonly PeerSession[], count: number, trials: number, now: number): PeerSession[] {
    const line = wanting.map((session) => standing(session, this.#places.get(session), this.#headStart(session), now));
    return firstInLine(line, count, trials);
  }

  #headStart({ pieces }: PeerSession): number {
    return this.#antiLeech ? limits.ANTI_LEECH_MILLISECONDS * Math.abs(2 * pieces.progress - 1) : 0;
  }
}

/** Those of a torrent's peers that want something and can be served. */
function wantingOf({ sessions }: ServingTorrent): PeerSession[] {
  return [...sessions].filter(({ interested, uploader }) => interested && uploader !== null);
}

function byRate(a: PeerSession, b: PeerSession): number {
  return (b.uploader?.rate.bytesPerSecond ?? 0) - (a.uploader?.rate.bytesPerSecond ?? 0);
}
