import type { Clock, Timer } from '../../lib/clock.ts';
import { Bucket } from './bucket.ts';
import { SHARE_BYTES, SHARE_MILLISECONDS } from './limits.ts';
import type { EngineRateChanges, RateLimitChanges } from './types.ts';

/** One who moves bytes in one direction: a peer of a torrent. */
export interface Taker {
  /** Bytes granted and not yet used; the shaper's to change. */
  credit: number;
  /** The torrent's own limit. */
  readonly bucket: Bucket;
  /** The peer's; the shaper keeps its rate. */
  readonly own: Bucket;
  /** Bytes it could move now. */
  wanted(): number;
  /** It has credit now. */
  flush(): void;
}

/** A torrent's own limits. */
export interface TorrentBuckets {
  readonly up: Bucket;
  readonly down: Bucket;
}

/**
 * One direction of all torrents. Who finds nothing left waits in a line: by turns each in it gets a share, then each another,
 * so that one who wants a block is not behind one who wants a thousand. Without limits it costs three comparisons.
 */
export class Shaper {
  /** The limit over all torrents. */
  readonly all = new Bucket();
  /** What each taker may move at most, in bytes per second; 0: no limit. */
  eachBytesPerSecond = 0;
  readonly #clock: Clock;
  readonly #wait: () => void;
  readonly #line = new Set<Taker>();

  /** `wait` asks for a turn soon. */
  constructor(clock: Clock, wait: () => void) {
    this.#clock = clock;
    this.#wait = wait;
  }

  /** Whether any limit holds for it. */
  limits({ bucket }: Taker): boolean {
    return this.all.isLimited || bucket.isLimited || this.eachBytesPerSecond > 0;
  }

  /**
   * Bytes that may be moved now: infinitely many without limits; 0 for one who waits from now on, or wants nothing. Any
   * other answer must be followed by `spent` at once.
   */
  allowance(taker: Taker): number {
    if (!this.limits(taker)) return Number.POSITIVE_INFINITY;
    const { all } = this;
    const { bucket, own } = taker;
    if (taker.credit > 0) return taker.credit;
    if (this.#line.has(taker)) return 0;
    const wanted = taker.wanted();
    if (wanted <= 0) return 0;
    const now = this.#clock.monotonic();
    // What comes in while others wait is theirs: it is given out by turns.
    if (all.waiting === 0) all.refill(now);
    if (bucket.waiting === 0) bucket.refill(now);
    this.#refillOwn(own, now);
    if (!all.isOpen || !bucket.isOpen || !own.isOpen) {
      this.#enter(taker);
      return 0;
    }
    this.#grant(taker, Math.min(wanted, Math.max(SHARE_BYTES, Math.min(all.bytes, bucket.bytes, own.bytes))));
    return taker.credit;
  }

  /** So many bytes of an allowance were used; the rest goes back. */
  spent(taker: Taker, bytes: number): void {
    const unused = taker.credit - bytes;
    taker.credit = 0;
    taker.own.take(-unused);
    this.charge(taker.bucket, -unused);
  }

  /** Bytes moved that no allowance was asked for; fewer than none: bytes that do not move after all. */
  charge(bucket: Bucket, bytes: number): void {
    this.all.take(bytes);
    bucket.take(bytes);
  }

  /** It goes. */
  leave(taker: Taker): void {
    this.spent(taker, 0);
    this.#exit(taker);
  }

  /** Gives out what came in since the last turn. */
  turn(): void {
    const now = this.#clock.monotonic();
    this.all.refill(now);
    for (const { bucket, own } of this.#line) {
      bucket.refill(now);
      this.#refillOwn(own, now);
    }
    this.#share();
    for (const taker of [...this.#line]) {
      if (taker.credit === 0) continue;
      this.#exit(taker);
      taker.flush();
      this.spent(taker, 0);
    }
    if (this.#line.size > 0) this.#wait();
  }

  /** A share to each in line, then another, as long as its limits hold anything. */
  #share(): void {
    let sharing = [...this.#line].map((taker) => ({ taker, wanted: taker.wanted() }));
    for (const { taker, wanted } of sharing) if (wanted <= 0) this.#exit(taker);
    sharing = sharing.filter(({ wanted }) => wanted > 0);
    while (sharing.length > 0) {
      const rest: typeof sharing = [];
      for (const one of sharing) {
        if (!this.all.isOpen) return;
        if (!one.taker.bucket.isOpen || !one.taker.own.isOpen) continue;
        const bytes = Math.min(SHARE_BYTES, one.wanted);
        this.#grant(one.taker, bytes);
        one.wanted -= bytes;
        if (one.wanted > 0) rest.push(one);
      }
      sharing = rest;
    }
  }

  /** Its rate may have changed since the taker came last: nobody keeps a list of takers. */
  #refillOwn(own: Bucket, now: number): void {
    if (own.bytesPerSecond === this.eachBytesPerSecond) own.refill(now);
    else own.limit(this.eachBytesPerSecond, now);
  }

  #grant(taker: Taker, bytes: number): void {
    taker.credit += bytes;
    taker.own.take(bytes);
    this.charge(taker.bucket, bytes);
  }

  #enter(taker: Taker): void {
    this.#line.add(taker);
    this.all.waiting++;
    taker.bucket.waiting++;
    this.#wait();
  }

  #exit(taker: Taker): void {
    if (!this.#line.delete(taker)) return;
    this.all.waiting--;
    taker.bucket.waiting--;
  }
}

/** The rate limits of an engine and its torrents, payload up and down. One timer for all, and none while nobody waits. */
export class Bandwidth {
  readonly up: Shaper;
  readonly down: Shaper;
  readonly #clock: Clock;
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    const wait = () => {
      this.#timer ??= clock.after(SHARE_MILLISECONDS, () => this.#turn());
    };
    this.up = new Shaper(clock, wait);
    this.down = new Shaper(clock, wait);
  }

  /** Limits over all torrents, and of each peer. @throws RangeError */
  setLimits(limits: EngineRateChanges): void {
    const { peerUploadBytesPerSecond: each } = limits;
    checkRates([each]);
    this.setLimitsOf({ up: this.up.all, down: this.down.all }, limits);
    if (each !== undefined) this.up.eachBytesPerSecond = each;
  }

  /** A torrent's own limits. @throws RangeError */
  setLimitsOf(buckets: TorrentBuckets, limits: RateLimitChanges): void {
    const { uploadBytesPerSecond, downloadBytesPerSecond } = limits;
    checkRates([uploadBytesPerSecond, downloadBytesPerSecond]);
    const now = this.#clock.monotonic();
    if (uploadBytesPerSecond !== undefined) buckets.up.limit(uploadBytesPerSecond, now);
    if (downloadBytesPerSecond !== undefined) buckets.down.limit(downloadBytesPerSecond, now);
  }

  close(): void {
    this.#timer?.cancel();
  }

  #turn(): void {
    this.#timer = null;
    this.up.turn();
    this.down.turn();
  }
}

function checkRates(rates: readonly (number | undefined)[]): void {
  for (const rate of rates) {
    if (rate !== undefined && !(Number.isSafeInteger(rate) && rate >= 0)) throw new RangeError('not a rate limit');
  }
}
