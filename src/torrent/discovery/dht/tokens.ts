import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../../lib/clock.ts';
import type { Random } from '../../../lib/random.ts';
import { SECRET_MILLISECONDS } from './limits.ts';

const SECRET_BYTES = 16;
const OWN_TOKEN_BYTES = 8;

/**
 * Tokens for announces (BEP 5): whoever shows one has received packets at that address within the last 10 minutes. Nothing
 * is kept for each: a token follows from the address, the info-hash and a secret that changes every 5 minutes.
 */
export class Tokens {
  readonly #clock: Clock;
  readonly #random: Random;
  #secret: Buffer;
  #before: Buffer;
  #changedAt: number;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.#secret = random.bytes(SECRET_BYTES);
    this.#before = this.#secret;
    this.#changedAt = clock.monotonic();
  }

  make(host: string, infoHash: Buffer): Buffer {
    this.#rotate();
    return tokenOf(this.#secret, host, infoHash);
  }

  /** Whether the token was made for this address and info-hash, not too long ago. */
  check(token: Buffer, host: string, infoHash: Buffer): boolean {
    this.#rotate();
    return [this.#secret, this.#before].some((secret) => {
      const right = tokenOf(secret, host, infoHash);
      return token.length === right.length && timingSafeEqual(token, right);
    });
  }

  #rotate(): void {
    const now = this.#clock.monotonic();
    const age = now - this.#changedAt;
    if (age < SECRET_MILLISECONDS) return;
    // After a long silence the last secret is too old as well.
    this.#before = age < 2 * SECRET_MILLISECONDS ? this.#secret : this.#random.bytes(SECRET_BYTES);
    this.#secret = this.#random.bytes(SECRET_BYTES);
    this.#changedAt = now;
  }
}

function tokenOf(secret: Buffer, host: string, infoHash: Buffer): Buffer {
  return createHmac('sha256', secret).update(host).update(infoHash).digest().subarray(0, OWN_TOKEN_BYTES);
}
