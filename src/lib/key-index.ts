const FIRST_SLOTS = 64;
/** Table places for each key: half of them stay empty, so that a search looks at one or two. */
const PLACES_PER_KEY = 2;
/** 2^32 divided by the golden ratio: spreads keys that begin alike. */
const SPREAD = 0x9e3779b1;

/**
 * Finds numbers by keys of a fixed length, in typed arrays: the key itself and eight bytes more for each, no objects. The
 * numbers (slots) are the caller's: small ones, since arrays are as long as the largest. Keys should be digests.
 */
export class KeyIndex {
  readonly #keyBytes: number;
  #keys: Buffer;
  /** Open addressing, linear probing: slot + 1, or 0 where nothing is. */
  #table: Int32Array;
  #size = 0;

  constructor(keyBytes: number) {
    this.#keyBytes = keyBytes;
    this.#keys = Buffer.alloc(FIRST_SLOTS * keyBytes);
    this.#table = new Int32Array(FIRST_SLOTS * PLACES_PER_KEY);
  }

  get size(): number {
    return this.#size;
  }

  /** The slot's key: a view, to be copied if it is kept. */
  keyOf(slot: number): Buffer {
    return this.#keys.subarray(slot * this.#keyBytes, (slot + 1) * this.#keyBytes);
  }

  /** The slot of a key; -1 if it is not there. */
  find(key: Buffer): number {
    const mask = this.#table.length - 1;
    for (let at = this.#home(key, 0); ; at = (at + 1) & mask) {
      const slot = (this.#table[at] as number) - 1;
      if (slot < 0) return -1;
      const from = slot * this.#keyBytes;
      if (key.compare(this.#keys, from, from + this.#keyBytes) === 0) return slot;
    }
  }

  /** Neither the key nor the slot may be there already. */
  add(slot: number, key: Buffer): void {
    if (key.length !== this.#keyBytes || this.find(key) >= 0) throw new RangeError('a key that cannot be added');
    this.#makeRoom(slot);
    key.copy(this.#keys, slot * this.#keyBytes);
    this.#enter(slot);
    this.#size++;
  }

  /** Takes out a slot that is there. */
  delete(slot: number): void {
    const mask = this.#table.length - 1;
    let hole = this.#home(this.#keys, slot * this.#keyBytes);
    while (this.#table[hole] !== slot + 1) {
      if (this.#table[hole] === 0) throw new RangeError(`slot ${slot} is not there`);
      hole = (hole + 1) & mask;
    }
    // What follows without a gap moves back, as far as its own home allows: no tombstones, however much comes and goes.
    for (let at = (hole + 1) & mask; this.#table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#home(this.#keys, ((this.#table[at] as number) - 1) * this.#keyBytes);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.#table[hole] = this.#table[at] as number;
      hole = at;
    }
    this.#table[hole] = 0;
    this.#size--;
  }

  #home(keys: Buffer, offset: number): number {
    return (Math.imul(keys.readInt32LE(offset), SPREAD) >>> 0) & (this.#table.length - 1);
  }

  #enter(slot: number): void {
    const mask = this.#table.length - 1;
    let at = this.#home(this.#keys, slot * this.#keyBytes);
    while (this.#table[at] !== 0) at = (at + 1) & mask;
    this.#table[at] = slot + 1;
  }

  #makeRoom(slot: number): void {
    const slots = this.#keys.length / this.#keyBytes;
    if (slot >= slots) {
      const keys = Buffer.alloc(Math.max(slot + 1, slots * 2) * this.#keyBytes);
      this.#keys.copy(keys);
      this.#keys = keys;
    }
    if ((this.#size + 1) * PLACES_PER_KEY <= this.#table.length) return;
    const entered = this.#table.filter((entry) => entry !== 0);
    this.#table = new Int32Array(this.#table.length * 2);
    for (const entry of entered) this.#enter(entry - 1);
  }
}
