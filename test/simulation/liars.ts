// Peers that keep to the form of the protocol and break its sense, each in its own way.
import type { Random } from '../../src/lib/random.ts';
import { parseHostPort } from '../../src/torrent/index.ts';
import {
  BLOCK_BYTES,
  EXTENSION_HANDSHAKE_ID,
  encodeExtensionHandshake,
  encodeMessage,
  encodeMetadataData,
  type Message,
} from '../../src/torrent/wire/index.ts';
import { RawPeer } from './raw-peer.ts';
import type { Node, Simulation } from './swarm.ts';

/**
 * - claims: says it has all, and rejects what is asked
 * - snubs: says it has all, lets ask, and never answers
 * - chokes: gives blocks, and chokes and unchokes all the time
 * - haves: says again and again, one by one, that it has each piece, and gives none
 * - breaks: gives half of a block and hangs up
 * - unasked: sends blocks that nobody asked for
 * - late: gives each block after half a minute
 * - asks: asks for everything, many times, also for what is not there
 * - metadata: answers requests for metadata with noise
 */
export const LIES = ['claims', 'snubs', 'chokes', 'haves', 'breaks', 'unasked', 'late', 'asks', 'metadata'] as const;
export type Lie = (typeof LIES)[number];

/** Those that tell it by themselves; others wait to be asked. */
const ACTING: ReadonlySet<Lie> = new Set<Lie>(['chokes', 'haves', 'unasked', 'asks']);

const PORT = 6881;
/** Requests it says it queues; nobody may ask it for more at once. */
const QUEUE = 60;
const METADATA_ID = 3;
const DIAL_MILLISECONDS = 30_000;
const ACT_MILLISECONDS = 1_000;
const LATE_MILLISECONDS = 30_000;
const HAVES_AT_ONCE = 40;

export class Liar {
  readonly address: string;
  readonly lie: Lie;
  /** Payload of blocks it sent and got. */
  sentBytes = 0;
  gotBytes = 0;
  /** Requests it got, chokes it sent, and how often it told its lie to somebody. */
  requests = 0;
  chokes = 0;
  told = 0;
  /** What honest peers did that they must not do. */
  readonly complaints: string[] = [];
  readonly #simulation: Simulation;
  readonly #random: Random;
  readonly #peers = new Set<RawPeer>();
  readonly #asked = new Map<RawPeer, Set<string>>();
  #stop: () => Promise<void> = () => Promise.resolve();

  constructor(simulation: Simulation, random: Random, address: string, lie: Lie) {
    this.#simulation = simulation;
    this.#random = random;
    this.address = address;
    this.lie = lie;
  }

  /** Takes peers, dials those of `nodes`, and lies to all of them until `stop`. */
  async start(nodes: () => readonly Node[]): Promise<void> {
    const { clock, network } = this.#simulation;
    const host = network.host(this.address);
    const listener = await host.listen('0.0.0.0', PORT, (connection) =>
      this.#greet(new RawPeer(connection, this.#how())),
    );
    const acting = clock.every(ACT_MILLISECONDS, () => {
      for (const peer of this.#peers) this.#act(peer);
    });
    const dialling = clock.every(DIAL_MILLISECONDS, () => {
      if (this.#peers.size >= nodes().length) return;
      const node = nodes()[this.#random.int(nodes().length)];
      if (node === undefined) return;
      const target = parseHostPort(`${node.address}:${node.port}`);
      host.connect(target?.host ?? '', target?.port ?? 0, ACT_MILLISECONDS).then(
        (connection) => this.#greet(new RawPeer(connection, this.#how())),
        () => undefined,
      );
    });
    this.#stop = async () => {
      acting.cancel();
      dialling.cancel();
      await listener.close();
      for (const peer of this.#peers) peer.connection.destroy();
    };
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  #how() {
    const { infoHash, pieceCount } = this.#simulation.info;
    return {
      ...{ infoHash, pieceCount, peerId: Buffer.from(`-XX0001-${this.#random.bytes(6).toString('hex')}`) },
      take: (message: Message, peer: RawPeer) => this.#take(message, peer),
      gone: (peer: RawPeer) => {
        this.#peers.delete(peer);
        this.#asked.delete(peer);
      },
    };
  }

  #greet(peer: RawPeer): void {
    this.#peers.add(peer);
    peer.greet();
    peer.send({ type: this.lie === 'asks' ? 'haveNone' : 'haveAll' });
    const messages = new Map(this.lie === 'metadata' ? [['ut_metadata', METADATA_ID]] : []);
    const metadataSize = 1 + this.#random.int(200_000);
    peer.sendRaw(encodeExtensionHandshake({ messages, metadataSize, requestQueue: QUEUE, listenPort: PORT }));
    if (this.lie === 'asks') peer.send({ type: 'interested' });
    else peer.send({ type: 'unchoke' });
  }

  /** Once a second. */
  #act(peer: RawPeer): void {
    const { pieceCount } = this.#simulation.info;
    if (ACTING.has(this.lie)) this.told++;
    if (this.lie === 'chokes') {
      this.#asked.get(peer)?.clear();
      this.chokes += 2;
      peer.send({ type: 'choke' }, { type: 'unchoke' }, { type: 'choke' }, { type: 'unchoke' });
    } else if (this.lie === 'haves') {
      const some = Array.from({ length: HAVES_AT_ONCE }, () => this.#random.int(pieceCount));
      peer.send(...some.map((index): Message => ({ type: 'have', index })));
    } else if (this.lie === 'unasked') {
      const index = this.#random.int(pieceCount);
      this.#give(peer, index, 0, this.#random.bytes(Math.min(BLOCK_BYTES, this.#simulation.info.pieceBytes(index))));
    } else if (this.lie === 'asks') {
      const asks = Array.from({ length: HAVES_AT_ONCE }, (): Message => {
        const index = this.#random.int(pieceCount);
        return {
          type: 'request',
          index,
          begin: 0,
          length: Math.min(BLOCK_BYTES, this.#simulation.info.pieceBytes(index)),
        };
      });
      peer.send(...asks, ...asks, { type: 'request', index: 0xffffffff, begin: 0xffffffff, length: BLOCK_BYTES });
    }
  }

  #take(message: Message, peer: RawPeer): void {
    if (message.type === 'piece') this.gotBytes += message.data.length;
    else if (message.type === 'extended') this.#takeExtended(message.id, peer);
    else if (message.type === 'cancel') this.#asked.get(peer)?.delete(nameOf(message));
    else if (message.type === 'request') {
      this.requests++;
      if (!ACTING.has(this.lie) && this.lie !== 'metadata') this.told++;
      this.#count(message, peer);
      this.#answer(message, peer);
    }
  }

  #answer(message: BlockMessage, peer: RawPeer): void {
    const { index, begin, length } = message;
    const { content, info, clock } = this.#simulation;
    const at = index * info.pieceLength + begin;
    const block = content.subarray(at, at + length);
    const give = () => {
      if (!peer.closed) this.#give(peer, index, begin, block);
    };
    if (this.lie === 'claims' || this.lie === 'unasked') {
      this.#asked.get(peer)?.delete(nameOf(message));
      peer.send({ type: 'reject', index, begin, length });
    } else if (this.lie === 'chokes') give();
    else if (this.lie === 'late') clock.after(LATE_MILLISECONDS, give);
    else if (this.lie === 'breaks') {
      peer.sendRaw(encodeMessage({ type: 'piece', index, begin, data: block }).subarray(0, length / 2));
      peer.connection.destroy();
    }
  }

  #takeExtended(id: number, peer: RawPeer): void {
    if (this.lie !== 'metadata' || id === EXTENSION_HANDSHAKE_ID) return;
    this.told++;
    peer.sendRaw(encodeMetadataData(METADATA_ID, 0, 1 + this.#random.int(BLOCK_BYTES), this.#random.bytes(9)));
  }

  #give(peer: RawPeer, index: number, begin: number, data: Buffer): void {
    this.#asked.get(peer)?.delete(`${index} ${begin}`);
    this.sentBytes += data.length;
    peer.send({ type: 'piece', index, begin, data });
  }

  /** A peer that never answers is given up, and asked again one by one: only who answers can count what is owed. */
  #count(message: BlockMessage, peer: RawPeer): void {
    const asked = this.#asked.get(peer) ?? new Set<string>();
    this.#asked.set(peer, asked.add(nameOf(message)));
    const answers = this.lie === 'claims' || this.lie === 'chokes' || this.lie === 'unasked';
    if (answers && asked.size > QUEUE) this.complaints.push(`${asked.size} requests at once for a queue of ${QUEUE}`);
  }
}

type BlockMessage = Message & { type: 'request' | 'cancel' | 'reject' };

const nameOf = ({ index, begin }: { index: number; begin: number }) => `${index} ${begin}`;
