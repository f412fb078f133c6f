import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { type Node, Simulation } from '../../../test/simulation/swarm.ts';
import {
  decodePex,
  encodeExtensionHandshake,
  encodePex,
  type Message,
  PEX_FLAGS,
  PEX_PEERS,
  type PexPeer,
} from '../wire/index.ts';
import { KNOWN_PEERS, LEAST_PEX_MILLISECONDS, PEX_MESSAGES, PEX_MILLISECONDS } from './limits.ts';

const KIB = 1024;
/** What a raw peer wants ut_pex under. */
const ID = 9;

const small = () => new Simulation({ bytes: 256 * KIB, pieceLength: 16 * KIB });
const slow = { uploadBytesPerSecond: 20 * KIB };

/** A peer that speaks BEP 11 with a node and listens, so it says, on `listenPort`. */
async function exchanging(simulation: Simulation, node: Node, address: string, listenPort = 6881): Promise<RawPeer> {
  const network = simulation.network.host(address);
  const peerId = Buffer.from(`-XX0001-${address.padEnd(12, '-').slice(0, 12)}`);
  const dialling = RawPeer.dial(network, node.address, node.port, { infoHash: simulation.info.infoHash, peerId });
  await simulation.clock.run(30);
  const peer = await dialling;
  const hello = { messages: new Map([['ut_pex', ID]]), listenPort, client: 'raw' };
  peer.connection.write([encodeExtensionHandshake(hello)]);
  await simulation.clock.run(2_000);
  return peer;
}

/** Which peers it was told of, message by message. */
const told = (peer: RawPeer) =>
  peer.got
    .filter((one): one is Message & { type: 'extended' } => one.type === 'extended' && one.id === ID)
    .map(({ payload }) => decodePex(payload));

const strangers = (count: number): PexPeer[] =>
  Array.from({ length: count }, (_, at) => ({ host: `20.200.${at >> 8}.${at & 255}`, port: 7_000, flags: 0 }));

/** Our id of ut_pex. */
const pex = (added: readonly PexPeer[]) => encodePex(3, { added, dropped: [] });
const dialsOf = (simulation: Simulation, node: Node) =>
  simulation.network.dials.filter((dial) => dial.startsWith(`${node.address} > `)).map((dial) => dial.split(' > ')[1]);

describe('peer exchange', () => {
  it('leads a leech that knows one peer to the whole swarm', async () => {
    const simulation = new Simulation({ bytes: 4_000 * KIB, pieceLength: 64 * KIB });
    const seeds = [await simulation.seed(slow), await simulation.seed(slow), await simulation.seed(slow)];
    const first = await simulation.node({ ...slow });
    simulation.introduce(first, ...seeds);
    await simulation.clock.until(() => first.torrent.stats().peers === 3, 10_000);
    const leech = await simulation.node({ ...slow });
    simulation.introduce(leech, first);
    await simulation.clock.until(() => leech.torrent.stats().peers === 4, 20_000);
    await simulation.complete(leech, 600_000);
    await simulation.end();
  });

  it.each([
    ['known from the start', true],
    ['known with the metadata', false],
  ])('is not for a private torrent, %s', async (_, isKnown) => {
    const simulation = new Simulation({ bytes: 256 * KIB, pieceLength: 16 * KIB, info: { private: 1 } });
    const seed = await simulation.seed();
    const spec = isKnown ? {} : { info: null, id: null };
    const leech = await simulation.node({ spec });
    if (!isKnown) leech.torrent.provide(simulation.info, 9);
    const other = await exchanging(simulation, seed, '20.50.0.1');
    const raw = await exchanging(simulation, leech, '20.50.0.2');
    raw.connection.write([pex(strangers(3))]);
    await simulation.clock.run(3 * PEX_MILLISECONDS);
    expect([...told(raw), ...told(other)]).toEqual([]);
    const hellos = [...raw.got, ...other.got].filter((one) => one.type === 'extended' && one.id === 0);
    expect(hellos.length).toBeGreaterThan(0);
    if (isKnown) for (const hello of hellos) expect('payload' in hello && hello.payload.includes('ut_pex')).toBe(false);
    expect(dialsOf(simulation, leech)).toEqual([]);
    await simulation.end();
  });

  it('tells who is there and listens, then what changed, once a minute, and never a peer of itself', async () => {
    const simulation = small();
    const node = await simulation.seed();
    const one = await exchanging(simulation, node, '20.50.0.1', 1_001);
    const two = await exchanging(simulation, node, '20.50.0.2', 1_002);
    const dialling = RawPeer.dial(simulation.network.host('20.50.0.3'), node.address, node.port, {
      infoHash: simulation.info.infoHash,
      peerId: Buffer.from('-XX0001-silent------'),
    });
    await simulation.clock.run(2_000);
    const silent = await dialling;
    expect(told(one)).toEqual([{ added: [{ host: '20.50.0.2', port: 1_002, flags: 0 }], dropped: [] }]);
    expect(told(two)).toEqual([{ added: [{ host: '20.50.0.1', port: 1_001, flags: 0 }], dropped: [] }]);
    two.connection.destroy();
    const three = await exchanging(simulation, node, '20.50.0.4', 1_003);
    expect(told(one).length).toBe(1);
    await simulation.clock.run(PEX_MILLISECONDS);
    expect(told(one).slice(1)).toEqual([
      {
        added: [{ host: '20.50.0.4', port: 1_003, flags: 0 }],
        dropped: [{ host: '20.50.0.2', port: 1_002 }],
      },
    ]);
    await simulation.clock.run(5 * PEX_MILLISECONDS);
    expect(told(one).length).toBe(2);
    expect(told(silent)).toEqual([]);
    for (const peer of [one, three, silent]) peer.connection.destroy();
    await simulation.end();
  });

  it('says of a dialled peer that it can be reached, and of a seed that it is one', async () => {
    const simulation = new Simulation({ bytes: 2_000 * KIB, pieceLength: 16 * KIB });
    const seed = await simulation.seed({ uploadBytesPerSecond: 10 * KIB });
    const node = await simulation.node();
    simulation.introduce(node, seed);
    const raw = await exchanging(simulation, node, '20.50.0.1');
    const flags = PEX_FLAGS.seed | PEX_FLAGS.reachable;
    expect(told(raw)[0]?.added).toEqual([{ host: seed.address, port: seed.port, flags }]);
    raw.connection.destroy();
    await simulation.end();
  });

  it('takes no private and loopback addresses from strangers, unless they are allowed', async () => {
    for (const allowPrivateAddresses of [false, true]) {
      const simulation = small();
      const node = await simulation.node({ limits: { allowPrivateAddresses } });
      const raw = await exchanging(simulation, node, '20.50.0.1');
      const hosts = ['127.0.0.1', '10.1.1.1', '192.168.1.1', '::1', 'fe80::1', '20.60.0.1'];
      raw.connection.write([pex(hosts.map((host) => ({ host, port: 80, flags: 0 })))]);
      await simulation.clock.run(3_000);
      const dialled = new Set(dialsOf(simulation, node));
      expect(dialled.size).toBe(allowPrivateAddresses ? 6 : 1);
      expect(dialled.has('20.60.0.1:80')).toBe(true);
      raw.connection.destroy();
      await simulation.end();
    }
  });

  it('takes 50 a minute of one peer, and ends with one that floods', async () => {
    const simulation = small();
    const node = await simulation.node();
    const raw = await exchanging(simulation, node, '20.50.0.1');
    raw.connection.write([pex(strangers(PEX_PEERS))]);
    for (let count = 1; count < PEX_MESSAGES; count++) {
      raw.connection.write([pex([{ host: '20.61.0.1', port: 80, flags: 0 }])]);
    }
    await simulation.clock.run(LEAST_PEX_MILLISECONDS);
    expect(raw.closed).toBe(false);
    expect(new Set(dialsOf(simulation, node)).size).toBe(PEX_PEERS);
    await simulation.clock.run(PEX_MILLISECONDS);
    raw.connection.write([pex([{ host: '20.61.0.2', port: 80, flags: 0 }])]);
    await simulation.clock.run(2_000);
    expect(dialsOf(simulation, node)).toContain('20.61.0.2:80');
    for (let count = 0; count < PEX_MESSAGES; count++) raw.connection.write([pex([])]);
    await simulation.clock.run(1_000);
    expect(raw.closed).toBe(true);
    await simulation.end();
  });

  it('ends with a peer whose message is malformed', async () => {
    const simulation = small();
    const node = await simulation.node();
    const raw = await exchanging(simulation, node, '20.50.0.1');
    raw.send({ type: 'extended', id: 3, payload: Buffer.from('d5:added5:abcdee') });
    await simulation.clock.run(1_000);
    expect(raw.closed).toBe(true);
    await simulation.end();
  });

  it('fills the book to its bound, and a tracker still finds room in it', async () => {
    const simulation = small();
    const node = await simulation.node({ spec: { seeding: false } });
    const peers = Array.from({ length: KNOWN_PEERS }, (_, at) => ({ host: `20.70.${at >> 8}.${at & 255}`, port: 1 }));
    expect(node.torrent.addPeers(peers, 'pex')).toBe(KNOWN_PEERS);
    expect(node.torrent.addPeers([{ host: '20.71.0.1', port: 1 }], 'pex')).toBe(0);
    expect(node.torrent.addPeers([{ host: '20.71.0.1', port: 1 }], 'tracker')).toBe(1);
    await simulation.end();
  });
});
