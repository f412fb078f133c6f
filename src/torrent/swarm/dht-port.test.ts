import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { Simulation } from '../../../test/simulation/swarm.ts';
import type { Message } from '../wire/index.ts';

const KIB = 1024;
const FEATURES = { extended: true, fast: true, dht: true };

/** A seed whose node is at `port`, and a peer that says that it has one at 7,000. */
async function meet(port: number | null, info: Record<string, number> = {}, features = FEATURES) {
  const simulation = new Simulation({ bytes: 100 * KIB, pieceLength: 16 * KIB, info });
  const heard: string[] = [];
  const dht = { port, heard: (host: string, at: number) => void heard.push(`${host} ${at}`) };
  const seed = await simulation.seed({ dht });
  const network = simulation.network.host('30.0.0.1');
  const { infoHash, pieceCount } = simulation.info;
  const dialling = RawPeer.dial(network, seed.address, seed.port, { infoHash, pieceCount, features });
  await simulation.clock.run(30);
  const peer = await dialling;
  peer.send({ type: 'port', port: 7_000 });
  await simulation.clock.run(30);
  const ports = peer.got.filter((message): message is Message & { type: 'port' } => message.type === 'port');
  await simulation.end();
  return {
    bit: peer.handshake?.features.dht,
    first: peer.got[0]?.type,
    ports: ports.map((message) => message.port),
    heard,
  };
}

describe('the DHT node of', () => {
  it('a public torrent is told to peers that have one, and theirs is heard of (BEP 5)', async () => {
    expect(await meet(6_900)).toEqual({ bit: true, first: 'haveAll', ports: [6_900], heard: ['30.0.0.1 7000'] });
  });

  it('a public torrent is not told to peers that have none', async () => {
    const { bit, ports } = await meet(6_900, {}, { ...FEATURES, dht: false });
    expect([bit, ports]).toEqual([true, []]);
  });

  it('nobody is told while there is none', async () => {
    const { bit, ports } = await meet(null);
    expect([bit, ports]).toEqual([false, []]);
  });

  it('a torrent that turns out to be private is not spoken of from then on (BEP 27)', async () => {
    const simulation = new Simulation({ bytes: 100 * KIB, pieceLength: 16 * KIB, info: { private: 1 } });
    const node = await simulation.node({
      dht: { port: 6_900, heard: () => undefined },
      spec: { info: null, id: null },
    });
    const { infoHash, pieceCount } = simulation.info;
    const bits: (boolean | undefined)[] = [];
    for (const [address, isKnown] of [
      ['30.0.0.1', false],
      ['30.0.0.2', true],
    ] as const) {
      if (isKnown) node.torrent.provide(simulation.info, 9);
      const peerId = Buffer.from(`-XX0001-${address.padEnd(12, '-')}`);
      const network = simulation.network.host(address);
      const dialling = RawPeer.dial(network, node.address, node.port, { infoHash, pieceCount, peerId });
      await simulation.clock.run(100);
      bits.push((await dialling).handshake?.features.dht);
    }
    expect(bits).toEqual([true, false]);
    await simulation.end();
  });

  it('a private torrent is not spoken of, nor heard (BEP 27)', async () => {
    expect(await meet(6_900, { private: 1 })).toEqual({ bit: false, first: 'haveAll', ports: [], heard: [] });
  });
});
