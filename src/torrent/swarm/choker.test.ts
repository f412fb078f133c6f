import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { type Node, Simulation } from '../../../test/simulation/swarm.ts';
import { Peer, peersOf, Scene } from './choker-scene.ts';
import * as limits from './limits.ts';
import type { PeerSession } from './session.ts';
import { UploadSlots } from './upload-slots.ts';

const SECOND = 1_000;

describe('while seeding', () => {
  it('all who want something are served at once while there are slots for them', () => {
    const scene = new Scene(1_000_000);
    scene.torrent(peersOf(limits.UPLOAD_SLOTS - 1));
    expect(scene.served.length).toBe(limits.UPLOAD_SLOTS - 1);
    scene.torrent(peersOf(5));
    expect(scene.served.length).toBe(limits.UPLOAD_SLOTS);
    scene.run(30);
    expect(scene.served.length).toBeGreaterThanOrEqual(limits.UPLOAD_SLOTS);
  });

  it('200 peers of several torrents have their turns, and none waits longer than one round', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1_000, max: 2_000_000 }), { minLength: 200, maxLength: 200 }), (lines) => {
        const scene = new Scene(1_500_000);
        for (let at = 0; at < 200; at += 50) scene.torrent(lines.slice(at, at + 50).map((line) => new Peer(line)));
        scene.run(3_000);
        const round = (200 / limits.UPLOAD_SLOTS) * (limits.SEED_TURN_MILLISECONDS / SECOND + 10);
        for (const peer of scene.peers) expect(peer.longestWaitSeconds).toBeLessThanOrEqual(round);
        // Whose own line is slower than a slot's part of ours is served longer: it costs less.
        const fast = scene.peers.filter(({ line }) => line >= 100_000).map(({ servedSeconds }) => servedSeconds);
        expect(Math.max(...fast) / Math.min(...fast)).toBeLessThan(4);
      }),
      { numRuns: 15, seed: 7, endOnFailure: true },
    );
  });

  it('a turn ends by its bytes too', () => {
    const scene = new Scene(1_000_000_000);
    const fast = new Peer(20_000_000);
    scene.torrent([fast, ...peersOf(limits.UPLOAD_SLOTS - 1, 200_000)]);
    scene.torrent(peersOf(limits.MOST_UPLOAD_SLOTS, 200_000));
    expect(fast.uploader.choking).toBe(false);
    scene.run(20);
    expect(fast.uploader.rate.total).toBeGreaterThanOrEqual(limits.SEED_TURN_BYTES);
    expect(fast.servedSeconds).toBeLessThan(limits.SEED_TURN_MILLISECONDS / SECOND);
    expect(fast.uploader.choking).toBe(true);
  });

  it('whoever wants nothing any more makes place within a second, and blinking brings no longer turn', () => {
    const scene = new Scene(1_000_000);
    const quiet = peersOf(limits.UPLOAD_SLOTS);
    scene.torrent(quiet);
    const others = peersOf(10);
    scene.torrent(others);
    for (const peer of quiet.slice(0, 10)) peer.interested = false;
    scene.run(1);
    expect(others.every(({ uploader }) => !uploader.choking)).toBe(true);
    const blinking = new Scene(1_000_000);
    const [blinker] = peersOf(1) as [Peer];
    blinking.torrent([blinker, ...peersOf(99)]);
    blinking.run(1_200, () => {
      blinker.interested = !blinker.interested;
      blinking.choker.interest(blinker as unknown as PeerSession, blinking.now);
    });
    const served = blinking.peers.map(({ servedSeconds }) => servedSeconds);
    expect(blinker.servedSeconds).toBeLessThanOrEqual(Math.max(...served.slice(1)));
    for (const peer of blinking.peers.slice(1)) expect(peer.servedSeconds).toBeGreaterThan(60);
  });

  it('with anti-leech the start and the end of a download come before the middle, which is served too', () => {
    const middleOf = (antiLeech: boolean) => {
      const scene = new Scene(500_000, antiLeech);
      scene.torrent(peersOf(120));
      for (const [at, peer] of scene.peers.entries()) peer.pieces.progress = [0, 0.5, 0.99][at % 3] as number;
      scene.run(6_000);
      const served = [0, 1, 2].map((kind) =>
        scene.peers.filter((_, at) => at % 3 === kind).reduce((sum, peer) => sum + peer.servedSeconds, 0),
      ) as [number, number, number];
      const middle = scene.peers.filter((_, at) => at % 3 === 1);
      expect(Math.min(...middle.map(({ servedSeconds }) => servedSeconds))).toBeGreaterThan(0);
      return (2 * served[1]) / (served[0] + served[2]);
    };
    expect(middleOf(false)).toBeGreaterThan(0.85);
    expect(middleOf(true)).toBeLessThan(0.75);
  });

  it('a fast line serves more within a second', () => {
    const scene = new Scene(1e9);
    scene.torrent(peersOf(50, 1e7));
    scene.run(2);
    expect(scene.served.length).toBe(50);
  });

  it('a peer that goes gives its slot back', () => {
    const scene = new Scene(1_000_000);
    const peers = peersOf(limits.UPLOAD_SLOTS);
    scene.torrent(peers);
    for (const peer of peers) scene.choker.closed(peer as unknown as PeerSession);
    scene.torrents.length = 0;
    scene.torrent(peersOf(limits.UPLOAD_SLOTS));
    expect(scene.served.length).toBe(2 * limits.UPLOAD_SLOTS);
  });
});

describe('while downloading', () => {
  it('those who give most are served, and by turns one that gives nothing', () => {
    const scene = new Scene(1_000_000);
    const givers = peersOf(limits.UPLOAD_SLOTS - 1);
    for (const peer of givers) peer.requests.rate.bytesPerSecond = 50_000;
    const takers = peersOf(30);
    scene.torrent([...takers, ...givers], true);
    scene.run(15);
    const tried = new Set<Peer>();
    scene.run(600, () => {
      for (const peer of takers) if (!peer.uploader.choking) tried.add(peer);
    });
    for (const peer of givers) expect(peer.servedSeconds).toBeGreaterThan(595);
    expect(tried.size).toBeGreaterThan(10);
  });

  it('a torrent keeps slots beside a crowd of others, and so do those that seed', () => {
    const scene = new Scene(1_000_000);
    const few = peersOf(10);
    scene.torrent(few, true);
    scene.torrent(peersOf(400));
    scene.run(30);
    expect(few.filter(({ uploader }) => !uploader.choking).length).toBe(limits.DOWNLOADING_SLOTS);
    const other = new Scene(1_000_000);
    const seeded = peersOf(10);
    for (let at = 0; at < 20; at++) other.torrent(peersOf(20), true);
    other.torrent(seeded);
    other.run(300);
    expect(Math.min(...seeded.map(({ servedSeconds }) => servedSeconds))).toBeGreaterThan(0);
  });
});

describe('upload slots', () => {
  /** Slots after so many choke ticks on a line, with peers of so many bytes a second each. */
  function slotsAfter(ticks: number, line: number, peer: number, wanting: number, slots = new UploadSlots()): number {
    for (let tick = 0; tick < ticks; tick++) {
      const bytesPerSecond = Math.min(line, Math.min(slots.count, wanting) * peer);
      slots.feed(bytesPerSecond);
      slots.measure(bytesPerSecond, wanting);
    }
    return slots.count;
  }

  it('grow while the total rate grows with them, and no further than some are waiting', () => {
    expect(slotsAfter(200, 10_000_000, 50_000, 100)).toBeGreaterThanOrEqual(95);
    expect(slotsAfter(200, 10_000_000, 50_000, 100)).toBeLessThan(130);
    expect(slotsAfter(5, 10_000_000, 50_000, limits.UPLOAD_SLOTS)).toBe(limits.UPLOAD_SLOTS);
  });

  it('stay few on a line that is full', () => {
    let most = 0;
    for (let ticks = 1; ticks < 200; ticks++) most = Math.max(most, slotsAfter(ticks, 500_000, 50_000, 400));
    expect(most).toBeLessThanOrEqual(limits.UPLOAD_SLOTS * 1.25);
  });

  it('find the middle, and go back when the line becomes slower', () => {
    const slots = new UploadSlots();
    slotsAfter(200, 3_000_000, 50_000, 400, slots);
    let sum = 0;
    for (let tick = 0; tick < 100; tick++) sum += slotsAfter(1, 3_000_000, 50_000, 400, slots);
    // Sixty fill the line.
    expect(sum / 100).toBeGreaterThan(55);
    expect(sum / 100).toBeLessThan(75);
    expect(slotsAfter(400, 200_000, 50_000, 400, slots)).toBeLessThanOrEqual(limits.UPLOAD_SLOTS * 1.25);
  });

  it(`are ${limits.MOST_UPLOAD_SLOTS} at most, however fast the line`, () => {
    const slots = new UploadSlots();
    const seen = Array.from({ length: 500 }, () => slotsAfter(1, 1e12, 50_000, 10_000, slots));
    expect(Math.max(...seen)).toBe(limits.MOST_UPLOAD_SLOTS);
    expect(slotsAfter(2, 1e12, 1e10, 10_000)).toBe(limits.MOST_UPLOAD_SLOTS);
  });
});

describe('in a swarm', () => {
  const dial = async (simulation: Simulation, node: Node, number: number) => {
    const { infoHash, pieceCount } = simulation.info;
    const peerId = Buffer.from(`-XX0001-${String(number).padStart(12, '0')}`);
    const network = simulation.network.host(`30.0.${number}.1`);
    const dialling = RawPeer.dial(network, node.address, node.port, { infoHash, pieceCount, peerId });
    await simulation.clock.run(20);
    return dialling;
  };

  it('a seed ends connections with seeds and with those that only upload (BEP 21)', async () => {
    const simulation = new Simulation({ bytes: 1_000_000, pieceLength: 65_536 });
    const seed = await simulation.seed();
    const other = await dial(simulation, seed, 1);
    other.send({ type: 'haveAll' });
    const partial = await dial(simulation, seed, 2);
    partial.send({ type: 'haveNone' }, { type: 'extended', id: 0, payload: Buffer.from('d11:upload_onlyi1ee') });
    const leech = await dial(simulation, seed, 3);
    leech.send({ type: 'haveNone' }, { type: 'extended', id: 0, payload: Buffer.from('d11:upload_onlyi0ee') });
    const last = await dial(simulation, seed, 4);
    const { pieceCount } = simulation.info;
    last.send({ type: 'haveNone' });
    last.send(...Array.from({ length: pieceCount }, (_, index) => ({ type: 'have', index }) as const));
    await simulation.clock.run(100);
    expect([other, partial, leech, last].map(({ closed }) => closed)).toEqual([true, true, false, true]);
    await simulation.end();
  });

  it('thirty peers have the slots by turns', async () => {
    const simulation = new Simulation({ bytes: 1_000_000, pieceLength: 65_536 });
    const seed = await simulation.seed({ limits: { connectionsPerTorrent: 100 }, uploadBytesPerSecond: 200_000 });
    const peers: RawPeer[] = [];
    for (let number = 1; number <= 30; number++) {
      const peer = await dial(simulation, seed, number);
      peer.send({ type: 'haveNone' }, { type: 'interested' });
      peers.push(peer);
    }
    const asking = simulation.clock.every(SECOND / 2, () => {
      for (const peer of peers) peer.send({ type: 'request', index: 0, begin: 0, length: 16_384 });
    });
    await simulation.clock.run(5 * SECOND);
    const unchoked = () => peers.filter((peer) => peer.count('unchoke') > peer.count('choke')).length;
    expect(unchoked()).toBe(limits.UPLOAD_SLOTS);
    await simulation.clock.run(5 * limits.SEED_TURN_MILLISECONDS);
    for (const peer of peers) {
      expect(peer.count('unchoke')).toBeGreaterThan(0);
      expect(peer.count('choke')).toBeGreaterThan(0);
    }
    asking.cancel();
    await simulation.end();
  });
});
