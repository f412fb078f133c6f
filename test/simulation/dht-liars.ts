// Nodes of the DHT that answer, and not as they should.
import type { Timer } from '../../src/lib/clock.ts';
import type { Random } from '../../src/lib/random.ts';
import { decode, type Encodable, encode, type HostPort } from '../../src/torrent/metainfo/index.ts';
import type { DatagramNetwork, DatagramSocket } from '../../src/torrent/ports.ts';
import type { VirtualClock } from './virtual-clock.ts';

/**
 * - strangers: names peers and nodes that do not exist
 * - near: names nodes that do not exist and seem to be the nearest of all
 * - garbage: answers with any bytes
 * - kinds: answers with fields of the wrong kind
 * - silent: asks, and never answers
 */
export const DHT_LIES = ['strangers', 'near', 'garbage', 'kinds', 'silent'] as const;
export type DhtLie = (typeof DHT_LIES)[number];

const PORT = 6881;
const ASK_MILLISECONDS = 15_000;
const STRANGERS = 40;
const NODES = 8;
const ADDRESS_BYTES = 6;

export class DhtLiar {
  readonly lie: DhtLie;
  /** Queries that it was asked. */
  asked = 0;
  readonly #network: DatagramNetwork;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #id: Buffer;
  #socket: DatagramSocket | null = null;
  #asking: Timer | null = null;

  constructor(network: DatagramNetwork, clock: VirtualClock, random: Random, lie: DhtLie) {
    this.lie = lie;
    this.#network = network;
    this.#clock = clock;
    this.#random = random;
    this.#id = random.bytes(20);
  }

  /** Asks these again and again, so that they know it and name it to others. */
  async start(known: readonly HostPort[]): Promise<void> {
    this.#socket = await this.#network.bind('0.0.0.0', PORT, {
      received: (packet, host, port) => this.#received(packet, { host, port }),
      failed: () => undefined,
    });
    const ask = () => {
      const { host, port } = known[this.#random.int(known.length)] as HostPort;
      const values = { id: this.#id, target: this.#random.bytes(20) };
      this.#send({ a: values, q: 'find_node', t: this.#random.bytes(2), y: 'q' }, { host, port });
    };
    for (let times = 0; times < known.length; times++) ask();
    this.#asking = this.#clock.every(ASK_MILLISECONDS, ask);
  }

  stop(): void {
    this.#asking?.cancel();
    this.#socket?.close();
  }

  #received(packet: Buffer, from: HostPort): void {
    const message = decode(packet);
    if (message.need('y').text() !== 'q') return;
    this.asked++;
    const t = message.need('t').bytes();
    const values = message.need('a');
    const target = (values.get('info_hash') ?? values.get('target') ?? values.need('id')).bytes();
    const random = this.#random;
    if (this.lie === 'garbage') this.#socket?.send(random.bytes(1 + random.int(300)), from.host, from.port);
    else if (this.lie === 'kinds') {
      const wrong: Encodable[] = [7, [1, 'x'], new Map([['y', 1]]), ''];
      const one = () => wrong[random.int(wrong.length)] as Encodable;
      const r = { id: random.int(2) === 0 ? one() : this.#id, nodes: one(), token: one(), values: one() };
      this.#send({ r: random.int(4) === 0 ? one() : r, t, y: 'r' }, from);
    } else if (this.lie !== 'silent') {
      const peers = Array.from({ length: STRANGERS }, () => this.#stranger());
      const nodes = Array.from({ length: NODES }, () => Buffer.concat([this.#nodeId(target), this.#stranger()]));
      const r = { id: this.#id, nodes: Buffer.concat(nodes), token: random.bytes(8) };
      this.#send({ r: this.lie === 'strangers' ? { ...r, values: peers } : r, t, y: 'r' }, from);
    }
  }

  /** Of the nodes that `near` names each differs from the target in the last bytes alone. */
  #nodeId(target: Buffer): Buffer {
    return this.lie === 'near'
      ? Buffer.concat([target.subarray(0, 16), this.#random.bytes(4)])
      : this.#random.bytes(20);
  }

  /** The address of nobody: some never answer (203.…), and there are some that nobody may speak to. */
  #stranger(): Buffer {
    const address = this.#random.bytes(ADDRESS_BYTES);
    address[0] = [203, 21, 127, 10][this.#random.int(4)] as number;
    return address;
  }

  #send(message: Record<string, Encodable>, { host, port }: HostPort): void {
    this.#socket?.send(encode(message), host, port);
  }
}
