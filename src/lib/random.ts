import { randomBytes, randomFillSync } from 'node:crypto';

/** Randomness as an argument: the system's in production, a seeded one in simulation. */
export interface Random {
  /** `length` bytes fit for keys and salts. */
  bytes(length: number): Buffer;
  /** A whole number in [0, bound), bound ≤ 2^32. */
  int(bound: number): number;
}

/** Bytes of the system's randomness that `int` takes at a time: a call for six of them costs more than most callers' work. */
const POOL_BYTES = 6 * 1_024;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  int(bound) {
    if (used === POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    used += 6;
    return Math.floor((pool.readUIntBE(used - 6, 6) / 2 ** 48) * bound);
  },
};

/** A repeatable source for tests and simulation (mulberry32); never for keys. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    bytes: (length) => Buffer.from(Uint8Array.from({ length }, () => next() & 0xff)),
    int: (bound) => Math.floor((next() / 2 ** 32) * bound),
  };
}
