import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { Simulation } from '../../../test/simulation/swarm.ts';
import type { Message } from '../wire/index.ts';
import { PARKED_MILLISECONDS, QUEUED_REQUESTS } from './limits.ts';
import { ParkedRequests } from './parked-requests.ts';

const BLOCK = 16_384;
const MIB = 1_048_576;
const ALL = { extended: true, fast: true, dht: false };

describe('while the store may fetch nothing for peers', () => {
  /** A seed whose first piece is in memory and whose others are far away, and a peer that it serves. */
  async function setUp(features = ALL) {
    const simulation = new Simulation({ bytes: 40 * MIB, pieceLength: MIB });
    const seed = await simulation.seed({ cold: true, readMilliseconds: 10 });
    const { infoHash, pieceCount } = simulation.info;
    const dialling = RawPeer.dial(simulation.network.host('30.1.1.1'), seed.address, seed.port, {
      ...{ infoHash, pieceCount, features },
    });
    await simulation.clock.run(50);
    const peer = await dialling;
    peer.send({ type: 'interested' });
    await simulation.clock.run(50);
    seed.store.prefetch(await seed.store.open({ id: 1, pieceLength: MIB, totalLength: 40 * MIB }), [
      { offset: 0, length: MIB },
    ]);
    seed.store.prefetches = [];
    seed.store.fetching = false;
    return { simulation, seed, peer };
  }

  const request = (index: number, block: number): Message => {
    return { type: 'request', index, begin: block * BLOCK, length: BLOCK };
  };

  it('what is at hand is served, and the rest is refused after a while, once', async () => {
    const { simulation, seed, peer } = await setUp();
    peer.send(...[1, 2, 3].map((index) => request(index, 0)), request(0, 0), request(0, 1));
    await simulation.clock.run(PARKED_MILLISECONDS - 1_500);
    expect([peer.count('piece'), peer.count('reject')]).toEqual([2, 0]);
    // Cancelled ones are answered at once (BEP 6).
    peer.send({ type: 'cancel', index: 2, begin: 0, length: BLOCK });
    await simulation.clock.run(100);
    expect(peer.count('reject')).toBe(1);
    await simulation.clock.run(3_000);
    expect([peer.count('piece'), peer.count('reject')]).toEqual([2, 3]);
    expect([seed.store.reads, seed.store.prefetches]).toEqual([0, []]);
    await simulation.end();
  });

  it('a peer that asks again at once is refused a queue of them at a time, not as fast as it can ask', async () => {
    const { simulation, peer } = await setUp();
    let seen = 0;
    const ask = simulation.clock.every(10, () => {
      for (; seen < peer.got.length; seen++) {
        const message = peer.got[seen] as Message;
        if (message.type === 'reject') peer.send({ ...message, type: 'request' });
      }
    });
    peer.send(...Array.from({ length: 100 }, (_, at) => request(1 + (at >> 6), at & 63)));
    await simulation.clock.run(60_000);
    ask.cancel();
    const rounds = 60_000 / PARKED_MILLISECONDS;
    expect(peer.count('reject')).toBeGreaterThan(100 * (rounds / 2));
    expect(peer.count('reject')).toBeLessThanOrEqual(100 * rounds);
    expect(peer.closed).toBe(false);
    await simulation.end();
  });

  it('what was refused is served when it is asked for again and more may be fetched', async () => {
    const { simulation, seed, peer } = await setUp();
    peer.send(request(5, 0));
    await simulation.clock.run(PARKED_MILLISECONDS + 1_500);
    expect([peer.count('piece'), peer.count('reject')]).toEqual([0, 1]);
    seed.store.fetching = true;
    peer.send(request(5, 0));
    await simulation.clock.run(1_000);
    expect([peer.count('piece'), peer.count('reject')]).toEqual([1, 1]);
    await simulation.end();
  });

  it('a peer that knows no reject is still served what is at hand', async () => {
    const { simulation, peer } = await setUp({ ...ALL, fast: false });
    peer.send(request(1, 0), request(0, 0));
    await simulation.clock.run(2 * PARKED_MILLISECONDS);
    peer.send(request(0, 1));
    await simulation.clock.run(100);
    expect([peer.count('piece'), peer.count('reject'), peer.closed]).toEqual([2, 0, false]);
    await simulation.end();
  });
});

it(`${QUEUED_REQUESTS} requests of a peer are parked; beyond that they are refused at once`, () => {
  const parked = new ParkedRequests();
  for (let at = 0; at < QUEUED_REQUESTS; at++) expect(parked.add([at, 0, BLOCK], at)).toBe(true);
  expect(parked.add([9, BLOCK, BLOCK], 1)).toBe(false);
  expect(parked.due(PARKED_MILLISECONDS - 1)).toEqual([]);
  expect([parked.cancel(7, 0), parked.cancel(7, 0), parked.cancel(1, BLOCK)]).toEqual([true, false, false]);
  const waiting: number[] = [];
  parked.scan((index) => waiting.push(index));
  expect(waiting.length).toBe(QUEUED_REQUESTS - 1);
  expect(parked.due(PARKED_MILLISECONDS).length).toBe(3 * (QUEUED_REQUESTS - 1));
  expect([parked.due(2 * PARKED_MILLISECONDS), parked.add([1, 0, BLOCK], 0)]).toEqual([[], true]);
});
