import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { type NodeOptions, Simulation } from '../../../test/simulation/swarm.ts';
import { silentLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { encodeHandshake, encodeInterested, MSE_METHODS, MseHandshake, ObfuscatedHashes } from '../wire/index.ts';
import { HANDSHAKE_MILLISECONDS } from './limits.ts';

const KIB = 1024;

/** A node whose torrent is not in the engine; `waking` settles when `wake` is called. */
async function setUp(options: NodeOptions = {}) {
  const simulation = new Simulation({ bytes: 100 * KIB, pieceLength: 16 * KIB });
  const { clock, info } = simulation;
  const seed = await simulation.seed(options);
  await clock.run(10);
  await seed.engine.remove(seed.torrent);
  const hashes = new ObfuscatedHashes();
  hashes.add(info.infoHash);
  const waking = Promise.withResolvers<void>();
  const asked: string[] = [];
  seed.engine.dormant = {
    wake: (infoHash) => {
      if (!infoHash.equals(info.infoHash)) return null;
      asked.push(infoHash.toString('hex'));
      return waking.promise;
    },
    findObfuscated: (hash) => hashes.find(hash),
  };
  const begin = () => seed.engine.add({ infoHash: info.infoHash, info, id: 1, mode: 'seed' });
  const connect = async (address: string) => {
    const connecting = simulation.network.host(address).connect(seed.address, seed.port, 1_000);
    await clock.run(10);
    return connecting;
  };
  const dial = async (address: string, infoHash = info.infoHash) => {
    const peerId = Buffer.from(`-XX0001-${address.padStart(12, '0')}`);
    const { pieceCount } = info;
    const dialling = RawPeer.dial(simulation.network.host(address), seed.address, seed.port, {
      ...{ infoHash, pieceCount, peerId },
    });
    await clock.run(30);
    return dialling;
  };
  return { simulation, clock, info, seed, waking, asked, begin, connect, dial };
}

describe('a torrent that is not in the engine', () => {
  it('is woken for whoever comes, and greets all who waited', async () => {
    const { simulation, clock, seed, waking, asked, begin, dial } = await setUp();
    const peers = [await dial('30.0.0.1'), await dial('30.0.1.1')];
    expect(peers.map(({ handshake, closed }) => [handshake, closed])).toEqual([
      [null, false],
      [null, false],
    ]);
    expect(asked).toHaveLength(2);
    const torrent = begin();
    waking.resolve();
    await clock.run(50);
    expect(torrent.stats().peers).toBe(2);
    expect(peers.every(({ handshake }) => handshake !== null)).toBe(true);
    const later = await dial('30.0.2.1');
    expect([later.closed, asked.length, torrent.stats().peers]).toEqual([false, 2, 3]);
    expect(seed.engine.stats().pendingConnections).toBe(0);
    await simulation.end();
  });

  it('is woken by its obfuscated hash too, and what came behind the handshake is not lost', async () => {
    const { simulation, clock, info, waking, begin, connect } = await setUp();
    const peerId = Buffer.from('-XX0001-abcdefghijkl');
    const features = { extended: true, fast: true, dht: false };
    const handshake = encodeHandshake({ infoHash: info.infoHash, peerId, features });
    const connection = await connect('30.0.0.1');
    const send = (bytes: Buffer) => connection.write([bytes]);
    const initialPayload = Buffer.concat([handshake, encodeInterested()]);
    const { infoHash } = info;
    const side = MseHandshake.initiate({
      ...{ methods: MSE_METHODS.rc4, random: seededRandom(5), infoHash, initialPayload, send },
    });
    const got: Buffer[] = [];
    connection.handlers = {
      data: (chunk) => got.push(Buffer.from(side.push(chunk))),
      drained: () => undefined,
      closed: () => undefined,
    };
    await clock.run(50);
    expect(side.infoHash).not.toBeNull();
    expect(Buffer.concat(got)).toHaveLength(0);
    const torrent = begin();
    waking.resolve();
    await clock.run(50);
    expect(Buffer.concat(got).subarray(28, 48).equals(info.infoHash)).toBe(true);
    expect(torrent.stats().peerList[0]?.interested).toBe(true);
    await simulation.end();
  });

  it('refuses those who waited when it cannot be woken, and strangers at once', async () => {
    const { simulation, clock, seed, waking, dial } = await setUp();
    const stranger = await dial('30.0.0.9', Buffer.alloc(20, 7));
    expect(stranger.closed).toBe(true);
    const peer = await dial('30.0.0.1');
    waking.resolve();
    await clock.run(50);
    expect([peer.closed, peer.handshake, seed.engine.stats().pendingConnections]).toEqual([true, null, 0]);
    await simulation.end();
  });

  it('costs one connection and a line in the log where looking for it fails, by either name', async () => {
    const errors: string[] = [];
    const log = { ...silentLog, error: (message: string) => void errors.push(message) };
    const { simulation, clock, seed, info, dial, connect } = await setUp({ log });
    const fail = () => {
      throw new TypeError('a fault of ours');
    };
    seed.engine.dormant = { wake: fail, findObfuscated: fail };
    expect((await dial('30.0.0.1')).closed).toBe(true);
    const connection = await connect('30.0.0.2');
    let isClosed = false;
    const side = MseHandshake.initiate({
      ...{
        methods: MSE_METHODS.rc4,
        random: seededRandom(5),
        infoHash: info.infoHash,
        initialPayload: Buffer.alloc(0),
      },
      send: (bytes) => connection.write([bytes]),
    });
    connection.handlers = {
      data: (chunk) => void side.push(chunk),
      drained: () => undefined,
      closed: () => {
        isClosed = true;
      },
    };
    await clock.run(50);
    expect([isClosed, errors]).toEqual([true, ['a handshake failed', 'a handshake failed']]);
    expect(seed.engine.stats().pendingConnections).toBe(0);
    await simulation.end();
  });

  it('keeps the deadline of those who wait, and is woken for nobody', async () => {
    const { simulation, clock, seed, waking, begin, dial } = await setUp();
    const gone = await dial('30.0.0.1');
    gone.connection.destroy();
    const patient = await dial('30.0.1.1');
    await clock.run(HANDSHAKE_MILLISECONDS + 2_000);
    expect([patient.closed, seed.engine.stats().pendingConnections]).toEqual([true, 0]);
    const torrent = begin();
    waking.resolve();
    await clock.run(50);
    expect(torrent.stats().peers).toBe(0);
    expect(torrent.idleSince).not.toBeNull();
    await simulation.end();
  });

  it('hangs up on who sends without end while it is woken', async () => {
    const { simulation, clock, seed, dial } = await setUp();
    const peer = await dial('30.0.0.1');
    for (let count = 0; count < 40; count++) peer.connection.write([Buffer.alloc(16 * KIB)]);
    await clock.run(1_000);
    // Paused, or ended: what came is not all kept.
    expect(seed.engine.stats().pendingConnections).toBeLessThanOrEqual(1);
    await clock.run(HANDSHAKE_MILLISECONDS + 2_000);
    expect(seed.engine.stats().pendingConnections).toBe(0);
    await simulation.end();
  });

  it('is idle from its last peer on', async () => {
    const { simulation, clock, waking, begin, dial } = await setUp();
    waking.resolve();
    const torrent = begin();
    await clock.run(50);
    const before = torrent.idleSince as number;
    expect(before).toBeLessThanOrEqual(clock.monotonic());
    const peer = await dial('30.0.0.1');
    expect(torrent.idleSince).toBeNull();
    await clock.run(5_000);
    peer.connection.destroy();
    await clock.run(1_000);
    expect(torrent.idleSince).toBeGreaterThan(before + 5_000);
    await simulation.end();
  });

  it('that waits for its store lets peers wait too', async () => {
    const { simulation, clock, waking, begin, dial } = await setUp();
    const peer = await dial('30.0.0.1');
    waking.resolve();
    // Begun and asked for in the same turn: the store has not answered yet.
    const torrent = begin();
    expect(torrent.state).toBe('opening');
    await clock.run(100);
    expect([peer.closed, torrent.stats().peers]).toEqual([false, 1]);
    await simulation.end();
  });
});
