// A thousand swarms that CI does not play.
import { expect, it } from 'vitest';
import { play, seedsToPlay } from '../simulation/play.ts';

it.each(seedsToPlay(1_001, 1_000))('the swarm of seed %i comes to its end', async (seed) => {
  expect((await play(seed)).problems).toEqual([]);
});
