// UDP between hosts in memory and virtual time: delay, loss, and so reordering, from a seed.
import { BaeError } from '../../src/lib/errors.ts';
import type { Random } from '../../src/lib/random.ts';
import type { DatagramHandlers, DatagramNetwork } from '../../src/torrent/ports.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface DatagramOptions {
  /** 0 to 1. */
  readonly loss?: number;
  /** A packet takes from one to three times as long. */
  readonly latencyMilliseconds?: number;
}

export class VirtualDatagrams {
  sent = 0;
  lost = 0;
  /** Packets that came after one that was sent later, on the same way. */
  reordered = 0;
  /** Changes what is lost from now on. */
  loss: number;
  /** Sees every packet that is sent. */
  watch: (packet: Buffer, from: string, to: string) => void = () => undefined;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #latency: number;
  readonly #sockets = new Map<string, DatagramHandlers>();
  /** Of the packets that came, the one sent last, by the way it took. */
  readonly #latest = new Map<string, number>();
  #nextPort = 20_000;

  constructor(clock: VirtualClock, random: Random, options: DatagramOptions = {}) {
    this.#clock = clock;
    this.#random = random;
    this.loss = options.loss ?? 0;
    this.#latency = options.latencyMilliseconds ?? 20;
  }

  /** The network as a host sees it that has this address, whatever address it binds. */
  host(address: string): DatagramNetwork {
    return {
      bind: (_host, port, handlers) => {
        const taken = port === 0 ? this.#nextPort++ : port;
        const name = `${address} ${taken}`;
        if (this.#sockets.has(name)) return Promise.reject(new BaeError('refused', `UDP port ${taken} is in use`));
        this.#sockets.set(name, handlers);
        return Promise.resolve({
          port: taken,
          send: (packet, to, toPort) => {
            if (this.#sockets.get(name) === handlers) this.#carry(packet, address, taken, to, toPort);
          },
          close: () => {
            if (this.#sockets.get(name) === handlers) this.#sockets.delete(name);
          },
        });
      },
    };
  }

  #carry(packet: Buffer, from: string, fromPort: number, to: string, toPort: number): void {
    const number = this.sent++;
    const way = `${from} ${fromPort} ${to} ${toPort}`;
    this.watch(packet, `${from} ${fromPort}`, `${to} ${toPort}`);
    if (this.#random.int(1_000) < this.loss * 1_000) {
      this.lost++;
      return;
    }
    const copy = Buffer.from(packet);
    // Whole steps, so that many packets share a moment and a simulation of hundreds of hosts stays quick.
    const delay = this.#latency * (1 + this.#random.int(3));
    this.#clock.after(delay, () => {
      if ((this.#latest.get(way) ?? -1) > number) this.reordered++;
      else this.#latest.set(way, number);
      this.#sockets.get(`${to} ${toPort}`)?.received(copy, from, fromPort);
    });
  }
}
