import { MAX_PIECE_LENGTH } from '../metainfo/index.ts';
import { QUEUED_REQUESTS } from './limits.ts';

const FIRST_CAPACITY = 64;

/**
 * A peer's requests in the order they came: a ring of numbers, no object for each. A block is in it once at most.
 * `index`, `begin` and `length` must have been judged before.
 */
export class RequestQueue {
  #capacity = FIRST_CAPACITY;
  #fields = new Uint32Array(3 * FIRST_CAPACITY);
  #head = 0;
  #length = 0;
  /** What the ring's first field is the how-many-eth of, since the last rebuild … */
  #first = 0;
  /** … and the same of each block: where it is, without looking for it. */
  readonly #known = new Map<number, number>();
  #totalBytes = 0;

  /** Requests in it. */
  get length(): number {
    return this.#known.size;
  }

  /** Bytes of all requests in it. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  get isFull(): boolean {
    return this.#known.size >= QUEUED_REQUESTS;
  }

  has(index: number, begin: number): boolean {
    return this.#known.has(blockKey(index, begin));
  }

  /** False if the block is in it already or it is full. */
  push(index: number, begin: number, length: number): boolean {
    const key = blockKey(index, begin);
    if (this.isFull || this.#known.has(key)) return false;
    if (this.#length === this.#capacity) this.#rebuild();
    const at = 3 * ((this.#head + this.#length) & (this.#capacity - 1));
    this.#fields[at] = index;
    this.#fields[at + 1] = begin;
    this.#fields[at + 2] = length;
    this.#known.set(key, this.#first + this.#length);
    this.#length++;
    this.#totalBytes += length;
    return true;
  }

  /** Takes a block out, wherever it is; false if it is not in it. */
  remove(index: number, begin: number): boolean {
    const key = blockKey(index, begin);
    const number = this.#known.get(key);
    if (number === undefined) return false;
    this.#known.delete(key);
    const at = this.#at(number - this.#first);
    this.#totalBytes -= this.#fields[at + 2] as number;
    this.#fields[at + 2] = 0;
    this.#skipRemoved();
    return true;
  }

  clear(): void {
    this.#known.clear();
    this.#length = 0;
    this.#totalBytes = 0;
  }

  /** The first request's fields; only when `length` > 0. */
  get index(): number {
    return this.#fields[3 * this.#head] as number;
  }

  get begin(): number {
    return this.#fields[3 * this.#head + 1] as number;
  }

  /** Bytes of the first request. */
  get bytes(): number {
    return this.#fields[3 * this.#head + 2] as number;
  }

  shift(): void {
    this.#known.delete(blockKey(this.index, this.begin));
    this.#totalBytes -= this.bytes;
    this.#dropFirst();
    this.#skipRemoved();
  }

  /** Takes the first requests out, whose bytes are `bytes` in all: index, begin and bytes of each. */
  takeRun(bytes: number): number[] {
    const run: number[] = [];
    for (let rest = bytes; rest > 0; ) {
      run.push(this.index, this.begin, this.bytes);
      rest -= this.bytes;
      this.shift();
    }
    return run;
  }

  /** Puts back what `takeRun` gave, at the end. */
  pushRun(run: readonly number[]): void {
    for (let at = 0; at < run.length; at += 3) {
      if ((run[at] as number) >= 0) this.push(run[at] as number, run[at + 1] as number, run[at + 2] as number);
    }
  }

  /** Calls for each request in order until told `false`. */
  scan(call: (index: number, begin: number, length: number) => boolean): void {
    for (let position = 0; position < this.#length; position++) {
      const at = this.#at(position);
      const length = this.#fields[at + 2] as number;
      if (length === 0) continue;
      if (call(this.#fields[at] as number, this.#fields[at + 1] as number, length) === false) return;
    }
  }

  /** Bytes of the first requests that lie one behind the other in the torrent; at most `limit`, but one request at least. */
  runBytes(pieceLength: number, limit: number): number {
    let end = 0;
    let bytes = 0;
    for (let position = 0; position < this.#length; position++) {
      const at = this.#at(position);
      const length = this.#fields[at + 2] as number;
      if (length === 0) continue;
      const offset = (this.#fields[at] as number) * pieceLength + (this.#fields[at + 1] as number);
      if (bytes > 0 && (offset !== end || bytes + length > limit)) break;
      bytes += length;
      end = offset + length;
    }
    return bytes;
  }

  #at(position: number): number {
    return 3 * ((this.#head + position) & (this.#capacity - 1));
  }

  #skipRemoved(): void {
    while (this.#length > 0 && this.bytes === 0) this.#dropFirst();
  }

  #dropFirst(): void {
    this.#head = (this.#head + 1) & (this.#capacity - 1);
    this.#first++;
    this.#length--;
  }

  /** Drops the gaps that `remove` left; doubles the ring if there are few. */
  #rebuild(): void {
    const capacity = this.#known.size > this.#capacity / 2 ? this.#capacity * 2 : this.#capacity;
    const fields = new Uint32Array(3 * capacity);
    let at = 0;
    this.scan((index, begin, length) => {
      fields[at] = index;
      fields[at + 1] = begin;
      fields[at + 2] = length;
      this.#known.set(blockKey(index, begin), at / 3);
      at += 3;
      return true;
    });
    this.#fields = fields;
    this.#capacity = capacity;
    this.#head = 0;
    this.#first = 0;
    this.#length = at / 3;
  }
}

/** One number for a block: pieces are at most 2^26 bytes long and fewer than 2^20. */
function blockKey(index: number, begin: number): number {
  return index * MAX_PIECE_LENGTH + begin;
}
