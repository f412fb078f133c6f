import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { type NodeOptions, Simulation } from '../../../test/simulation/swarm.ts';
import type { Message } from '../wire/index.ts';
import * as limits from './limits.ts';

const BLOCK = 16_384;
const MIB = 1_048_576;
const SEGMENT_BYTES = 262_144;

const request = (offset: number): Message => {
  return { type: 'request', index: Math.floor(offset / MIB), begin: offset % MIB, length: BLOCK };
};

/** A seed and a peer that it serves. */
async function setUp(options: NodeOptions) {
  const simulation = new Simulation({ bytes: 16 * MIB, pieceLength: MIB });
  const seed = await simulation.seed(options);
  const network = simulation.network.host('30.1.1.1');
  const dialling = RawPeer.dial(network, seed.address, seed.port, simulation.info);
  await simulation.clock.run(50);
  const peer = await dialling;
  peer.send({ type: 'interested' });
  await simulation.clock.run(50);
  return { simulation, seed, peer };
}

describe('what the store has lent', () => {
  it(`is copied out and given back when it waits for over ${limits.LEASE_MILLISECONDS / 1_000} s, and sent all the same`, async () => {
    const { simulation, seed, peer } = await setUp({ cold: true, readMilliseconds: 10 });
    seed.engine.setLimits({ uploadBytesPerSecond: 1_000 });
    // Not next to each other: each is a read of its own.
    const offsets = Array.from({ length: limits.COLD_READS }, (_, at) => 2 * at * SEGMENT_BYTES);
    peer.send(...offsets.map(request));
    await simulation.clock.run(1_000);
    expect(seed.store.leases).toBeGreaterThan(0);
    await simulation.clock.run(limits.LEASE_MILLISECONDS + 1_000);
    expect(seed.store.leases).toBe(0);
    // Their bytes count for the peer still, now as what they are.
    const { leasedBytes } = seed.engine.stats();
    expect(leasedBytes).toBeGreaterThanOrEqual(BLOCK);
    expect(leasedBytes).toBeLessThanOrEqual(offsets.length * BLOCK);
    // The store may do with its memory what it likes now.
    const { content } = simulation;
    seed.store.content.fill(0);
    await simulation.clock.run(120_000);
    const blocks = peer.got.filter((message) => message.type === 'piece');
    expect(blocks.length).toBe(offsets.length);
    // The one that was copied is among them.
    for (const { index, begin, data } of blocks.slice(0, 2)) {
      expect(data.equals(content.subarray(index * MIB + begin, index * MIB + begin + BLOCK))).toBe(true);
    }
    await simulation.end();
  });

  it.each([
    ['from far away', true],
    ['from memory', false],
  ])(`to one peer, %s, is ${limits.PEER_HELD_BYTES / MIB} MiB at most, whole segments counted`, async (_from, cold) => {
    for (const run of [1, 2, 4, 8, 16]) {
      const { simulation, seed, peer } = await setUp({ cold, readMilliseconds: 10, uploadBytesPerSecond: 100_000 });
      // Hints come too late.
      seed.store.prefetch = () => undefined;
      // Runs of blocks, each in a segment of its own, or in two.
      const start = run < 16 ? 0 : SEGMENT_BYTES / 2;
      const segments = Array.from({ length: 56 }, (_, at) => start + at * SEGMENT_BYTES);
      peer.send(...segments.flatMap((at) => Array.from({ length: run }, (_, block) => request(at + block * BLOCK))));
      for (let at = 0; at < 420; at++) {
        await simulation.clock.run(at < 400 ? 5 : 1_000);
        expect(seed.engine.stats().leasedBytes).toBeLessThanOrEqual(limits.PEER_HELD_BYTES);
      }
      expect(peer.count('piece')).toBeGreaterThan(0);
      await simulation.end();
    }
  });
});
