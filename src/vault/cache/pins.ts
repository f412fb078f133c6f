import { BaeError } from '../../lib/errors.ts';
import type { PinOwner } from './ports.ts';

/** Counted pins of packed keys: one chunk may be pinned by several owners. */
export class Pins {
  readonly #limit: number;
  readonly #counts = new Map<number, number>();
  readonly #owners = new Map<PinOwner, Set<number>>();

  /** At most `limit` different chunks are pinned. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many different chunks are pinned. */
  get size(): number {
    return this.#counts.size;
  }

  has(key: number): boolean {
    return this.#counts.has(key);
  }

  of(owner: PinOwner): Iterable<number> {
    return this.#owners.get(owner) ?? [];
  }

  /** Pins all or none for an owner (BaeError refused); gives the keys that nobody had pinned. */
  add(owner: PinOwner, keys: Iterable<number>): number[] {
    const already = this.#owners.get(owner);
    const wanted = new Set<number>();
    for (const key of keys) if (!already?.has(key)) wanted.add(key);
    const fresh = [...wanted].filter((key) => !this.#counts.has(key));
    if (this.#counts.size + fresh.length > this.#limit) {
      const free = this.#limit - this.#counts.size;
      throw new BaeError(
        'refused',
        `Pinning this needs ${fresh.length} MiB more; the pin budget has ${free} MiB left.`,
      );
    }
    for (const key of wanted) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (wanted.size > 0) this.#owners.set(owner, already === undefined ? wanted : already.union(wanted));
    return fresh;
  }

  /** Takes back an owner's pins; gives the keys that nobody pins any more. */
  remove(owner: PinOwner): number[] {
    const freed: number[] = [];
    for (const key of this.of(owner)) {
      const count = (this.#counts.get(key) ?? 0) - 1;
      if (count > 0) this.#counts.set(key, count);
      else if (this.#counts.delete(key)) freed.push(key);
    }
    this.#owners.delete(owner);
    return freed;
  }
}
