// Many connections of a hostile hand, over real sockets.
import { connect, type Socket } from 'node:net';
import { encodeHandshake, encodeMessage, type Message } from '../../src/torrent/wire/index.ts';

const CONNECT_AT_ONCE = 50;

export interface Attacker {
  readonly socket: Socket;
  /** Bytes the server sent it. */
  received: number;
  closed: boolean;
}

export class Crowd {
  readonly all: Attacker[] = [];
  readonly #port: number;
  readonly #host: string;
  readonly #from: ((number: number) => string) | null;

  /** `from` names the address that each connection, counted from 0, comes from. */
  constructor(port: number, host = '127.0.0.1', from: ((number: number) => string) | null = null) {
    this.#port = port;
    this.#host = host;
    this.#from = from;
  }

  /** Opens so many connections, some at a time; one that is refused counts as closed. */
  async open(count: number): Promise<Attacker[]> {
    const opened: Attacker[] = [];
    while (opened.length < count) {
      const some = Math.min(CONNECT_AT_ONCE, count - opened.length);
      opened.push(...(await Promise.all(Array.from({ length: some }, () => this.#connect()))));
    }
    return opened;
  }

  /** Opens connections that say a handshake for a torrent, each as another peer. */
  async greet(count: number, infoHash: Buffer, ...messages: readonly Message[]): Promise<Attacker[]> {
    const opened = await this.open(count);
    for (const { socket } of opened) {
      const peerId = Buffer.from(
        `-XX0001-${String(this.all.length * 1e6 + Math.random() * 1e6)
          .slice(0, 12)
          .padEnd(12, '0')}`,
      );
      const features = { extended: true, fast: true, dht: false };
      socket.write(encodeHandshake({ infoHash, peerId, features }));
      if (messages.length > 0) socket.write(Buffer.concat(messages.map(encodeMessage)));
    }
    return opened;
  }

  get closed(): number {
    return this.all.filter(({ closed }) => closed).length;
  }

  get received(): number {
    return this.all.reduce((sum, { received }) => sum + received, 0);
  }

  /** Hangs up everywhere. */
  end(): void {
    for (const { socket } of this.all) socket.resetAndDestroy();
  }

  #connect(): Promise<Attacker> {
    return new Promise((resolve) => {
      const from = this.#from === null ? {} : { localAddress: this.#from(this.all.length) };
      const socket = connect({ port: this.#port, host: this.#host, ...from });
      const attacker: Attacker = { socket, received: 0, closed: false };
      this.all.push(attacker);
      socket.on('data', (data) => {
        attacker.received += data.length;
      });
      socket.on('connect', () => resolve(attacker));
      // A reset is an answer too.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        attacker.closed = true;
        resolve(attacker);
      });
    });
  }
}
