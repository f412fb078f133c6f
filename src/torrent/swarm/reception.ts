import type { Clock } from '../../lib/clock.ts';
import type { Connection } from '../ports.ts';
import type { Handshake } from '../wire/index.ts';
import { Greeting, type GreetingOptions, type Host } from './greeting.ts';
import { HANDSHAKE_MILLISECONDS, PENDING_CONNECTIONS } from './limits.ts';
import type { KnownPeer } from './peer-book.ts';

/** A torrent as those see it who come or were dialled. */
export interface ReceivingTorrent extends Host {
  /** Both handshakes are there. */
  greeted(connection: Connection, handshake: Handshake, rest: Buffer, dialled: KnownPeer | null): void;
  dialFailed(peer: KnownPeer, reason: string): void;
}

/** Connections before the end of their handshake, for all torrents: routed by info-hash, dropped when they are late. */
export class Reception {
  readonly #clock: Clock;
  readonly #find: (infoHash: Buffer) => ReceivingTorrent | null;
  /** In the order in which their deadlines fall. */
  readonly #came = new Set<Greeting<ReceivingTorrent>>();
  readonly #dialled = new Set<Greeting<ReceivingTorrent>>();

  constructor(clock: Clock, find: (infoHash: Buffer) => ReceivingTorrent | null) {
    this.#clock = clock;
    this.#find = find;
  }

  get pending(): number {
    return this.#came.size;
  }

  /** Somebody came. The oldest of too many is dropped. */
  accept(connection: Connection): void {
    if (this.#came.size >= PENDING_CONNECTIONS) this.#came.values().next().value?.end('too many at the door');
    this.#greet(connection, this.#came, null, null);
  }

  /** A dialled peer has answered. */
  dialled(connection: Connection, torrent: ReceivingTorrent, peer: KnownPeer): void {
    this.#greet(connection, this.#dialled, torrent, peer);
  }

  /** Once a second: drops who is late. */
  tick(now: number): void {
    for (const greetings of [this.#came, this.#dialled]) {
      for (const greeting of greetings) {
        if (greeting.deadline > now) break;
        greeting.end('no handshake in time');
      }
    }
  }

  close(): void {
    for (const greeting of [...this.#came, ...this.#dialled]) greeting.end('closing');
  }

  #greet(
    connection: Connection,
    among: Set<Greeting<ReceivingTorrent>>,
    torrent: ReceivingTorrent | null,
    peer: KnownPeer | null,
  ): void {
    const options: GreetingOptions<ReceivingTorrent> = {
      torrent,
      find: this.#find,
      done: (greeting, found, handshake, rest) => {
        among.delete(greeting);
        found.greeted(connection, handshake, rest, peer);
      },
      failed: (greeting, reason) => {
        among.delete(greeting);
        if (torrent !== null && peer !== null) torrent.dialFailed(peer, reason);
      },
    };
    const greeting = new Greeting(connection, this.#clock.monotonic() + HANDSHAKE_MILLISECONDS, options);
    among.add(greeting);
    greeting.start();
  }
}
