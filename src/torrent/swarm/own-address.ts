import { isPublicAddress } from '../../lib/addresses.ts';
import { OWN_ADDRESS_VOTES } from './limits.ts';

/** Votes that make an address ours; one peer alone may lie. */
const LEAST_VOTES = 2;

/** Our addresses as peers see them (BEP 10 `yourip`), for BEP 40: of each family the one that most of the last voters name. */
export class OwnAddress {
  /** Grows when an address of ours changed. */
  version = 0;
  readonly #votes = new Map<string, string>();
  readonly #current = new Map<4 | 6, string>();
  readonly #allowPrivateAddresses: boolean;

  constructor(allowPrivateAddresses: boolean) {
    this.#allowPrivateAddresses = allowPrivateAddresses;
  }

  /** Null until two peers agree on one. */
  of(host: string): string | null {
    return this.#current.get(familyOf(host)) ?? null;
  }

  /** A peer at `voter` says that it sees us at `address`; its last word counts. */
  heard(voter: string, address: string): void {
    if (!this.#allowPrivateAddresses && !isPublicAddress(address)) return;
    this.#votes.delete(voter);
    this.#votes.set(voter, address);
    if (this.#votes.size > OWN_ADDRESS_VOTES) this.#votes.delete(this.#votes.keys().next().value as string);
    this.#count(familyOf(address));
  }

  #count(family: 4 | 6): void {
    const counts = new Map<string, number>();
    for (const address of this.#votes.values()) {
      if (familyOf(address) === family) counts.set(address, (counts.get(address) ?? 0) + 1);
    }
    const [best] = [...counts].sort(([, one], [, other]) => other - one);
    if (best === undefined || best[1] < LEAST_VOTES || best[0] === this.#current.get(family)) return;
    this.#current.set(family, best[0]);
    this.version++;
  }
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}
