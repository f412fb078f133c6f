import { afterEach, describe, expect, it } from 'vitest';
import { DHT_PORT, type DhtHost, DhtSimulation } from '../../../../test/simulation/dht.ts';
import { seededRandom } from '../../../lib/random.ts';
import { BUCKET_NODES, LOOKUP_QUERIES, NODES_PER_TORRENT } from './limits.ts';
import { isIdOfAddress } from './node-id.ts';

const MINUTE = 60_000;
const SEED = 1;

let simulation: DhtSimulation;
afterEach(() => simulation.end());

const hashOf = (seed: number) => seededRandom(seed).bytes(20);

async function network(nodes: number, options: ConstructorParameters<typeof DhtSimulation>[1] = {}) {
  simulation = new DhtSimulation(SEED, options);
  for (let count = 0; count < nodes; count++) await simulation.start();
  await simulation.clock.run(MINUTE);
}

const at = (index: number) => simulation.hosts[index] as DhtHost;

describe('200 nodes that lose one packet in ten', () => {
  it('find what was announced, from anywhere, and go on after a third of them is gone', async () => {
    await network(200, { loss: 0.1 });
    const known = simulation.hosts.map(({ dht }) => dht.stats().nodes);
    expect(Math.min(...known)).toBeGreaterThan(8);
    // All were told by others what their address is, and took an id that goes with it (BEP 42).
    for (const { dht, address } of simulation.hosts) {
      expect(dht.stats().nodes).toBeLessThan(200);
      const id = Buffer.from(dht.snapshot().ipv4?.id ?? '', 'hex');
      expect(isIdOfAddress(id, address)).toBe(true);
    }

    const torrents = [11, 12, 13, 14, 15].map((seed, index) => ({ hash: hashOf(seed), seeder: at(20 + index) }));
    for (const { hash, seeder } of torrents) simulation.search(seeder, hash, false);
    await simulation.clock.run(MINUTE);
    const searches = torrents.map(({ hash }, index) => simulation.search(at(100 + index), hash));
    await simulation.clock.until(() => searches.every(({ found }) => found.length > 0), MINUTE);
    for (const [index, { found }] of searches.entries()) {
      expect(found).toEqual([{ host: torrents[index]?.seeder.address, port: DHT_PORT }]);
    }

    for (const { dht } of simulation.hosts.slice(130)) dht.close();
    const late = await simulation.start();
    const again = torrents.map(({ hash }) => simulation.search(late, hash));
    await simulation.clock.until(() => again.every(({ found }) => found.length > 0), 5 * MINUTE);
  }, 60_000);
});

describe('torrents without an object', () => {
  it('are announced in turn, and found by others', async () => {
    await network(30);
    const hashes = [11, 12, 13, 14, 15].map(hashOf);
    const turns = [...hashes];
    at(3).dht.follow({
      next: () => {
        const infoHash = turns.shift();
        return infoHash === undefined ? null : { infoHash, found: () => undefined };
      },
    });
    await simulation.clock.until(() => turns.length === 0, MINUTE);
    await simulation.clock.run(MINUTE);
    const searches = hashes.map((hash) => simulation.search(at(20), hash));
    await simulation.clock.until(() => searches.every(({ found }) => found.length > 0), MINUTE);
    for (const { found } of searches) expect(found[0]).toEqual({ host: at(3).address, port: DHT_PORT });
  });
});

describe('a node that looks up what it announced', () => {
  it('is not told of itself, and is of others', async () => {
    await network(30);
    const hash = hashOf(11);
    simulation.search(at(3), hash, false);
    await simulation.clock.run(MINUTE);
    const [again, other] = [simulation.search(at(3), hash), simulation.search(at(20), hash, false)];
    await simulation.clock.run(MINUTE);
    expect(other.found).toContainEqual({ host: at(3).address, port: DHT_PORT });
    await simulation.clock.run(5 * MINUTE);
    expect(new Set(again.found.map(({ host }) => host))).toEqual(new Set([at(20).address]));
  });
});

describe('the network', () => {
  it('is not flooded: a lookup costs a bounded number of packets, an idle node hardly any', async () => {
    await network(60);
    await simulation.clock.run(5 * MINUTE);
    const before = simulation.network.sent;
    await simulation.clock.run(10 * MINUTE);
    // Packets a second, of all 60 nodes together.
    const idle = (simulation.network.sent - before) / (10 * 60);
    expect(idle).toBeLessThan(60);
    const started = simulation.network.sent;
    const search = simulation.search(at(7), hashOf(1));
    await simulation.clock.run(10_000);
    expect(search.found).toEqual([]);
    const most = 2 * (LOOKUP_QUERIES + BUCKET_NODES);
    expect(simulation.network.sent - started).toBeLessThan(most + 3 * 10 * idle);
  }, 30_000);

  it('of a few nodes stays quiet, though each would like to know more', async () => {
    await network(3);
    expect(simulation.hosts.map(({ dht }) => dht.stats().nodes)).toEqual([2, 2, 2]);
    await simulation.clock.run(60 * MINUTE);
    const before = simulation.network.sent;
    await simulation.clock.run(60 * MINUTE);
    // Less than a packet in ten seconds from each.
    expect(simulation.network.sent - before).toBeLessThan((3 * 3_600) / 10);
  });

  it('is found again from saved nodes alone, under the same id', async () => {
    await network(20);
    const { address, dht } = at(5);
    const saved = JSON.parse(JSON.stringify(dht.snapshot()));
    dht.close();
    const again = await simulation.start({ address, saved, bootstrap: [] });
    await simulation.clock.until(() => again.dht.stats().nodes > 3, MINUTE);
    expect(again.dht.snapshot().ipv4?.id).toBe(saved.ipv4.id);
  });

  it('is not forgotten by a run that met nobody', async () => {
    await network(10);
    const saved = at(3).dht.snapshot();
    simulation.network.loss = 1;
    const alone = await simulation.start({ saved, bootstrap: [] });
    await simulation.clock.run(MINUTE);
    expect(alone.dht.stats().nodes).toBe(0);
    expect(alone.dht.snapshot()).toEqual({ ...saved, ipv6: null });
  });

  it.each([
    ['nothing', null],
    ['another shape', { ipv4: 7, ipv6: ['x'] }],
    ['a short id', { ipv4: { id: 'abcd', nodes: '' }, ipv6: null }],
    ['broken nodes', { ipv4: { id: 'ab'.repeat(20), nodes: 'abcdef' }, ipv6: null }],
    ['no strings', { ipv4: { id: 3, nodes: {} }, ipv6: null }],
  ])('is entered with %s saved', async (_, saved) => {
    await network(3);
    const host = await simulation.start({ saved: saved as never });
    await simulation.clock.until(() => host.dht.stats().nodes > 0, MINUTE);
  });

  it('is entered when it comes back, however long it was away', async () => {
    await network(1);
    simulation.network.loss = 1;
    const host = await simulation.start();
    await simulation.clock.run(60 * MINUTE);
    expect(host.dht.stats().nodes).toBe(0);
    const before = simulation.network.sent;
    await simulation.clock.run(60 * MINUTE);
    // A pause of five minutes between two tries, by both of them.
    expect(simulation.network.sent - before).toBeLessThan(60);
    simulation.network.loss = 0;
    await simulation.clock.until(() => host.dht.stats().nodes > 0, 6 * MINUTE);
  });

  it('is entered by nodes that a torrent or a peer names; names without an address do not matter', async () => {
    await network(3);
    const host = await simulation.start({ bootstrap: [{ host: 'nowhere.invalid', port: 1 }] });
    await simulation.clock.run(MINUTE);
    expect(host.dht.stats().nodes).toBe(0);
    await host.dht.addNodes([
      { host: 'nowhere.invalid', port: 2 },
      { host: at(1).address, port: DHT_PORT },
    ]);
    await simulation.clock.until(() => host.dht.stats().nodes > 1, MINUTE);
    const other = await simulation.start({ bootstrap: [] });
    other.dht.heard(at(2).address, DHT_PORT);
    await simulation.clock.until(() => other.dht.stats().nodes > 1, MINUTE);
  });
});

it('names of a torrent file are looked up one after the other, and only so many', async () => {
  simulation = new DhtSimulation(SEED);
  let [looked, now, most] = [0, 0, 0];
  const resolver = {
    resolve: async (host: string) => {
      looked++;
      most = Math.max(most, ++now);
      await Promise.resolve();
      now--;
      return [{ address: host, family: 4 as const }];
    },
  };
  const host = await simulation.start({ resolver });
  await host.dht.addNodes(Array.from({ length: 100 }, (_, at) => ({ host: `20.200.1.${at}`, port: 1 })));
  expect([looked, most]).toEqual([NODES_PER_TORRENT, 1]);
});

describe('two families', () => {
  it('are two DHTs; either leads into the other (BEP 32)', async () => {
    simulation = new DhtSimulation(SEED);
    const sixes: string[] = [];
    const both = async () => {
      const [four, six] = [simulation.freshAddress(4), simulation.freshAddress(6)];
      const networks = { 4: simulation.network.host(four), 6: simulation.network.host(six) };
      const known = simulation.hosts[0]?.address;
      const hosts = [...(known === undefined ? [] : [known]), ...(sixes.length === 1 ? sixes : [])];
      const host = await simulation.start({
        address: four,
        bootstrap: hosts.map((host) => ({ host, port: DHT_PORT })),
        network: { bind: (at, port, handlers) => networks[at.includes(':') ? 6 : 4].bind(at, port, handlers) },
      });
      await host.dht.start({ addresses: [six], port: DHT_PORT });
      sixes.push(six);
    };
    for (let count = 0; count < 10; count++) await both();
    await simulation.clock.run(2 * MINUTE);
    // Only the second host was told of an IPv6 address; the others came to know them by `want`.
    expect(simulation.hosts.every(({ dht }) => (dht.snapshot().ipv6?.nodes.length ?? 0) > 0)).toBe(true);
    simulation.search(at(2), hashOf(5), false);
    await simulation.clock.run(MINUTE);
    const { found } = simulation.search(at(8), hashOf(5), false);
    await simulation.clock.run(MINUTE);
    expect(new Set(found.map(({ host }) => host.includes(':')))).toEqual(new Set([false, true]));
  });
});
