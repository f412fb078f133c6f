import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../../test/simulation/virtual-clock.ts';
import { type Encodable, encode } from '../../metainfo/index.ts';
import { encodeAddress } from './compact.ts';
import { addressOf, Bench, HASH, idOf, type Sent } from './fixture.ts';
import * as limits from './limits.ts';

let clock: VirtualClock;
let bench: Bench;
beforeEach(() => {
  clock = new VirtualClock();
  bench = new Bench(clock);
});

describe('a query', () => {
  it('is answered with our id and how we see the asker (BEP 42), and the asker is asked back', () => {
    bench.ask('20.1.1.1', {});
    const { replies, queries } = bench.take();
    expect(replies).toHaveLength(1);
    expect(replies[0]?.message.need('r').need('id').bytes()).toEqual(bench.node.table.ownId);
    expect(replies[0]?.message.need('ip').bytes()).toEqual(encodeAddress({ host: '20.1.1.1', port: 7_000 }));
    expect(queries.map(({ to, message }) => [to, message.need('q').text()])).toEqual([['20.1.1.1 7000', 'ping']]);
    expect(bench.node.table.size).toBe(0);
    bench.answer(queries[0] as (typeof queries)[0], { id: idOf(1) });
    expect(bench.node.table.size).toBe(1);
  });

  it('of a read-only node is answered, and nobody asks back (BEP 43)', () => {
    bench.ask('20.1.1.1', { ro: 1 });
    const { replies, queries } = bench.take();
    expect([replies.length, queries.length]).toEqual([1, 0]);
  });

  it('for peers is answered with nodes, a token and peers; with the token it may announce', () => {
    for (let number = 100; number < 120; number++) bench.meet(number);
    bench.ask('20.1.1.1', { q: 'get_peers' }, { info_hash: HASH });
    const first = bench.take().replies[0]?.message.need('r');
    expect(first?.need('nodes').bytes().length).toBe(limits.BUCKET_NODES * 26);
    expect([first?.get('values'), first?.get('nodes6')]).toEqual([undefined, undefined]);
    const token = Buffer.from(first?.need('token').bytes() ?? '');
    bench.ask('20.1.1.1', { q: 'announce_peer' }, { info_hash: HASH, port: 1_234, token });
    bench.ask('20.1.1.2', { q: 'announce_peer' }, { info_hash: HASH, port: 1_234, token });
    const announced = bench.take();
    expect([
      announced.replies.length,
      announced.errors.map(({ message }) => message.need('e').list()[0]?.integer()),
    ]).toEqual([1, [203]]);
    bench.ask('20.1.1.1', { q: 'announce_peer' }, { info_hash: Buffer.alloc(20, 3), port: 1, token });
    expect(bench.take().errors).toHaveLength(1);
    bench.ask('20.1.1.3', { q: 'get_peers' }, { info_hash: HASH });
    const values = bench.take().replies[0]?.message.need('r').need('values').list();
    expect(values?.map((value) => value.bytes())).toEqual([encodeAddress({ host: '20.1.1.1', port: 1_234 })]);
  });

  it('with implied_port announces the port it comes from', () => {
    bench.ask('20.1.1.1', { q: 'get_peers' }, { info_hash: HASH });
    const token = Buffer.from(bench.take().replies[0]?.message.need('r').need('token').bytes() ?? '');
    bench.ask('20.1.1.1', { q: 'announce_peer' }, { info_hash: HASH, implied_port: 1, port: 0, token });
    expect(bench.store.peers(HASH, 4, 9)).toEqual([{ host: '20.1.1.1', port: 7_000 }]);
  });

  it('that announces one torrent too many is answered with 201', () => {
    const hashes = Array.from({ length: limits.STORED_TORRENTS_PER_ADDRESS + 1 }, (_, number) => {
      const info_hash = Buffer.alloc(20, number);
      bench.store.add(info_hash, { host: '20.1.1.1', port: 1 });
      return info_hash;
    });
    bench.ask('20.1.1.1', { q: 'get_peers' }, { info_hash: hashes.at(-1) });
    const token = Buffer.from(bench.take().replies[0]?.message.need('r').need('token').bytes() ?? '');
    bench.ask('20.1.1.1', { q: 'announce_peer' }, { info_hash: hashes.at(-1), port: 1, token });
    expect(bench.take().errors[0]?.message.need('e').list()[0]?.integer()).toBe(201);
  });

  it('never gets an answer that does not fit a frame', () => {
    for (let number = 100; number < 150; number++) bench.meet(number);
    for (let number = 0; number < 300; number++) bench.store.add(HASH, { host: addressOf(number), port: 1 });
    bench.ask(
      '20.1.1.1',
      { q: 'get_peers', t: Buffer.alloc(limits.TRANSACTION_ID_BYTES) },
      { info_hash: HASH, want: ['n4', 'n6'] },
    );
    expect(bench.take().replies[0]?.bytes).toBeLessThan(1_200);
  });
});

describe('whatever comes', () => {
  const fields = ['id', 'target', 'info_hash', 'port', 'implied_port', 'token', 'want'];
  const value = fc.oneof(
    fc.constantFrom<Encodable[]>(
      0,
      -1,
      2 ** 40,
      '',
      'x',
      [],
      [1],
      {},
      ['n4'],
      Buffer.alloc(19),
      Buffer.alloc(20),
      Buffer.alloc(21),
    ),
    fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
  );

  it('as a query is answered by an answer, an error of BEP 5, or not at all; never by an exception', () => {
    const values = fc.dictionary(fc.constantFrom(...fields), value);
    const method = fc.oneof(fc.constantFrom<Encodable[]>('ping', 'find_node', 'get_peers', 'announce_peer'), value);
    fc.assert(
      fc.property(values, method, fc.boolean(), (a, q, isWhole) => {
        bench = new Bench(clock);
        bench.node.received(
          encode({ a: isWhole ? { id: idOf(1), target: HASH, info_hash: HASH, ...a } : a, q, t: 'aa', y: 'q' }),
          '20.1.1.1',
          9,
        );
        const { errors, replies } = bench.take();
        expect(errors.length + replies.length).toBe(1);
        for (const { message } of errors) expect([201, 203, 204]).toContain(message.need('e').list()[0]?.integer());
      }),
      { numRuns: 1_000 },
    );
  });

  it('as an answer or as any bytes is no exception either', () => {
    const reply = fc.dictionary(fc.constantFrom('id', 'nodes', 'nodes6', 'values', 'token'), value);
    fc.assert(
      fc.property(reply, fc.option(value, { nil: undefined }), fc.uint8Array({ maxLength: 300 }), (r, ip, bytes) => {
        bench = new Bench(clock);
        let answers = 0;
        bench.node.requests.ask({
          host: '20.1.1.1',
          port: 9,
          id: null,
          query: { method: 'ping' },
          done: () => answers++,
        });
        const [query] = bench.take().queries;
        bench.answer(query as Sent, r, ip === undefined ? {} : { ip });
        expect([answers, bench.node.requests.pending]).toEqual([1, 0]);
        bench.node.received(Buffer.from(bytes), '20.1.1.1', 9);
        bench.node.received(Buffer.concat([Buffer.from('d'), bytes]), '20.1.1.1', 9);
      }),
      { numRuns: 1_000 },
    );
  });

  it('from an address that is not of the public internet, or with port 0, is not read', () => {
    for (const host of ['127.0.0.1', '10.1.1.1', '::1', 'fe80::1%eth0', 'x']) bench.ask(host, {});
    bench.node.received(encode({ a: { id: idOf(1) }, q: 'ping', t: 'a', y: 'q' }), '20.1.1.1', 0);
    expect(bench.take().all).toEqual([]);
    bench = new Bench(clock, { allowPrivateAddresses: true });
    bench.ask('127.0.0.1', {});
    expect(bench.take().replies).toHaveLength(1);
  });
});
