import type { Clock } from '../../../lib/clock.ts';
import type { Random } from '../../../lib/random.ts';
import type { HostPort } from '../../metainfo/index.ts';
import type { DatagramSocket } from '../../ports.ts';
import type { Addresses } from './addresses.ts';
import { AddressBuckets, Blocklist, TokenBucket } from './caps.ts';
import type { Family, NodeInfo } from './compact.ts';
import { ExternalAddress } from './external-address.ts';
import {
  decodeKrpc,
  encodeError,
  encodeQuery,
  KrpcError,
  parseReply,
  type Query,
  type QueryMessage,
  type Reply,
  type ResponseMessage,
} from './krpc.ts';
import * as limits from './limits.ts';
import { Lookup, type LookupResult, type Seed } from './lookup.ts';
import { isIdOfAddress, makeNodeId } from './node-id.ts';
import type { PeerStore } from './peer-store.ts';
import { type Request, Requests } from './requests.ts';
import { Responder } from './responder.ts';
import { RoutingTable } from './routing-table.ts';
import type { Tokens } from './tokens.ts';

/** What the nodes of both families share. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly addresses: Addresses;
  readonly store: PeerStore;
  readonly tokens: Tokens;
  /** The node of a family; null where that family is not used. */
  readonly node: (family: Family) => DhtNode | null;
}

const LETTER_D = 0x64;
const FAMILIES: readonly Family[] = [4, 6];

/** Our node in the DHT of one family (BEP 32): one socket, one id, one routing table. */
export class DhtNode {
  readonly family: Family;
  readonly requests: Requests;
  readonly blocklist = new Blocklist();
  table: RoutingTable;
  readonly #surroundings: Surroundings;
  readonly #responder: Responder;
  readonly #external = new ExternalAddress();
  readonly #queriesIn: TokenBucket;
  readonly #packetsIn = new AddressBuckets(limits.PACKETS_IN_PER_ADDRESS);
  readonly #lookups = new Set<Lookup>();
  #socket: DatagramSocket | null = null;

  /** `ownId` of an earlier run; null makes a new one. */
  constructor(family: Family, ownId: Buffer | null, surroundings: Surroundings) {
    const { clock, random, addresses, store, tokens } = surroundings;
    this.family = family;
    this.#surroundings = surroundings;
    this.table = new RoutingTable(ownId ?? makeNodeId(null, random), addresses);
    const table = (wanted: Family) => surroundings.node(wanted)?.table ?? null;
    this.#responder = new Responder({ family, table, store, tokens });
    this.#queriesIn = new TokenBucket(limits.QUERIES_IN, clock.monotonic());
    this.requests = new Requests({
      ...{ clock, random, addresses },
      mayAsk: (host) => !this.blocklist.has(addresses.ownerOf(host), clock.monotonic()),
      send: (transaction, request) => this.#sendQuery(transaction, request),
      failed: (request) => this.table.failed(request, clock.monotonic()),
    });
  }

  /** Others cannot reach us: we ask and do not answer (BEP 43). */
  get isReadOnly(): boolean {
    return this.#socket !== null && this.#external.isPortChanged(this.#socket.port);
  }

  /** Our address as others see it; null until enough agree. */
  get externalHost(): string | null {
    return this.#external.host;
  }

  attach(socket: DatagramSocket): void {
    this.#socket = socket;
  }

  /** Walks towards a target from the nearest nodes of the table and from `seeds`. */
  lookup(
    query: Query & { readonly method: 'find_node' | 'get_peers' },
    seeds: readonly Seed[],
    done: (result: LookupResult) => void,
    found?: (peers: readonly HostPort[]) => void,
  ): void {
    const { clock, addresses } = this.#surroundings;
    const target = query.method === 'find_node' ? query.target : query.infoHash;
    const lookup = new Lookup({
      ...{ clock, addresses, target, query, ownId: this.table.ownId },
      seeds: [...this.table.closest(target, 2 * limits.BUCKET_NODES), ...seeds],
      nodesOf: (reply) => (this.family === 4 ? reply.nodes : reply.nodes6),
      ask: (request) => this.requests.ask(request),
      ...(found !== undefined && { found }),
      done: (result) => {
        this.#lookups.delete(lookup);
        done(result);
      },
    });
    this.#lookups.add(lookup);
    lookup.start();
  }

  /** Asks a node whether it is there; if it is, it comes into the table. */
  ping(address: HostPort & { readonly id?: Buffer | null }): void {
    const { host, port, id = null } = address;
    this.requests.ask({ host, port, id, query: { method: 'ping' }, done: () => undefined });
  }

  /** A packet came; nothing that is in it makes this throw. */
  received(packet: Buffer, host: string, port: number): void {
    const { addresses, clock } = this.#surroundings;
    const now = clock.monotonic();
    const owner = addresses.ownerOf(host);
    if (packet.length > limits.PACKET_BYTES || packet[0] !== LETTER_D || port === 0) return;
    if (!addresses.isAllowed(host) || this.blocklist.has(owner, now) || !this.#packetsIn.take(owner, now)) return;
    const from = { host, port };
    // What no answer can be is a query: those beyond the rate are dropped before they cost anything.
    const isAwaited = this.requests.waitsFor(from);
    if (!isAwaited && !this.#queriesIn.take(now)) return;
    const mayAnswer = () => !this.isReadOnly && (!isAwaited || this.#queriesIn.take(now));
    try {
      const message = decodeKrpc(packet);
      if (message.type === 'query') {
        if (mayAnswer()) this.#query(message, from, now);
      } else if (message.type === 'response') this.#response(message, from, now);
      else this.requests.take(message.transaction, from)?.done(null);
    } catch (error) {
      if (!(error instanceof KrpcError)) throw error;
      const { transaction, code, message } = error;
      if (transaction !== null && mayAnswer()) this.#send(encodeError(transaction, code, message), from);
    }
  }

  close(): void {
    for (const lookup of [...this.#lookups]) lookup.cancel();
    this.requests.close();
    this.#socket?.close();
    this.#socket = null;
  }

  #query(message: QueryMessage, from: HostPort, now: number): void {
    this.#send(this.#responder.answer(message, from, this.table.ownId), from);
    const info = { id: Buffer.from(message.id), ...from };
    if (message.readOnly || !this.table.heard(info, now)) return;
    // Whoever only asks may have a false address: it must answer before it is passed on to others.
    if (this.requests.queued < limits.NAMED_NODES) this.ping(info);
  }

  #response(message: ResponseMessage, from: HostPort, now: number): void {
    const request = this.requests.take(message.transaction, from);
    if (request === null) return;
    let reply: Reply;
    try {
      reply = parseReply(message);
    } catch (error) {
      this.blocklist.strike(this.#surroundings.addresses.ownerOf(from.host), now);
      this.table.failed(from, now);
      request.done(null);
      throw error;
    }
    this.#welcome({ id: reply.id, ...from }, reply, now);
    request.done(reply);
  }

  #welcome(info: NodeInfo, reply: Reply, now: number): void {
    const challenged = this.table.answered(info, now);
    if (challenged !== null) this.ping(challenged);
    if (reply.seenAs !== null) this.#seenAs(info.host, reply.seenAs, now);
    const other = this.#surroundings.node(this.family === 4 ? 6 : 4);
    const nodes = this.family === 4 ? reply.nodes6 : reply.nodes;
    if (other === null || nodes.length === 0 || other.table.size >= limits.BUCKET_NODES) return;
    // BEP 32: one DHT helps to find the way into the other.
    for (const node of nodes.slice(0, limits.BUCKET_NODES)) other.ping(node);
  }

  /** Takes an id that goes with our address (BEP 42), once enough say what that is; the nodes known stay known. */
  #seenAs(voter: string, seenAs: HostPort, now: number): void {
    const { addresses, random } = this.#surroundings;
    this.#external.vote(addresses.ownerOf(voter), seenAs);
    const { host } = this.#external;
    if (host === null || isIdOfAddress(this.table.ownId, host)) return;
    const known = this.table.all();
    this.table = new RoutingTable(makeNodeId(host, random), addresses);
    for (const node of known) this.table.answered(node, now);
  }

  #sendQuery(transaction: Buffer, { host, port, query }: Request): void {
    const used = FAMILIES.filter((family) => this.#surroundings.node(family) !== null);
    const want = used.length > 1 ? used : [];
    const message = { transaction, id: this.table.ownId, query, want, readOnly: this.isReadOnly };
    this.#send(encodeQuery(message), { host, port });
  }

  #send(packet: Buffer, to: HostPort): void {
    this.#socket?.send(packet, to.host, to.port);
  }
}
