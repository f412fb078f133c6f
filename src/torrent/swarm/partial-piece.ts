import { BLOCK_BYTES } from '../wire/index.ts';
import type { PeerSession } from './session.ts';

const RECEIVED = 255;

/** A piece being downloaded: its bytes, and for each block who was asked and who sent it. */
export class PartialPiece {
  readonly index: number;
  readonly bytes: number;
  readonly data: Buffer;
  readonly blockCount: number;
  /** Monotonic. */
  readonly beganAt: number;
  /** The one peer that may send blocks; null: any. */
  readonly only: PeerSession | null;
  /** The peer that works on it first; null when that one is gone or slow. */
  owner: PeerSession | null;
  /** Who sent each block. */
  readonly sources: (PeerSession | null)[];
  /** For each block how many peers are asked, or RECEIVED. */
  readonly #blocks: Uint8Array;
  #free: number;
  #missing: number;
  #nextFree = 0;

  constructor(index: number, bytes: number, owner: PeerSession, alone: boolean, now: number) {
    this.index = index;
    this.bytes = bytes;
    // Memory of its own: it moves to the thread that hashes it and back.
    this.data = Buffer.allocUnsafeSlow(bytes);
    this.blockCount = Math.ceil(bytes / BLOCK_BYTES);
    this.beganAt = now;
    this.owner = owner;
    this.only = alone ? owner : null;
    this.sources = new Array<PeerSession | null>(this.blockCount).fill(null);
    this.#blocks = new Uint8Array(this.blockCount);
    this.#free = this.blockCount;
    this.#missing = this.blockCount;
  }

  /** Blocks neither there nor asked for. */
  get free(): number {
    return this.#free;
  }

  get complete(): boolean {
    return this.#missing === 0;
  }

  /** Bytes that came. */
  get receivedBytes(): number {
    return Math.min(this.bytes, (this.blockCount - this.#missing) * BLOCK_BYTES);
  }

  /** Nobody works on it now. */
  get isIdle(): boolean {
    const { owner } = this;
    return owner === null || owner.isClosed || owner.choking || owner.requests.snubbed;
  }

  /** Whether a peer's blocks are taken. */
  mayTake(session: PeerSession): boolean {
    return this.only === null || this.only === session;
  }

  blockBytes(block: number): number {
    return Math.min(BLOCK_BYTES, this.bytes - block * BLOCK_BYTES);
  }

  has(block: number): boolean {
    return this.#blocks[block] === RECEIVED;
  }

  /** How many peers are asked for a block that is not there. */
  askedOf(block: number): number {
    const asked = this.#blocks[block] as number;
    return asked === RECEIVED ? 0 : asked;
  }

  /** The first free block; -1 if there is none. */
  nextFree(): number {
    if (this.#free === 0) return -1;
    while (this.#blocks[this.#nextFree] !== 0) this.#nextFree++;
    return this.#nextFree;
  }

  ask(block: number): void {
    const asked = this.#blocks[block] as number;
    if (asked === 0) this.#free--;
    this.#blocks[block] = asked + 1;
  }

  /** A peer that was asked for it will not send it. */
  release(block: number): void {
    const asked = this.#blocks[block] as number;
    if (asked === RECEIVED || asked === 0) return;
    this.#blocks[block] = asked - 1;
    if (asked > 1) return;
    this.#free++;
    this.#nextFree = Math.min(this.#nextFree, block);
  }

  /** Takes a block's bytes. */
  receive(block: number, data: Buffer, source: PeerSession): void {
    if (this.#blocks[block] === 0) this.#free--;
    data.copy(this.data, block * BLOCK_BYTES);
    this.#blocks[block] = RECEIVED;
    this.sources[block] = source;
    this.#missing--;
  }
}
