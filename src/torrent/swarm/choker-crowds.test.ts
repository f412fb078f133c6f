// One honest peer among crowds that want slots and make little of them.
import { describe, expect, it } from 'vitest';
import { Peer, peersOf, Scene } from './choker-scene.ts';
import * as limits from './limits.ts';
import type { PeerSession } from './session.ts';

const SECONDS = 600;
const FAST = 8_000_000;
const MODEM = 20 * 1024;
const CROWD = 200;

/** The part of the time that a peer is served, over so many seconds, after a crowd was there first. */
function shareOf(honest: Peer, scene: Scene, seconds: number, each?: () => void): number {
  const before = honest.servedSeconds;
  scene.run(seconds, each);
  return (honest.servedSeconds - before) / seconds;
}

function crowded(crowd: Peer[], ...honest: Peer[]): Scene {
  const scene = new Scene(20_000_000);
  for (let at = 0; at < crowd.length; at += 50) scene.torrent(crowd.slice(at, at + 50));
  scene.torrent(honest);
  return scene;
}

const interest = (scene: Scene, peer: Peer) => scene.choker.interest(peer as unknown as PeerSession, scene.now);

describe('an honest peer', () => {
  it.each([
    ['take nothing', 0, 0.9],
    // Until somebody is faster, they are whom slots are for: it waits a round at first.
    ['take a byte a second', 1, 0.8],
    ['take 5 KiB a second', 5 * 1024, 0.8],
  ])('is served nearly always beside 200 that %s', (_words, line, least) => {
    const honest = new Peer(FAST);
    const scene = crowded(peersOf(CROWD, line), honest);
    expect(shareOf(honest, scene, SECONDS)).toBeGreaterThan(least);
    // Once it has been tried, always.
    expect(shareOf(honest, scene, SECONDS)).toBe(1);
  });

  it('on a slow line is served nearly always beside the same crowds, and beside one that is fast', () => {
    for (const others of [peersOf(CROWD, 0), [...peersOf(CROWD, 0), new Peer(FAST)]]) {
      const modem = new Peer(MODEM);
      const scene = crowded(others, modem);
      expect(shareOf(modem, scene, SECONDS)).toBeGreaterThan(0.9);
    }
  });

  it('on a slow line has its turns beside 200 that are fast', () => {
    const modem = new Peer(MODEM);
    const scene = crowded(peersOf(CROWD, 2_000_000), modem);
    expect(shareOf(modem, scene, SECONDS)).toBeGreaterThan(0.09);
  });

  it('keeps its slot while a crowd takes a lot once, stops, and comes back for more', () => {
    const honest = new Peer(FAST);
    const crowd = peersOf(CROWD, 1_000_000);
    const scene = crowded(crowd, honest);
    const share = shareOf(honest, scene, SECONDS, () => {
      for (const [at, peer] of crowd.entries()) peer.line = (scene.now / 1_000 + at) % 60 < 2 ? 1_000_000 : 0;
    });
    expect(share).toBeGreaterThan(0.8);
  });

  it('is not held up by 200 whose interest comes and goes', () => {
    const honest = new Peer(FAST);
    const crowd = peersOf(CROWD, 0);
    const scene = crowded(crowd, honest);
    scene.run(60);
    const share = shareOf(honest, scene, SECONDS, () => {
      for (const [at, peer] of crowd.entries()) {
        peer.interested = (scene.now / 1_000 + at) % 3 !== 0;
        interest(scene, peer);
      }
    });
    expect(share).toBeGreaterThan(0.9);
  });

  it('is not held up by strangers that leave as soon as they were tried, and is tried soon when it comes', () => {
    const honest = new Peer(FAST);
    const scene = crowded([], honest);
    const strangers = new Set<PeerSession>();
    scene.torrents.push({ sessions: strangers, downloader: null });
    const replace = () => {
      for (const session of strangers) {
        const { uploader, startedAt } = session as unknown as Peer;
        if (uploader.choking || scene.now - startedAt < 2_000) continue;
        strangers.delete(session);
        scene.choker.closed(session);
      }
      while (strangers.size < CROWD) {
        const fresh = new Peer(0, scene.now) as unknown as PeerSession;
        strangers.add(fresh);
        scene.choker.interest(fresh, scene.now);
      }
    };
    expect(shareOf(honest, scene, SECONDS, replace)).toBeGreaterThan(0.95);
    // Behind all who came before, half of the slots' worth of them every two seconds.
    const late = new Peer(FAST, scene.now);
    scene.torrent([late]);
    scene.run(CROWD, replace);
    expect(late.servedSeconds).toBeGreaterThan(CROWD / 2);
  });
});

describe('who takes nothing', () => {
  it(`is served while there is place, and ${limits.MOST_UPLOAD_SLOTS} in all are`, () => {
    const honest = new Peer(FAST);
    const scene = crowded(peersOf(limits.MOST_UPLOAD_SLOTS + 100, 0), honest);
    let most = 0;
    scene.run(300, () => {
      most = Math.max(most, scene.served.length);
    });
    expect(most).toBe(limits.MOST_UPLOAD_SLOTS);
    expect(honest.uploader.choking).toBe(false);
  });

  it('does not keep a slot from a torrent that only seeds by wanting one that downloads', () => {
    const scene = new Scene(20_000_000);
    const honest = peersOf(limits.UPLOAD_SLOTS - 2, 1_000_000);
    for (let at = 0; at < CROWD; at += 50) scene.torrent(peersOf(50, 0), true);
    scene.torrent(honest);
    scene.run(300);
    const before = honest.map(({ servedSeconds }) => servedSeconds);
    scene.run(60);
    for (const [at, peer] of honest.entries()) expect(peer.servedSeconds - (before[at] ?? 0)).toBe(60);
  });

  it('uses its slot again when it begins to take', () => {
    const scene = new Scene(2_000_000);
    const crowd = peersOf(100, 0);
    scene.torrent(crowd);
    scene.run(60);
    expect(scene.served.length).toBe(100);
    for (const peer of crowd) peer.line = 1_000_000;
    scene.run(20);
    expect(scene.served.length).toBeLessThanOrEqual(1.25 * limits.UPLOAD_SLOTS);
  });
});
