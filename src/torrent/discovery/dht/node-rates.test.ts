import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../../test/simulation/virtual-clock.ts';
import { seededRandom } from '../../../lib/random.ts';
import { encode } from '../../metainfo/index.ts';
import { encodeAddress, encodeNodes } from './compact.ts';
import { addressOf, Bench, HASH, idOf, OWN_PORT, type Sent } from './fixture.ts';
import * as limits from './limits.ts';
import { isIdOfAddress } from './node-id.ts';
import { Upkeep } from './upkeep.ts';

let clock: VirtualClock;
let bench: Bench;
beforeEach(() => {
  clock = new VirtualClock();
  bench = new Bench(clock);
});

describe('an answer', () => {
  it('that nobody waits for, or from elsewhere, is dropped', () => {
    bench.node.ping({ host: '20.1.1.1', port: 9 });
    const [query] = bench.take().queries as [Sent];
    const t = query.message.need('t').bytes();
    for (const [transaction, host, port] of [
      [Buffer.from('zzzz'), '20.1.1.1', 9],
      [t, '20.1.1.2', 9],
      [t, '20.1.1.1', 10],
    ] as const) {
      bench.node.received(encode({ r: { id: idOf(1) }, t: transaction, y: 'r' }), host, port);
    }
    expect([bench.node.table.size, bench.node.requests.pending]).toEqual([0, 1]);
    bench.answer(query, { id: idOf(1) });
    bench.answer(query, { id: idOf(2) });
    expect(bench.node.table.all().map(({ id }) => id)).toEqual([idOf(1)]);
  });

  it('that comes too late is none; the node is bad after two', async () => {
    bench.meet(5);
    for (let failures = 0; failures < limits.BAD_FAILURES; failures++) {
      bench.node.ping({ host: addressOf(5), port: 7_000 });
      await clock.run(limits.ANSWER_MILLISECONDS);
      bench.node.requests.tick();
    }
    expect([bench.node.table.closest(HASH, 8), bench.node.requests.pending]).toEqual([[], 0]);
  });

  it('that takes long is told once, before it is given up', async () => {
    const told: string[] = [];
    bench.node.requests.ask({
      ...{ host: '20.1.1.1', port: 9, id: null, query: { method: 'ping' } },
      slow: () => void told.push('slow'),
      done: (reply) => void told.push(String(reply)),
    });
    const seen: string[] = [];
    for (const milliseconds of [limits.SLOW_MILLISECONDS - 1, 1, 1_000, limits.ANSWER_MILLISECONDS, 10_000]) {
      await clock.run(milliseconds);
      bench.node.requests.tick();
      seen.push(told.join(' '));
    }
    expect(seen).toEqual(['', 'slow', 'slow', 'slow null', 'slow null']);
  });

  it('without sense, again and again, blocks its address: it is neither asked nor answered', async () => {
    for (let times = 0; times < limits.NONSENSE_ANSWERS; times++) {
      bench.node.ping({ host: '20.1.1.1', port: 9 });
      const [query] = bench.take().queries;
      bench.answer(query as Sent, { id: 'short' });
    }
    let asked: unknown = 'nothing';
    bench.node.requests.ask({
      host: '20.1.1.1',
      port: 9,
      id: null,
      query: { method: 'ping' },
      done: (reply) => (asked = reply),
    });
    await clock.run(0);
    bench.ask('20.1.1.1', {});
    expect([asked, bench.take().all]).toEqual([null, []]);
    // Nonsense that nobody waited for may have a false address: it blocks nobody.
    for (let times = 0; times < 30; times++) bench.node.received(encode({ r: 1, t: 'zzzz', y: 'r' }), '20.1.1.9', 9);
    bench.ask('20.1.1.9', {});
    expect(bench.take().replies).toHaveLength(1);
  });

  it('with an error is the end of that query alone', () => {
    const replies: unknown[] = [];
    bench.node.requests.ask({
      host: '20.1.1.1',
      port: 9,
      id: null,
      query: { method: 'ping' },
      done: (reply) => replies.push(reply),
    });
    const [query] = bench.take().queries;
    bench.node.received(encode({ e: [202, 'no'], t: query?.message.need('t').bytes() ?? '', y: 'e' }), '20.1.1.1', 9);
    expect(replies).toEqual([null]);
  });
});

describe('rates', () => {
  it('of one address are limited, and others do not feel it', () => {
    for (let times = 0; times < 1_000; times++) bench.ask('20.1.1.1', {});
    expect(bench.take().replies).toHaveLength(limits.PACKETS_IN_PER_ADDRESS.burst);
    bench.ask('20.1.1.2', {});
    expect(bench.take().replies).toHaveLength(1);
  });

  it('of all queries are limited; our own answers still come in', () => {
    bench.node.ping({ host: '30.1.1.1', port: 9 });
    const [query] = bench.take().queries;
    for (let number = 0; number < 10_000; number++) bench.ask(addressOf(number), { ro: 1 });
    expect(bench.take().replies).toHaveLength(limits.QUERIES_IN.burst);
    bench.answer(query as Sent, { id: idOf(1) });
    expect(bench.node.table.size).toBe(1);
  });

  it('of our queries are limited, in all and to one address; those over the queue fail at once', async () => {
    let failed = 0;
    const ask = (host: string) =>
      bench.node.requests.ask({ host, port: 9, id: null, query: { method: 'ping' }, done: () => failed++ });
    for (let times = 0; times < 50; times++) ask('20.200.1.1');
    await clock.run(0);
    expect([bench.take().queries.length, failed]).toEqual([
      limits.QUERIES_OUT_PER_ADDRESS.burst,
      50 - limits.QUERIES_OUT_PER_ADDRESS.burst,
    ]);
    for (let number = 0; number < 5_000; number++) ask(addressOf(number));
    expect(bench.take().queries).toHaveLength(limits.QUERIES_OUT.burst - limits.QUERIES_OUT_PER_ADDRESS.burst);
    expect(bench.node.requests.queued).toBe(limits.QUEUED_QUERIES);
    const before = failed;
    await clock.run(0);
    expect(failed).toBeGreaterThan(before + 4_000);
    await clock.run(1_000);
    bench.node.requests.tick();
    expect(bench.take().queries.length).toBeLessThanOrEqual(limits.QUERIES_OUT.perSecond + 1);
    expect(bench.node.requests.pending).toBeLessThanOrEqual(limits.TRANSACTIONS);
  });

  it('keep the number of queries without an answer bounded', async () => {
    let most = 0;
    for (let second = 0; second < 4; second++) {
      for (let number = 0; number < 500; number++) {
        const host = addressOf(second * 1_000 + number);
        bench.node.requests.ask({ host, port: 9, id: null, query: { method: 'ping' }, done: () => undefined });
      }
      await clock.run(900);
      bench.node.requests.tick();
      most = Math.max(most, bench.node.requests.pending);
    }
    expect(most).toBe(limits.TRANSACTIONS);
  });
});

describe('named nodes', () => {
  it('wait within a bound, and are asked a few a second, each once', () => {
    const upkeep = new Upkeep({ node: bench.node, random: seededRandom(1), saved: [], bootstrap: async () => [] });
    for (let number = 0; number < 10_000; number++) upkeep.name({ host: addressOf(number % 5_000), port: 9 });
    expect(upkeep.named).toBe(limits.NAMED_NODES);
    upkeep.tick(0);
    const { queries } = bench.take();
    expect([queries.length, upkeep.named]).toEqual([
      ...[limits.NAMED_PER_SECOND, limits.NAMED_NODES - limits.NAMED_PER_SECOND],
    ]);
    expect(new Set(queries.map(({ to }) => to)).size).toBe(limits.NAMED_PER_SECOND);
  });
});

describe('our address', () => {
  it('as enough others see it gives us an id that goes with it, and the nodes known stay known (BEP 42)', () => {
    const seenAs = { ip: encodeAddress({ host: '30.1.2.3', port: OWN_PORT }) };
    for (let number = 1; number < limits.VOTES_NEEDED; number++) bench.meet(number, seenAs);
    expect(isIdOfAddress(bench.node.table.ownId, '30.1.2.3')).toBe(false);
    bench.meet(limits.VOTES_NEEDED, seenAs);
    expect(isIdOfAddress(bench.node.table.ownId, '30.1.2.3')).toBe(true);
    expect(bench.node.table.size).toBe(limits.VOTES_NEEDED);
    expect(bench.node.isReadOnly).toBe(false);
    const { ownId } = bench.node.table;
    for (let number = 100; number < 120; number++) bench.meet(number, seenAs);
    expect(bench.node.table.ownId).toBe(ownId);
  });

  it('behind a NAT that changes our port makes us a read-only node, which asks and does not answer (BEP 43)', () => {
    for (let number = 0; number < limits.VOTES; number++) {
      bench.meet(number, { ip: encodeAddress({ host: '30.1.2.3', port: 40_000 + number }) });
    }
    expect(bench.node.isReadOnly).toBe(true);
    bench.ask('20.9.9.9', {});
    bench.ask('20.9.9.9', { q: 'vote' });
    expect(bench.take().all).toEqual([]);
    bench.node.ping({ host: '20.9.9.8', port: 9 });
    expect(bench.take().queries[0]?.message.need('ro').integer()).toBe(1);
  });
});

it('nodes that an answer names are of the other family only asked where that family is used', () => {
  bench.node.ping({ host: '20.1.1.1', port: 9 });
  const [query] = bench.take().queries;
  expect(query?.message.need('a').get('want')).toBe(undefined);
  const nodes6 = encodeNodes([{ id: idOf(3), host: '2600::1', port: 1 }], 6);
  bench.answer(query as Sent, { id: idOf(1), nodes6 });
  expect(bench.take().all).toEqual([]);
});
