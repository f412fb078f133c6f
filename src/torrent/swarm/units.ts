import type { Bitfield } from '../../lib/bitfield.ts';
import type { Info } from '../metainfo/index.ts';

/** A begun unit that nobody worked on for this long does not count: what it lacks may be skipped, or nobody may have it. */
const STUCK_MILLISECONDS = 10_000;

/**
 * The units in which the store lays bytes down (its chunks) and how far each has come. A unit is open from the first of
 * its pieces that is begun until the last is there.
 */
export class Units {
  readonly #info: Info;
  readonly #unitBytes: number;
  readonly #count: number;
  /** Pieces of each unit that are there, and those being downloaded. */
  readonly #had: Uint32Array;
  readonly #begun: Uint32Array;
  /** Open units, the first begun first, and the monotonic time each was last worked on. */
  readonly #open = new Map<number, number>();

  constructor(info: Info, unitBytes: number, have: Bitfield, now: number) {
    this.#info = info;
    this.#unitBytes = unitBytes;
    this.#count = Math.ceil(info.totalLength / unitBytes);
    this.#had = new Uint32Array(this.#count);
    this.#begun = new Uint32Array(this.#count);
    for (let index = 0; index < info.pieceCount; index++) if (have.has(index)) this.#add(this.#had, index, 1, now);
  }

  /** Open ones, the first begun first. */
  get open(): Iterable<number> {
    return this.#open.keys();
  }

  firstPiece(unit: number): number {
    return Math.floor((unit * this.#unitBytes) / this.#info.pieceLength);
  }

  lastPiece(unit: number): number {
    const end = Math.min((unit + 1) * this.#unitBytes, this.#info.totalLength);
    return Math.floor((end - 1) / this.#info.pieceLength);
  }

  /** Open units that somebody works on or worked on lately. */
  live(now: number): number {
    let live = 0;
    for (const [unit, touchedAt] of this.#open) {
      if ((this.#begun[unit] as number) > 0 || now - touchedAt < STUCK_MILLISECONDS) live++;
    }
    return live;
  }

  /** How many units would be opened by beginning a piece. */
  opens(index: number): number {
    let opens = 0;
    for (let unit = this.#firstUnit(index); unit <= this.#lastUnit(index); unit++) if (!this.#open.has(unit)) opens++;
    return opens;
  }

  begin(index: number, now: number): void {
    this.#add(this.#begun, index, 1, now);
  }

  /** A begun piece was given up. */
  abort(index: number, now: number): void {
    this.#add(this.#begun, index, -1, now);
  }

  done(index: number, now: number): void {
    this.#add(this.#begun, index, -1, now);
    this.#add(this.#had, index, 1, now);
  }

  lost(index: number, now: number): void {
    this.#add(this.#had, index, -1, now);
  }

  #firstUnit(index: number): number {
    return Math.floor((index * this.#info.pieceLength) / this.#unitBytes);
  }

  #lastUnit(index: number): number {
    const end = Math.min((index + 1) * this.#info.pieceLength, this.#info.totalLength);
    return Math.floor((end - 1) / this.#unitBytes);
  }

  #add(counts: Uint32Array, index: number, change: number, now: number): void {
    for (let unit = this.#firstUnit(index); unit <= this.#lastUnit(index); unit++) {
      counts[unit] = (counts[unit] as number) + change;
      const pieces = this.lastPiece(unit) - this.firstPiece(unit) + 1;
      const had = this.#had[unit] as number;
      if (had === pieces || had + (this.#begun[unit] as number) === 0) this.#open.delete(unit);
      else this.#open.set(unit, now);
    }
  }
}
