import { describe, expect, it, vi } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { type Node, type NodeOptions, Simulation } from '../../../test/simulation/swarm.ts';
import type { Message } from '../wire/index.ts';

const KIB = 1024;
const MIB = KIB * KIB;
const BLOCK = 16 * KIB;
const SECOND = 1_000;
const ANY: NodeOptions['limits'] = { connectionsPerTorrent: 500, connections: 1_000 };

/** Payload of a torrent over the next time, per second. */
async function rateOf(simulation: Simulation, count: () => number, milliseconds: number): Promise<number> {
  const before = count();
  await simulation.clock.run(milliseconds);
  return ((count() - before) * 1000) / milliseconds;
}

const uploaded = (node: Node) => () => node.torrent.stats().uploadedBytes;

/** Within three parts of a hundred. */
function expectRate(rate: number, limit: number): void {
  expect(rate / limit).toBeGreaterThan(0.97);
  expect(rate / limit).toBeLessThan(1.03);
}

/** Peers that always have some blocks asked for, over and over. */
class Greedy {
  readonly peers: RawPeer[] = [];
  readonly #simulation: Simulation;
  readonly #seed: Node;
  readonly #ask: (() => void)[] = [];
  readonly #timer: { cancel(): void };

  constructor(simulation: Simulation, seed: Node) {
    this.#simulation = simulation;
    this.#seed = seed;
    this.#timer = simulation.clock.every(50, () => {
      for (const ask of this.#ask) ask();
    });
  }

  async add(inFlight: number, blockBytes = BLOCK): Promise<RawPeer> {
    const { infoHash, pieceCount, pieceLength, totalLength } = this.#simulation.info;
    const number = this.peers.length;
    const peerId = Buffer.from(`-XX0001-${String(number).padStart(12, '0')}`);
    const network = this.#simulation.network.host(`30.${number >> 8}.${number & 255}.1`);
    const dialling = RawPeer.dial(network, this.#seed.address, this.#seed.port, { infoHash, pieceCount, peerId });
    await this.#simulation.clock.run(20);
    const peer = await dialling;
    peer.send({ type: 'haveNone' }, { type: 'interested' });
    let [asked, seen, answered, choked] = [0, 0, 0, true];
    this.#ask.push(() => {
      for (; seen < peer.got.length; seen++) {
        const { type } = peer.got[seen] as Message;
        if (type === 'choke' || type === 'unchoke') choked = type === 'choke';
        else if (type === 'piece' || type === 'reject') answered++;
      }
      const requests: Message[] = [];
      while (!choked && asked < answered + inFlight) {
        const offset = (asked++ * blockBytes) % totalLength;
        const [index, begin] = [Math.floor(offset / pieceLength), offset % pieceLength];
        requests.push({ type: 'request', index, begin, length: blockBytes });
      }
      if (requests.length > 0) peer.send(...requests);
    });
    this.peers.push(peer);
    return peer;
  }

  stop(): void {
    this.#timer.cancel();
  }
}

describe('the upload limit', { timeout: 60_000 }, () => {
  it.each([
    [1, 100_000],
    [8, 200_000],
  ])('holds with %i leeches at %i bytes a second', async (count, limit) => {
    // Private: the leeches are not to find each other.
    const [bytes, info] = [Math.ceil((limit * 100) / count), { private: 1 }];
    const simulation = new Simulation({ bytes, pieceLength: 256 * KIB, info });
    const seed = await simulation.seed({ limits: ANY });
    seed.engine.setLimits({ uploadBytesPerSecond: limit });
    for (let at = 0; at < count; at++) simulation.introduce(await simulation.node(), seed);
    await simulation.clock.run(2 * SECOND);
    expectRate(await rateOf(simulation, uploaded(seed), 60 * SECOND), limit);
    await simulation.end();
  });

  it('holds with 200 peers, fast and slow', async () => {
    const limit = 200_000;
    const simulation = new Simulation({ bytes: 8 * MIB, pieceLength: 256 * KIB });
    const seed = await simulation.seed({ limits: ANY });
    seed.engine.setLimits({ uploadBytesPerSecond: limit });
    const greedy = new Greedy(simulation, seed);
    for (let at = 0; at < 200; at++) await greedy.add(at % 4 === 0 ? 40 : 1);
    await simulation.clock.run(5 * SECOND);
    expectRate(await rateOf(simulation, uploaded(seed), 60 * SECOND), limit);
    const served = seed.torrent.stats().peerList.filter(({ choked }) => !choked);
    for (const { uploadBytesPerSecond } of served) expect(uploadBytesPerSecond).toBeGreaterThan(0);
    greedy.stop();
    await simulation.end();
  });

  it('gives a peer that asks for one block at a time as much as one that asks for a hundred', async () => {
    const simulation = new Simulation({ bytes: 8 * MIB, pieceLength: 256 * KIB });
    const seed = await simulation.seed();
    seed.engine.setLimits({ uploadBytesPerSecond: 50_000 });
    const greedy = new Greedy(simulation, seed);
    const peers = [await greedy.add(100), await greedy.add(1), await greedy.add(16, KIB)];
    await simulation.clock.run(60 * SECOND);
    const share = (50_000 * 60) / 3;
    for (const { payload } of peers) expect(Math.abs(payload / share - 1)).toBeLessThan(0.1);
    greedy.stop();
    await simulation.end();
  });

  it('of one kilobyte a second still serves whole blocks', async () => {
    const simulation = new Simulation({ bytes: 8 * MIB, pieceLength: 256 * KIB });
    const seed = await simulation.seed({ cold: true, readMilliseconds: 20 });
    seed.engine.setLimits({ uploadBytesPerSecond: 1_000 });
    const greedy = new Greedy(simulation, seed);
    const peers = [await greedy.add(50), await greedy.add(50)];
    expectRate(await rateOf(simulation, uploaded(seed), 900 * SECOND), 1_000);
    for (const { payload } of peers) expect(payload).toBeGreaterThan(20 * BLOCK);
    greedy.stop();
    await simulation.end();
  });

  it('holds for what comes from far away', async () => {
    const simulation = new Simulation({ bytes: 8 * MIB, pieceLength: 256 * KIB });
    const seed = await simulation.seed({ cold: true, readMilliseconds: 100 });
    seed.engine.setLimits({ uploadBytesPerSecond: 100_000 });
    simulation.introduce(await simulation.node(), seed);
    await simulation.clock.run(2 * SECOND);
    expectRate(await rateOf(simulation, uploaded(seed), 60 * SECOND), 100_000);
    await simulation.end();
  });

  it('takes no timer while nobody waits for it', async () => {
    const simulation = new Simulation({ bytes: MIB, pieceLength: 256 * KIB });
    const seed = await simulation.seed();
    const greedy = new Greedy(simulation, seed);
    await greedy.add(1);
    greedy.stop();
    const timersOf = async () => {
      const after = vi.spyOn(simulation.clock, 'after');
      await simulation.clock.run(60 * SECOND);
      const calls = after.mock.calls.length;
      after.mockRestore();
      return calls;
    };
    const without = await timersOf();
    seed.engine.setLimits({ uploadBytesPerSecond: 5_000, downloadBytesPerSecond: 5_000 });
    seed.torrent.setLimits({ uploadBytesPerSecond: 5_000 });
    expect(Math.abs((await timersOf()) - without)).toBeLessThan(4);
    await simulation.end();
  });

  it('takes effect within a second when it changes, up, down and away', async () => {
    const simulation = new Simulation({ bytes: 20 * MIB, pieceLength: 256 * KIB });
    const seed = await simulation.seed({ uploadBytesPerSecond: 600_000 });
    simulation.introduce(await simulation.node(), seed);
    await simulation.clock.run(3 * SECOND);
    const steps = [
      [300_000, 300_000],
      [50_000, 50_000],
      [500_000, 500_000],
      [0, 600_000],
      [100_000, 100_000],
    ] as const;
    for (const [limit, rate] of steps) {
      seed.engine.setLimits({ uploadBytesPerSecond: limit });
      await simulation.clock.run(SECOND);
      const measured = await rateOf(simulation, uploaded(seed), 4 * SECOND);
      expect(Math.abs(measured / rate - 1)).toBeLessThan(0.15);
    }
    await simulation.end();
  });
});

describe('the download limit', { timeout: 60_000 }, () => {
  it.each([
    [1, 100_000],
    [8, 200_000],
  ])('holds with %i seeds at %i bytes a second', async (count, limit) => {
    const simulation = new Simulation({ bytes: limit * 80, pieceLength: 256 * KIB });
    const leech = await simulation.node();
    leech.engine.setLimits({ downloadBytesPerSecond: limit });
    const speeds = [4_000, 5_000_000, 12_000, 160_000];
    for (let at = 0; at < count; at++) {
      const speed = count === 1 ? 5_000_000 : (speeds[at % 4] as number);
      simulation.introduce(leech, await simulation.seed({ uploadBytesPerSecond: speed, latencyMilliseconds: 40 }));
    }
    await simulation.clock.run(15 * SECOND);
    const came = () => leech.torrent.stats().peerList.reduce((sum, peer) => sum + peer.downloadedBytes, 0);
    expectRate(await rateOf(simulation, came, 60 * SECOND), limit);
    leech.engine.setLimits({ downloadBytesPerSecond: 0 });
    await simulation.complete(leech, 60 * SECOND);
    await simulation.end();
  });

  it('takes effect within a second when it changes, and of one kilobyte a second still fetches', async () => {
    const simulation = new Simulation({ bytes: 12 * MIB, pieceLength: 64 * KIB });
    const leech = await simulation.node();
    simulation.introduce(leech, await simulation.seed({ uploadBytesPerSecond: 800_000 }));
    await simulation.clock.run(3 * SECOND);
    const came = () => leech.torrent.stats().peerList.reduce((sum, peer) => sum + peer.downloadedBytes, 0);
    leech.engine.setLimits({ downloadBytesPerSecond: 100_000 });
    await simulation.clock.run(SECOND);
    expect(Math.abs((await rateOf(simulation, came, 10 * SECOND)) / 100_000 - 1)).toBeLessThan(0.15);
    leech.engine.setLimits({ downloadBytesPerSecond: 1_000 });
    await simulation.clock.run(SECOND);
    expectRate(await rateOf(simulation, came, 1_200 * SECOND), 1_000);
    leech.engine.setLimits({ downloadBytesPerSecond: 0 });
    await simulation.complete(leech, 60 * SECOND);
    await simulation.end();
  });
});

describe('limits of single torrents and peers', { timeout: 60_000 }, () => {
  it('hold within the one over all', async () => {
    const simulation = new Simulation({ bytes: 8 * MIB, pieceLength: 256 * KIB });
    const seed = await simulation.seed();
    for (let at = 0; at < 3; at++) simulation.introduce(await simulation.node(), seed);
    const [all, own] = [100_000, 30_000];
    seed.engine.setLimits({ uploadBytesPerSecond: all });
    seed.torrent.setLimits({ uploadBytesPerSecond: own });
    await simulation.clock.run(2 * SECOND);
    expectRate(await rateOf(simulation, uploaded(seed), 60 * SECOND), own);
    seed.torrent.setLimits({ uploadBytesPerSecond: 0 });
    await simulation.clock.run(SECOND);
    expectRate(await rateOf(simulation, uploaded(seed), 60 * SECOND), all);
    await simulation.end();
  });

  it('hold for each peer alone, within those over all, and change within a second', async () => {
    const simulation = new Simulation({ bytes: 8 * MIB, pieceLength: 256 * KIB });
    const seed = await simulation.seed({ uploadBytesPerSecond: 900_000 });
    seed.engine.setLimits({ peerUploadBytesPerSecond: 20_000 });
    const greedy = new Greedy(simulation, seed);
    const peers = [await greedy.add(100), await greedy.add(16, KIB), await greedy.add(1)];
    const ratesOver = async (seconds: number) => {
      const before = peers.map(({ payload }) => payload);
      await simulation.clock.run(seconds * SECOND);
      return peers.map(({ payload }, at) => (payload - (before[at] as number)) / seconds);
    };
    for (const rate of await ratesOver(100)) expectRate(rate, 20_000);
    seed.engine.setLimits({ uploadBytesPerSecond: 30_000 });
    const shared = await ratesOver(60);
    expectRate(shared[0] as number, 10_000);
    expectRate(
      shared.reduce((sum, rate) => sum + rate),
      30_000,
    );
    // One of one kilobyte still gets whole blocks.
    seed.engine.setLimits({ uploadBytesPerSecond: 0, peerUploadBytesPerSecond: 1_000 });
    await simulation.clock.run(20 * SECOND);
    for (const rate of await ratesOver(640)) expectRate(rate, 1_000);
    // Those who wait for long feel at once that they may have more.
    seed.engine.setLimits({ peerUploadBytesPerSecond: 100_000 });
    await simulation.clock.run(SECOND);
    expectRate((await ratesOver(20))[0] as number, 100_000);
    seed.engine.setLimits({ peerUploadBytesPerSecond: 0 });
    await simulation.clock.run(SECOND);
    expect((await ratesOver(4))[0]).toBeGreaterThan(400_000);
    greedy.stop();
    await simulation.end();
  });

  it('are whole numbers, not negative', async () => {
    const simulation = new Simulation({ bytes: BLOCK, pieceLength: BLOCK });
    const seed = await simulation.seed();
    for (const uploadBytesPerSecond of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => seed.engine.setLimits({ uploadBytesPerSecond })).toThrow(RangeError);
      expect(() => seed.torrent.setLimits({ downloadBytesPerSecond: uploadBytesPerSecond })).toThrow(RangeError);
      expect(() => seed.engine.setLimits({ peerUploadBytesPerSecond: uploadBytesPerSecond })).toThrow(RangeError);
    }
    await simulation.end();
  });
});
