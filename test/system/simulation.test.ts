// Whole swarms with trackers on a virtual clock and network, each drawn from its seed. A failure names the seed.
import { expect, it } from 'vitest';
import { play, seedsToPlay } from '../simulation/play.ts';

it.each(seedsToPlay(1, 200))('the swarm of seed %i comes to its end', async (seed) => {
  expect((await play(seed)).problems).toEqual([]);
});
