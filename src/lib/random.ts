import { randomBytes } from 'node:crypto';

/** Randomness as an argument: the system's in production, a seeded one in simulation. */
export interface Random {
  /** `length` bytes fit for keys and salts. */
  bytes(length: number): Buffer;
  /** A whole number in [0, bound), bound ≤ 2^32. */
  int(bound: number): number;
}

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  int: (bound) => Math.floor((randomBytes(6).readUIntBE(0, 6) / 2 ** 48) * bound),
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
