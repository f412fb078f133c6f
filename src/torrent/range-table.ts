const WORD_BYTES = 4;
const FIRST_CAPACITY = 1_024;

/** Ranges of addresses of one length, as sorted 32-bit words: 8 bytes of memory for an IPv4 range, 32 for an IPv6 one. */
export class RangeTable {
  readonly #words: number;
  /** First and last address of each range in turn. */
  #ranges: Uint32Array;
  #size = 0;
  readonly #wanted: Uint32Array;

  /** `addressBytes`: 4 or 16. */
  constructor(addressBytes: 4 | 16) {
    this.#words = addressBytes / WORD_BYTES;
    this.#ranges = new Uint32Array(FIRST_CAPACITY * this.#words * 2);
    this.#wanted = new Uint32Array(this.#words);
  }

  get size(): number {
    return this.#size;
  }

  /** Both are in it; `first` is not after `last`. */
  add(first: Uint8Array, last: Uint8Array): void {
    const step = this.#words * 2;
    if ((this.#size + 1) * step > this.#ranges.length) {
      const larger = new Uint32Array(this.#ranges.length * 2);
      larger.set(this.#ranges);
      this.#ranges = larger;
    }
    const at = this.#size++ * step;
    writeWords(this.#ranges, at, first);
    writeWords(this.#ranges, at + this.#words, last);
  }

  /** Sorts, joins what overlaps and gives back what is not needed; `has` is right from now on. */
  seal(): void {
    const step = this.#words * 2;
    const from = this.#ranges;
    const order = this.#order();
    const sorted = new Uint32Array(this.#size * step);
    let size = 0;
    for (const index of order) {
      const at = index * step;
      const before = (size - 1) * step + this.#words;
      if (size > 0 && compare(sorted, before, from, at, this.#words) >= 0) {
        const isLonger = compare(sorted, before, from, at + this.#words, this.#words) < 0;
        if (isLonger) sorted.set(from.subarray(at + this.#words, at + step), before);
      } else sorted.set(from.subarray(at, at + step), size++ * step);
    }
    this.#ranges = sorted.slice(0, size * step);
    this.#size = size;
  }

  /** Whether an address, of the table's length, lies in a range: one binary search. */
  has(address: Uint8Array): boolean {
    const words = this.#words;
    writeWords(this.#wanted, 0, address);
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.#ranges, middle * words * 2 + words, this.#wanted, 0, words) < 0) low = middle + 1;
      else high = middle;
    }
    return low < this.#size && compare(this.#ranges, low * words * 2, this.#wanted, 0, words) <= 0;
  }

  /** Indices by first address; lists come sorted as a rule, and then nothing is to be done. */
  #order(): Uint32Array {
    const step = this.#words * 2;
    const order = Uint32Array.from({ length: this.#size }, (_, at) => at);
    const byFirst = (one: number, other: number) =>
      compare(this.#ranges, one * step, this.#ranges, other * step, this.#words);
    for (let at = 1; at < order.length; at++) if (byFirst(at - 1, at) > 0) return order.sort(byFirst);
    return order;
  }
}

function writeWords(into: Uint32Array, at: number, bytes: Uint8Array): void {
  for (let byte = 0; byte < bytes.length; byte += WORD_BYTES) {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(byte, byte + WORD_BYTES);
    into[at + byte / WORD_BYTES] = (a << 24) | (b << 16) | (c << 8) | d;
  }
}

/** Negative, 0 or positive, as the address at `one` is before, at or after the one at `other`. */
function compare(left: Uint32Array, one: number, right: Uint32Array, other: number, words: number): number {
  for (let word = 0; word < words; word++) {
    const difference = (left[one + word] as number) - (right[other + word] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
