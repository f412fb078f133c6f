import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { type Node, type NodeOptions, Simulation } from '../../../test/simulation/swarm.ts';
import { seededRandom } from '../../lib/random.ts';
import type { Connection } from '../ports.ts';
import { encodeHandshake, encodeInterested, MSE_METHODS, MSE_OPENING_BYTES, MseHandshake } from '../wire/index.ts';
import { EncryptedConnection } from './encrypted-connection.ts';
import * as limits from './limits.ts';
import type { SwarmTorrent } from './torrent.ts';
import type { Encryption } from './types.ts';

const KIB = 1024;
const FEATURES = { extended: true, fast: true, dht: false };
const BOTH = MSE_METHODS.plaintext | MSE_METHODS.rc4;

/** How a node's connections go on: `rc4`, or `plain`, whatever came before. */
function ways(node: Node): string[] {
  const { sessions } = (node.torrent as SwarmTorrent).loop;
  return [...sessions].map(({ connection }) => (connection instanceof EncryptedConnection ? 'rc4' : 'plain'));
}

/** What is told of them. */
const told = (node: Node) => node.torrent.stats().peerList.map(({ encryption }) => encryption);

/** What comes over a connection made by hand, after `open` was applied to it. */
function watch(connection: Connection, open: (chunk: Buffer) => Buffer = (chunk) => chunk) {
  const seen = { got: [] as Buffer[], closed: false };
  connection.handlers = {
    data: (chunk) => seen.got.push(Buffer.from(open(chunk))),
    drained: () => undefined,
    closed: () => {
      seen.closed = true;
    },
  };
  return seen;
}

async function setUp(options: NodeOptions = {}) {
  const simulation = new Simulation({ bytes: 100 * KIB, pieceLength: 16 * KIB });
  const seed = await simulation.seed(options);
  const connect = async (address: string): Promise<Connection> => {
    const connecting = simulation.network.host(address).connect(seed.address, seed.port, 1_000);
    await simulation.clock.run(10);
    return connecting;
  };
  const peerId = Buffer.from('-XX0001-abcdefghijkl');
  const handshake = encodeHandshake({ infoHash: simulation.info.infoHash, peerId, features: FEATURES });
  /** Dials with MSE; what is to be sent is given to the seed `bytesAtOnce` at a time. */
  const dial = async (
    methods: number,
    initialPayload: Buffer,
    bytesAtOnce: number,
    infoHash = simulation.info.infoHash,
  ) => {
    const connection = await connect('30.0.0.1');
    const send = (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += bytesAtOnce) connection.write([bytes.subarray(at, at + bytesAtOnce)]);
    };
    const side = MseHandshake.initiate({ methods, random: seededRandom(5), infoHash, initialPayload, send });
    const seen = watch(connection, (chunk) => side.push(chunk));
    await simulation.clock.run(50);
    return { connection, side, seen };
  };
  return { simulation, seed, connect, dial, handshake, peers: () => seed.torrent.stats().peers };
}

describe('who dials and who is dialled', () => {
  const none: string[] = [];
  it.each<[Encryption, Encryption, string[], string[], number]>([
    ['prefer', 'prefer', ['plain'], ['header'], 1],
    ['prefer', 'require', ['rc4'], ['rc4'], 1],
    ['prefer', 'off', ['plain'], ['plain'], 2],
    ['require', 'prefer', ['rc4'], ['rc4'], 1],
    ['require', 'require', ['rc4'], ['rc4'], 1],
    ['require', 'off', none, none, 1],
    ['off', 'prefer', ['plain'], ['plain'], 1],
    ['off', 'require', none, none, 1],
    ['off', 'off', ['plain'], ['plain'], 1],
  ])('%s, %s: %j, told as %j on both sides, after %i dials', async (dialling, dialled, expected, shown, dials) => {
    const { simulation, seed } = await setUp({ encryption: dialled });
    const leech = await simulation.node({ encryption: dialling, uploadBytesPerSecond: 20 * KIB });
    simulation.introduce(leech, seed);
    await simulation.clock.until(() => ways(leech).length > 0, 3_000, expected.length > 0);
    expect([ways(leech), simulation.network.dials.length]).toEqual([expected, dials]);
    await simulation.clock.until(() => told(seed).length === shown.length, 3_000);
    expect([told(leech), told(seed)]).toEqual([shown, shown]);
    if (expected.length > 0) await simulation.complete(leech, 20_000);
    // Nothing was encrypted where the store has it.
    expect(seed.store.content.equals(simulation.content)).toBe(true);
    await simulation.end();
  });

  it('find each other again in the way that worked', async () => {
    const { simulation, seed } = await setUp({ encryption: 'off', uploadBytesPerSecond: 10 * KIB });
    const leech = await simulation.node();
    simulation.introduce(leech, seed);
    await simulation.clock.until(() => ways(leech).length > 0, 3_000);
    seed.torrent.setSeeding(false);
    seed.torrent.setSeeding(true);
    await simulation.clock.until(() => ways(leech).length === 0, 3_000);
    await simulation.clock.until(() => ways(leech).length > 0, limits.FIRST_REDIAL_MILLISECONDS + 2_000);
    expect(simulation.network.dials.length).toBe(3);
    await simulation.end();
  });

  it('do not try forever: one that hangs up is dialled twice each time, encrypted and plain', async () => {
    const { simulation, seed } = await setUp();
    const begun: boolean[] = [];
    await simulation.network.host('40.1.1.1').listen('0.0.0.0', 1, (connection) => {
      connection.handlers = {
        data: (chunk) => {
          begun.push(chunk[0] === 0x13);
          connection.destroy();
        },
        drained: () => undefined,
        closed: () => undefined,
      };
    });
    seed.torrent.addPeers([{ host: '40.1.1.1', port: 1 }], 'tracker');
    await simulation.clock.run(3_600_000);
    expect(begun).toEqual(Array.from({ length: 2 * limits.DIAL_FAILURES }, (_, at) => at % 2 === 1));
    await simulation.end();
  });
});

describe('encrypted connections that come', () => {
  it.each([
    ['plaintext', BOTH],
    ['RC4', MSE_METHODS.rc4],
  ])('may bring messages in their initial payload, all at once or a byte at a time, before %s', async (_, methods) => {
    for (const bytesAtOnce of [1, 7, 100_000]) {
      const { simulation, seed, dial, handshake } = await setUp();
      const raw = await dial(methods, Buffer.concat([handshake, encodeInterested()]), bytesAtOnce);
      const got = Buffer.concat(raw.seen.got);
      expect(got.subarray(0, 28)).toEqual(handshake.subarray(0, 28));
      expect(got.subarray(28, 48)).toEqual(simulation.info.infoHash);
      expect(got.length).toBeGreaterThan(68);
      expect(seed.torrent.stats().peerList[0]).toMatchObject({ interested: true });
      expect(ways(seed)).toEqual([methods === BOTH ? 'plain' : 'rc4']);
      await simulation.end();
    }
  });

  it('may bring their handshake after it', async () => {
    const { simulation, dial, handshake, peers } = await setUp();
    const raw = await dial(MSE_METHODS.rc4, Buffer.alloc(0), 1_000);
    expect(raw.side.isSettled).toBe(true);
    raw.connection.write([raw.side.streams?.encrypt.apply(Buffer.from(handshake)) as Buffer]);
    await simulation.clock.run(30);
    expect(peers()).toBe(1);
    await simulation.end();
  });

  it('are closed for a torrent that is not there, or no longer', async () => {
    const { simulation, seed, dial, handshake } = await setUp();
    expect((await dial(BOTH, handshake, 1_000, Buffer.alloc(20, 3))).seen.closed).toBe(true);
    await seed.engine.remove(seed.torrent);
    expect((await dial(BOTH, handshake, 1_000)).seen.closed).toBe(true);
    await simulation.end();
  });

  it('are closed when the handshake inside names another torrent', async () => {
    const { simulation, dial, handshake, peers } = await setUp();
    const other = Buffer.from(handshake);
    other[30] = (other[30] as number) ^ 1;
    expect((await dial(BOTH, other, 1_000)).seen.closed).toBe(true);
    expect(peers()).toBe(0);
    await simulation.end();
  });

  it('have ten seconds, however they drip, and are closed after the longest padding', async () => {
    const { simulation, seed, connect } = await setUp();
    const [slow, fast] = [await connect('30.0.0.1'), await connect('30.0.0.2')];
    const [drip, flood] = [watch(slow), watch(fast)];
    fast.write([seededRandom(9).bytes(96 + 512 + 20)]);
    for (let at = 0; at < 9; at++) {
      slow.write([Buffer.from([at + 2])]);
      await simulation.clock.run(1_000);
    }
    expect([drip.closed, flood.closed, seed.engine.stats().pendingConnections]).toEqual([false, true, 1]);
    await simulation.clock.run(2_100);
    expect([drip.closed, seed.engine.stats().pendingConnections]).toEqual([true, 0]);
    await simulation.end();
  });

  it(`agree on keys ${limits.KEY_AGREEMENTS_AT_ONCE} at once, then ${limits.KEY_AGREEMENTS_PER_SECOND} a second`, async () => {
    const { simulation, seed, connect } = await setUp();
    const random = seededRandom(7);
    const addresses = Array.from({ length: 500 }, (_, count) => `30.0.${count % 200}.1`);
    const connections = await Promise.all(addresses.map(connect));
    const seen = connections.map((connection) => ({ connection, watched: watch(connection) }));
    const answered = () => seen.filter(({ watched }) => watched.got.length > 0).length;
    for (const { connection } of seen) connection.write([random.bytes(96)]);
    await simulation.clock.run(10);
    expect(answered()).toBe(0);
    await simulation.clock.run(5);
    expect(answered()).toBeGreaterThanOrEqual(limits.KEY_AGREEMENTS_AT_ONCE);
    expect(answered()).toBeLessThan(limits.KEY_AGREEMENTS_AT_ONCE + 5);
    await simulation.clock.run(1_000);
    expect(answered()).toBeGreaterThan(limits.KEY_AGREEMENTS_PER_SECOND);
    expect(answered()).toBeLessThan(limits.KEY_AGREEMENTS_PER_SECOND + limits.KEY_AGREEMENTS_AT_ONCE + 5);
    // Those who leave take no turn from those who stay.
    for (const { connection } of seen.slice(230, 490)) connection.destroy();
    await simulation.clock.run(200);
    expect(seen.slice(490).every(({ watched }) => watched.got.length > 0)).toBe(true);
    await simulation.clock.run(limits.HANDSHAKE_MILLISECONDS);
    expect(seed.engine.stats().pendingConnections).toBe(0);
    await simulation.end();
  });

  it('get no word when they say more than can be said before our key', async () => {
    const { simulation, connect } = await setUp();
    const [fits, over] = [await connect('30.0.0.1'), await connect('30.0.0.2')];
    const [answered, refused] = [watch(fits), watch(over)];
    const random = seededRandom(11);
    fits.write([random.bytes(MSE_OPENING_BYTES)]);
    over.write([random.bytes(MSE_OPENING_BYTES + 1)]);
    await simulation.clock.run(50);
    expect([answered.got.length, answered.closed]).toEqual([1, false]);
    expect(refused).toEqual({ got: [], closed: true });
    await simulation.end();
  });

  it('get no word for a key that gives the secret away', async () => {
    const { simulation, connect, seed } = await setUp();
    const connection = await connect('30.0.0.1');
    const seen = watch(connection);
    connection.write([Buffer.alloc(96)]);
    await simulation.clock.run(50);
    expect([seen, seed.engine.stats().pendingConnections]).toEqual([{ got: [], closed: true }, 0]);
    await simulation.end();
  });

  it('are told from plain ones by their first 20 bytes, however few come at a time', async () => {
    const { simulation, connect, handshake, peers } = await setUp();
    const connection = await connect('30.0.0.1');
    const plain = new RawPeer(connection, simulation.info);
    for (const byte of handshake) connection.write([Buffer.from([byte])]);
    await simulation.clock.run(50);
    expect([peers(), plain.handshake?.infoHash]).toEqual([1, simulation.info.infoHash]);
    await simulation.end();
  });
});
