import type { HostPort } from '../metainfo/index.ts';
import type { Connection } from '../ports.ts';
import * as wire from '../wire/index.ts';
import { Bucket } from './bucket.ts';
import type { ServingTorrent } from './choker.ts';
import type { SwarmContext } from './context.ts';
import type { DownloadOwner } from './download-owner.ts';
import { Downloader } from './downloader.ts';
import { takeBack } from './extensions.ts';
import { haveMessages } from './hello.ts';
import { CHOKE_MILLISECONDS } from './limits.ts';
import type { Identity, LoopEvents } from './loop-events.ts';
import { Members, type MembersOwner } from './members.ts';
import { MetadataExchange, type MetadataOwner } from './metadata.ts';
import type { KnownPeer } from './peer-book.ts';
import { Rate } from './rate.ts';
import type { ReceivingTorrent } from './reception.ts';
import type { PeerSession } from './session.ts';
import { allowFast, suggestHot } from './steering.ts';
import type { Priorities } from './types.ts';
import type { UploadSource } from './uploader.ts';

/** Owns what happens between one torrent and its peers: what sessions report comes here and goes to the part it concerns. */
export class TorrentLoop implements MembersOwner, DownloadOwner, MetadataOwner, ReceivingTorrent, ServingTorrent {
  readonly context: SwarmContext;
  readonly infoHash: Buffer;
  readonly peerId: Buffer;
  isPrivate: boolean;
  readonly members: Members;
  /** Other seeds are known: peers may be steered to what is at hand (BEP 6). */
  suggesting = false;
  isOpen = false;
  source: UploadSource | null = null;
  downloader: Downloader | null = null;
  /** Payload of this run. */
  readonly uploaded = new Rate();
  readonly downloaded = new Rate();
  wastedBytes = 0;
  /** Its own rate limits. */
  readonly buckets = { up: new Bucket(), down: new Bucket() };
  readonly #events: LoopEvents;
  readonly #metadata: MetadataExchange;
  #suggestAt = 0;

  constructor(context: SwarmContext, identity: Identity, rawInfo: Buffer | null, events: LoopEvents) {
    this.context = context;
    this.infoHash = identity.infoHash;
    this.peerId = identity.peerId;
    this.isPrivate = identity.isPrivate;
    this.#events = events;
    this.members = new Members(this, context);
    this.#metadata = new MetadataExchange(this, context.clock, rawInfo);
  }

  get sessions(): ReadonlySet<PeerSession> {
    return this.members.sessions;
  }

  /** BEP 21: nothing is wanted, now or later. */
  get uploadOnly(): boolean {
    return this.source?.have.full === true;
  }

  /** The store is open: from now on pieces are served, and `download` can fetch. Sessions go on. */
  provide(source: UploadSource): void {
    this.source = source;
    this.#metadata.provide(source.info.rawInfo);
    // A torrent that was just woken has nobody to tell.
    if (this.sessions.size === 0) return;
    const haves = haveMessages(source.have.indices());
    for (const session of [...this.sessions]) {
      session.provide(source);
      if (haves.length > 0) session.send(haves);
      session.sayExtensions();
      this.onInterest(session);
    }
  }

  /** The metadata say that it is private (BEP 27): peers from elsewhere than trackers and people go. */
  becomePrivate(): void {
    this.isPrivate = true;
    this.members.becomePrivate();
  }

  /** Begins to fetch what is missing. */
  download(priorities: Priorities): void {
    if (this.source === null || this.downloader !== null) return;
    const { info, handle, have } = this.source;
    this.downloader = new Downloader(this.context, info, handle, have, this);
    this.downloader.picker.setPriorities(priorities);
    for (const session of this.sessions) if (session.pieces.pieces !== null) this.#countPieces(session);
    if (this.downloader.picker.wanted.count === 0) this.#events.onWanted();
  }

  setPriorities(priorities: Priorities): void {
    const { downloader } = this;
    if (downloader === null) return;
    downloader.picker.setPriorities(priorities);
    for (const session of this.sessions) this.#updateInterest(session);
    downloader.fillStarved();
    if (downloader.picker.wanted.count === 0) this.#events.onWanted();
  }

  /** Fetches no more; resolves when nothing is being written. */
  async stopDownload(): Promise<void> {
    const { downloader } = this;
    this.downloader = null;
    for (const session of this.sessions) session.setInteresting(false);
    await downloader?.stop();
  }

  /** Pieces that were served can no longer be. */
  lost(pieces: readonly number[]): void {
    const now = this.context.clock.monotonic();
    for (const index of pieces) this.downloader?.picker.lost(index, now);
    const gone = new Set(pieces);
    for (const session of [...this.sessions]) {
      session.uploader?.cancelAll((index) => !gone.has(index));
      takeBack(session, pieces);
      if (!session.isClosed) this.#updateInterest(session);
    }
  }

  /** Lost pieces can be served again. */
  found(pieces: readonly number[]): void {
    const haves = haveMessages(pieces);
    for (const session of [...this.sessions]) session.send(haves);
  }

  /** Once a second, while there are sessions or addresses to dial. */
  tick(now: number, milliseconds: number): void {
    this.uploaded.tick(milliseconds);
    this.downloaded.tick(milliseconds);
    for (const session of [...this.sessions]) {
      session.tick(now, milliseconds);
      this.#metadata.pump(session);
      if (session.interesting && session.requests.inFlight.size === 0) this.#updateInterest(session);
    }
    this.downloader?.tick(now, milliseconds);
    this.#metadata.tick(now);
    this.members.tick(now);
    if (this.suggesting && now >= this.#suggestAt) {
      this.#suggestAt = now + CHOKE_MILLISECONDS;
      if (this.source !== null) suggestHot(this.sessions, this.source, this.context);
    }
  }

  // Peers that come and go.

  addPeers(peers: readonly HostPort[], source: Parameters<Members['addPeers']>[1]): number {
    return this.members.addPeers(peers, source);
  }

  greeted(connection: Connection, handshake: wire.Handshake, rest: Buffer, dialled: KnownPeer | null): void {
    this.members.greeted(connection, handshake, rest, dialled);
  }

  dialFailed(peer: KnownPeer, reason: string, again = false): void {
    this.context.log.debug('dial failed', { peer: peer.host, port: peer.port, reason, again });
    this.members.dialFailed(peer, again);
  }

  onClosed(session: PeerSession, reason: string): void {
    this.context.log.debug('peer connection ended', { peer: session.connection.remoteAddress, reason });
    this.members.closed(session);
    this.context.choker.closed(session);
    this.#metadata.dropped(session);
    const { downloader } = this;
    if (downloader === null || session.pieces.pieces === null) return;
    downloader.picker.removePeer(session.pieces.pieces);
    downloader.dropped(session);
  }

  onGuilty(session: PeerSession): void {
    const { remoteAddress, remotePort } = session.connection;
    this.context.log.warn('a peer sent wrong bytes', { peer: remoteAddress, port: remotePort });
    this.members.ban(session);
  }

  // What peers say.

  onPieces(session: PeerSession): void {
    if (session.pieces.pieces === null) return;
    if (this.source !== null) allowFast(session, this.source, this.infoHash);
    if (this.downloader !== null) this.#countPieces(session);
    this.#closeIfUseless(session);
  }

  onHave(session: PeerSession, index: number): void {
    const { downloader } = this;
    if (session.pieces.pieces === null) return;
    if (downloader !== null) {
      downloader.picker.addHave(index);
      if (downloader.picker.wanted.has(index)) {
        session.setInteresting(true);
        session.requests.starved = true;
      }
    } else if (session.pieces.full) this.#closeIfUseless(session);
  }

  onDontHave(session: PeerSession, index: number): void {
    this.downloader?.picker.dropHave(index);
    this.#updateInterest(session);
  }

  onChoked(session: PeerSession): void {
    this.downloader?.choked(session);
  }

  onUnchoked(session: PeerSession): void {
    session.requests.forgive();
    session.requests.starved = true;
  }

  onInterest(session: PeerSession): void {
    const isWaiting = session.interested && session.uploader?.choking === true;
    if (isWaiting) this.context.choker.interest(session, this.context.clock.monotonic());
  }

  onBlock(session: PeerSession, index: number, begin: number, data: Buffer): void {
    if (this.downloader !== null) this.downloader.block(session, index, begin, data);
    else this.onWasted(session.stray(index, begin, data.length));
  }

  onReject(session: PeerSession, index: number, begin: number): void {
    this.downloader?.reject(session, index, begin);
  }

  onExtensions(session: PeerSession): void {
    this.#closeIfUseless(session);
    if (!session.isClosed && !this.isPrivate) this.#metadata.askPeers();
  }

  onMetadata(session: PeerSession, message: wire.MetadataMessage): void {
    this.#metadata.message(session, message);
  }

  onTurn(session: PeerSession): void {
    this.downloader?.fill(session);
  }

  onRawInfo(rawInfo: Buffer): void {
    this.#events.onRawInfo(rawInfo);
  }

  onVerified(index: number, bytes: number, last: boolean): void {
    this.downloaded.add(bytes);
    const have = wire.encodeHave(index);
    for (const session of this.sessions) if (!session.pieces.full) session.send(have);
    this.#events.onVerified(index, bytes);
    if (this.downloader?.picker.wanted.count === 0) this.#events.onWanted();
    if (last && this.uploadOnly) this.#complete();
  }

  onWasted(bytes: number): void {
    this.wastedBytes += bytes;
  }

  onWriteFailed(error: unknown): void {
    this.#events.onWriteFailed(error);
  }

  /** The same connections go on: those who want are served, those who have all themselves go. */
  #complete(): void {
    this.downloader?.stop();
    this.downloader = null;
    for (const session of [...this.sessions]) {
      session.setInteresting(false);
      session.sayExtensions();
      this.#closeIfUseless(session);
    }
    this.#events.onComplete();
  }

  #countPieces(session: PeerSession): void {
    if (session.pieces.pieces !== null) this.downloader?.picker.addPeer(session.pieces.pieces);
    session.requests.starved = true;
    this.#updateInterest(session);
  }

  #updateInterest(session: PeerSession): void {
    const { pieces } = session.pieces;
    session.setInteresting(pieces !== null && this.downloader?.picker.wants(pieces) === true);
  }

  #closeIfUseless(session: PeerSession): void {
    if (this.uploadOnly && (session.pieces.full || session.uploadOnly)) session.close('neither side wants anything');
  }
}
