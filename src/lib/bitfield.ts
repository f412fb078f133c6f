/**
 * A fixed-size set of small integers, one bit each, the first in the high bit of byte 0: BitTorrent's own layout, so a
 * bitfield message is `bytes` itself (spare bits stay zero).
 */
export class Bitfield {
  readonly length: number;
  readonly bytes: Buffer;
  #count: number;

  constructor(length: number, bytes?: Uint8Array) {
    const size = Math.ceil(length / 8);
    if (bytes !== undefined && bytes.length !== size) throw new RangeError(`bitfield of ${length} needs ${size} bytes`);
    this.length = length;
    this.bytes = bytes === undefined ? Buffer.alloc(size) : Buffer.from(bytes);
    this.#count = 0;
    for (const byte of this.bytes) this.#count += POPULATION[byte] as number;
  }

  /** How many are in the set. */
  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count === this.length;
  }

  has(index: number): boolean {
    return index >= 0 && index < this.length && ((this.bytes[index >> 3] as number) & (0x80 >> (index & 7))) !== 0;
  }

  /** Adds one; true if it was not there. */
  add(index: number): boolean {
    if (index < 0 || index >= this.length) throw new RangeError(`bit ${index} of ${this.length}`);
    if (this.has(index)) return false;
    this.bytes[index >> 3] = (this.bytes[index >> 3] as number) | (0x80 >> (index & 7));
    this.#count++;
    return true;
  }

  /** Takes one out; true if it was there. */
  delete(index: number): boolean {
    if (!this.has(index)) return false;
    this.bytes[index >> 3] = (this.bytes[index >> 3] as number) & ~(0x80 >> (index & 7));
    this.#count--;
    return true;
  }

  fill(): this {
    this.bytes.fill(0xff);
    if (this.length % 8 !== 0) this.bytes[this.bytes.length - 1] = 0xff << (8 - (this.length % 8));
    this.#count = this.length;
    return this;
  }

  /** What is in the set, ascending. */
  *indices(): Generator<number> {
    for (let index = 0; index < this.length; index++) if (this.has(index)) yield index;
  }

  clone(): Bitfield {
    return new Bitfield(this.length, this.bytes);
  }
}

const POPULATION = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = 0;
  for (let rest = byte; rest > 0; rest >>= 1) bits += rest & 1;
  return bits;
});
