import type { Clock } from '../../../lib/clock.ts';
import type { Random } from '../../../lib/random.ts';
import type { HostPort } from '../../metainfo/index.ts';
import type { Addresses } from './addresses.ts';
import { encodeAddress, type Family, familyOf } from './compact.ts';
import * as limits from './limits.ts';

interface StoredPeer extends HostPort {
  readonly owner: string | null;
  /** Monotonic. */
  readonly until: number;
}

/** By owner, or by address and port where owners do not count; the one announced longest ago first. */
type Peers = Map<string, StoredPeer>;

/** Peers that others announced here (BEP 5), for a while and within bounds. */
export class PeerStore {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #addresses: Addresses;
  /** By info-hash as Latin-1; the one announced longest ago first. */
  readonly #torrents = new Map<string, Peers>();
  /** In how many torrents an address is. */
  readonly #counts = new Map<string, number>();
  #size = 0;

  constructor(clock: Clock, random: Random, addresses: Addresses) {
    this.#clock = clock;
    this.#random = random;
    this.#addresses = addresses;
  }

  get torrents(): number {
    return this.#torrents.size;
  }

  /** Peers of all torrents. */
  get size(): number {
    return this.#size;
  }

  /** Remembers a peer; false when its address has announced as many torrents here as one may. */
  add(infoHash: Buffer, { host, port }: HostPort): boolean {
    const name = infoHash.toString('latin1');
    const owner = this.#addresses.ownerOf(host);
    const key = owner ?? `${host} ${port}`;
    const peers: Peers = this.#torrents.get(name) ?? new Map();
    this.#drop(peers, key);
    if (owner !== null && (this.#counts.get(owner) ?? 0) >= limits.STORED_TORRENTS_PER_ADDRESS) {
      if (peers.size === 0) this.#torrents.delete(name);
      return false;
    }
    if (peers.size >= limits.STORED_PEERS_PER_TORRENT) this.#drop(peers, peers.keys().next().value as string);
    peers.set(key, { host, port, owner, until: this.#clock.monotonic() + limits.STORED_MILLISECONDS });
    if (owner !== null) this.#counts.set(owner, (this.#counts.get(owner) ?? 0) + 1);
    this.#size++;
    this.#torrents.delete(name);
    this.#torrents.set(name, peers);
    while (this.#torrents.size > limits.STORED_TORRENTS || this.#size > limits.STORED_PEERS) this.#dropOldest();
    return true;
  }

  /** Peers of a torrent, of one family, at most so many, drawn by lot. */
  peers(infoHash: Buffer, family: Family, most: number): HostPort[] {
    const now = this.#clock.monotonic();
    const peers = this.#torrents.get(infoHash.toString('latin1'));
    const found = [...(peers?.values() ?? [])].filter(({ host, until }) => until > now && familyOf(host) === family);
    for (let at = 0; at < Math.min(most, found.length - 1); at++) {
      const other = at + this.#random.int(found.length - at);
      [found[at], found[other]] = [found[other] as StoredPeer, found[at] as StoredPeer];
    }
    return found.slice(0, most).map(({ host, port }) => ({ host, port }));
  }

  /** As `peers`, each in 6 or 18 bytes. */
  compactPeers(infoHash: Buffer, family: Family): Buffer[] {
    return this.peers(infoHash, family, limits.PEERS_SENT).map(encodeAddress);
  }

  /** Forgets what is too old: torrents in the order of their last announce, so it ends at the first that is not. */
  expire(): void {
    const now = this.#clock.monotonic();
    for (const [name, peers] of this.#torrents) {
      for (const [key, { until }] of peers) {
        if (until > now) break;
        this.#drop(peers, key);
      }
      if (peers.size > 0) return;
      this.#torrents.delete(name);
    }
  }

  #dropOldest(): void {
    const [name, peers] = this.#torrents.entries().next().value as [string, Peers];
    for (const key of [...peers.keys()]) this.#drop(peers, key);
    this.#torrents.delete(name);
  }

  #drop(peers: Peers, key: string): void {
    const peer = peers.get(key);
    if (peer === undefined) return;
    peers.delete(key);
    this.#size--;
    if (peer.owner === null) return;
    const count = (this.#counts.get(peer.owner) as number) - 1;
    if (count === 0) this.#counts.delete(peer.owner);
    else this.#counts.set(peer.owner, count);
  }
}
