import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../lib/random.ts';
import { Addresses } from './addresses.ts';
import * as limits from './limits.ts';
import { compareDistance, idInBucket, isIdOfAddress, makeNodeId, sharedBits } from './node-id.ts';
import { RoutingTable } from './routing-table.ts';

const random = seededRandom(7);
const OWN = random.bytes(20);
const ADDRESSES = new Addresses({ allowPrivateAddresses: true, limitLoopback: false });
const OLD = limits.GOOD_MILLISECONDS;

let count = 0;
/** A node at an address of its own; its id has `bits` first bits in common with ours, and does not go with the address. */
function node(bits: number) {
  const number = ++count;
  const host = `20.1.${number >> 8}.${number & 255}`;
  for (;;) {
    const id = idInBucket(OWN, bits, random);
    if (!isIdOfAddress(id, host)) return { id, host, port: 6881 };
  }
}

/** A node whose id goes with its address, in bucket 0. */
function verified() {
  for (;;) {
    const { host } = node(0);
    const id = makeNodeId(host, random);
    if (sharedBits(OWN, id) === 0) return { id, host, port: 6881 };
  }
}

const table = () => new RoutingTable(OWN, ADDRESSES);
const full = (bits = 0) => {
  const made = table();
  const nodes = Array.from({ length: limits.BUCKET_NODES }, () => node(bits));
  for (const [at, one] of nodes.entries()) made.answered(one, at);
  return { made, nodes };
};

describe('a bucket', () => {
  it('takes 8 nodes; others wait, and come in when one of them is bad', () => {
    const { made, nodes } = full();
    const waiting = Array.from({ length: limits.BUCKET_REPLACEMENTS + 3 }, () => node(0));
    for (const one of waiting) expect(made.answered(one, 10)).toBe(null);
    expect(made.size).toBe(limits.BUCKET_NODES);
    const gone = nodes[3] as (typeof nodes)[0];
    for (let failures = 0; failures < limits.BAD_FAILURES; failures++) made.failed(gone, 20);
    const hosts = made.all().map(({ host }) => host);
    // The one that waits and was heard of last.
    expect([hosts.includes(gone.host), hosts.includes(waiting.at(-1)?.host ?? ''), hosts.length]).toEqual([
      ...[false, true, limits.BUCKET_NODES],
    ]);
    // All that wait take their turn; those that came when too many waited are the ones that are remembered.
    for (let turn = 1; turn < limits.BUCKET_REPLACEMENTS; turn++) {
      const next = made.all()[0] as { host: string; port: number };
      for (let failures = 0; failures < limits.BAD_FAILURES; failures++) made.failed(next, 20);
    }
    const last = made.all()[0] as { host: string; port: number };
    for (let failures = 0; failures < limits.BAD_FAILURES; failures++) made.failed(last, 20);
    expect(made.size).toBe(limits.BUCKET_NODES);
    expect(made.all().some(({ host }) => host === last.host)).toBe(true);
  });

  it('asks for the one silent for longest to be challenged, once that is too long', () => {
    const { made, nodes } = full();
    expect(made.answered(node(0), OLD - 1)).toBe(null);
    expect(made.answered(node(0), OLD + 3)).toMatchObject({ host: nodes[0]?.host });
    made.answered(nodes[0] as (typeof nodes)[0], OLD + 3);
    expect(made.answered(node(0), OLD + 3)).toMatchObject({ host: nodes[1]?.host });
  });

  it('prefers a node whose id goes with its address (BEP 42)', () => {
    const { made } = full();
    const good = verified();
    made.answered(good, 10);
    expect(made.size).toBe(limits.BUCKET_NODES);
    expect(made.all().filter(({ isVerified }) => isVerified)).toMatchObject([{ host: good.host }]);
    for (let more = 0; more < 20; more++) made.answered(verified(), 10);
    expect(made.all().every(({ isVerified }) => isVerified)).toBe(true);
    made.answered(node(0), 10);
    expect(made.all().every(({ isVerified }) => isVerified)).toBe(true);
  });
});

describe('the table', () => {
  it('has one node an address, whatever ids it says it has; on loopback they are many', () => {
    const made = table();
    for (let times = 0; times < 50; times++)
      made.answered({ ...node(times % 20), host: '20.7.7.7', port: 1_000 + times }, 0);
    expect(made.size).toBe(1);
    for (let times = 0; times < 50; times++) made.answered({ ...node(times % 20), host: '20.7.7.8', port: 1_000 }, 0);
    expect(made.size).toBe(2);
    for (let port = 1; port <= 20; port++) made.answered({ ...node(port), host: '127.0.0.1', port }, 0);
    expect(made.size).toBe(22);
  });

  it('never holds ourselves, and a stranger does not take the place of a node by its id', () => {
    const made = table();
    made.answered({ id: OWN, host: '20.1.1.1', port: 1 }, 0);
    expect([made.size, made.heard({ id: OWN, host: '20.1.1.1', port: 1 }, 0)]).toEqual([0, false]);
    const one = node(4);
    made.answered(one, 0);
    const stranger = { ...one, host: '20.200.1.1' };
    expect(made.answered(stranger, 1)).toBe(null);
    expect(made.answered(stranger, OLD)).toMatchObject({ host: one.host });
    expect(made.all()).toMatchObject([{ host: one.host }]);
    for (let failures = 0; failures < limits.BAD_FAILURES; failures++) made.failed(one, OLD);
    made.answered(stranger, OLD);
    expect(made.all()).toMatchObject([{ host: stranger.host }]);
  });

  it('is bounded: 8 nodes for each distance, whoever comes', () => {
    const made = table();
    for (let times = 0; times < 10_000; times++) made.answered(node(Math.min(159, times % 20)), 0);
    expect(made.size).toBe(20 * limits.BUCKET_NODES);
    expect(made.good(0)).toHaveLength(Math.min(limits.SAVED_NODES, made.size));
    for (let bits = 20; bits < 40; bits++) for (let times = 0; times < 9; times++) made.answered(node(bits), 0);
    expect(made.good(0)).toHaveLength(limits.SAVED_NODES);
  });

  it('gives the nearest nodes, none that is bad', () => {
    const made = table();
    const nodes = Array.from({ length: 60 }, (_, at) => node(at % 12));
    for (const one of nodes) made.answered(one, 0);
    const bad = nodes.slice(0, 10);
    for (const one of bad) for (let failures = 0; failures < limits.BAD_FAILURES; failures++) made.failed(one, 0);
    for (let times = 0; times < 100; times++) {
      const target = times < 20 ? idInBucket(OWN, times, random) : random.bytes(20);
      const hosts = new Set(bad.map(({ host }) => host));
      const right = made
        .all()
        .filter(({ host }) => !hosts.has(host))
        .sort((one, other) => compareDistance(target, one.id, other.id))
        .slice(0, 8);
      expect(made.closest(target, 8).map(({ host }) => host)).toEqual(right.map(({ host }) => host));
    }
    expect(made.closest(OWN, 8)).toHaveLength(8);
  });

  it('welcomes who asks where there is room for it; a node it knows is heard of', () => {
    const made = table();
    const one = node(0);
    expect(made.heard(one, 0)).toBe(true);
    made.answered(one, 0);
    expect(made.heard(one, OLD - 1)).toBe(false);
    expect(made.questionable(OLD)).toBe(null);
    expect(made.questionable(2 * OLD)).toMatchObject({ host: one.host });
    const { made: crowded } = full();
    expect([crowded.heard(node(0), 10), crowded.heard(node(0), 2 * OLD)]).toEqual([false, true]);
  });

  it('keeps all its nodes while our own line is down', () => {
    const { made, nodes } = full();
    for (const one of nodes) for (let times = 0; times < 10; times++) made.failed(one, 1);
    expect([made.size, made.closest(OWN, 8).length]).toEqual([limits.BUCKET_NODES, 0]);
    made.answered(nodes[2] as (typeof nodes)[0], 2);
    expect(made.closest(OWN, 8)).toMatchObject([{ host: nodes[2]?.host }]);
  });

  it('tells each bucket in which nothing changed for long, once a time', () => {
    const made = table();
    made.answered(node(2), 0);
    expect(made.stale(OLD - 1)).toBe(null);
    expect([0, 1, 2, 3].map(() => made.stale(OLD))).toEqual([0, 1, 2, null]);
    made.answered(node(1), OLD + 10);
    expect([0, 1, 2].map(() => made.stale(2 * OLD))).toEqual([0, 2, null]);
  });
});
