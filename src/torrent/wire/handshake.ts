import { ProtocolError } from './protocol.ts';

/** Bytes of a handshake (BEP 3). */
export const HANDSHAKE_BYTES = 68;
const PREFIX = Buffer.from('\x13BitTorrent protocol', 'latin1');
const RESERVED_END = 28;
const INFO_HASH_END = 48;

/** What a peer says it can do, in the handshake's reserved bits. */
export interface Features {
  /** Extension protocol (BEP 10). */
  readonly extended: boolean;
  /** Fast extension (BEP 6). */
  readonly fast: boolean;
  /** DHT (BEP 5). */
  readonly dht: boolean;
}

export interface Handshake {
  /** 20 bytes. */
  readonly infoHash: Buffer;
  /** 20 bytes. */
  readonly peerId: Buffer;
  readonly features: Features;
}

/** Writes a handshake of 68 bytes (BEP 3, 5, 6, 10); a RangeError unless both ids have 20 bytes. */
export function encodeHandshake(handshake: Handshake): Buffer {
  if (handshake.infoHash.length !== 20 || handshake.peerId.length !== 20) {
    throw new RangeError('an info-hash and a peer id have 20 bytes each');
  }
  const bytes = Buffer.alloc(HANDSHAKE_BYTES);
  PREFIX.copy(bytes);
  if (handshake.features.extended) bytes[25] = 0x10;
  bytes[27] = (handshake.features.fast ? 0x04 : 0) | (handshake.features.dht ? 0x01 : 0);
  handshake.infoHash.copy(bytes, RESERVED_END);
  handshake.peerId.copy(bytes, INFO_HASH_END);
  return bytes;
}

/** Whether the bytes, however few, are how a plain handshake begins; what is not may be an encrypted one. */
export function startsLikeHandshake(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, PREFIX.length);
  return PREFIX.compare(bytes, 0, length, 0, length) === 0;
}

/** Whether the bytes say that a plain handshake comes: all of its fixed beginning is there. */
export function isHandshakeStart(bytes: Uint8Array): boolean {
  return bytes.length >= PREFIX.length && startsLikeHandshake(bytes);
}

/**
 * Collects a handshake from chunks of any size; keeps 68 bytes and nothing else. The info-hash is known before the
 * peer id is there, so that a listener can answer for the right torrent.
 */
export class HandshakeDecoder {
  readonly #bytes = Buffer.alloc(HANDSHAKE_BYTES);
  #length = 0;

  /** The torrent the peer wants, as soon as 48 bytes are there. */
  get infoHash(): Buffer | null {
    return this.#length < INFO_HASH_END ? null : this.#bytes.subarray(RESERVED_END, INFO_HASH_END);
  }

  /** The whole handshake, as soon as 68 bytes are there. */
  get handshake(): Handshake | null {
    if (this.#length < HANDSHAKE_BYTES) return null;
    return {
      infoHash: this.#bytes.subarray(RESERVED_END, INFO_HASH_END),
      peerId: this.#bytes.subarray(INFO_HASH_END),
      features: {
        extended: ((this.#bytes[25] as number) & 0x10) !== 0,
        fast: ((this.#bytes[27] as number) & 0x04) !== 0,
        dht: ((this.#bytes[27] as number) & 0x01) !== 0,
      },
    };
  }

  /**
   * Takes what the handshake still needs and returns the rest of the chunk (a view): the first bytes of messages.
   * @throws ProtocolError `handshake` at the first byte that cannot be BitTorrent.
   */
  push(chunk: Buffer): Buffer {
    const taken = chunk.copy(this.#bytes, this.#length, 0, HANDSHAKE_BYTES - this.#length);
    this.#length += taken;
    if (!startsLikeHandshake(this.#bytes.subarray(0, this.#length))) {
      throw new ProtocolError('handshake', 'this is not a BitTorrent handshake');
    }
    return chunk.subarray(taken);
  }
}
