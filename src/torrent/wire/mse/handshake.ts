import {
  type Agreement,
  type InitiatorOptions,
  initiate,
  MOST_BYTES_AT_ONCE,
  MSE_METHODS,
  type ResponderOptions,
  respond,
} from './exchange.ts';
import type { Rc4 } from './rc4.ts';
import { ScriptReader } from './script.ts';

const EMPTY = Buffer.alloc(0);

/** Both directions of a connection that stays encrypted. */
export interface Rc4Streams {
  readonly encrypt: Rc4;
  readonly decrypt: Rc4;
}

/**
 * Message Stream Encryption (MSE/PE, as Vuze's wiki and libtorrent have it), one side of it: takes what the peer sends in
 * chunks of any size, gives back the payload in it, and keeps at most 512 bytes. What it has to say goes to `send`.
 *
 *     1  A → B  key A (96), PadA
 *     2  B → A  key B (96), PadB
 *     3  A → B  HASH('req1', S), HASH('req2', info-hash) xor HASH('req3', S),
 *               RC4(VC, crypto_provide, len PadC, PadC, len IA, IA)
 *     4  B → A  RC4(VC, crypto_select, len PadD, PadD), then the stream
 */
export class MseHandshake {
  readonly #reader: ScriptReader<Agreement>;
  #initialBytes: number | null = null;

  private constructor(reader: ScriptReader<Agreement>) {
    this.#reader = reader;
  }

  /** Sends the first step at once. */
  static initiate(options: InitiatorOptions): MseHandshake {
    return new MseHandshake(new ScriptReader(initiate(options), MOST_BYTES_AT_ONCE));
  }

  static respond(options: ResponderOptions): MseHandshake {
    return new MseHandshake(new ScriptReader(respond(options), MOST_BYTES_AT_ONCE));
  }

  /** The torrent; null until both sides have agreed. */
  get infoHash(): Buffer | null {
    return this.#reader.result?.infoHash ?? null;
  }

  /** What comes from now on is the plain stream, or the RC4 stream alone: the initial payload is over. */
  get isSettled(): boolean {
    return this.#initialBytes === 0;
  }

  /** Null as long as nothing is agreed on, and where plaintext follows. */
  get streams(): Rc4Streams | null {
    const { result } = this.#reader;
    return result?.method === MSE_METHODS.rc4 ? result : null;
  }

  /**
   * Takes the next bytes and returns the payload in them: a view of the chunk, decrypted where it lies.
   * @throws ProtocolError `mse` at the first byte that cannot be right; nothing may be pushed after that.
   */
  push(chunk: Buffer): Buffer {
    const payload = this.#reader.push(chunk);
    const agreement = this.#reader.result;
    if (agreement === null) return EMPTY;
    this.#initialBytes ??= agreement.initialBytes;
    const encrypted = this.streams === null ? Math.min(this.#initialBytes, payload.length) : payload.length;
    agreement.decrypt.apply(payload.subarray(0, encrypted));
    this.#initialBytes = Math.max(0, this.#initialBytes - payload.length);
    return payload;
  }
}
