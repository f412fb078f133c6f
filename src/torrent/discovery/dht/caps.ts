import * as limits from './limits.ts';

export interface Rate {
  readonly perSecond: number;
  /** What may go at once after a pause. */
  readonly burst: number;
}

/** So many a second, in the long run. Times are monotonic milliseconds. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /** True, and counted, if there is one left. */
  take(now: number): boolean {
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + ((now - this.#at) / 1_000) * this.#rate.perSecond);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** A bucket for each address, for as many as are remembered. */
export class AddressBuckets {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** `owner` null: without limit. */
  take(owner: string | null, now: number): boolean {
    if (owner === null) return true;
    const bucket = this.#buckets.get(owner) ?? new TokenBucket(this.#rate, now);
    remember(this.#buckets, owner, bucket, limits.COUNTED_ADDRESSES);
    return bucket.take(now);
  }
}

/** Addresses whose answers made no sense, again and again: neither asked nor answered for a while. */
export class Blocklist {
  readonly #strikes = new Map<string, number>();
  /** Until when, monotonic. */
  readonly #blocked = new Map<string, number>();

  get size(): number {
    return this.#blocked.size;
  }

  /** An answer that was waited for and made no sense: nobody else can have sent it. */
  strike(owner: string | null, now: number): void {
    if (owner === null) return;
    const strikes = (this.#strikes.get(owner) ?? 0) + 1;
    remember(this.#strikes, owner, strikes, limits.BLOCKED_ADDRESSES);
    if (strikes < limits.NONSENSE_ANSWERS) return;
    this.#strikes.delete(owner);
    remember(this.#blocked, owner, now + limits.BLOCKED_MILLISECONDS, limits.BLOCKED_ADDRESSES);
  }

  has(owner: string | null, now: number): boolean {
    const until = owner === null ? undefined : this.#blocked.get(owner);
    if (until === undefined || owner === null) return false;
    if (until > now) return true;
    this.#blocked.delete(owner);
    return false;
  }
}

/** Sets a key as the newest; the oldest goes when there are too many. */
function remember<V>(map: Map<string, V>, key: string, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value as string);
}
