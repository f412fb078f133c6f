import { ProtocolError } from '../protocol.ts';

/** The prime of MSE's Diffie-Hellman group; its generator is 2. */
const PRIME = BigInt(
  `0x${'FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD1'}${'29024E088A67CC74020BBEA63B139B22514A08798E3404DD'}${'EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245'}${'E485B576625E7EC6F44C42E9A63A36210000000000090563'}`,
);
/** Bytes of a public key and of the shared secret. */
export const KEY_BYTES = 96;
/** Bytes of a secret exponent: the protocol finds 160 bits enough, since this hides and does not protect. */
export const EXPONENT_BYTES = 20;
const TOP_BIT = 1n << BigInt(EXPONENT_BYTES * 8 - 1);

/** One side of a key agreement. It costs about 0.4 ms in all: too little for the way to another thread. */
export class KeyAgreement {
  /** 96 bytes, to be sent to the peer. */
  readonly publicKey: Buffer;
  readonly #exponent: bigint;

  /** `exponent`: 20 random bytes; their first bit is taken as 1. */
  constructor(exponent: Buffer) {
    this.#exponent = fromBytes(exponent) | TOP_BIT;
    this.publicKey = toBytes(power(2n, this.#exponent));
  }

  /**
   * The secret (96 bytes) shared with whoever sent `theirs` (96 bytes).
   * @throws ProtocolError `mse` for a key outside [2, p - 2]: its secret would be known to everybody.
   */
  secret(theirs: Buffer): Buffer {
    const key = fromBytes(theirs);
    if (key < 2n || key > PRIME - 2n) throw new ProtocolError('mse', 'a key outside [2, p - 2]');
    return toBytes(power(key, this.#exponent));
  }
}

/** base ** exponent modulo the prime, four bits of the exponent at a time. */
function power(base: bigint, exponent: bigint): bigint {
  const powers = [1n];
  for (let at = 1; at < 16; at++) powers.push(((powers[at - 1] as bigint) * base) % PRIME);
  let result = 1n;
  for (const digit of exponent.toString(16)) {
    for (let bit = 0; bit < 4; bit++) result = (result * result) % PRIME;
    if (digit !== '0') result = (result * (powers[Number.parseInt(digit, 16)] as bigint)) % PRIME;
  }
  return result;
}

function fromBytes(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

function toBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * KEY_BYTES, '0'), 'hex');
}
