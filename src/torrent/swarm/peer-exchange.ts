import { isPublicAddress } from '../../lib/addresses.ts';
import * as wire from '../wire/index.ts';
import type { SwarmContext } from './context.ts';
import { Frequency } from './frequency.ts';
import * as limits from './limits.ts';
import type { PeerSession } from './session.ts';

/** What has gone between us and one peer. */
interface Exchanged {
  /** Peers that it was told of, as `host port`. */
  readonly told: Map<string, wire.PexPeer>;
  /** Monotonic time from which on it may be told more. */
  tellAt: number;
  takenAt: number;
  readonly messages: Frequency;
}

export interface ExchangeOwner {
  readonly context: SwarmContext;
  readonly isPrivate: boolean;
  readonly sessions: ReadonlySet<PeerSession>;
  /** A peer named these. */
  found(peers: readonly wire.PexPeer[]): void;
}

/** Tells peers of each other (PEX, BEP 11); never for private torrents. */
export class PeerExchange {
  readonly #owner: ExchangeOwner;
  readonly #exchanged = new WeakMap<PeerSession, Exchanged>();

  constructor(owner: ExchangeOwner) {
    this.#owner = owner;
  }

  /** A peer names others. More than one message a minute is left unread, and too many end the connection. */
  received(session: PeerSession, payload: Buffer): void {
    const now = this.#owner.context.clock.monotonic();
    const exchanged = this.#with(session);
    if (!exchanged.messages.allows(now)) {
      session.close('peer exchange too often');
      return;
    }
    if (now - exchanged.takenAt < limits.LEAST_PEX_MILLISECONDS) return;
    exchanged.takenAt = now;
    this.#owner.found(wire.decodePex(payload).added);
  }

  /** Once a second: tells peers what changed, each once a minute. */
  tick(now: number): void {
    if (this.#owner.isPrivate) return;
    for (const session of this.#owner.sessions) {
      const id = session.extensions?.messages.get('ut_pex') ?? 0;
      if (id !== 0 && now >= this.#with(session).tellAt) this.#tell(session, id, now);
    }
  }

  #tell(session: PeerSession, id: number, now: number): void {
    const exchanged = this.#with(session);
    const { told } = exchanged;
    const known = this.#others(session);
    const added = [...known].filter(([name]) => !told.has(name)).slice(0, wire.PEX_PEERS);
    const dropped = [...told].filter(([name]) => !known.has(name)).slice(0, wire.PEX_PEERS);
    if (added.length === 0 && dropped.length === 0) return;
    for (const [name, peer] of added) told.set(name, peer);
    for (const [name] of dropped) told.delete(name);
    exchanged.tellAt = now + limits.PEX_MILLISECONDS;
    session.send(
      wire.encodePex(id, { added: added.map(([, peer]) => peer), dropped: dropped.map(([, peer]) => peer) }),
    );
  }

  /** The others that we are connected with and that say where they listen, by `host port`. */
  #others(session: PeerSession): Map<string, wire.PexPeer> {
    const { allowPrivateAddresses } = this.#owner.context.limits;
    const found = new Map<string, wire.PexPeer>();
    for (const other of this.#owner.sessions) {
      const host = other.connection.remoteAddress;
      const port = other.listenPort;
      if (other === session || port === null || !(allowPrivateAddresses || isPublicAddress(host))) continue;
      found.set(`${host} ${port}`, { host, port, flags: flagsOf(other) });
    }
    return found;
  }

  #with(session: PeerSession): Exchanged {
    const found = this.#exchanged.get(session);
    if (found !== undefined) return found;
    const messages = new Frequency(limits.PEX_MESSAGES, limits.PEX_MILLISECONDS);
    const fresh = { told: new Map(), tellAt: 0, takenAt: Number.NEGATIVE_INFINITY, messages };
    this.#exchanged.set(session, fresh);
    return fresh;
  }
}

function flagsOf(session: PeerSession): number {
  const { prefersEncryption, seed, reachable } = wire.PEX_FLAGS;
  return (
    (session.extensions?.prefersEncryption === true ? prefersEncryption : 0) |
    (session.pieces.full || session.uploadOnly ? seed : 0) |
    (session.dialled === null ? 0 : reachable)
  );
}
