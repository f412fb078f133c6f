import { describe, expect, it, vi } from 'vitest';
import { Simulation } from '../../test/simulation/swarm.ts';
import { VirtualClock } from '../../test/simulation/virtual-clock.ts';
import { VirtualDatagrams } from '../../test/simulation/virtual-datagrams.ts';
import { VirtualMulticast } from '../../test/simulation/virtual-multicast.ts';
import { VirtualNetwork } from '../../test/simulation/virtual-network.ts';
import { silentLog } from '../lib/log.ts';
import { seededRandom } from '../lib/random.ts';
import { Binding, CHECK_MILLISECONDS } from './binding.ts';
import { boundDatagrams, boundMulticast, boundNetwork } from './bound-network.ts';
import type { Connection } from './ports.ts';

const OURS = '20.5.5.1';

/** A machine whose interfaces change. */
function setUp(wanted = 'tun0', clock = new VirtualClock()) {
  const interfaces: Record<string, { address: string }[]> = {
    lo: [{ address: '127.0.0.1' }],
    eth0: [{ address: '20.4.4.1' }, { address: 'fe80::4' }, { address: '2a00::4' }],
    tun0: [{ address: OURS }],
  };
  const binding = new Binding({ wanted, interfaces: () => interfaces, clock, log: silentLog });
  return {
    clock,
    interfaces,
    binding,
    gone: () => delete interfaces.tun0,
    back: (address = OURS) => {
      interfaces.tun0 = [{ address }];
    },
  };
}

describe('what traffic is bound to', () => {
  it.each<[string, string | null, string | null]>([
    ['tun0', OURS, null],
    ['eth0', '20.4.4.1', '2a00::4'],
    ['20.4.4.1', '20.4.4.1', null],
    ['2a00:0:0::4', null, '2a00::4'],
    ['fe80::4', null, 'fe80::4'],
    ['127.0.0.1', '127.0.0.1', null],
    ['tun1', null, null],
    ['20.4.4.2', null, null],
  ])('%s lends its own addresses alone', (wanted, ipv4, ipv6) => {
    const { binding } = setUp(wanted);
    expect([binding.localAddress(4), binding.localAddress(6)]).toEqual([ipv4, ipv6]);
    expect(binding.fault === null).toBe(binding.isUp);
    expect(binding.isUp).toBe(ipv4 !== null || ipv6 !== null);
    if (!binding.isUp) expect(binding.fault).toMatch(new RegExp(`^${wanted} .*\\.$`));
  });

  it('is seen to go and to come back, in words, by itself and when it is asked for', async () => {
    const { clock, binding, gone, back } = setUp();
    const told: (string | null)[] = [];
    binding.onChange(() => told.push(binding.localAddress(4)));
    gone();
    await clock.run(CHECK_MILLISECONDS);
    expect(binding.fault).toMatch(/tun0/);
    back('20.5.5.9');
    await clock.run(200);
    expect(binding.localAddress(4)).toBe('20.5.5.9');
    expect(told).toEqual([null, '20.5.5.9']);
    binding.close();
    gone();
    await clock.run(5 * CHECK_MILLISECONDS);
    expect(told.length).toBe(2);
  });
});

describe('TCP that is bound', () => {
  it('comes from the bound address, ends with it, and does not begin while it is gone', async () => {
    const { clock, binding, gone, back } = setUp();
    const inner = new VirtualNetwork(clock);
    const from: (string | undefined)[] = [];
    const host = inner.host(OURS);
    const network = boundNetwork(
      {
        ...host,
        connect: (to, port, milliseconds, localAddress) => {
          from.push(localAddress);
          return host.connect(to, port, milliseconds);
        },
      },
      binding,
      silentLog,
    );
    await inner.host('20.9.9.9').listen('0.0.0.0', 80, () => undefined);
    const dial = async (to: string) => {
      const dialling = network.connect(to, 80, 1_000).catch((error: Error) => error);
      await clock.run(50);
      return dialling;
    };
    const connection = (await dial('20.9.9.9')) as Connection;
    const closed = vi.fn();
    connection.handlers = { data: () => undefined, drained: () => undefined, closed };
    expect(await dial('2a00::9')).toMatchObject({ kind: 'unavailable' });
    expect(network.isDown?.()).toBe(false);
    gone();
    await clock.run(CHECK_MILLISECONDS);
    expect(closed).toHaveBeenCalledTimes(1);
    expect(network.isDown?.()).toBe(true);
    expect(await dial('20.9.9.9')).toMatchObject({ kind: 'unavailable', message: binding.fault });
    expect(from).toEqual([OURS]);
    back('20.5.5.2');
    await clock.run(CHECK_MILLISECONDS);
    await dial('20.9.9.9');
    expect(from).toEqual([OURS, '20.5.5.2']);
  });

  it('is listened for on the bound address while it is there, always on one port', async () => {
    const { clock, binding, gone, back } = setUp();
    const inner = new VirtualNetwork(clock);
    gone();
    await clock.run(CHECK_MILLISECONDS);
    let came = 0;
    const host = inner.host('20.4.4.1');
    const listener = await boundNetwork(host, binding, silentLog).listen('0.0.0.0', 0, () => came++);
    const reach = async (address: string) => {
      const before = came;
      const dialling = inner
        .host('20.9.9.9')
        .connect(address, listener.port, 1_000)
        .catch((error: Error) => error);
      await clock.run(50);
      await dialling;
      return came > before;
    };
    expect(listener.port).toBeGreaterThan(0);
    expect(await reach(OURS)).toBe(false);
    back();
    await clock.run(CHECK_MILLISECONDS);
    expect(await reach(OURS)).toBe(true);
    back('20.5.5.2');
    await clock.run(CHECK_MILLISECONDS);
    expect([await reach(OURS), await reach('20.5.5.2')]).toEqual([false, true]);
    await expect(
      boundNetwork(host, binding, silentLog).listen('0.0.0.0', listener.port, () => undefined),
    ).rejects.toMatchObject({ kind: 'refused' });
    await listener.close();
    await clock.run(2 * CHECK_MILLISECONDS);
    expect(await reach('20.5.5.2')).toBe(false);
  });

  it('loses its peers with the address and finds them again, since no dial was counted as their failure', async () => {
    const simulation = new Simulation({ bytes: 2_000_000, pieceLength: 16_384 });
    const { binding, gone, back } = setUp('tun0', simulation.clock);
    const seed = await simulation.seed({ uploadBytesPerSecond: 100_000 });
    const host = simulation.network.host(OURS);
    const leech = await simulation.node({ address: OURS, network: boundNetwork(host, binding, silentLog) });
    simulation.introduce(leech, seed);
    leech.torrent.addPeers([{ host: seed.address, port: seed.port }], 'tracker');
    await simulation.clock.until(() => leech.torrent.stats().downloadedBytes > 300_000, 60_000);
    gone();
    await simulation.clock.run(CHECK_MILLISECONDS);
    expect(leech.torrent.stats().peers).toBe(0);
    const before = simulation.network.dials.length;
    await simulation.clock.run(3_600_000);
    expect(simulation.network.dials.length).toBe(before);
    back();
    await simulation.complete(leech, 60_000);
    binding.close();
    await simulation.end();
  });
});

describe('UDP that is bound', () => {
  it('goes out from the bound address, is lost while that is gone, and keeps its port', async () => {
    const { clock, binding, gone, back } = setUp();
    const inner = new VirtualDatagrams(clock, seededRandom(1));
    const bound: string[] = [];
    const hosts = inner.host(OURS);
    const network = boundDatagrams(
      {
        bind: (host, port, handlers) => {
          bound.push(`${host} ${port > 0}`);
          return hosts.bind(host, port, handlers);
        },
      },
      binding,
      silentLog,
    );
    const received = vi.fn();
    const other = await inner.host('20.9.9.9').bind('0.0.0.0', 7, { received, failed: () => undefined });
    const came = vi.fn();
    const socket = await network.bind('0.0.0.0', 0, { received: came, failed: () => undefined });
    const { port } = socket;
    socket.send(Buffer.from('one'), '20.9.9.9', 7);
    gone();
    await clock.run(CHECK_MILLISECONDS);
    socket.send(Buffer.from('lost'), '20.9.9.9', 7);
    other.send(Buffer.from('lost'), OURS, port);
    back();
    await clock.run(2 * CHECK_MILLISECONDS);
    socket.send(Buffer.from('two'), '20.9.9.9', 7);
    other.send(Buffer.from('three'), OURS, port);
    await clock.run(100);
    expect(received.mock.calls.map(([packet, , from]) => `${packet} ${from}`)).toEqual([`one ${port}`, `two ${port}`]);
    expect(came.mock.calls.map(([packet]) => String(packet))).toEqual(['three']);
    expect([bound, socket.port]).toEqual([[`${OURS} false`, `${OURS} true`], port]);
    socket.close();
    await clock.run(2 * CHECK_MILLISECONDS);
    socket.send(Buffer.from('after'), '20.9.9.9', 7);
    await clock.run(100);
    expect(received).toHaveBeenCalledTimes(2);
  });

  it('to a group ends with the address, so that it is joined again on the next', async () => {
    const { clock, binding, gone, back } = setUp();
    const inner = new VirtualMulticast(clock);
    const network = boundMulticast(inner.host(OURS), binding);
    const failed = vi.fn();
    const socket = await network.join('239.192.152.143', 6771, null, { received: () => undefined, failed });
    await expect(
      network.join('ff15::efc0:988f', 6771, null, { received: () => undefined, failed }),
    ).rejects.toMatchObject({ kind: 'unavailable' });
    socket.send(Buffer.from('one'), '239.192.152.143', 6771);
    gone();
    await clock.run(CHECK_MILLISECONDS);
    socket.send(Buffer.from('lost'), '239.192.152.143', 6771);
    expect(failed).toHaveBeenCalledTimes(1);
    await expect(
      network.join('239.192.152.143', 6771, null, { received: () => undefined, failed }),
    ).rejects.toMatchObject({ kind: 'unavailable' });
    back();
    await clock.run(CHECK_MILLISECONDS);
    socket.send(Buffer.from('lost'), '239.192.152.143', 6771);
    expect(inner.sent.map(({ packet }) => String(packet))).toEqual(['one']);
  });
});
