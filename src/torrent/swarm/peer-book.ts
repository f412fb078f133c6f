import { isLoopbackAddress, isPublicAddress } from '../../lib/addresses.ts';
import { addressBytes, addressText } from '../wire/index.ts';
import * as limits from './limits.ts';
import type { PeerSource } from './types.ts';

/** An address that may be dialled. */
export interface KnownPeer {
  readonly host: string;
  readonly port: number;
  source: PeerSource;
  /** Dials in a row that brought no handshake. */
  failures: number;
  /** Monotonic time from which on it may be dialled (again). */
  dialAt: number;
  /** It is being dialled or connected. */
  busy: boolean;
  /** It did not answer an encrypted handshake: the next one is plain. */
  isPlain: boolean;
  /** It had all pieces when it was last connected, or others say so (BEP 11). */
  isSeed: boolean;
  /** BEP 40; 0 while our own address is not known. Of those that failed as often, the higher is dialled first. */
  priority: number;
}

export interface PeerRules {
  readonly allowPrivateAddresses: boolean;
  readonly limitLoopback: boolean;
  /** Whether the IP filter forbids an address; it does so whoever names it. */
  blocks(host: string): boolean;
  /** BEP 40. */
  priorityOf(host: string, port: number): number;
}

/** The addresses known for one torrent: whom to dial, when, and whom never. */
export class PeerBook {
  readonly #rules: PeerRules;
  #isPrivate: boolean;
  readonly #peers = new Map<string, KnownPeer>();
  readonly #banned = new Set<string>();

  constructor(isPrivate: boolean, rules: PeerRules) {
    this.#isPrivate = isPrivate;
    this.#rules = rules;
  }

  get size(): number {
    return this.#peers.size;
  }

  /**
   * True if the address is new and may be dialled. `host` is an IP address without brackets; `isSeed`: others say that it
   * has all pieces.
   */
  add(host: string, port: number, source: PeerSource, now: number, isSeed = false): boolean {
    const bytes = addressBytes(host);
    const plain = bytes === null ? null : addressText(bytes);
    if (plain === null || port < 1 || port > 65_535 || !this.#allowed(plain, source)) return false;
    if (this.isBanned(plain, port)) return false;
    const name = nameOf(plain, port);
    const known = this.#peers.get(name);
    if (known !== undefined) {
      if (source !== 'hand') return false;
      // Whoever names a peer by hand wants it now.
      known.source = 'hand';
      known.dialAt = Math.min(known.dialAt, now);
      return false;
    }
    if (this.#peers.size >= limits.KNOWN_PEERS && !this.#makeRoom(source)) return false;
    const fresh = { failures: 0, dialAt: now, busy: false, isPlain: false, isSeed };
    this.#peers.set(name, { host: plain, port, source, ...fresh, priority: this.#rules.priorityOf(plain, port) });
    return true;
  }

  /** Forgets what a private torrent may not use (BEP 27), and takes no more of it. */
  becomePrivate(): void {
    this.#isPrivate = true;
    for (const [name, peer] of this.#peers) if (!isOfPrivate(peer.source)) this.#peers.delete(name);
  }

  /** Forgets all that nobody gave by hand. */
  keepByHand(): void {
    for (const [name, { source }] of this.#peers) if (source !== 'hand') this.#peers.delete(name);
  }

  has(peer: KnownPeer): boolean {
    return this.#peers.get(nameOf(peer.host, peer.port)) === peer;
  }

  /** Our own address is another now, or known at last. */
  rank(): void {
    for (const peer of this.#peers.values()) peer.priority = this.#rules.priorityOf(peer.host, peer.port);
  }

  /** Someone to dial now, of those the least often failed; null if there is nobody. Skips those `may` refuses. */
  next(now: number, may: (peer: KnownPeer) => boolean): KnownPeer | null {
    let best: KnownPeer | null = null;
    for (const peer of this.#peers.values()) {
      if (peer.busy || peer.dialAt > now || (best !== null && !isBefore(peer, best))) continue;
      if (may(peer)) best = peer;
    }
    return best;
  }

  /** A dialled peer is gone; `greeted` if it had answered with a handshake. It is dialled again later, or forgotten. */
  done(peer: KnownPeer, greeted: boolean, now: number): void {
    peer.busy = false;
    peer.failures = greeted ? 0 : peer.failures + 1;
    if (peer.source !== 'hand' && peer.failures >= limits.DIAL_FAILURES) {
      this.#peers.delete(nameOf(peer.host, peer.port));
      return;
    }
    const most = peer.source === 'hand' ? limits.MOST_HAND_REDIAL_MILLISECONDS : limits.MOST_REDIAL_MILLISECONDS;
    const doublings = Math.max(0, peer.failures - 1);
    peer.dialAt = now + Math.min(most, limits.FIRST_REDIAL_MILLISECONDS * 2 ** doublings);
  }

  /** It may be dialled again at once: it has not failed yet. */
  again(peer: KnownPeer, now: number): void {
    peer.busy = false;
    peer.dialAt = now;
  }

  /** It is connected already, by another way. */
  postpone(peer: KnownPeer, now: number): void {
    this.done(peer, true, now);
    peer.dialAt = now + limits.TWIN_REDIAL_MILLISECONDS;
  }

  /** Never dials this one again: it is ourselves. */
  exclude(peer: KnownPeer): void {
    const name = nameOf(peer.host, peer.port);
    this.#remember(name);
    this.#peers.delete(name);
  }

  /** Never again; the whole address, or only this port of it where several peers may share one (loopback). */
  ban(host: string, port: number | null): void {
    if (this.#sharesAddress(host)) {
      if (port !== null) this.#remember(nameOf(host, port));
    } else this.#remember(host);
    for (const [name, peer] of this.#peers) if (this.isBanned(peer.host, peer.port)) this.#peers.delete(name);
  }

  /** `port` is where the peer listens; null if that is not known. */
  isBanned(host: string, port: number | null): boolean {
    return this.#banned.has(host) || (port !== null && this.#banned.has(nameOf(host, port)));
  }

  #sharesAddress(host: string): boolean {
    return !this.#rules.limitLoopback && isLoopbackAddress(host);
  }

  #remember(name: string): void {
    this.#banned.delete(name);
    this.#banned.add(name);
    if (this.#banned.size > limits.BANNED_PEERS) this.#banned.delete(this.#banned.values().next().value as string);
  }

  #allowed(host: string, source: PeerSource): boolean {
    if (this.#rules.blocks(host)) return false;
    if (source === 'hand') return true;
    if (this.#isPrivate && !isOfPrivate(source)) return false;
    return source === 'lsd' || this.#rules.allowPrivateAddresses || isPublicAddress(host);
  }

  /** Forgets one that failed, or for one that a person or a tracker names, one that strangers did; false if there is none. */
  #makeRoom(source: PeerSource): boolean {
    const mayGo = [(peer: KnownPeer) => peer.failures > 0 && peer.source !== 'hand'];
    if (isOfPrivate(source)) mayGo.push((peer) => !isOfPrivate(peer.source));
    for (const may of mayGo) {
      for (const [name, peer] of this.#peers) {
        if (peer.busy || !may(peer)) continue;
        this.#peers.delete(name);
        return true;
      }
    }
    return false;
  }
}

/** Whether one is to be dialled before another: fewer failures, then a person's own, then the priority (BEP 40). */
function isBefore(one: KnownPeer, other: KnownPeer): boolean {
  if (one.failures !== other.failures) return one.failures < other.failures;
  const byHand = (peer: KnownPeer) => peer.source === 'hand';
  return byHand(one) === byHand(other) ? one.priority > other.priority : byHand(one);
}

/** Whether a private torrent may have peers from there (BEP 27). */
export function isOfPrivate(source: PeerSource): boolean {
  return source === 'hand' || source === 'tracker';
}

function nameOf(host: string, port: number): string {
  return `${host} ${port}`;
}
