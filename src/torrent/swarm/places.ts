import { isLoopbackAddress } from '../../lib/addresses.ts';
import { addressBytes } from '../wire/index.ts';
import { CONNECTIONS_PER_ADDRESS, CONNECTIONS_PER_NETWORK } from './limits.ts';

/** How many connections (dialled ones too) a torrent has with each address and each IPv4 /24 or IPv6 /64. */
export class Places {
  readonly #limitLoopback: boolean;
  readonly #addresses = new Map<string, number>();
  readonly #networks = new Map<string, number>();

  constructor(limitLoopback: boolean) {
    this.#limitLoopback = limitLoopback;
  }

  /** Takes a place; false if the address or its network has its share. */
  enter(host: string): boolean {
    if (this.#isExempt(host)) return true;
    const network = networkOf(host);
    const ofAddress = this.#addresses.get(host) ?? 0;
    const ofNetwork = this.#networks.get(network) ?? 0;
    if (ofAddress >= CONNECTIONS_PER_ADDRESS || ofNetwork >= CONNECTIONS_PER_NETWORK) return false;
    this.#addresses.set(host, ofAddress + 1);
    this.#networks.set(network, ofNetwork + 1);
    return true;
  }

  /** Gives a place back that `enter` gave. */
  leave(host: string): void {
    if (this.#isExempt(host)) return;
    takeOne(this.#addresses, host);
    takeOne(this.#networks, networkOf(host));
  }

  #isExempt(host: string): boolean {
    return !this.#limitLoopback && isLoopbackAddress(host);
  }
}

/** The network an address counts for; the text itself if it is no IP address. */
function networkOf(host: string): string {
  const bytes = addressBytes(host);
  if (bytes === null) return host;
  return bytes.subarray(0, bytes.length === 4 ? 3 : 8).toString('hex');
}

function takeOne(counts: Map<string, number>, key: string): void {
  const count = counts.get(key) ?? 0;
  if (count > 1) counts.set(key, count - 1);
  else counts.delete(key);
}
