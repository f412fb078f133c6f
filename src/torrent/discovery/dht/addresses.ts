import { isLoopbackAddress, isPublicAddress } from '../../../lib/addresses.ts';
import { addressBytes } from '../../wire/index.ts';

export interface AddressRules {
  /** Nodes and peers may have loopback and private addresses. */
  readonly allowPrivateAddresses: boolean;
  /** Limits of an address hold for loopback too. */
  readonly limitLoopback: boolean;
}

/** Who may be spoken to, and who counts as one and the same. */
export class Addresses {
  readonly #rules: AddressRules;

  constructor(rules: AddressRules) {
    this.#rules = rules;
  }

  isAllowed(host: string): boolean {
    return this.#rules.allowPrivateAddresses ? addressBytes(host) !== null : isPublicAddress(host);
  }

  /**
   * What limits of one address count by: an IPv4 address or an IPv6 /64, which one household has. Null where they do not
   * hold: several programs of one machine.
   */
  ownerOf(host: string): string | null {
    if (!this.#rules.limitLoopback && isLoopbackAddress(host)) return null;
    const bytes = addressBytes(host);
    return bytes === null || bytes.length === 4 ? host : bytes.toString('latin1', 0, 8);
  }
}
