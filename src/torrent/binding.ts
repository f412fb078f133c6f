import type { Clock, Timer } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { SourceAddress } from './ports.ts';
import { addressBytes } from './wire/index.ts';

/** The system's interfaces are looked at this often, … */
export const CHECK_MILLISECONDS = 1_000;
/** … and before something is sent, if the last look is older than this: a look costs about 0.1 ms. */
const FRESH_MILLISECONDS = 100;

/** The system's interfaces that are up, by name: what os.networkInterfaces gives. */
export type Interfaces = () => Readonly<Record<string, readonly { readonly address: string }[] | undefined>>;

export interface BindingOptions {
  /** An interface's name or an IP address. */
  readonly wanted: string;
  readonly interfaces: Interfaces;
  readonly clock: Clock;
  readonly log: Log;
}

interface Addresses {
  readonly ipv4: string | null;
  readonly ipv6: string | null;
}

/**
 * The interface or address that all traffic with peers, trackers and DHT nodes must come from. An interface lends its first
 * IPv4 address and its first IPv6 address that is not link-local; an address lends itself alone. While it is not there,
 * nothing has an address to send from, and so nothing is sent.
 */
export class Binding implements SourceAddress {
  readonly #options: BindingOptions;
  readonly #changed = new Set<() => void>();
  readonly #checked = new Set<() => void>();
  readonly #timer: Timer;
  #addresses: Addresses = { ipv4: null, ipv6: null };
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: BindingOptions) {
    this.#options = options;
    this.#look();
    if (this.fault !== null) options.log.warn('the network is not there', { reason: this.fault });
    this.#timer = options.clock.every(CHECK_MILLISECONDS, () => {
      this.#look();
      for (const checked of this.#checked) checked();
    });
  }

  /** Why there is no traffic, in words; null while there may be. */
  get fault(): string | null {
    if (this.isUp) return null;
    return `${this.#options.wanted} (BAE_PEER_INTERFACE) is not there or has no address: there is no traffic with peers, trackers or the DHT until it is back.`;
  }

  get isUp(): boolean {
    this.#refresh();
    return this.#addresses.ipv4 !== null || this.#addresses.ipv6 !== null;
  }

  localAddress(family: 4 | 6): string | null {
    this.#refresh();
    return family === 4 ? this.#addresses.ipv4 : this.#addresses.ipv6;
  }

  onChange(changed: () => void): () => void {
    this.#changed.add(changed);
    return () => void this.#changed.delete(changed);
  }

  /** Calls after each regular look, changed or not; returns the way to stop listening. */
  onCheck(checked: () => void): () => void {
    this.#checked.add(checked);
    return () => void this.#checked.delete(checked);
  }

  close(): void {
    this.#timer.cancel();
    this.#changed.clear();
    this.#checked.clear();
  }

  #refresh(): void {
    if (this.#options.clock.monotonic() - this.#lookedAt >= FRESH_MILLISECONDS) this.#look();
  }

  #look(): void {
    const before = this.#addresses;
    const isFirst = this.#lookedAt === Number.NEGATIVE_INFINITY;
    this.#lookedAt = this.#options.clock.monotonic();
    this.#addresses = addressesOf(this.#options.wanted, this.#options.interfaces());
    const { ipv4, ipv6 } = this.#addresses;
    if (ipv4 === before.ipv4 && ipv6 === before.ipv6) return;
    const { log } = this.#options;
    if (this.fault === null) log.info('the network is there', { ipv4, ipv6 });
    else if (!isFirst) log.warn('the network is gone', { reason: this.fault });
    for (const changed of this.#changed) changed();
  }
}

function addressesOf(wanted: string, interfaces: ReturnType<Interfaces>): Addresses {
  const bytes = addressBytes(wanted);
  const isWanted = (address: string) => addressBytes(address)?.equals(bytes as Buffer) === true;
  const all = bytes === null ? (interfaces[wanted] ?? []) : Object.values(interfaces).flatMap((some) => some ?? []);
  const usable = all
    .map(({ address }) => address)
    .filter((address) => (bytes === null ? !isLinkLocal(address) : isWanted(address)));
  return {
    ipv4: usable.find((address) => !address.includes(':')) ?? null,
    ipv6: usable.find((address) => address.includes(':')) ?? null,
  };
}

/** fe80::/10: of no use without naming the interface each time. */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}
