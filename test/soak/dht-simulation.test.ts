// The DHT on a virtual network, again and again: each seed is another network, other losses, other nodes that come and go.
import { afterEach, expect, it } from 'vitest';
import type { HostPort } from '../../src/torrent/index.ts';
import { type DhtHost, DhtSimulation } from '../simulation/dht.ts';

const SEEDS = 100;
const MINUTE = 60_000;

let simulation: DhtSimulation;
afterEach(() => simulation.end());

it.each(Array.from({ length: SEEDS }, (_, at) => at + 1))('seed %i: what is announced is found', async (seed) => {
  simulation = new DhtSimulation(seed, { latencyMilliseconds: 10 + ((seed * 7) % 200) });
  const { random, clock, network } = simulation;
  network.loss = random.int(300) / 1_000;
  const nodes = 10 + random.int(80);
  for (let count = 0; count < nodes; count++) {
    await simulation.start();
    if (random.int(4) === 0) await clock.run(random.int(5_000));
  }
  await clock.run(2 * MINUTE);
  const pick = () => simulation.hosts[random.int(simulation.hosts.length)] as DhtHost;
  const torrents = Array.from({ length: 3 }, () => ({ hash: random.bytes(20), seeder: pick() }));
  for (const { hash, seeder } of torrents) simulation.search(seeder, hash, false);
  await clock.run(MINUTE);
  // Some leave, one every few seconds, while others come; the seeders and the first node stay.
  const staying = new Set([simulation.hosts[0], ...torrents.map(({ seeder }) => seeder)]);
  for (let turns = 0; turns < nodes / 4; turns++) {
    const leaving = pick();
    if (!staying.has(leaving)) leaving.dht.close();
    if (random.int(2) === 0) await simulation.start();
    await clock.run(random.int(10_000));
  }
  const late = await simulation.start();
  const searches = torrents.map(({ hash }) => simulation.search(late, hash).found);
  const isFound = (found: readonly HostPort[], at: number) =>
    torrents[at]?.seeder === late || found.some(({ host }) => host === torrents[at]?.seeder.address);
  await clock.until(() => searches.every(isFound), 20 * MINUTE);
  expect(searches.every(isFound)).toBe(true);
});
