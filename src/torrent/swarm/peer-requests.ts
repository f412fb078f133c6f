import { BLOCK_BYTES } from '../wire/index.ts';
import * as limits from './limits.ts';
import { Rate } from './rate.ts';

/** While the speed of a peer grows by less than this in a second, asking for more at once brings nothing. */
const STILL_GROWING = 1.1;
/** Pieces a peer may let us have while it chokes us (BEP 6) that are remembered. */
const ALLOWED_FAST_KEPT = 64;
/** Blocks given up that are remembered, since they may still come. */
const LATE_KEPT = 2 * limits.REQUESTS_IN_FLIGHT;
const NO_LATENCY = Number.POSITIVE_INFINITY;

/**
 * What one peer was asked for, and how much it may be asked for at once: as long as its speed grows one more for each
 * block that comes, then what it sends in PIPELINE_MILLISECONDS and the time an answer takes.
 */
export class PeerRequests {
  readonly rate = new Rate();
  /** Block keys and the monotonic time they were asked for. */
  readonly inFlight = new Map<number, number>();
  /** Pieces it gives while it chokes us. */
  readonly allowedFast = new Set<number>();
  /** Pieces it rejected lately, though it did not choke us. */
  readonly refused = new Set<number>();
  /** Bad pieces that it took part in, and was not cleared of. */
  badPieces = 0;
  /** It could be asked for more than there was to ask. */
  starved = false;
  /** It owes blocks and sent none for long. */
  snubbed = false;
  /** Since when it is suspected of bad blocks: it then gets pieces of its own, shared with nobody. */
  suspectedAt: number | null = null;
  /** Monotonic time from which on it may be given a piece that it is to send alone: who let us wait comes after others. */
  loneAt = 0;
  #lonePause = limits.LONE_AGAIN_MILLISECONDS;
  #late = new Set<number>();
  #target = limits.FIRST_REQUESTS;
  #growing = true;
  #peerQueue = limits.DEFAULT_PEER_QUEUE;
  #latencyMilliseconds = NO_LATENCY;
  #lastRate = 0;
  #lastBlockAt: number;
  #unaskedBytes = 0;
  #refusedUntil = 0;

  constructor(now: number) {
    this.#lastBlockAt = now;
  }

  /** How many more blocks to ask for now. */
  get room(): number {
    const most = Math.min(this.#peerQueue, limits.REQUESTS_IN_FLIGHT);
    return (this.snubbed ? 1 : Math.min(this.#target, most)) - this.inFlight.size;
  }

  setPeerQueue(requests: number | undefined): void {
    if (requests !== undefined) this.#peerQueue = requests;
  }

  allowFast(index: number): void {
    if (this.allowedFast.size < ALLOWED_FAST_KEPT) this.allowedFast.add(index);
  }

  asked(key: number, now: number): void {
    if (this.inFlight.size === 0) this.#lastBlockAt = now;
    this.inFlight.set(key, now);
  }

  /** A block came. `unasked`: it was never asked for; `flood`: that is too often so. */
  received(key: number, bytes: number, now: number): 'asked' | 'late' | 'unasked' | 'flood' {
    const askedAt = this.inFlight.get(key);
    if (askedAt !== undefined) {
      this.inFlight.delete(key);
      this.#latencyMilliseconds = Math.min(this.#latencyMilliseconds, now - askedAt);
      this.#lastBlockAt = now;
      this.snubbed = false;
      this.rate.add(bytes);
      if (this.#growing) this.#target = Math.min(this.#target + 1, limits.REQUESTS_IN_FLIGHT);
      return 'asked';
    }
    if (this.#late.delete(key)) {
      this.snubbed = false;
      return 'late';
    }
    this.#unaskedBytes += bytes;
    return this.#unaskedBytes > limits.UNASKED_BYTES ? 'flood' : 'unasked';
  }

  /** No longer waits for a block, which may come all the same. */
  giveUp(key: number): void {
    if (!this.inFlight.delete(key)) return;
    if (this.#late.size >= LATE_KEPT) this.#late.delete(this.#late.values().next().value as number);
    this.#late.add(key);
  }

  /** The peer says that a block will not come; true if we waited for it. */
  rejected(key: number): boolean {
    this.#late.delete(key);
    return this.inFlight.delete(key);
  }

  /** It does not give this piece now: it is not asked for it again for a while. */
  refuse(index: number, now: number): void {
    this.refused.add(index);
    this.#refusedUntil = now + limits.REFUSED_MILLISECONDS;
  }

  /** It may be asked for what it rejected again. Clearing an empty set would cost memory each time. */
  forgive(): void {
    if (this.refused.size > 0) this.refused.clear();
  }

  /** Once a second; true if the peer owes blocks for too long. */
  tick(now: number, milliseconds: number): boolean {
    const before = this.#lastRate;
    this.rate.tick(milliseconds);
    this.#lastRate = this.rate.bytesPerSecond;
    if (before > 0 && this.#lastRate < before * STILL_GROWING) this.#growing = false;
    if (!this.#growing) this.#target = this.#pipeline();
    if (now >= this.#refusedUntil) this.forgive();
    if (this.inFlight.size === 0 || now - this.#lastBlockAt < limits.SNUB_MILLISECONDS) return false;
    this.snubbed = true;
    this.loneAt = now + this.#lonePause;
    this.#lonePause = Math.min(2 * this.#lonePause, limits.MOST_LONE_AGAIN_MILLISECONDS);
    return true;
  }

  #pipeline(): number {
    const latency = this.#latencyMilliseconds === NO_LATENCY ? 0 : this.#latencyMilliseconds;
    const bytes = (this.#lastRate * (limits.PIPELINE_MILLISECONDS + latency)) / 1000;
    return Math.min(limits.REQUESTS_IN_FLIGHT, Math.max(limits.FIRST_REQUESTS, Math.ceil(bytes / BLOCK_BYTES)));
  }
}
