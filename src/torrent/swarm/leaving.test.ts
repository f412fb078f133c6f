// BEP 27: a private torrent whose tracker is another one now.
import { expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { Simulation } from '../../../test/simulation/swarm.ts';

it('ends connections and forgets addresses, those being dialled too, but for what a person gave; then takes new ones', async () => {
  const simulation = new Simulation({ bytes: 64 * 1024, pieceLength: 16 * 1024, info: { private: 1 } });
  const seed = await simulation.seed({ encryption: 'off' });
  const { infoHash } = simulation.info;
  let count = 0;
  const idOf = () => Buffer.from(`-XX0001-${String(++count).padStart(12, '0')}`);
  /** Somebody who listens, and answers the handshake when it should. */
  const listening = async (address: string, answers = true) => {
    const peers: RawPeer[] = [];
    const accept = (connection: ConstructorParameters<typeof RawPeer>[0]) => {
      const peer = new RawPeer(connection, { infoHash, peerId: idOf() });
      peers.push(peer);
      if (answers) peer.greet();
    };
    await simulation.network.host(address).listen(address, 6881, accept);
    return peers;
  };
  const byHand = await listening('30.1.0.1');
  const byTracker = await listening('30.1.0.2');
  const slow = await listening('30.1.0.3', false);
  seed.torrent.addPeers([{ host: '30.1.0.1', port: 6881 }], 'hand');
  seed.torrent.addPeers(
    ['30.1.0.2', '30.1.0.3'].map((host) => ({ host, port: 6881 })),
    'tracker',
  );
  await simulation.clock.run(2_000);
  const coming = RawPeer.dial(simulation.network.host('30.1.0.4'), seed.address, seed.port, {
    infoHash,
    peerId: idOf(),
  });
  await simulation.clock.run(100);
  const came = await coming;
  expect([seed.torrent.stats().peers, slow.length]).toEqual([3, 1]);

  seed.torrent.leavePeers();
  slow[0]?.greet();
  await simulation.clock.run(500);
  expect([byHand[0]?.closed, byTracker[0]?.closed, slow[0]?.closed, came.closed]).toEqual([false, true, true, true]);
  expect(seed.torrent.stats().peers).toBe(1);
  await simulation.clock.run(600_000);
  expect([byTracker.length, slow.length]).toEqual([1, 1]);

  const another = await listening('30.1.0.5');
  seed.torrent.addPeers([{ host: '30.1.0.5', port: 6881 }], 'tracker');
  await simulation.clock.run(2_000);
  expect(another.map((peer) => peer.closed)).toEqual([false]);
  await simulation.end();
});
