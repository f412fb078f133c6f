import type { Connection, ConnectionHandlers } from '../ports.ts';
import { encodeHandshake, type Handshake, HandshakeDecoder, ProtocolError } from '../wire/index.ts';

/** What a greeting needs of the torrent it is for. */
export interface Host {
  readonly infoHash: Buffer;
  readonly peerId: Buffer;
}

export interface GreetingOptions<Torrent extends Host> {
  /** The torrent dialled for; null for a connection that came: its info-hash tells. */
  readonly torrent: Torrent | null;
  /** By info-hash; null: unknown, or it takes nobody now. */
  find(infoHash: Buffer): Torrent | null;
  /** Both handshakes are there; `rest` came behind the peer's. The connection is the caller's from now on. */
  done(greeting: Greeting<Torrent>, torrent: Torrent, handshake: Handshake, rest: Buffer): void;
  /** The connection is gone. */
  failed(greeting: Greeting<Torrent>, reason: string): void;
}

/** A connection before its handshakes are exchanged: 68 bytes and a deadline (which whoever made it keeps). */
export class Greeting<Torrent extends Host> implements ConnectionHandlers {
  readonly connection: Connection;
  /** Monotonic. */
  readonly deadline: number;
  readonly #options: GreetingOptions<Torrent>;
  readonly #decoder = new HandshakeDecoder();
  #torrent: Torrent | null;
  #over = false;

  constructor(connection: Connection, deadline: number, options: GreetingOptions<Torrent>) {
    this.connection = connection;
    this.deadline = deadline;
    this.#options = options;
    this.#torrent = options.torrent;
  }

  start(): void {
    if (this.#torrent !== null) this.#sayHandshake(this.#torrent);
    this.connection.handlers = this;
  }

  /** Ends it; `failed` is called, once. */
  end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.connection.destroy();
    this.#options.failed(this, reason);
  }

  data(chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#take(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.end(error.message);
    }
  }

  drained(): void {
    // A handshake is not worth waiting for.
  }

  closed(error?: Error): void {
    this.end(error?.message ?? 'closed by the peer');
  }

  #take(chunk: Buffer): void {
    const rest = this.#decoder.push(chunk);
    const { infoHash, handshake } = this.#decoder;
    if (infoHash === null) return;
    if (this.#torrent === null) {
      this.#torrent = this.#options.find(infoHash);
      if (this.#torrent !== null) this.#sayHandshake(this.#torrent);
    }
    if (this.#torrent === null || !infoHash.equals(this.#torrent.infoHash)) this.end('unknown info-hash');
    else if (handshake !== null) {
      this.#over = true;
      this.#options.done(this, this.#torrent, handshake, rest);
    }
  }

  #sayHandshake({ infoHash, peerId }: Host): void {
    const features = { extended: true, fast: true, dht: false };
    this.connection.write([encodeHandshake({ infoHash, peerId, features })]);
  }
}
