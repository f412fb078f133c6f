import { createHash } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import {
  encodeMetadataData,
  encodeMetadataReject,
  encodeMetadataRequest,
  METADATA_PIECE_BYTES,
  type MetadataMessage,
} from '../wire/index.ts';
import { Frequency } from './frequency.ts';
import * as limits from './limits.ts';
import type { PeerSession } from './session.ts';

/** The info dictionary from one peer: all of it, so that a wrong one shows who sent it. */
interface Fetch {
  readonly bytes: Buffer;
  readonly missing: Set<number>;
  readonly asked: Set<number>;
  progressAt: number;
}

/** What was given to one peer, and what it still waits for. */
interface Given {
  readonly queue: number[];
  windowStart: number;
  bytes: number;
}

export interface MetadataOwner {
  readonly infoHash: Buffer;
  readonly sessions: ReadonlySet<PeerSession>;
  /** The SHA-1 of `rawInfo` is the info-hash. */
  onRawInfo(rawInfo: Buffer): void;
  /** The peer sent metadata that are not this torrent's. */
  onGuilty(session: PeerSession): void;
}

/** Gets the info dictionary from peers and gives it to them (BEP 9); never used for private torrents. */
export class MetadataExchange {
  readonly #owner: MetadataOwner;
  readonly #clock: Clock;
  readonly #fetches = new Map<PeerSession, Fetch>();
  readonly #passedOver = new WeakSet<PeerSession>();
  readonly #given = new WeakMap<PeerSession, Given>();
  readonly #messages = new WeakMap<PeerSession, Frequency>();
  #rawInfo: Buffer | null;

  constructor(owner: MetadataOwner, clock: Clock, rawInfo: Buffer | null) {
    this.#owner = owner;
    this.#clock = clock;
    this.#rawInfo = rawInfo;
  }

  /** The info dictionary is known, from wherever. */
  provide(rawInfo: Buffer): void {
    this.#rawInfo = rawInfo;
    this.#fetches.clear();
  }

  /** A peer asks for metadata or has some. Each message costs time, whatever comes of it: too many end the connection. */
  message(session: PeerSession, message: MetadataMessage): void {
    const known = this.#messages.get(session);
    const messages = known ?? new Frequency(limits.METADATA_MESSAGES, limits.METADATA_MESSAGES_MILLISECONDS);
    this.#messages.set(session, messages);
    if (!messages.allows(this.#clock.monotonic())) {
      session.close('metadata messages too often');
      return;
    }
    if (message.type === 'data') this.#received(session, message.piece, message.totalBytes, message.data);
    else if (message.type === 'request') this.#requested(session, message.piece);
    else this.#passOver(session);
  }

  dropped(session: PeerSession): void {
    if (this.#fetches.delete(session)) this.askPeers();
  }

  /** Asks further peers while fewer than METADATA_FETCHES are being asked. */
  askPeers(): void {
    if (this.#rawInfo !== null) return;
    for (const session of this.#owner.sessions) {
      if (this.#fetches.size >= limits.METADATA_FETCHES) return;
      const size = session.extensions?.metadataSize;
      const id = session.extensions?.messages.get('ut_metadata') ?? 0;
      if (size === undefined || id === 0 || this.#fetches.has(session) || this.#passedOver.has(session)) continue;
      const missing = new Set(Array.from({ length: Math.ceil(size / METADATA_PIECE_BYTES) }, (_, piece) => piece));
      const now = this.#clock.monotonic();
      this.#fetches.set(session, { bytes: Buffer.alloc(size), missing, asked: new Set(), progressAt: now });
      this.#ask(session);
    }
  }

  /** Once a second. */
  tick(now: number): void {
    for (const [session, running] of this.#fetches) {
      if (now - running.progressAt > limits.METADATA_WAIT_MILLISECONDS) this.#passOver(session);
    }
    this.askPeers();
  }

  /** Sends what is queued for a peer, as far as its connection has room. */
  pump(session: PeerSession): void {
    const given = this.#given.get(session);
    const id = session.extensions?.messages.get('ut_metadata') ?? 0;
    if (given === undefined || this.#rawInfo === null || id === 0) return;
    while (given.queue.length > 0 && session.queuedBytes < limits.SEND_BUFFER_BYTES) {
      const piece = given.queue.shift() as number;
      const start = piece * METADATA_PIECE_BYTES;
      const data = this.#rawInfo.subarray(start, start + METADATA_PIECE_BYTES);
      session.send(encodeMetadataData(id, piece, this.#rawInfo.length, data));
    }
  }

  #requested(session: PeerSession, piece: number): void {
    const id = session.extensions?.messages.get('ut_metadata') ?? 0;
    if (id === 0) return;
    if (this.#rawInfo === null || !this.#mayHave(session, piece, this.#rawInfo.length)) {
      session.send(encodeMetadataReject(id, piece));
    } else this.pump(session);
  }

  /** Queues the piece, unless it is not there or the peer has had enough. */
  #mayHave(session: PeerSession, piece: number, size: number): boolean {
    const now = this.#clock.monotonic();
    const given = this.#given.get(session) ?? { queue: [], windowStart: now, bytes: 0 };
    this.#given.set(session, given);
    if (now - given.windowStart > limits.METADATA_WINDOW_MILLISECONDS) {
      given.windowStart = now;
      given.bytes = 0;
    }
    const bytes = Math.min(METADATA_PIECE_BYTES, size - piece * METADATA_PIECE_BYTES);
    const most = limits.METADATA_SENT_TIMES * size;
    if (bytes <= 0 || given.queue.length >= limits.METADATA_REQUESTS_QUEUED || given.bytes + bytes > most) return false;
    given.bytes += bytes;
    given.queue.push(piece);
    return true;
  }

  #ask(session: PeerSession): void {
    const running = this.#fetches.get(session);
    const id = session.extensions?.messages.get('ut_metadata') ?? 0;
    if (running === undefined || id === 0) return;
    for (const piece of running.missing) {
      if (running.asked.size >= limits.METADATA_REQUESTS_IN_FLIGHT) return;
      if (running.asked.has(piece)) continue;
      running.asked.add(piece);
      session.send(encodeMetadataRequest(id, piece));
    }
  }

  #received(session: PeerSession, piece: number, totalBytes: number, data: Buffer): void {
    const running = this.#fetches.get(session);
    if (running === undefined || !running.asked.delete(piece)) return;
    if (totalBytes !== running.bytes.length) {
      this.#passOver(session);
      return;
    }
    data.copy(running.bytes, piece * METADATA_PIECE_BYTES);
    running.missing.delete(piece);
    running.progressAt = this.#clock.monotonic();
    if (running.missing.size > 0) this.#ask(session);
    else this.#complete(session, running.bytes);
  }

  #complete(session: PeerSession, bytes: Buffer): void {
    if (createHash('sha1').update(bytes).digest().equals(this.#owner.infoHash)) {
      this.provide(bytes);
      this.#owner.onRawInfo(bytes);
    } else {
      this.#passOver(session);
      this.#owner.onGuilty(session);
    }
  }

  #passOver(session: PeerSession): void {
    this.#passedOver.add(session);
    if (this.#fetches.delete(session)) this.askPeers();
  }
}
