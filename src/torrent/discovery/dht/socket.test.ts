import { afterEach, describe, expect, it } from 'vitest';
import { DHT_PORT, type DhtHost, DhtSimulation } from '../../../../test/simulation/dht.ts';
import { BaeError } from '../../../lib/errors.ts';
import { seededRandom } from '../../../lib/random.ts';
import { MOST_REOPEN_MILLISECONDS } from './limits.ts';

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

describe('a socket', () => {
  it('that cannot be had leaves torrents without the DHT, and says so once', async () => {
    await network(2);
    const said: string[] = [];
    const log = { debug: () => 0, info: () => 0, error: () => 0, warn: (words: string) => void said.push(words) };
    const host = await simulation.start({ address: at(0).address, log });
    expect([host.dht.port, said]).toEqual([null, ['the DHT cannot use an address']]);
    const { found, stop } = simulation.search(host, hashOf(1));
    host.dht.heard(at(1).address, DHT_PORT);
    await simulation.clock.run(MINUTE);
    expect([found, host.dht.stats()]).toEqual([[], { state: 'down', nodes: 0, lookups: 0, waiting: 1 }]);
    stop();
    expect(host.dht.stats().waiting).toBe(0);
  });

  it('that fails ends the lookups on it, and is opened again on its port, with pauses, with the nodes that were known', async () => {
    await network(10);
    const address = simulation.freshAddress();
    const plain = simulation.network.host(address);
    const binds: { at: number; port: number }[] = [];
    let fail: (error: Error) => void = () => undefined;
    let isDown = false;
    const host = await simulation.start({
      address,
      // It must find its way back by the nodes that it knew.
      bootstrap: [{ host: at(0).address, port: DHT_PORT }],
      network: {
        bind: async (where, port, handlers) => {
          binds.push({ at: simulation.clock.monotonic(), port });
          if (isDown) throw new BaeError('refused', 'the network is down');
          const socket = await plain.bind(where, port, handlers);
          fail = (error) => {
            socket.close();
            handlers.failed(error);
          };
          return socket;
        },
      },
    });
    await simulation.clock.run(MINUTE);
    const before = host.dht.snapshot();
    expect(host.dht.stats()).toMatchObject({ state: 'ready' });
    const search = simulation.search(host, hashOf(2));
    expect([host.dht.port, host.dht.stats().lookups]).toEqual([DHT_PORT, 1]);
    at(0).dht.close();
    isDown = true;
    fail(new Error('ENETDOWN'));
    expect([host.dht.port, host.dht.stats()]).toEqual([null, { state: 'down', nodes: 0, lookups: 0, waiting: 0 }]);
    expect(host.dht.snapshot()).toEqual(before);
    await simulation.clock.run(10 * MINUTE);
    const pauses = binds.slice(1).map((bind, index) => bind.at - (binds[index]?.at ?? 0));
    expect(binds.length).toBeLessThan(20);
    for (const pause of pauses.slice(7)) expect(pause).toBeGreaterThanOrEqual(MOST_REOPEN_MILLISECONDS);
    expect(new Set(binds.map(({ port }) => port))).toEqual(new Set([DHT_PORT]));

    isDown = false;
    await simulation.clock.run(2 * MINUTE);
    expect([host.dht.port, host.dht.stats().state]).toEqual([DHT_PORT, 'ready']);
    expect(host.dht.snapshot().ipv4?.id).toBe(before.ipv4?.id);
    expect(host.dht.stats().nodes).toBeGreaterThan(4);
    simulation.search(at(3), hashOf(2), false);
    await simulation.clock.until(() => search.found.length > 0, 20 * MINUTE);
  }, 30_000);

  it('that fails again and again costs one try a minute, and one that held for long is tried soon', async () => {
    await network(2);
    const address = simulation.freshAddress();
    const plain = simulation.network.host(address);
    let binds = 0;
    let isBroken = true;
    let fail: (error: Error) => void = () => undefined;
    const host = await simulation.start({
      address,
      network: {
        bind: async (where, port, handlers) => {
          binds++;
          const socket = await plain.bind(where, port, handlers);
          fail = handlers.failed;
          if (isBroken) simulation.clock.after(10, () => handlers.failed(new Error('broken')));
          return socket;
        },
      },
    });
    await simulation.clock.run(60 * MINUTE);
    expect(binds).toBeLessThan(80);
    expect(binds).toBeGreaterThan(50);
    isBroken = false;
    await simulation.clock.run(3 * MINUTE);
    expect(host.dht.port).toBe(DHT_PORT);
    fail(new Error('once'));
    await simulation.clock.run(2_000);
    expect(host.dht.port).toBe(DHT_PORT);
    host.dht.close();
    fail(new Error('after its end'));
    const last = binds;
    await simulation.clock.run(5 * MINUTE);
    expect(binds).toBe(last);
  });

  it('that is closed in the middle of a lookup ends it', async () => {
    await network(10);
    simulation.search(at(4), hashOf(2));
    expect(at(4).dht.stats().lookups).toBe(1);
    at(4).dht.close();
    expect(at(4).dht.stats()).toEqual({ state: 'down', nodes: 0, lookups: 0, waiting: 0 });
    await simulation.clock.run(MINUTE);
  });
});
