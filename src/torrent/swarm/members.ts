import type { HostPort } from '../metainfo/index.ts';
import type { Connection } from '../ports.ts';
import { type Handshake, PEX_FLAGS, peerPriority } from '../wire/index.ts';
import type { SwarmContext } from './context.ts';
import * as limits from './limits.ts';
import { isOfPrivate, type KnownPeer, PeerBook } from './peer-book.ts';
import { PeerExchange } from './peer-exchange.ts';
import { Places } from './places.ts';
import { PeerSession } from './session.ts';
import type { SessionOwner } from './session-owner.ts';
import type { PeerSource } from './types.ts';

/** A torrent as its members see it. */
export interface MembersOwner extends SessionOwner {
  readonly peerId: Buffer;
  /** Whether it takes peers now. */
  readonly isOpen: boolean;
}

/** Who is connected with one torrent, who may be, and whom to dial. */
export class Members {
  readonly sessions = new Set<PeerSession>();
  readonly book: PeerBook;
  readonly exchange: PeerExchange;
  readonly #owner: MembersOwner;
  readonly #context: SwarmContext;
  readonly #places: Places;
  /** Dialled and not yet greeted. */
  #dialling = 0;
  /** Of our own address, that the book's priorities follow. */
  #ranked = 0;
  /** Monotonic: when the last session ended, or the torrent began. */
  #leftAt: number;

  constructor(owner: MembersOwner, context: SwarmContext) {
    this.#owner = owner;
    this.#context = context;
    const { allowPrivateAddresses, limitLoopback } = context.limits;
    this.#places = new Places(limitLoopback);
    this.#leftAt = context.clock.monotonic();
    this.book = new PeerBook(owner.isPrivate, {
      allowPrivateAddresses,
      limitLoopback,
      blocks: context.blocks,
      priorityOf: (host, port) => this.#priorityOf(host, port),
    });
    const { sessions } = this;
    this.exchange = new PeerExchange({
      ...{ context, sessions },
      get isPrivate() {
        return owner.isPrivate;
      },
      found: (peers) => {
        const now = context.clock.monotonic();
        for (const { host, port, flags } of peers) {
          this.book.add(host, port, 'pex', now, (flags & PEX_FLAGS.seed) !== 0);
        }
      },
    });
  }

  /** Once a second. */
  tick(now: number): void {
    const { version } = this.#context.ownAddress;
    if (version !== this.#ranked) this.book.rank();
    this.#ranked = version;
    this.exchange.tick(now);
  }

  /** See Torrent.idleSince. */
  get idleSince(): number | null {
    return this.sessions.size + this.#dialling > 0 ? null : this.#leftAt;
  }

  /** How many of them were new and may be dialled. */
  addPeers(peers: readonly HostPort[], source: PeerSource): number {
    const now = this.#context.clock.monotonic();
    let added = 0;
    for (const { host, port } of peers) if (this.book.add(host, port, source, now)) added++;
    return added;
  }

  /** The next to dial, with its place taken; null if nobody is to be dialled now. */
  nextPeer(now: number): KnownPeer | null {
    const { limits: set, connections } = this.#context;
    const taken = this.sessions.size + this.#dialling;
    if (!this.#owner.isOpen || connections.count >= set.connections || taken >= set.connectionsPerTorrent) return null;
    const places = set.connectionsPerTorrent - Math.min(limits.PLACES_FOR_INCOMING, set.connectionsPerTorrent / 2);
    const peer = this.book.next(now, (known) => {
      if (known.source !== 'hand' && taken >= places) return false;
      return !(known.isSeed && this.#owner.uploadOnly);
    });
    if (peer === null) return null;
    if (!this.#places.enter(peer.host)) {
      this.book.postpone(peer, now);
      return null;
    }
    peer.busy = true;
    this.#dialling++;
    return peer;
  }

  /** `again`: it is to be dialled again at once, in another way. */
  dialFailed(peer: KnownPeer, again: boolean): void {
    const now = this.#context.clock.monotonic();
    this.#dialling--;
    this.#places.leave(peer.host);
    if (again) this.book.again(peer, now);
    else this.book.done(peer, false, now);
  }

  /** Both handshakes are there: a session, if there is a place and it is not somebody we have already. */
  greeted(connection: Connection, handshake: Handshake, rest: Buffer, dialled: KnownPeer | null): void {
    const now = this.#context.clock.monotonic();
    const { remoteAddress } = connection;
    const enter = () => dialled !== null || this.#places.enter(remoteAddress) || 'too many of its address';
    const admitted = this.#refusal(remoteAddress, handshake.peerId, dialled, now) ?? enter();
    if (dialled !== null) this.#dialling--;
    if (admitted !== true) {
      this.#context.log.debug('peer refused', { peer: remoteAddress, reason: admitted });
      connection.destroy();
      if (dialled !== null) {
        this.#places.leave(dialled.host);
        this.book.postpone(dialled, now);
      }
      return;
    }
    this.#context.connections.count++;
    const session = new PeerSession(this.#owner, { connection, handshake, dialled });
    this.sessions.add(session);
    session.start(rest);
  }

  /** A session ended. */
  closed(session: PeerSession): void {
    if (!this.sessions.delete(session)) return;
    this.#leftAt = this.#context.clock.monotonic();
    this.#context.connections.count--;
    this.#places.leave(session.dialled?.host ?? session.connection.remoteAddress);
    const { dialled } = session;
    if (dialled === null) return;
    const now = this.#context.clock.monotonic();
    const payload = session.requests.rate.total + (session.uploader?.rate.total ?? 0);
    dialled.isSeed = session.pieces.full;
    this.book.done(dialled, payload > 0 || now - session.startedAt > limits.SHORT_SESSION_MILLISECONDS, now);
  }

  /** Ends all connections with a peer that sent wrong bytes, and never takes it again. */
  ban(session: PeerSession): void {
    const { remoteAddress } = session.connection;
    this.book.ban(remoteAddress, session.listenPort);
    session.close('banned: it sent wrong bytes');
    for (const other of [...this.sessions]) {
      if (this.book.isBanned(other.connection.remoteAddress, other.listenPort)) other.close('banned with its address');
    }
  }

  /** Only peers of trackers and of people may be dialled from now on, and those dialled for another reason go. */
  becomePrivate(): void {
    this.book.becomePrivate();
    for (const session of [...this.sessions]) {
      const source = session.dialled?.source;
      if (source !== undefined && !isOfPrivate(source)) session.close('the torrent is private');
    }
  }

  /** See Torrent.leavePeers. Who is being dialled is refused when it answers. */
  leave(): void {
    this.book.keepByHand();
    for (const session of [...this.sessions]) {
      if (session.dialled?.source !== 'hand') session.close('the tracker is another one now');
    }
  }

  closeAll(reason: string): void {
    for (const session of [...this.sessions]) session.close(reason);
  }

  #priorityOf(host: string, port: number): number {
    const own = this.#context.ownAddress.of(host);
    if (own === null) return 0;
    return peerPriority({ host: own, port: this.#context.listenPort() ?? 0 }, { host, port });
  }

  /** Why a greeted peer is not taken; null if it is. */
  #refusal(address: string, peerId: Buffer, dialled: KnownPeer | null, now: number): string | null {
    const { limits: set, connections } = this.#context;
    if (!this.#owner.isOpen) return 'the torrent takes no peers';
    if (dialled !== null && !this.book.has(dialled)) return 'its address is not used any more';
    if (this.book.isBanned(address, dialled?.port ?? null)) return 'banned';
    if (peerId.equals(this.#owner.peerId)) {
      if (dialled !== null) this.book.exclude(dialled);
      return 'it is ourselves';
    }
    const twin = [...this.sessions].find((session) => session.peerId.equals(peerId));
    if (twin !== undefined) {
      if (!this.#isBetter(twin, dialled, now)) return 'connected already';
      twin.close('connected twice');
    }
    if (connections.count >= set.connections) return 'too many connections';
    const full = this.sessions.size >= set.connectionsPerTorrent;
    return full && !this.#makePlace(now) ? 'too many peers' : null;
  }

  /**
   * Whether a new connection is to replace its twin. When both sides dialled at the same time, both must come to the same
   * answer: the connection stays that was made by the side with the greater peer id.
   */
  #isBetter(twin: PeerSession, dialled: KnownPeer | null, now: number): boolean {
    if (now - twin.startedAt > limits.TWIN_MILLISECONDS || (twin.dialled === null) === (dialled === null)) return false;
    const oursStays = Buffer.compare(this.#owner.peerId, twin.peerId) > 0;
    return (dialled !== null) === oursStays;
  }

  /** Gives up the connection that has been useless longest; false if all are of use. */
  #makePlace(now: number): boolean {
    let worst: PeerSession | null = null;
    for (const session of this.sessions) if (worst === null || session.usefulAt < worst.usefulAt) worst = session;
    if (worst === null || now - worst.usefulAt < limits.USELESS_MILLISECONDS) return false;
    worst.close('of no use to anybody');
    return true;
  }
}
