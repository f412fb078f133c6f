import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../../test/simulation/virtual-clock.ts';
import { seededRandom } from '../../../lib/random.ts';
import { Addresses } from './addresses.ts';
import type { NodeInfo } from './compact.ts';
import type { Reply } from './krpc.ts';
import * as limits from './limits.ts';
import { Lookup, type LookupResult, type Seed } from './lookup.ts';
import { compareDistance } from './node-id.ts';
import type { Request } from './requests.ts';

const TARGET = Buffer.alloc(20, 9);
const OWN = Buffer.alloc(20, 1);
const random = seededRandom(3);

let clock: VirtualClock;
let asked: Request[];
let found: string[];
let results: LookupResult[];
beforeEach(() => {
  clock = new VirtualClock();
  asked = [];
  found = [];
  results = [];
});

let count = 0;
function node(id: Buffer = random.bytes(20)): NodeInfo {
  const number = ++count;
  return { id, host: `20.${number >> 16}.${(number >> 8) & 255}.${number & 255}`, port: 6881 };
}

function start(seeds: readonly Seed[], options: { allowPrivateAddresses?: boolean } = {}): Lookup {
  const lookup = new Lookup({
    clock,
    addresses: new Addresses({ allowPrivateAddresses: false, limitLoopback: false, ...options }),
    ownId: OWN,
    target: TARGET,
    query: { method: 'get_peers', infoHash: TARGET },
    seeds,
    nodesOf: ({ nodes }) => nodes,
    ask: (request) => void asked.push(request),
    found: (peers) => void found.push(...peers.map(({ host, port }) => `${host}:${port}`)),
    done: (result) => void results.push(result),
  });
  lookup.start();
  return lookup;
}

const reply = (id: Buffer, more: Partial<Reply> = {}): Reply => ({
  ...{ id, nodes: [], nodes6: [], peers: [], token: Buffer.from('t'), seenAs: null },
  ...more,
});
/** The next that was asked, answered by `with`. */
const answer = (make: (request: Request) => Reply | null) => {
  const request = asked.shift() as Request;
  request.done(make(request));
};

describe('a lookup', () => {
  it('asks a few at a time, and more only for those that are slow', () => {
    start(Array.from({ length: 50 }, () => node()));
    expect(asked).toHaveLength(limits.ALPHA);
    for (const request of [...asked]) request.slow?.();
    expect(asked).toHaveLength(limits.LOOKUP_IN_FLIGHT);
    for (const request of asked.slice(limits.ALPHA)) request.slow?.();
    expect(asked).toHaveLength(limits.LOOKUP_IN_FLIGHT);
    asked.shift()?.done(null);
    expect(asked).toHaveLength(limits.LOOKUP_IN_FLIGHT);
  });

  it('ends with the nearest 8 that answered, and the tokens they gave', () => {
    const nodes = Array.from({ length: 40 }, () => node());
    start(nodes);
    while (results.length === 0) answer(({ id }) => reply(id as Buffer));
    const nearest = [...nodes].sort((one, other) => compareDistance(TARGET, one.id, other.id)).slice(0, 8);
    expect(results[0]?.closest.map(({ host }) => host)).toEqual(nearest.map(({ host }) => host));
    expect(results[0]?.queries).toBeLessThan(8 + limits.ALPHA);
    expect(results[0]?.closest.every(({ token }) => token?.equals(Buffer.from('t')))).toBe(true);
  });

  it('ends at so many queries, when answers name nearer nodes for ever', () => {
    start([node()]);
    let nearness = 0;
    const nearer = () => {
      const id = Buffer.from(TARGET);
      id.writeUInt32BE((TARGET.readUInt32BE(16) ^ (1_000_000 - nearness++)) >>> 0, 16);
      return node(id);
    };
    while (results.length === 0) {
      answer(({ id }) => reply(id as Buffer, { nodes: Array.from({ length: 8 }, nearer) }));
    }
    expect(results[0]?.queries).toBe(limits.LOOKUP_QUERIES);
  });

  it('ends in time, when nobody answers for long', async () => {
    start(Array.from({ length: 50 }, () => node()));
    await clock.run(limits.LOOKUP_MILLISECONDS);
    answer(() => null);
    expect([results.length, results[0]?.closest]).toEqual([1, []]);
    const before = asked.length;
    for (const request of [...asked]) request.done(reply(OWN, { peers: [{ host: '20.1.1.1', port: 1 }] }));
    expect([results.length, asked.length, found]).toEqual([1, before, []]);
  });

  it('ends at once with nobody to ask, and without another word when it is cancelled', () => {
    start([]);
    expect(results).toMatchObject([{ closest: [], queries: 0 }]);
    const lookup = start([node(), node()]);
    lookup.cancel();
    lookup.cancel();
    answer(({ id }) => reply(id as Buffer, { nodes: [node()], peers: [{ host: '20.1.1.1', port: 1 }] }));
    expect([results.length, asked.length, found]).toEqual([2, 1, []]);
  });

  it('asks an address once under whatever ids it is named, and never ourselves or a private one', () => {
    const [first, other] = [node(), node()];
    start([first]);
    const sybils = Array.from({ length: 100 }, () => ({
      ...other,
      id: random.bytes(20),
      port: 1 + random.int(60_000),
    }));
    const local = { id: TARGET, host: '127.0.0.1', port: 1 };
    answer(() => reply(first.id, { nodes: [...sybils, { ...node(OWN) }, local, { ...local, host: '10.0.0.1' }] }));
    expect(asked.map(({ host }) => host)).toEqual([other.host]);
  });

  it('remembers only the nearest nodes that it is told of', () => {
    start(Array.from({ length: 10_000 }, () => node()));
    while (results.length === 0) answer(() => null);
    expect(results[0]?.queries).toBe(limits.LOOKUP_CANDIDATES);
  });

  it('finds each peer once, no more than are taken from one, and none that is private', () => {
    start([node(), node(), node()]);
    const peer = (number: number) => ({ host: `30.1.${number >> 8}.${number & 255}`, port: 1 });
    const most = limits.LOOKUP_PEERS;
    answer(({ id }) => reply(id as Buffer, { peers: [peer(1), peer(1), peer(2), { host: '192.168.1.1', port: 1 }] }));
    answer(({ id }) => reply(id as Buffer, { peers: [peer(2)] }));
    expect(found).toEqual(['30.1.0.1:1', '30.1.0.2:1']);
    answer(({ id }) => reply(id as Buffer, { peers: Array.from({ length: 2 * most }, (_, number) => peer(number)) }));
    expect([found.length, new Set(found).size, results[0]?.peers]).toEqual([most, most, most]);
  });

  it('takes a node by the id it answers with', () => {
    const [first] = [node()];
    start([{ ...first, id: null }]);
    answer(() => reply(first.id));
    expect(results[0]?.closest).toMatchObject([{ id: first.id, host: first.host }]);
  });
});
