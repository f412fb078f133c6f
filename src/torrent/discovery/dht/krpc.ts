import { errorMessage } from '../../../lib/errors.ts';
import { type BencodeValue, cleanText, decode, type Encodable, encode, type HostPort } from '../../metainfo/index.ts';
import { decodeAddress, decodeNodes, encodeAddress, type Family, type NodeInfo } from './compact.ts';
import * as limits from './limits.ts';
import { ID_BYTES } from './node-id.ts';

/** BEP 5's error codes, those we send. */
export const KRPC_ERROR = { generic: 201, protocol: 203, unknownMethod: 204 } as const;

/** A packet that cannot be used. With a transaction it was a query, and may be answered with `code` and the message. */
export class KrpcError extends Error {
  readonly code: number;
  readonly transaction: Buffer | null;

  constructor(code: number, message: string, transaction: Buffer | null = null) {
    super(message);
    this.name = 'KrpcError';
    this.code = code;
    this.transaction = transaction;
  }
}

/** What is asked (BEP 5). `port` null: the packet's own (implied_port). Hashes and ids have 20 bytes. */
export type Query =
  | { readonly method: 'ping' }
  | { readonly method: 'find_node'; readonly target: Buffer }
  | { readonly method: 'get_peers'; readonly infoHash: Buffer }
  | {
      readonly method: 'announce_peer';
      readonly infoHash: Buffer;
      readonly port: number | null;
      readonly token: Buffer;
    };

export interface QueryMessage {
  readonly type: 'query';
  readonly transaction: Buffer;
  /** Who asks. */
  readonly id: Buffer;
  readonly query: Query;
  /** BEP 43: it answers no queries itself. */
  readonly readOnly: boolean;
  /** BEP 32: of which families it would like nodes; empty if it does not say. */
  readonly want: readonly Family[];
}

/** An answer whose content is read by `parseReply`, once it is known that it was waited for. */
export interface ResponseMessage {
  readonly type: 'response';
  readonly transaction: Buffer;
  readonly message: BencodeValue;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly transaction: Buffer;
}

/** What an answer holds; all but the id may be missing. */
export interface Reply {
  readonly id: Buffer;
  readonly nodes: readonly NodeInfo[];
  readonly nodes6: readonly NodeInfo[];
  readonly peers: readonly HostPort[];
  readonly token: Buffer | null;
  /** How the node sees us (BEP 42). */
  readonly seenAs: HostPort | null;
}

const PACKET_LIMITS = {
  maxBytes: limits.PACKET_BYTES,
  maxDepth: limits.PACKET_DEPTH,
  maxTokens: limits.PACKET_TOKENS,
};

/** Reads a packet (BEP 5). The result keeps views of it. @throws KrpcError for anything that is no whole message */
export function decodeKrpc(packet: Buffer): QueryMessage | ResponseMessage | ErrorMessage {
  let message: BencodeValue;
  let transaction: Buffer;
  let type: string;
  try {
    message = decode(packet, PACKET_LIMITS);
    transaction = message.need('t').bytes();
    type = message.need('y').text();
    if (transaction.length === 0 || transaction.length > limits.TRANSACTION_ID_BYTES) {
      throw message.fail('has a transaction id of no use');
    }
  } catch (error) {
    throw new KrpcError(KRPC_ERROR.protocol, errorMessage(error));
  }
  if (type === 'r') return { type: 'response', transaction, message };
  if (type === 'e') return { type: 'error', transaction };
  if (type !== 'q') throw new KrpcError(KRPC_ERROR.protocol, 'this is neither a query nor an answer');
  try {
    return readQuery(message, transaction);
  } catch (error) {
    if (error instanceof KrpcError) throw error;
    throw new KrpcError(KRPC_ERROR.protocol, errorMessage(error), transaction);
  }
}

function readQuery(message: BencodeValue, transaction: Buffer): QueryMessage {
  const method = message.need('q').text();
  const values = message.need('a');
  const id = values.need('id').bytes(ID_BYTES);
  const readOnly = message.get('ro');
  const want = values.get('want');
  return {
    type: 'query',
    transaction,
    id,
    query: readArguments(method, values, transaction),
    readOnly: readOnly?.kind === 'integer' && readOnly.integer() === 1,
    want: want === undefined ? [] : readWant(want),
  };
}

function readArguments(method: string, values: BencodeValue, transaction: Buffer): Query {
  switch (method) {
    case 'ping':
      return { method };
    case 'find_node':
      return { method, target: values.need('target').bytes(ID_BYTES) };
    case 'get_peers':
      return { method, infoHash: values.need('info_hash').bytes(ID_BYTES) };
    case 'announce_peer': {
      const implied = (values.get('implied_port')?.integer() ?? 0) !== 0;
      const port = implied ? null : values.need('port').integer(1, 65_535);
      const token = values.need('token').bytes();
      return { method, infoHash: values.need('info_hash').bytes(ID_BYTES), port, token };
    }
  }
  throw new KrpcError(KRPC_ERROR.unknownMethod, 'this method is not known here', transaction);
}

function readWant(want: BencodeValue): Family[] {
  const names = want.list().map((name) => name.text());
  return ([4, 6] as const).filter((family) => names.includes(`n${family}`));
}

/** Reads what an answer holds. @throws KrpcError for a field of the wrong kind or size */
export function parseReply({ message }: ResponseMessage): Reply {
  try {
    const values = message.need('r');
    const token = values.get('token')?.bytes() ?? null;
    if (token !== null && token.length > limits.TOKEN_BYTES) throw values.fail('has too long a token');
    const seenAs = message.get('ip');
    return {
      id: Buffer.from(values.need('id').bytes(ID_BYTES)),
      nodes: readNodes(values.get('nodes'), 4),
      nodes6: readNodes(values.get('nodes6'), 6),
      peers: readPeers(values.get('values')),
      token: token === null ? null : Buffer.from(token),
      // Some write it in a form of their own: a hint that is not understood is none.
      seenAs: seenAs?.kind === 'bytes' ? decodeAddress(seenAs.bytes()) : null,
    };
  } catch (error) {
    throw new KrpcError(KRPC_ERROR.protocol, errorMessage(error));
  }
}

function readNodes(value: BencodeValue | undefined, family: Family): NodeInfo[] {
  if (value === undefined) return [];
  const nodes = decodeNodes(value.bytes(), family);
  if (nodes === null) throw value.fail('is no whole number of nodes');
  return nodes.slice(0, limits.NODES_PER_REPLY);
}

function readPeers(value: BencodeValue | undefined): HostPort[] {
  const peers: HostPort[] = [];
  for (const one of value?.list().slice(0, limits.PEERS_PER_REPLY) ?? []) {
    const bytes = one.bytes();
    if (bytes.length !== 6 && bytes.length !== 18) throw one.fail('is no address and port');
    const peer = decodeAddress(bytes);
    if (peer !== null) peers.push(peer);
  }
  return peers;
}

/** A query as it goes out; `want` only where both families are used, `readOnly` as BEP 43 has it. */
export function encodeQuery(query: {
  readonly transaction: Buffer;
  readonly id: Buffer;
  readonly query: Query;
  readonly want: readonly Family[];
  readonly readOnly: boolean;
}): Buffer {
  const { transaction, id, want, readOnly } = query;
  const { method, ...values } = wireArguments(query.query);
  const wanted = want.length > 0 && (method === 'find_node' || method === 'get_peers');
  const a: Record<string, Encodable | undefined> = { id, ...values };
  if (wanted) a.want = want.map((family) => `n${family}`);
  return encode({ a, q: method, ...(readOnly && { ro: 1 }), t: transaction, y: 'q' });
}

function wireArguments(query: Query): { readonly method: string } & Record<string, Encodable> {
  switch (query.method) {
    case 'get_peers':
      return { method: query.method, info_hash: query.infoHash };
    case 'announce_peer': {
      const { method, infoHash, port, token } = query;
      return { method, info_hash: infoHash, implied_port: port === null ? 1 : 0, port: port ?? 0, token };
    }
    default:
      return query;
  }
}

/** What one of our answers holds. */
export interface ReplyValues {
  readonly id: Buffer;
  readonly nodes?: Buffer;
  readonly nodes6?: Buffer;
  readonly token?: Buffer;
  /** Peers, 6 or 18 bytes each. */
  readonly values?: readonly Buffer[];
}

/** An answer, which tells the asker how we see it (BEP 42). */
export function encodeReply(transaction: Buffer, values: ReplyValues, seenAs: HostPort): Buffer {
  return encode({ ip: encodeAddress(seenAs), r: { ...values }, t: transaction, y: 'r' });
}

export function encodeError(transaction: Buffer, code: number, message: string): Buffer {
  return encode({ e: [code, cleanText(message, limits.ERROR_CHARACTERS)], t: transaction, y: 'e' });
}
