// Whole swarms with trackers, a DHT and a local network on a virtual clock and network, each drawn from its seed. A failure
// names the seed.
import { expect, it } from 'vitest';
import { HAPPENINGS, happenings } from '../simulation/happenings.ts';
import { play, seedsToPlay } from '../simulation/play.ts';

const SEEDS = 200;
const seeds = seedsToPlay(1, SEEDS);
const counts = new Map(HAPPENINGS.map((name) => [name, 0]));

it.each(seeds)('the swarm of seed %i comes to its end', async (seed) => {
  const stage = await play(seed);
  expect(stage.problems).toEqual([]);
  for (const name of happenings(stage)) counts.set(name, (counts.get(name) ?? 0) + 1);
});

// One seed, played again, shows what it shows.
if (seeds.length === SEEDS) {
  it(`in ${SEEDS} swarms everything happens that they are for`, () => {
    process.stderr.write(`${[...counts].map(([name, count]) => `${count} × ${name}`).join('\n')}\n`);
    expect([...counts].filter(([, count]) => count === 0)).toEqual([]);
  });
}
