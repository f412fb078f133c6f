import type { Clock } from '../../../lib/clock.ts';
import { seededRandom } from '../../../lib/random.ts';
import { type BencodeValue, decode, type Encodable, encode } from '../../metainfo/index.ts';
import { Addresses } from './addresses.ts';
import { DhtNode } from './node.ts';
import { PeerStore } from './peer-store.ts';
import { Tokens } from './tokens.ts';

export const OWN_PORT = 6881;
export const HASH = Buffer.alloc(20, 2);
export const idOf = (number: number) => seededRandom(number).bytes(20);
export const addressOf = (number: number) => `20.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;

/** A packet of ours. */
export interface Sent {
  /** `host port`. */
  readonly to: string;
  readonly message: BencodeValue;
  readonly bytes: number;
}

/** For tests: a node of ours whose packets a test sees, and sends by hand. */
export class Bench {
  readonly sent: { packet: Buffer; to: string }[] = [];
  readonly store: PeerStore;
  readonly node: DhtNode;

  constructor(clock: Clock, rules: { allowPrivateAddresses?: boolean; limitLoopback?: boolean } = {}) {
    const random = seededRandom(1);
    const addresses = new Addresses({ allowPrivateAddresses: false, limitLoopback: false, ...rules });
    this.store = new PeerStore(clock, random, addresses);
    const tokens = new Tokens(clock, random);
    const node = (family: 4 | 6): DhtNode | null => (family === 4 ? this.node : null);
    this.node = new DhtNode(4, null, { clock, random, addresses, store: this.store, tokens, node });
    const send = (packet: Buffer, host: string, port: number) => void this.sent.push({ packet, to: `${host} ${port}` });
    this.node.attach({ port: OWN_PORT, send, close: () => undefined });
  }

  ask(host: string, query: Record<string, Encodable | undefined>, values: Record<string, Encodable | undefined> = {}) {
    const a = { id: idOf(1), ...values };
    this.node.received(encode({ a, q: 'ping', t: 'aa', y: 'q', ...query }), host, 7_000);
  }

  /** Takes out what was sent, decoded, queries and answers apart. */
  take() {
    const all: Sent[] = this.sent
      .splice(0)
      .map(({ packet, to }) => ({ to, message: decode(packet), bytes: packet.length }));
    const ofType = (type: string) => all.filter(({ message }) => message.need('y').text() === type);
    return { queries: ofType('q'), replies: ofType('r'), errors: ofType('e'), all };
  }

  /** Answers a query that was sent. */
  answer({ message, to }: Sent, r: Encodable, more: Record<string, Encodable> = {}) {
    const [host = '', port] = to.split(' ');
    this.node.received(encode({ ...more, r, t: message.need('t').bytes(), y: 'r' }), host, Number(port));
  }

  /** Pings an address and answers for it. */
  meet(number: number, more: Record<string, Encodable> = {}) {
    this.node.ping({ host: addressOf(number), port: 7_000 });
    const [query] = this.take().queries;
    if (query !== undefined) this.answer(query, { id: idOf(number) }, more);
  }
}
