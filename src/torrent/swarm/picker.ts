import { Bitfield } from '../../lib/bitfield.ts';
import type { Random } from '../../lib/random.ts';
import type { Info } from '../metainfo/index.ts';
import type { Priorities } from './types.ts';
import { Units } from './units.ts';

const HIGH = 0;
const NORMAL = 1;
const SKIP = 2;
/** Availability is told apart up to this many peers. */
const LEVELS = 128;
const NOWHERE = -1;

/** How the store wants its bytes: see `Handle`. */
export interface UnitOrder {
  readonly unitBytes: number;
  readonly maxOpenUnits: number;
}

/**
 * Which piece to begin next. Pieces that can be begun (wanted, not there, not begun) lie in buckets by priority and by how
 * many peers have them, so that a change costs the same however many pieces there are.
 *
 * High priority comes first, rarest first. Else a piece that helps to close the unit begun first; else the rarest, as long
 * as fewer than `maxOpenUnits` units are open.
 */
export class PiecePicker {
  /** Pieces that are wanted and not there, begun or not. */
  readonly wanted: Bitfield;
  readonly #random: Random;
  readonly #units: Units;
  readonly #order: UnitOrder;
  readonly #info: Info;
  readonly #have: Bitfield;
  readonly #priority: Uint8Array;
  readonly #availability: Uint16Array;
  readonly #begun: Bitfield;
  readonly #buckets: number[][] = Array.from({ length: 2 * LEVELS }, () => []);
  /** Where a piece lies in its bucket. */
  readonly #place: Int32Array;
  #startable = 0;

  constructor(info: Info, have: Bitfield, order: UnitOrder, random: Random, now: number) {
    this.#info = info;
    this.#have = have.clone();
    this.#random = random;
    this.#order = order;
    this.#units = new Units(info, order.unitBytes, have, now);
    this.#priority = new Uint8Array(info.pieceCount).fill(NORMAL);
    this.#availability = new Uint16Array(info.pieceCount);
    this.#begun = new Bitfield(info.pieceCount);
    this.wanted = new Bitfield(info.pieceCount);
    this.#place = new Int32Array(info.pieceCount).fill(NOWHERE);
    for (let index = 0; index < info.pieceCount; index++) this.#settle(index);
  }

  /** Pieces that could be begun, whoever has them. */
  get startable(): number {
    return this.#startable;
  }

  /** Every piece is there, and was told to be. */
  get complete(): boolean {
    return this.#have.full;
  }

  setPriorities(priorities: Priorities): void {
    const level = { high: HIGH, normal: NORMAL, skip: SKIP };
    const before = this.#priority.slice();
    this.#priority.fill(level[priorities.rest]);
    const touched = new Bitfield(this.#info.pieceCount);
    for (const { offset, length, priority } of priorities.ranges) {
      if (length <= 0) continue;
      const last = Math.min(Math.floor((offset + length - 1) / this.#info.pieceLength), this.#info.pieceCount - 1);
      for (let index = Math.floor(offset / this.#info.pieceLength); index <= last; index++) {
        const known = touched.has(index) ? (this.#priority[index] as number) : SKIP;
        this.#priority[index] = Math.min(known, level[priority]);
        touched.add(index);
      }
    }
    for (let index = 0; index < this.#info.pieceCount; index++) {
      if (before[index] !== this.#priority[index]) this.#move(index, before[index] as number);
    }
  }

  /** A peer told its list of pieces. */
  addPeer(pieces: Bitfield): void {
    this.#count(pieces, 1);
  }

  /** A peer that has these went. */
  removePeer(pieces: Bitfield): void {
    this.#count(pieces, -1);
  }

  /** A peer got one more. */
  addHave(index: number): void {
    this.#setAvailability(index, 1);
  }

  /** A peer lost one. */
  dropHave(index: number): void {
    this.#setAvailability(index, -1);
  }

  /** Whether a peer has a piece that is wanted and not there. */
  wants(pieces: Bitfield): boolean {
    const theirs = pieces.bytes;
    const ours = this.wanted.bytes;
    for (let at = 0; at < ours.length; at++) if (((ours[at] as number) & (theirs[at] as number)) !== 0) return true;
    return false;
  }

  /** The piece to begin with a peer that has `pieces`; null if there is none. `may` can forbid pieces. */
  pick(pieces: Bitfield, now: number, may: (index: number) => boolean): number | null {
    const allowed = (index: number) => pieces.has(index) && may(index);
    return this.#rarest(HIGH, allowed) ?? this.#closing(allowed) ?? this.#opening(allowed, now);
  }

  /** A piece is being downloaded from now on. */
  begin(index: number, now: number): void {
    this.#take(index, this.#bucketOf(index, this.#priority[index] as number));
    this.#begun.add(index);
    this.#units.begin(index, now);
  }

  /** A begun piece was given up: it can be begun again. */
  abort(index: number, now: number): void {
    this.#begun.delete(index);
    this.#units.abort(index, now);
    this.#settle(index);
  }

  /** A begun piece is there. */
  done(index: number, now: number): void {
    this.#begun.delete(index);
    this.#units.done(index, now);
    this.#have.add(index);
    this.wanted.delete(index);
  }

  /** A piece that was there is gone. */
  lost(index: number, now: number): void {
    if (!this.#have.delete(index)) return;
    this.#units.lost(index, now);
    this.#settle(index);
  }

  #rarest(priority: number, allowed: (index: number) => boolean): number | null {
    for (let level = 0; level < LEVELS; level++) {
      const bucket = this.#buckets[priority * LEVELS + level] as number[];
      if (bucket.length === 0) continue;
      // From a random place on, so that peers of equal rank do not all fetch the same.
      const start = this.#random.int(bucket.length);
      for (let step = 0; step < bucket.length; step++) {
        const index = bucket[(start + step) % bucket.length] as number;
        if (allowed(index)) return index;
      }
    }
    return null;
  }

  #closing(allowed: (index: number) => boolean): number | null {
    for (const unit of this.#units.open) {
      let best: number | null = null;
      const first = this.#units.firstPiece(unit);
      const count = this.#units.lastPiece(unit) - first + 1;
      const start = this.#random.int(count);
      for (let step = 0; step < count; step++) {
        const index = first + ((start + step) % count);
        if (this.#place[index] === NOWHERE || !allowed(index)) continue;
        if (best === null || this.#rarity(index) < this.#rarity(best)) best = index;
      }
      if (best !== null) return best;
    }
    return null;
  }

  #opening(allowed: (index: number) => boolean, now: number): number | null {
    const index = this.#rarest(NORMAL, allowed);
    if (index === null || this.#begun.count === 0) return index;
    return this.#units.live(now) + this.#units.opens(index) <= this.#order.maxOpenUnits ? index : null;
  }

  #rarity(index: number): number {
    return this.#availability[index] as number;
  }

  #count(pieces: Bitfield, change: 1 | -1): void {
    for (let index = 0; index < pieces.length; index++) if (pieces.has(index)) this.#setAvailability(index, change);
  }

  #setAvailability(index: number, change: number): void {
    const bucket = this.#bucketOf(index, this.#priority[index] as number);
    this.#availability[index] = Math.max(0, this.#rarity(index) + change);
    if (this.#place[index] === NOWHERE) return;
    this.#take(index, bucket);
    this.#put(index);
  }

  #move(index: number, before: number): void {
    if (this.#place[index] !== NOWHERE) this.#take(index, this.#bucketOf(index, before));
    this.#settle(index);
  }

  /** Sets `wanted` and the bucket by what is known of the piece. */
  #settle(index: number): void {
    const wanted = !this.#have.has(index) && this.#priority[index] !== SKIP;
    if (wanted) this.wanted.add(index);
    else this.wanted.delete(index);
    if (wanted && !this.#begun.has(index) && this.#place[index] === NOWHERE) this.#put(index);
  }

  #bucketOf(index: number, priority: number): number {
    return priority * LEVELS + Math.min(this.#rarity(index), LEVELS - 1);
  }

  #put(index: number): void {
    const bucket = this.#buckets[this.#bucketOf(index, this.#priority[index] as number)] as number[];
    this.#place[index] = bucket.length;
    bucket.push(index);
    this.#startable++;
  }

  #take(index: number, from: number): void {
    const bucket = this.#buckets[from] as number[];
    const place = this.#place[index] as number;
    const last = bucket.pop() as number;
    if (last !== index) {
      bucket[place] = last;
      this.#place[last] = place;
    }
    this.#place[index] = NOWHERE;
    this.#startable--;
  }
}
