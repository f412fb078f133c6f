import type { Clock } from '../../lib/clock.ts';
import type { Connection } from '../ports.ts';
import type { Handshake } from '../wire/index.ts';
import { Greeting, type GreetingRules, type Host } from './greeting.ts';
import { HANDSHAKE_MILLISECONDS, PENDING_CONNECTIONS } from './limits.ts';
import type { KnownPeer } from './peer-book.ts';

/** A torrent as those see it who come or were dialled. */
export interface ReceivingTorrent extends Host {
  /** Both handshakes are there. */
  greeted(connection: Connection, handshake: Handshake, rest: Buffer, dialled: KnownPeer | null): void;
  /** `again`: it is to be dialled again at once, in another way. */
  dialFailed(peer: KnownPeer, reason: string, again: boolean): void;
}

/** Connections before the end of their handshake, for all torrents: routed by info-hash, dropped when they are late. */
export class Reception {
  readonly #clock: Clock;
  readonly #rules: GreetingRules<ReceivingTorrent>;
  /** In the order in which their deadlines fall. */
  readonly #came = new Set<Greeting<ReceivingTorrent>>();
  readonly #dialled = new Set<Greeting<ReceivingTorrent>>();

  constructor(clock: Clock, rules: GreetingRules<ReceivingTorrent>) {
    this.#clock = clock;
    this.#rules = rules;
  }

  get pending(): number {
    return this.#came.size;
  }

  /** Somebody came. The oldest of too many is dropped. */
  accept(connection: Connection): void {
    if (this.#came.size >= PENDING_CONNECTIONS) this.#came.values().next().value?.end('too many at the door');
    const greeting: Greeting<ReceivingTorrent> = new Greeting(connection, this.#deadline(), this.#rules, {
      torrent: null,
      encrypted: false,
      done: (established, torrent, handshake, rest) => {
        this.#came.delete(greeting);
        torrent.greeted(established, handshake, rest, null);
      },
      failed: () => this.#came.delete(greeting),
    });
    this.#came.add(greeting);
    greeting.start();
  }

  /** A dialled peer has answered. */
  dialled(connection: Connection, torrent: ReceivingTorrent, peer: KnownPeer): void {
    const { encryption } = this.#rules;
    const greeting: Greeting<ReceivingTorrent> = new Greeting(connection, this.#deadline(), this.#rules, {
      torrent,
      encrypted: encryption === 'require' || (encryption === 'prefer' && !peer.isPlain),
      done: (established, found, handshake, rest) => {
        this.#dialled.delete(greeting);
        found.greeted(established, handshake, rest, peer);
      },
      failed: (reason) => {
        this.#dialled.delete(greeting);
        const again = encryption === 'prefer' && greeting.isUnanswered;
        peer.isPlain = again;
        torrent.dialFailed(peer, reason, again);
      },
    });
    this.#dialled.add(greeting);
    greeting.start();
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

  #deadline(): number {
    return this.#clock.monotonic() + HANDSHAKE_MILLISECONDS;
  }
}
