// What a parser is fed with: inputs of its own structure, and good ones bent or cut together.
import fc from 'fast-check';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import { bent, spliced } from './bent.ts';

/** Drawn at a time. */
const DRAWN = 100;
/** Inputs that are bent, at most; the oldest stay. */
const MOST_KEPT = 2_000;
const MOST_RAW_BYTES = 200;

export class Feed {
  readonly #arbitrary: fc.Arbitrary<Buffer>;
  readonly #random: Random;
  /** Worth bending. */
  readonly #kept: Buffer[];
  #drawn: Buffer[] = [];

  /** The same seed gives the same inputs, as long as the same are added. */
  constructor(arbitrary: fc.Arbitrary<Buffer>, corpus: readonly Buffer[], seed: number) {
    this.#arbitrary = arbitrary;
    this.#random = seededRandom(seed);
    this.#kept = [...corpus];
  }

  /** An input that reached what none before did: others like it may reach further. */
  add(input: Buffer): void {
    if (this.#kept.length < MOST_KEPT) this.#kept.push(input);
  }

  next(): Buffer {
    const random = this.#random;
    switch (random.int(16)) {
      case 0:
        return random.bytes(random.int(MOST_RAW_BYTES));
      case 1:
      case 2:
      case 3:
        return this.#draw();
      case 4:
      case 5:
      case 6:
      case 7:
        return bent(random, this.#draw());
      case 8:
      case 9:
        return spliced(random, this.#oneKept(), this.#oneKept());
      default:
        return bent(random, this.#oneKept());
    }
  }

  #draw(): Buffer {
    if (this.#drawn.length === 0) {
      this.#drawn = fc.sample(this.#arbitrary, { numRuns: DRAWN, seed: this.#random.int(2 ** 31) });
    }
    return this.#drawn.pop() as Buffer;
  }

  /** The newest as often as all others together: what was found last is what is not yet known. */
  #oneKept(): Buffer {
    const { length } = this.#kept;
    if (length === 0) return this.#draw();
    const among = this.#random.int(2) === 0 ? length : Math.ceil(length / 8);
    return this.#kept[length - 1 - this.#random.int(among)] as Buffer;
  }
}
