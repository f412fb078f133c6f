import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, type Encodable, encode } from '../../metainfo/index.ts';
import { decodeAddress, decodeNodes, encodeAddress, encodeNodes, type Family } from './compact.ts';
import {
  decodeKrpc,
  encodeError,
  encodeQuery,
  encodeReply,
  KRPC_ERROR,
  KrpcError,
  parseReply,
  type Query,
  type QueryMessage,
  type ResponseMessage,
} from './krpc.ts';
import * as limits from './limits.ts';

const ID = Buffer.alloc(20, 1);
const HASH = Buffer.alloc(20, 2);
const T = Buffer.from('aa');
const FROM = { host: '20.1.2.3', port: 6881 };

const queries: Query[] = [
  { method: 'ping' },
  { method: 'find_node', target: HASH },
  { method: 'get_peers', infoHash: HASH },
  { method: 'announce_peer', infoHash: HASH, port: 6881, token: Buffer.from('token') },
  { method: 'announce_peer', infoHash: HASH, port: null, token: Buffer.from('token') },
];

/** What reading a packet comes to: a message, or the code of the answer to it (null: none). Anything else fails the test. */
function outcome(packet: Buffer): string | number | null {
  try {
    const message = decodeKrpc(packet);
    if (message.type === 'response') parseReply(message);
    return message.type;
  } catch (error) {
    if (!(error instanceof KrpcError)) throw error;
    return error.transaction === null ? null : error.code;
  }
}

/** A message with one value, at a path of keys, put in place of what is there. */
function withValue(message: Record<string, Encodable>, path: readonly string[], value: Encodable | undefined): Buffer {
  const [key = '', ...rest] = path;
  if (rest.length === 0) return encode({ ...message, [key]: value });
  const inner = message[key] as Record<string, Encodable>;
  return encode({ ...message, [key]: decode(withValue(inner, rest, value)) });
}

/** One of each kind, and byte strings that are too short, too long, and empty. */
const WRONG: readonly Encodable[] = [
  0,
  -1,
  2 ** 53 - 1,
  '',
  'x',
  Buffer.alloc(19),
  Buffer.alloc(21),
  Buffer.alloc(300),
  [],
  [1],
  [['x']],
  {},
  { x: 1 },
];

const announce = {
  a: { id: ID, info_hash: HASH, implied_port: 0, port: 6881, token: 'token', want: ['n4'], target: HASH },
  q: 'announce_peer',
  ro: 0,
  t: T,
  y: 'q',
};
const answer = {
  ip: encodeAddress(FROM),
  r: { id: ID, nodes: Buffer.alloc(26, 1), nodes6: Buffer.alloc(38, 1), token: 'token', values: [Buffer.alloc(6, 1)] },
  t: T,
  y: 'r',
};

describe('queries', () => {
  it.each(queries)('$method is read as it was written', (query) => {
    const packet = encodeQuery({ transaction: T, id: ID, query, want: [4, 6], readOnly: query.method === 'ping' });
    const hasWant = query.method === 'find_node' || query.method === 'get_peers';
    expect(decodeKrpc(packet)).toEqual({
      ...{ type: 'query', transaction: T, id: ID, query },
      readOnly: query.method === 'ping',
      want: hasWant ? [4, 6] : [],
    });
  });

  it('of an unknown kind are answered with 204', () => {
    expect(outcome(encode({ ...announce, q: 'vote' }))).toBe(KRPC_ERROR.unknownMethod);
  });

  // y and t decide whether it can be answered at all; ro is a hint.
  const paths = [['q'], ['a'], ['a', 'id'], ['a', 'info_hash'], ['a', 'port'], ['a', 'token'], ['a', 'want']];
  it.each([...paths, ['a', 'implied_port'], ['a', 'target'], ['ro'], ['t'], ['y']].map((path) => [path]))(
    '%j of any wrong kind, or missing, is a query, an error that is answered, or nothing',
    (path) => {
      for (const method of ['ping', 'find_node', 'get_peers', 'announce_peer', 'vote']) {
        for (const value of [...WRONG, undefined]) {
          const packet = withValue({ ...announce, q: method }, path, value);
          expect(['query', KRPC_ERROR.protocol, KRPC_ERROR.unknownMethod, null]).toContain(outcome(packet));
        }
      }
    },
  );

  it.each([
    ['id', 19],
    ['id', 21],
    ['info_hash', 19],
    ['info_hash', 21],
  ] as const)('with an %s of %i bytes are answered with 203', (key, length) => {
    expect(outcome(withValue(announce, ['a', key], Buffer.alloc(length)))).toBe(KRPC_ERROR.protocol);
  });

  it.each([0, -1, 65_536])('that announce port %i are answered with 203', (port) => {
    expect(outcome(withValue(announce, ['a', 'port'], port))).toBe(KRPC_ERROR.protocol);
  });
});

describe('answers', () => {
  const reply = (packet: Buffer) => parseReply(decodeKrpc(packet) as ResponseMessage);

  it('are read as they were written', () => {
    const node = { id: HASH, ...FROM };
    const peers = [FROM, { host: '2600::1', port: 1 }];
    const values = { nodes: encodeNodes([node], 4), token: Buffer.from('t'), values: peers.map(encodeAddress) };
    const seenAs = { host: '2600::7', port: 9 };
    expect(reply(encodeReply(T, { id: ID, ...values }, seenAs))).toEqual({
      ...{ id: ID, nodes: [node], nodes6: [], peers, token: Buffer.from('t'), seenAs },
    });
    const words = decode(encodeError(T, 203, 'x'.repeat(9_999)))
      .need('e')
      .list()[1];
    expect(words?.text()).toHaveLength(limits.ERROR_CHARACTERS);
    expect(decodeKrpc(encodeError(T, 203, 'words'))).toEqual({ type: 'error', transaction: T });
  });

  const paths = [['r'], ['r', 'id'], ['r', 'nodes'], ['r', 'nodes6'], ['r', 'token'], ['r', 'values'], ['ip']];
  it.each([...paths, ['t'], ['y']].map((path) => [path]))(
    '%j of any wrong kind, or missing, is an answer or nothing',
    (path) => {
      for (const value of [...WRONG, undefined]) {
        expect(['response', null]).toContain(outcome(withValue(answer, path, value)));
      }
    },
  );

  it.each([
    ['half a node', { nodes: Buffer.alloc(25) }],
    ['half a node of IPv6', { nodes6: Buffer.alloc(39) }],
    ['a peer of 7 bytes', { values: [Buffer.alloc(7)] }],
    ['a number as a peer', { values: [7] }],
    ['a long token', { token: Buffer.alloc(limits.TOKEN_BYTES + 1) }],
    ['no id', { id: undefined }],
  ])('with %s make no sense', (_, change) => {
    expect(outcome(encode({ ...answer, r: { ...answer.r, ...change } }))).toBe(null);
  });

  it('give no more nodes and peers than are taken from one', () => {
    const nodes = Buffer.alloc(26 * (limits.NODES_PER_REPLY + 1), 1);
    const values = Array.from({ length: limits.PEERS_PER_REPLY + 1 }, () => Buffer.alloc(6, 1));
    expect(reply(encode({ ...answer, r: { id: ID, nodes } })).nodes).toHaveLength(limits.NODES_PER_REPLY);
    expect(reply(encode({ ...answer, r: { id: ID, values } })).peers).toHaveLength(limits.PEERS_PER_REPLY);
  });
});

describe('packets', () => {
  const query = (more: Record<string, Encodable>) => encode({ ...announce, ...more });

  it.each([
    ['too long', query({ x: Buffer.alloc(limits.PACKET_BYTES) })],
    ['of too many values', query({ x: Array.from({ length: limits.PACKET_TOKENS }, () => 1) })],
    ['nested too deep', query({ x: [[[[[[[1]]]]]]] })],
    ['with a long transaction', query({ t: Buffer.alloc(limits.TRANSACTION_ID_BYTES + 1) })],
    ['with bytes behind', Buffer.concat([query({}), Buffer.from('x')])],
    ['cut off', query({}).subarray(0, -1)],
    ['empty', Buffer.alloc(0)],
  ])('%s are not answered', (_, packet) => expect(outcome(packet)).toBe(null));

  it('as long as may be are read', () => {
    const rest = limits.PACKET_BYTES - query({ x: '' }).length;
    expect(outcome(query({ x: Buffer.alloc(rest - 3) }))).toBe('query');
    expect(outcome(query({ t: Buffer.alloc(limits.TRANSACTION_ID_BYTES) }))).toBe('query');
  });

  it('of any bytes never bring anything but a message or a KrpcError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void outcome(Buffer.from(bytes))),
      { numRuns: 500 },
    );
    const seeds = [encode(announce), encode(answer), encodeError(T, 201, 'no')];
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.constantFrom(...seeds), fc.array(change, { minLength: 1, maxLength: 4 }), (seed, changes) => {
        const packet = Buffer.from(seed);
        for (const [at, byte] of changes) packet[at % packet.length] = byte;
        outcome(packet);
      }),
      { numRuns: 2_000 },
    );
  });

  it('of any values at any key never bring anything else either', () => {
    const value = fc.letrec<{ any: Encodable }>((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.maxSafeInteger(),
        fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
        fc.array(tie('any'), { maxLength: 4 }),
        fc.dictionary(
          fc.constantFrom('id', 'target', 'info_hash', 'token', 'port', 'nodes', 'values', 'want'),
          tie('any'),
        ),
      ),
    })).any;
    const keys = ['a', 'e', 'ip', 'q', 'r', 'ro'] as const;
    const record = fc.record(Object.fromEntries(keys.map((key) => [key, value])), { requiredKeys: [] });
    fc.assert(
      fc.property(record, fc.constantFrom('q', 'r', 'e', 'x'), (values, y) => {
        outcome(encode({ ...values, t: T, y }));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('compact nodes', () => {
  it.each([4, 6] as Family[])('of IPv%i are read as they were written, but for those without a port', (family) => {
    const host = family === 4 ? '20.1.1.1' : '2600::1';
    const nodes = [1, 2, 3].map((number) => ({ id: Buffer.alloc(20, number), host, port: number }));
    const other = { id: ID, host: family === 4 ? '2600::1' : '20.1.1.1', port: 7 };
    const bytes = encodeNodes([...nodes, other, { id: ID, host, port: 0 }], family);
    expect(decodeNodes(bytes, family)).toEqual(nodes);
    expect(decodeNodes(bytes.subarray(1), family)).toBe(null);
  });

  it('of IPv6 are no IPv4 addresses', () => {
    const mapped = Buffer.concat([ID, Buffer.from('00000000000000000000ffff140101011ae1', 'hex')]);
    expect(decodeNodes(mapped, 6)).toEqual([]);
  });

  it.each([0, 1, 2, 5, 7, 17, 19])('an address in %i bytes is none', (length) => {
    expect(decodeAddress(Buffer.alloc(length, 1))).toBe(null);
  });
});

it('a query keeps what it needs of its packet', () => {
  const message = decodeKrpc(encode(announce)) as QueryMessage;
  expect(message).toMatchObject({ readOnly: false, want: [4], query: { port: 6881 } });
});
