// DHT packets (BEP 5) with each field of every wrong kind, and what is no packet at all.
import { randomBytes } from 'node:crypto';
import { type Encodable, encode } from '../../src/torrent/metainfo/index.ts';

type Fields = Readonly<Record<string, Encodable>>;

const compact = (host: string, port: number) => Buffer.from([...host.split('.').map(Number), port >> 8, port & 255]);
const node = (host: string, port: number) => Buffer.concat([randomBytes(20), compact(host, port)]);

/** In place of a field; undefined: it is missing. */
const WRONG: readonly (Encodable | undefined)[] = [
  undefined,
  0,
  -1,
  9_007_199_254_740_993n,
  10n ** 60n,
  '',
  'x',
  Buffer.alloc(19),
  Buffer.alloc(21, 0xff),
  Buffer.alloc(1_600, 'x'),
  [],
  ['x', -1, {}],
  {},
  { id: { id: {} } },
  [[[[[[[[]]]]]]]],
];

/** `message` once for each field, in it and one level below, and each wrong value. */
function bent(message: Fields): Fields[] {
  return Object.entries(message).flatMap(([key, value]) => {
    const replaced = WRONG.map((wrong) => ({ ...message, [key]: wrong }) as Fields);
    const isNested = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
    const below = isNested ? bent(value as Fields).map((inner) => ({ ...message, [key]: inner })) : [];
    return [...replaced, ...below];
  });
}

const query = (q: string, a: Fields): Fields => ({ a: { id: randomBytes(20), ...a }, q, t: 'aa', y: 'q', ro: 0 });

export const ping = () => encode(query('ping', {}));
export const getPeers = (infoHash: Buffer) => encode(query('get_peers', { info_hash: infoHash, want: ['n4', 'n6'] }));
export const announce = (infoHash: Buffer, token: Encodable, more: Fields) =>
  encode(query('announce_peer', { info_hash: infoHash, token, ...more }));

/** Every query that there is, and two that there are not, bent in every field. */
export function bentQueries(infoHash: Buffer): Buffer[] {
  const good = [
    query('ping', {}),
    query('find_node', { target: infoHash, want: ['n4'] }),
    query('get_peers', { info_hash: infoHash, want: ['n4', 'n6'], scrape: 1 }),
    query('announce_peer', { info_hash: infoHash, port: 1, implied_port: 0, token: randomBytes(8) }),
    query('get', { target: infoHash, seq: 1 }),
    query('', {}),
  ];
  return good.flatMap(bent).map((one) => encode(one));
}

/**
 * Every answer, bent; with the transaction that is asked for, unless that is what is bent. `seenAs` is the server: were most
 * nodes to tell it another port, it would ask and no longer answer (BEP 43).
 */
export function bentAnswers(seenAs: { host: string; port: number }): ((transaction: Buffer) => Buffer)[] {
  const mark = Buffer.from('transaction');
  const nodes = Buffer.concat([node('20.200.0.1', 7_700), node('10.50.1.1', 7_700), node('127.0.0.1', 7_700)]);
  const values = [compact('20.210.0.1', 7_000), compact('10.50.1.2', 7_000), compact('20.210.0.2', 0)];
  const r = { id: randomBytes(20), nodes, nodes6: randomBytes(76), token: randomBytes(8), values };
  const good: Fields = { ip: compact(seenAs.host, seenAs.port), r, t: mark, y: 'r' };
  const errors: Fields = { e: [201, 'no'], t: mark, y: 'e' };
  return [...bent(good), ...bent(errors)].map((message) => (transaction) => {
    const isMarked = message.t === mark;
    return encode(isMarked ? { ...message, t: transaction } : message);
  });
}

/** No packets: cut short, too deep, too long, out of place. */
export function junk(infoHash: Buffer): Buffer[] {
  const whole = getPeers(infoHash);
  const cut = Array.from({ length: whole.length }, (_, at) => whole.subarray(0, at));
  const unasked = [
    { r: { id: randomBytes(20) }, t: 'zzzz', y: 'r' },
    { r: { id: randomBytes(20), nodes: randomBytes(26 * 60) }, t: randomBytes(4), y: 'r' },
    { e: [203, 'x'.repeat(1_000)], t: 'zzzz', y: 'e' },
  ].map((one) => encode(one));
  const texts = [
    'd'.repeat(2_000),
    `d1:a${'l'.repeat(1_900)}`,
    'd1:ad'.repeat(300),
    'd99999999999:',
    'd1:t2:aa1:y1:q',
    `d1:t2:aa1:y1:q1:qi${'9'.repeat(1_500)}ee`,
    'd1:t2:aa1:t2:bb1:y1:qe',
    'd1:y1:q1:t2:aae',
    'de',
    'd0:0:e',
    'd2:aai-0ee',
    'i1e',
  ].map((one) => Buffer.from(one));
  const long = encode(query('ping', { filler: Buffer.alloc(60_000) }));
  return [...cut, ...unasked, ...texts, long, Buffer.alloc(65_507, 'd'), randomBytes(1_000), Buffer.alloc(0)];
}
