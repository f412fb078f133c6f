import type { Connection, ConnectionHandlers } from '../ports.ts';
import * as wire from '../wire/index.ts';
import { blockKey } from './blocks.ts';
import { extensionsMessage, receiveExtended } from './extensions.ts';
import { Frequency } from './frequency.ts';
import { firstMessages } from './hello.ts';
import { Intake, type IntakeOwner } from './intake.ts';
import * as limits from './limits.ts';
import { Outbox } from './outbox.ts';
import type { KnownPeer } from './peer-book.ts';
import { PeerPieces } from './peer-pieces.ts';
import { PeerRequests } from './peer-requests.ts';
import type { SessionOwner } from './session-owner.ts';
import { Uploader, type UploadSource } from './uploader.ts';

export interface SessionOptions {
  readonly connection: Connection;
  readonly handshake: wire.Handshake;
  /** Whom we dialled; null for a peer that came. */
  readonly dialled: KnownPeer | null;
}

/** One established connection with a peer: reads its messages, keeps what it said, writes what is to be sent. */
export class PeerSession implements ConnectionHandlers, IntakeOwner {
  readonly connection: Connection;
  readonly dialled: KnownPeer | null;
  readonly peerId: Buffer;
  readonly fast: boolean;
  readonly startedAt: number;
  readonly pieces: PeerPieces;
  readonly requests: PeerRequests;
  /** Null until the torrent can serve. */
  uploader: Uploader | null = null;
  /** It chokes us. */
  choking = true;
  /** It wants from us. */
  interested = false;
  /** We want from it, and have told it so. */
  interesting = false;
  /** It wants nothing from anybody (BEP 21). */
  uploadOnly = false;
  extensions: wire.ExtensionHandshake | null = null;
  readonly extensionHandshakes = new Frequency(limits.EXTENSION_HANDSHAKES, limits.EXTENSION_HANDSHAKE_MILLISECONDS);
  /** Monotonic time at which either side last wanted something, as far as a look once a second tells. */
  usefulAt: number;
  isClosed = false;
  readonly #owner: SessionOwner;
  readonly #features: wire.Features;
  readonly #intake: Intake;
  readonly #out = new Outbox();
  #flushing = false;
  #sentAt: number;
  #piecesTold = false;

  constructor(owner: SessionOwner, options: SessionOptions) {
    const { features, peerId } = options.handshake;
    const now = owner.context.clock.monotonic();
    this.#owner = owner;
    this.connection = options.connection;
    this.dialled = options.dialled;
    this.peerId = Buffer.from(peerId);
    this.fast = features.fast;
    this.#features = features;
    this.startedAt = now;
    this.usefulAt = now;
    this.#sentAt = now;
    const pieceCount = owner.source?.info.pieceCount ?? null;
    this.pieces = new PeerPieces(pieceCount);
    this.requests = new PeerRequests(now);
    const { clock, turns } = owner.context;
    this.#intake = new Intake(this, { pieceCount, ...features }, clock, turns.reading);
  }

  /** Takes the connection over; `rest` are the bytes that came after the handshake. */
  start(rest: Buffer): void {
    this.#sayHello();
    this.connection.handlers = this;
    if (rest.length > 0) this.data(Buffer.from(rest));
  }

  /** Bytes to be sent that the system has not taken yet. */
  get queuedBytes(): number {
    return this.#out.bytes + this.connection.queuedBytes;
  }

  /** Where it listens; null if that is not known. */
  get listenPort(): number | null {
    return this.dialled?.port ?? this.extensions?.listenPort ?? null;
  }

  /** The piece count and the store are there now. */
  provide(source: UploadSource): void {
    this.uploader = new Uploader(this, source, this.#owner.context);
    this.#intake.setPieceCount(source.info.pieceCount);
    try {
      this.pieces.setCount(source.info.pieceCount);
    } catch (error) {
      this.#broken(error);
    }
  }

  /** Queues a message; it goes out at the end of the turn. */
  send(message: Buffer): void {
    if (this.isClosed) return;
    this.#out.push(message);
    if (this.queuedBytes > 2 * limits.SEND_BUFFER_BYTES) this.close('does not read');
    else if (!this.#intake.isReading && !this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => this.flush());
    }
  }

  /** Writes what is queued, then blocks, as one write. */
  flush(): void {
    this.#flushing = false;
    if (this.isClosed || this.#intake.isReading) return;
    const { buffers, written } = this.#out.take();
    const batchWritten = this.uploader?.collect(buffers);
    if (buffers.length === 0) return;
    this.#sentAt = this.#owner.context.clock.monotonic();
    this.connection.write(buffers, written === undefined ? batchWritten : after(written, batchWritten));
    if (this.connection.copies === true) this.uploader?.copied();
  }

  setInteresting(interesting: boolean): void {
    if (this.interesting === interesting) return;
    this.interesting = interesting;
    this.usefulAt = this.#owner.context.clock.monotonic();
    this.send(interesting ? wire.encodeInterested() : wire.encodeNotInterested());
  }

  setChoked(choked: boolean): void {
    const { uploader } = this;
    if (uploader === null || uploader.choking === choked) return;
    uploader.choking = choked;
    this.send(choked ? wire.encodeChoke() : wire.encodeUnchoke());
    if (choked) uploader.cancelAll((index) => uploader.allowedFast.has(index));
  }

  /** Tells our extensions again, when what they say has changed (BEP 10, 21). */
  sayExtensions(): void {
    if (this.#features.extended) this.send(extensionsMessage(this.#owner, this.connection.remoteAddress));
  }

  /** A block came while nothing is fetched: it was asked for before, or nobody wanted it. Returns its bytes. */
  stray(index: number, begin: number, bytes: number): number {
    const verdict = this.requests.received(blockKey(index, begin / wire.BLOCK_BYTES), bytes, this.#intake.receivedAt);
    if (verdict === 'flood') this.close('sends what nobody asked for');
    return bytes;
  }

  /** Once a second. */
  tick(now: number, milliseconds: number): void {
    this.uploader?.tick(now, milliseconds);
    if (now - this.#intake.receivedAt > limits.IDLE_MILLISECONDS) this.close('idle');
    else if (now - this.#sentAt > limits.KEEP_ALIVE_MILLISECONDS) this.send(wire.encodeKeepAlive());
    if (this.interested || this.interesting) this.usefulAt = now;
  }

  /** Ends the connection and tells the torrent, once. */
  close(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#intake.close();
    this.uploader?.close();
    this.#out.take();
    this.connection.destroy();
    this.#owner.onClosed(this, reason);
  }

  data(chunk: Buffer): void {
    if (!this.isClosed) this.#intake.take(chunk);
  }

  onRead(error: unknown): void {
    if (error !== undefined) this.#broken(error);
    if (!this.isClosed) this.#owner.onTurn(this);
  }

  drained(): void {
    this.flush();
  }

  closed(error?: Error): void {
    this.close(error?.message ?? 'closed by the peer');
  }

  // Messages of the peer, in the order of their ids.

  onKeepAlive(): void {} // Its bytes were enough to say that it lives.

  onChoke(): void {
    if (this.choking) return;
    this.choking = true;
    this.#owner.onChoked(this);
  }

  onUnchoke(): void {
    if (!this.choking) return;
    this.choking = false;
    this.#owner.onUnchoked(this);
  }

  onInterested(): void {
    this.#setInterested(true);
  }

  onNotInterested(): void {
    this.#setInterested(false);
  }

  onHave(index: number): void {
    this.#piecesTold = true;
    if (this.pieces.have(index)) this.#owner.onHave(this, index);
  }

  onBitfield(bytes: Buffer): void {
    this.#tellPieces(bytes);
  }

  onRequest(index: number, begin: number, length: number): void {
    if (this.uploader !== null) this.uploader.request(index, begin, length);
    else if (this.fast) this.send(wire.encodeReject(index, begin, length));
  }

  onPiece(index: number, begin: number, data: Buffer): void {
    this.#owner.onBlock(this, index, begin, data);
  }

  onCancel(index: number, begin: number, length: number): void {
    this.uploader?.cancel(index, begin, length);
  }

  onPort(port: number): void {
    if (!this.#owner.isPrivate) this.#owner.context.dht?.heard(this.connection.remoteAddress, port);
  }

  onSuggest(): void {} // A hint (BEP 6) that rarest first does not take.

  onHaveAll(): void {
    this.#tellPieces('all');
  }

  onHaveNone(): void {
    this.#tellPieces('none');
  }

  onReject(index: number, begin: number): void {
    this.#owner.onReject(this, index, begin);
  }

  onAllowedFast(index: number): void {
    this.requests.allowFast(index);
  }

  onExtended(id: number, payload: Buffer): void {
    this.#intake.addWork(limits.EXTENDED_WORK + limits.EXTENDED_BYTE_WORK * payload.length);
    receiveExtended(this, this.#owner, id, payload);
  }

  #setInterested(interested: boolean): void {
    if (this.interested === interested) return;
    this.interested = interested;
    this.#owner.onInterest(this);
  }

  /** What a peer has comes first (BEP 3, 6). aria2 sends a list later too, in place of many haves. */
  #tellPieces(told: Buffer | 'all' | 'none'): void {
    if (this.#piecesTold && this.pieces.pieces !== null) {
      for (const index of this.pieces.news(told)) this.onHave(index);
      return;
    }
    this.#piecesTold = true;
    this.pieces.tell(told);
    this.#owner.onPieces(this);
  }

  #broken(error: unknown): void {
    if (error instanceof wire.ProtocolError) this.close(`broke the protocol: ${error.message}`);
    else {
      // A fault of ours costs one connection, not the process.
      this.#owner.context.log.error('a peer session failed', { error });
      this.close('failed');
    }
  }

  #sayHello(): void {
    const { source } = this.#owner;
    if (source !== null) this.uploader = new Uploader(this, source, this.#owner.context);
    for (const message of firstMessages(this.#owner, this.#features, this.connection.remoteAddress)) this.send(message);
  }
}

function after(first: () => void, second: (() => void) | undefined): () => void {
  return () => {
    first();
    second?.();
  };
}
