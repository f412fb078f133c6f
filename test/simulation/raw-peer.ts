// A peer driven by hand: sends what a test says and keeps what it gets.
import type { Connection, Network } from '../../src/torrent/ports.ts';
import {
  encodeHandshake,
  encodeMessage,
  type Features,
  type Handshake,
  HandshakeDecoder,
  type Message,
  MessageDecoder,
  messageSink,
  ProtocolError,
} from '../../src/torrent/wire/index.ts';

export interface RawOptions {
  readonly infoHash: Buffer;
  readonly peerId?: Buffer;
  readonly features?: Features;
  readonly pieceCount?: number | null;
  /** Gets every message, in place of `got`. */
  readonly take?: (message: Message, peer: RawPeer) => void;
  readonly gone?: (peer: RawPeer) => void;
}

const ALL: Features = { extended: true, fast: true, dht: false };

export class RawPeer {
  readonly connection: Connection;
  readonly got: Message[] = [];
  handshake: Handshake | null = null;
  closed = false;
  readonly #handshakes = new HandshakeDecoder();
  readonly #options: RawOptions;
  #decoder: MessageDecoder | null = null;

  constructor(connection: Connection, options: RawOptions) {
    this.connection = connection;
    this.#options = options;
    connection.handlers = {
      data: (chunk) => this.#data(chunk),
      drained: () => undefined,
      closed: () => {
        this.closed = true;
        options.gone?.(this);
      },
    };
  }

  /** Connects and says its handshake. */
  static async dial(network: Network, host: string, port: number, options: RawOptions): Promise<RawPeer> {
    const peer = new RawPeer(await network.connect(host, port, 10_000), options);
    peer.greet();
    return peer;
  }

  greet(): void {
    const { infoHash, peerId = Buffer.from('-XX0001-abcdefghijkl'), features = ALL } = this.#options;
    this.connection.write([encodeHandshake({ infoHash, peerId, features })]);
  }

  send(...messages: Message[]): void {
    this.connection.write(messages.map(encodeMessage));
  }

  /** Bytes that need not be messages. */
  sendRaw(bytes: Buffer): void {
    this.connection.write([bytes]);
  }

  count(type: Message['type']): number {
    return this.got.filter((message) => message.type === type).length;
  }

  /** Payload bytes of the blocks it got. */
  get payload(): number {
    return this.got.reduce((sum, message) => sum + (message.type === 'piece' ? message.data.length : 0), 0);
  }

  #data(chunk: Buffer): void {
    let rest = chunk;
    if (this.#decoder === null) {
      const plain = this.#plain(chunk);
      if (plain === null) return;
      rest = plain;
      this.handshake = this.#handshakes.handshake;
      if (this.handshake === null) return;
      const { fast, extended } = this.#options.features ?? ALL;
      this.#decoder = new MessageDecoder({ pieceCount: this.#options.pieceCount ?? null, fast, extended });
    }
    const take = this.#options.take ?? ((message: Message) => this.got.push(message));
    this.#decoder.push(
      rest,
      messageSink((message) => take(message, this)),
    );
  }

  /** What comes behind the handshake. One that is encrypted ends the connection: it speaks plainly only. */
  #plain(chunk: Buffer): Buffer | null {
    try {
      return this.#handshakes.push(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.connection.destroy();
      return null;
    }
  }
}
