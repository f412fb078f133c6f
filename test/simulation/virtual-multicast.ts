// Groups on one local network, in memory and virtual time.
import { BaeError } from '../../src/lib/errors.ts';
import type { DatagramHandlers, MulticastNetwork } from '../../src/torrent/ports.ts';
import type { VirtualClock } from './virtual-clock.ts';

const DELAY_MILLISECONDS = 1;

export class VirtualMulticast {
  /** Packets sent, `from > group`, with when and what. */
  readonly sent: { readonly at: number; readonly path: string; readonly packet: Buffer }[] = [];
  /** While this is set, nobody can join. */
  isDown = false;
  readonly #clock: VirtualClock;
  readonly #members = new Set<{ readonly group: string; readonly handlers: DatagramHandlers }>();

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** The network as a host of this address sees it. */
  host(address: string): MulticastNetwork {
    return {
      join: (group, port, _localAddress, handlers) => {
        if (this.isDown) return Promise.reject(new BaeError('refused', `The group ${group} cannot be joined.`));
        const member = { group, handlers };
        this.#members.add(member);
        return Promise.resolve({
          port,
          send: (packet, to) => {
            if (this.#members.has(member)) this.send(packet, address, to);
          },
          close: () => void this.#members.delete(member),
        });
      },
    };
  }

  /** What anybody on the network may do. */
  send(packet: Buffer, from: string, group: string): void {
    this.sent.push({ at: this.#clock.monotonic(), path: `${from} > ${group}`, packet });
    this.#clock.after(DELAY_MILLISECONDS, () => {
      for (const member of this.#members) {
        if (member.group === group) member.handlers.received(Buffer.from(packet), from, 6771);
      }
    });
  }

  /** All sockets break. */
  fail(): void {
    for (const member of this.#members) member.handlers.failed(new Error('gone'));
  }
}
