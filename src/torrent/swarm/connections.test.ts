import { describe, expect, it } from 'vitest';
import { type RawOptions, RawPeer } from '../../../test/simulation/raw-peer.ts';
import { type NodeOptions, Simulation } from '../../../test/simulation/swarm.ts';
import * as limits from './limits.ts';

const KIB = 1024;

async function setUp(options: NodeOptions = {}) {
  const simulation = new Simulation({ bytes: 100 * KIB, pieceLength: 16 * KIB });
  const seed = await simulation.seed(options);
  let count = 0;
  const dial = async (address: string, more: Partial<RawOptions> = {}) => {
    const { infoHash, pieceCount } = simulation.info;
    const peerId = Buffer.from(`-XX0001-${String(++count).padStart(12, '0')}`);
    const dialling = RawPeer.dial(simulation.network.host(address), seed.address, seed.port, {
      ...{ infoHash, pieceCount, peerId },
      ...more,
    });
    await simulation.clock.run(30);
    return dialling;
  };
  return { simulation, seed, dial, peers: () => seed.torrent.stats().peers };
}

describe('connections that come', () => {
  it('are closed for an unknown torrent and for what is no handshake', async () => {
    const { simulation, seed, dial } = await setUp({ encryption: 'off' });
    const stranger = await dial('30.0.0.1', { infoHash: Buffer.alloc(20, 1) });
    expect([stranger.closed, stranger.handshake]).toEqual([true, null]);
    const network = simulation.network.host('30.0.0.2');
    const connecting = network.connect(seed.address, seed.port, 1_000);
    await simulation.clock.run(10);
    const web = new RawPeer(await connecting, { infoHash: simulation.info.infoHash });
    web.connection.write([Buffer.from('GET / HTTP/1.1\r\n')]);
    await simulation.clock.run(30);
    expect(web.closed).toBe(true);
    await simulation.end();
  });

  it('have ten seconds for their handshake, however they drip', async () => {
    const { simulation, seed } = await setUp();
    const connecting = simulation.network.host('30.0.0.1').connect(seed.address, seed.port, 1_000);
    await simulation.clock.run(10);
    const connection = await connecting;
    const peer = new RawPeer(connection, { infoHash: simulation.info.infoHash });
    const hello = Buffer.from('\x13BitTorrent protocol');
    for (let at = 0; at < 9; at++) {
      connection.write([hello.subarray(at, at + 1)]);
      await simulation.clock.run(1_000);
    }
    expect([peer.closed, seed.engine.stats().pendingConnections]).toEqual([false, 1]);
    await simulation.clock.run(2_100);
    expect([peer.closed, seed.engine.stats().pendingConnections]).toEqual([true, 0]);
    await simulation.end();
  });

  it(`wait ${limits.PENDING_CONNECTIONS} at a time for their handshake; the oldest goes for one more`, async () => {
    const { simulation, seed, dial } = await setUp();
    const network = simulation.network.host('30.0.0.1');
    const connecting = Array.from({ length: limits.PENDING_CONNECTIONS + 3 }, () =>
      network.connect(seed.address, seed.port, 1_000),
    );
    await simulation.clock.run(20);
    const peers = (await Promise.all(connecting)).map((connection) => new RawPeer(connection, simulation.info));
    await simulation.clock.run(50);
    expect(seed.engine.stats().pendingConnections).toBe(limits.PENDING_CONNECTIONS);
    expect(peers.map((peer) => peer.closed).indexOf(false)).toBe(3);
    // They are not among the established: who says its handshake is let in.
    expect([(await dial('30.0.0.2')).closed, seed.engine.stats().connections]).toEqual([false, 1]);
    await simulation.end();
  });

  it('of one address are two, of one network sixteen', async () => {
    const { simulation, dial, peers } = await setUp();
    const same = [await dial('30.0.0.1'), await dial('30.0.0.1'), await dial('30.0.0.1')];
    expect(same.map((peer) => peer.closed)).toEqual([false, false, true]);
    for (let host = 2; host < 20; host++) await dial(`30.0.0.${host}`);
    expect(peers()).toBe(limits.CONNECTIONS_PER_NETWORK);
    await dial('30.0.1.1');
    expect(peers()).toBe(limits.CONNECTIONS_PER_NETWORK + 1);
    await simulation.end();
  });

  it('from this machine are not counted by address, unless told so', async () => {
    const free = await setUp({ address: '127.0.0.1' });
    for (let count = 0; count < 5; count++) await free.dial('127.0.0.1');
    expect(free.peers()).toBe(5);
    await free.simulation.end();
    const limited = await setUp({ limits: { limitLoopback: true } });
    for (let count = 0; count < 5; count++) await limited.dial('127.0.0.1');
    expect(limited.peers()).toBe(limits.CONNECTIONS_PER_ADDRESS);
    await limited.simulation.end();
  });

  it('are as many as a torrent and the process may have; a useless one makes place', async () => {
    const { simulation, dial, peers } = await setUp({ limits: { connectionsPerTorrent: 3, connections: 500 } });
    const first = await dial('30.0.1.1');
    await dial('30.0.2.1');
    await dial('30.0.3.1');
    expect((await dial('30.0.4.1')).closed).toBe(true);
    await simulation.clock.run(limits.USELESS_MILLISECONDS + 1_000);
    expect((await dial('30.0.5.1')).closed).toBe(false);
    expect([first.closed, peers()]).toEqual([true, 3]);
    await simulation.end();
    const all = await setUp({ limits: { connections: 2 } });
    for (let host = 1; host < 5; host++) await all.dial(`30.0.${host}.1`);
    expect([all.peers(), all.seed.engine.stats().connections]).toEqual([2, 2]);
    await all.simulation.end();
  });

  it('are one for each peer id', async () => {
    const { simulation, dial, peers } = await setUp();
    const peerId = Buffer.from('-XX0001-aaaaaaaaaaaa');
    await dial('30.0.1.1', { peerId });
    expect((await dial('30.0.2.1', { peerId })).closed).toBe(true);
    expect(peers()).toBe(1);
    await simulation.end();
  });

  it(`end after ${limits.IDLE_MILLISECONDS / 1000} s of silence, and are kept alive by us before`, async () => {
    const { simulation, dial } = await setUp();
    const peer = await dial('30.0.1.1');
    await simulation.clock.run(limits.IDLE_MILLISECONDS - 2_000);
    expect([peer.closed, peer.count('keepAlive')]).toEqual([false, 2]);
    await simulation.clock.run(4_000);
    expect(peer.closed).toBe(true);
    await simulation.end();
  });

  it('end at a message that breaks the protocol', async () => {
    const { simulation, dial } = await setUp();
    const peer = await dial('30.0.1.1');
    peer.connection.write([Buffer.from([0, 0, 0, 2, 0, 0])]);
    await simulation.clock.run(30);
    expect(peer.closed).toBe(true);
    await simulation.end();
  });

  it('end when seeding is switched off, within a second, and can come again after', async () => {
    const { simulation, seed, dial } = await setUp();
    const peer = await dial('30.0.1.1');
    seed.torrent.setSeeding(false);
    await simulation.clock.run(100);
    expect([peer.closed, seed.torrent.state]).toEqual([true, 'stopped']);
    expect((await dial('30.0.2.1')).closed).toBe(true);
    seed.torrent.setSeeding(true);
    expect((await dial('30.0.3.1')).closed).toBe(false);
    expect(seed.torrent.state).toBe('seeding');
    await simulation.end();
  });
});

describe('connections we make', () => {
  it('never stay with ourselves', async () => {
    const { simulation, seed } = await setUp();
    seed.torrent.addPeers([{ host: seed.address, port: seed.port }], 'tracker');
    await simulation.clock.run(60_000);
    expect([seed.torrent.stats().peers, simulation.network.dials.length]).toEqual([0, 1]);
    await simulation.end();
  });

  it('are one when both sides dial at once', async () => {
    const { simulation, seed } = await setUp();
    const leech = await simulation.node({ uploadBytesPerSecond: 1_000 });
    simulation.introduce(leech, seed);
    simulation.introduce(seed, leech);
    await simulation.clock.run(1_000);
    expect([leech.torrent.stats().peers, seed.torrent.stats().peers]).toEqual([1, 1]);
    await simulation.complete(leech, 30_000);
    await simulation.end();
  });

  it('are ten a second and fifty half-open', async () => {
    const { simulation, seed } = await setUp();
    // Addresses where nobody answers.
    const peers = Array.from({ length: 200 }, (_, host) => ({ host: `203.1.${host}.1`, port: 6881 }));
    expect(seed.torrent.addPeers(peers, 'tracker')).toBe(200);
    expect(simulation.network.dials.length).toBe(limits.DIALS_PER_SECOND);
    await simulation.clock.run(3_050);
    expect(simulation.network.dials.length).toBe(4 * limits.DIALS_PER_SECOND);
    await simulation.clock.run(5_000);
    expect(seed.engine.stats().halfOpenConnections).toBe(limits.HALF_OPEN_CONNECTIONS);
    expect(simulation.network.dials.length).toBe(limits.HALF_OPEN_CONNECTIONS);
    await simulation.clock.run(10_000);
    await simulation.end();
  });

  it('are tried again, more and more rarely, and by hand forever', async () => {
    const { simulation, seed } = await setUp();
    seed.torrent.addPeers([{ host: '40.1.1.1', port: 1 }], 'tracker');
    seed.torrent.addPeers([{ host: '40.2.1.1', port: 1 }], 'hand');
    await simulation.clock.run(3_600_000);
    const count = (host: string) => simulation.network.dials.filter((dial) => dial.includes(`> ${host}`)).length;
    expect(count('40.1.1.1')).toBe(limits.DIAL_FAILURES);
    expect(count('40.2.1.1')).toBeGreaterThan(100);
    await simulation.end();
  });

  it('are not made to private addresses that strangers name', async () => {
    const { simulation, seed } = await setUp();
    const peers = ['127.0.0.1', '10.0.0.1', '192.168.1.1', '::1', 'fe80::1', 'example.org'].map((host) => ({
      host,
      port: 6881,
    }));
    for (const source of ['tracker', 'pex', 'dht'] as const) expect(seed.torrent.addPeers(peers, source)).toBe(0);
    expect(seed.torrent.addPeers(peers, 'hand')).toBe(5);
    await simulation.clock.run(1_000);
    await simulation.end();
  });
});
