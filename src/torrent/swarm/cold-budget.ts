import { COLD_ALLOWANCE_BYTES, COLD_FETCHED_PER_TAKEN, COLD_UNIT_BYTES } from './limits.ts';

const HOUR_MILLISECONDS = 3_600_000;
/** Units remembered as fetched for this peer, so that the next block of one costs nothing. */
const UNITS_REMEMBERED = 128;

/**
 * How much may be fetched from the remote store for one peer: four times what it takes, and an allowance by the hour for
 * lone blocks. Without it a peer could turn 16 KiB of its line into 1 MiB of ours, and of the store's bill.
 */
export class ColdBudget {
  #allowedBytes = COLD_ALLOWANCE_BYTES;
  #refilledAt: number;
  readonly #units = new Set<number>();

  constructor(now: number) {
    this.#refilledAt = now;
  }

  /** The peer took payload bytes. */
  taken(bytes: number): void {
    this.#allow(bytes * COLD_FETCHED_PER_TAKEN);
  }

  /** Whether these torrent bytes, which lie in the remote store, may be fetched for the peer now; counts them if so. */
  fetch(offset: number, length: number, now: number): boolean {
    this.#allow((COLD_ALLOWANCE_BYTES * (now - this.#refilledAt)) / HOUR_MILLISECONDS);
    this.#refilledAt = now;
    const first = Math.floor(offset / COLD_UNIT_BYTES);
    const last = Math.floor((offset + length - 1) / COLD_UNIT_BYTES);
    let cost = 0;
    for (let unit = first; unit <= last; unit++) if (!this.#units.has(unit)) cost += COLD_UNIT_BYTES;
    if (cost > this.#allowedBytes) return false;
    this.#allowedBytes -= cost;
    for (let unit = first; unit <= last; unit++) this.#remember(unit);
    return true;
  }

  #allow(bytes: number): void {
    this.#allowedBytes = Math.min(COLD_ALLOWANCE_BYTES, this.#allowedBytes + bytes);
  }

  #remember(unit: number): void {
    this.#units.delete(unit);
    this.#units.add(unit);
    if (this.#units.size > UNITS_REMEMBERED) this.#units.delete(this.#units.values().next().value as number);
  }
}
