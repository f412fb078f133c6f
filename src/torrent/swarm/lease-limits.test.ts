// Goes over limits of what is lent for a peer; docs of each are in limits.ts.
import { expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { Simulation } from '../../../test/simulation/swarm.ts';
import { BLOCK_BYTES, type Message } from '../wire/index.ts';
import * as limits from './limits.ts';

const SEGMENT_BYTES = 256 * 1024;
const SEGMENTS = 16;

const request = (index: number, block: number): Message => ({
  type: 'request',
  ...{ index, begin: block * BLOCK_BYTES, length: BLOCK_BYTES },
});

/** What is held for a peer that was fast, and whose line stalls when it asks for `blocks` of each of `segments` segments. */
async function heldFor(segments: number, blocks: number) {
  const simulation = new Simulation({ bytes: SEGMENTS * SEGMENT_BYTES, pieceLength: SEGMENT_BYTES });
  const seed = await simulation.seed();
  const network = simulation.network.host('30.0.0.1');
  const dialling = RawPeer.dial(network, seed.address, seed.port, { infoHash: simulation.info.infoHash });
  await simulation.clock.run(50);
  const peer = await dialling;
  peer.send({ type: 'haveNone' }, { type: 'interested' });
  await simulation.clock.run(50);
  // Until it is given as much at once as anybody.
  const perSegment = SEGMENT_BYTES / BLOCK_BYTES;
  const warming = Array.from({ length: SEGMENTS * perSegment }, (_, at) => at);
  peer.send(...warming.map((at) => request(Math.floor(at / perSegment), at % perSegment)));
  await simulation.clock.run(5_000);
  expect([peer.count('piece'), seed.store.leases]).toEqual([warming.length, 0]);
  simulation.network.stall(seed.address, 60_000);
  const wanted = Array.from({ length: segments * blocks }, (_, at) => at);
  peer.send(...wanted.map((at) => request(Math.floor(at / blocks), at % blocks)));
  await simulation.clock.run(50);
  const held = { leases: seed.store.leases, bytes: seed.engine.stats().leasedBytes };
  await simulation.end();
  return held;
}

it('a few blocks hold no segment, since they are copied', async () => {
  const few = limits.PINNED_PER_SENT;
  const enough = SEGMENT_BYTES / BLOCK_BYTES / few;
  expect((await heldFor(3, enough)).leases).toBe(3);
  expect((await heldFor(3, enough - 1)).leases).toBe(0);
});

it(`${limits.PEER_HELD_BYTES / 1_048_576} MiB are held for a peer, whole segments counted; what is beyond is copied`, async () => {
  const blocks = SEGMENT_BYTES / BLOCK_BYTES / limits.PINNED_PER_SENT;
  const { leases, bytes } = await heldFor(8, blocks);
  expect(leases).toBe(limits.PEER_HELD_BYTES / SEGMENT_BYTES);
  expect(bytes).toBeLessThanOrEqual(limits.PEER_HELD_BYTES + limits.SEND_BUFFER_BYTES);
});
