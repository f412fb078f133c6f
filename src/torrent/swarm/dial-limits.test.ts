// Goes over limits of dialling and of two connections with one peer; docs of each are in limits.ts.
import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { Simulation } from '../../../test/simulation/swarm.ts';
import * as limits from './limits.ts';

const KIB = 1024;
const ADDRESS = '40.1.1.1';
const PORT = 7_000;
/** Greater than ours, which begins with -BA. */
const PEER_ID = Buffer.from('-ZZ0001-abcdefghijkl');

/** A seed, and a peer that listens, greets whoever dials it, and hangs up after `stays`. */
async function setUp(stays: number | null = null) {
  const simulation = new Simulation({ bytes: 100 * KIB, pieceLength: 16 * KIB });
  const seed = await simulation.seed({ encryption: 'off' });
  const host = simulation.network.host(ADDRESS);
  const options = { infoHash: simulation.info.infoHash, peerId: PEER_ID };
  const dialled: RawPeer[] = [];
  const listener = await host.listen('0.0.0.0', PORT, (connection) => {
    const peer = new RawPeer(connection, options);
    dialled.push(peer);
    peer.greet();
    peer.send({ type: 'haveNone' });
    if (stays !== null) simulation.clock.after(stays, () => connection.destroy());
  });
  const addPeer = () => seed.torrent.addPeers([{ host: ADDRESS, port: PORT }], 'tracker');
  const come = async () => {
    const dialling = RawPeer.dial(host, seed.address, seed.port, options);
    await simulation.clock.run(100);
    const peer = await dialling;
    peer.send({ type: 'haveNone' });
    return peer;
  };
  const end = async () => {
    await listener.close();
    await simulation.end();
  };
  return { simulation, clock: simulation.clock, seed, dialled, addPeer, come, end };
}

describe('a dialled peer', () => {
  it(`that hangs up within ${limits.SHORT_SESSION_MILLISECONDS / 1_000} s has failed, and is forgotten after ${limits.DIAL_FAILURES} times`, async () => {
    const short = await setUp(limits.SHORT_SESSION_MILLISECONDS - 1_000);
    short.addPeer();
    await short.clock.run(3_600_000);
    expect(short.dialled.length).toBe(limits.DIAL_FAILURES);
    await short.end();
    const long = await setUp(limits.SHORT_SESSION_MILLISECONDS + 1_000);
    long.addPeer();
    await long.clock.run(3_600_000);
    expect(long.dialled.length).toBeGreaterThan(10 * limits.DIAL_FAILURES);
    await long.end();
  });

  it(`that is connected already is dialled again ${limits.TWIN_REDIAL_MILLISECONDS / 1_000} s later`, async () => {
    const { clock, come, addPeer, dialled, end } = await setUp();
    await come();
    await clock.run(limits.TWIN_MILLISECONDS + 1_000);
    addPeer();
    await clock.run(limits.TWIN_REDIAL_MILLISECONDS - 2_000);
    expect(dialled.map(({ closed }) => closed)).toEqual([true]);
    await clock.run(4_000);
    expect(dialled.map(({ closed }) => closed)).toEqual([true, true]);
    await end();
  });
});

describe('of two connections with one peer', () => {
  it.each([
    ['the peer ids decide', limits.TWIN_MILLISECONDS - 2_000, [true, false]],
    ['the older one stays', limits.TWIN_MILLISECONDS + 2_000, [false, true]],
  ])('%s after %i ms', async (_, milliseconds, expected) => {
    const { clock, come, addPeer, dialled, end, seed } = await setUp();
    addPeer();
    await clock.run(milliseconds);
    const [first, second] = [dialled[0], await come()];
    // The greater id is theirs: the connection that they made is the one that both sides keep.
    expect([first?.closed, second.closed]).toEqual(expected);
    expect(seed.torrent.stats().peers).toBe(1);
    await end();
  });
});
