import { Bitfield } from '../../lib/bitfield.ts';
import { checkBitfield, ProtocolError } from '../wire/index.ts';
import { EARLY_HAVES } from './limits.ts';

/** Which pieces a peer has; what it says before the piece count is known (BEP 9) is kept until then. */
export class PeerPieces {
  /** Null until the piece count is known. */
  pieces: Bitfield | null = null;
  #early: 'nothing' | 'all' | Buffer = 'nothing';
  readonly #earlyHaves: number[] = [];

  constructor(pieceCount: number | null) {
    if (pieceCount !== null) this.pieces = new Bitfield(pieceCount);
  }

  /** Whether it has all of them, as far as is known. */
  get full(): boolean {
    return this.pieces === null ? this.#early === 'all' : this.pieces.full;
  }

  /** 0 to 1. */
  get progress(): number {
    return this.pieces === null ? 0 : this.pieces.count / this.pieces.length;
  }

  /** True if it was not known. */
  have(index: number): boolean {
    if (this.pieces !== null) return this.pieces.add(index);
    if (this.#earlyHaves.length < EARLY_HAVES) this.#earlyHaves.push(index);
    return true;
  }

  /** The first list of what it has; a bitfield fits the piece count where that is known. */
  tell(told: Buffer | 'all' | 'none'): void {
    if (told === 'none') return;
    if (this.pieces === null) this.#early = told === 'all' ? told : Buffer.from(told);
    else if (told === 'all') this.pieces.fill();
    else this.pieces = new Bitfield(this.pieces.length, told);
  }

  /** What of a later list was not known. A peer never loses pieces by it. */
  news(told: Buffer | 'all' | 'none'): number[] {
    const { pieces } = this;
    if (pieces === null || pieces.full || told === 'none') return [];
    const list = told === 'all' ? new Bitfield(pieces.length).fill() : new Bitfield(pieces.length, told);
    return Array.from({ length: pieces.length }, (_, index) => index).filter(
      (index) => list.has(index) && !pieces.has(index),
    );
  }

  /** The piece count is known now. @throws ProtocolError if what the peer said does not fit it. */
  setCount(pieceCount: number): void {
    if (this.pieces !== null) return;
    const early = this.#early;
    if (early instanceof Buffer) checkBitfield(early, pieceCount);
    const pieces = new Bitfield(pieceCount, early instanceof Buffer ? early : undefined);
    if (early === 'all') pieces.fill();
    for (const index of this.#earlyHaves) {
      if (index >= pieceCount) throw new ProtocolError('index-out-of-range', `have ${index} of ${pieceCount}`);
      pieces.add(index);
    }
    this.pieces = pieces;
    this.#earlyHaves.length = 0;
  }
}
