import { describe, expect, test, vi } from 'vitest';
import { addTorrent, database, library, run, useLibrary } from './fixture.ts';
import { loadAnnounces } from './session-rows.ts';

useLibrary();

/** Makes every awake torrent as idle as can be and lets the seeder look. */
async function coolAll(scene: Awaited<ReturnType<typeof run>>): Promise<void> {
  await vi.waitFor(
    () => {
      for (const torrent of scene.engine.torrents()) torrent.idleSince = Number.NEGATIVE_INFINITY;
      scene.tick();
      expect(scene.engine.torrents()).toEqual([]);
    },
    { timeout: 20_000, interval: 20 },
  );
}

describe('a cold torrent', () => {
  test('has no session; its announces go on with its own identity and counters', async () => {
    const id = await addTorrent();
    const first = await run();
    await first.seeder.start();
    await vi.waitFor(() => expect(first.events).toEqual(['started 0']));
    expect(first.engine.torrents()).toEqual([]);
    expect(first.seeder.view(id)).toEqual({ stats: null, refusal: null });
    expect(first.seeder.trackers(id)).toMatchObject([{ tracker: 'http://tracker.example', state: 'working' }]);
    first.tick();
    await vi.waitFor(async () => expect((await loadAnnounces(database, id))?.startedWith).toHaveLength(1));
    await first.seeder.stop();
    const second = await run();
    await second.seeder.start();
    await vi.waitFor(() => expect(second.events).toEqual(['regular 0']));
    expect(second.announces[0]?.peerId.equals(first.announces[0]?.peerId as Buffer)).toBe(true);
    expect(second.announces[0]?.key).toBe(first.announces[0]?.key);
    await second.seeder.stop();
  });

  test('that is public has its turn in the DHT without being woken, a private one never; peers found there wake it', async () => {
    const ids = [await addTorrent(), await addTorrent({ isPrivate: false }), await addTorrent({ isPrivate: false })];
    const hashes = await Promise.all(ids.map(async (id) => (await library.torrent(id)).infoHash));
    const scene = await run();
    const { seeder, engine, lookups, torrent, wake } = scene;
    await seeder.start();
    const next = (seconds: number) => lookups.source?.next(seconds, 900) ?? null;
    const turns = [next(1), next(2), next(3)];
    expect(turns.map((turn) => turn?.infoHash ?? null)).toEqual([hashes[1], hashes[2], null]);
    expect([engine.torrents(), scene.clock.timers.size]).toEqual([[], 0]);
    const sought = (hash: Buffer | undefined) => lookups.local.dormant?.(hash as Buffer) ?? null;
    expect(hashes.map((hash) => sought(hash) !== null)).toEqual([false, true, true]);

    turns[0]?.found([{ host: '30.0.0.1', port: 1 }]);
    await vi.waitFor(() => expect(engine.torrents()).toHaveLength(1));
    expect(torrent().infoHash).toEqual(hashes[1]);
    // Awake, it is its session's to look up, and that knows when it was.
    expect(lookups.begun).toEqual([`${hashes[1]?.toString('hex')} 1`]);
    expect(next(1e6)?.infoHash).toEqual(hashes[2]);
    expect(next(1e6)).toBeNull();
    await coolAll(scene);
    await vi.waitFor(() => expect(sought(hashes[1])).not.toBeNull());
    expect(next(1e6)?.infoHash).toEqual(hashes[1]);

    await wake(ids[0] as number);
    await coolAll(scene);
    await library.setTorrentSeeding(ids[1] as number, false);
    expect([next(1e9)?.infoHash, next(1e9)]).toEqual([hashes[2], null]);
    await seeder.stop();
  });

  test('is woken once, however many ask at once, and goes cold again with its counters saved', async () => {
    const id = await addTorrent();
    const scene = await run();
    const { seeder, engine, wake, torrent, events } = scene;
    await seeder.start();
    await vi.waitFor(() => expect(events).toEqual(['started 0']));
    const adding = vi.spyOn(engine, 'add');
    await Promise.all(Array.from({ length: 50 }, () => wake(id)));
    expect(adding).toHaveBeenCalledTimes(1);
    torrent().uploadedBytes = 250;
    torrent().listener.onCounters?.({ uploadedBytes: 250, downloadedBytes: 0 });
    await coolAll(scene);
    await vi.waitFor(async () => expect((await loadAnnounces(database, id))?.uploadedBytes).toBe(150));
    expect((await library.torrents())[0]?.uploadedBytes).toBe(250);
    await wake(id);
    expect(seeder.view(id)?.stats?.uploadedBytes).toBe(250);
    // Nobody was told anything: to its tracker it was there all the time.
    expect(events).toEqual(['started 0']);
    await seeder.stop();
  });

  test('that was well needs no write when it is woken; what is wrong later is said, and taken back', async () => {
    const id = await addTorrent();
    const { seeder, wake, torrent } = await run();
    await seeder.start();
    const said = vi.spyOn(library, 'setTorrentError');
    await wake(id);
    torrent().listener.onMissing?.(0);
    expect(said).not.toHaveBeenCalled();
    const error = async () => (await library.torrents())[0]?.error;
    torrent().listener.onMissing?.(2);
    await vi.waitFor(async () => expect(await error()).toContain('2 pieces'));
    torrent().listener.onMissing?.(0);
    await vi.waitFor(async () => expect(await error()).toBeNull());
    torrent().listener.onError?.(new Error('the store is odd'));
    await vi.waitFor(async () => expect(await error()).toContain('odd'));
    torrent().listener.onMissing?.(0);
    await vi.waitFor(async () => expect(await error()).toBeNull());
    await seeder.stop();
    // What an earlier run said is taken back too.
    await library.setTorrentError(id, 'it was odd');
    const second = await run();
    await second.seeder.start();
    await vi.waitFor(() => expect(second.engine.torrents()).toHaveLength(1));
    second.torrent().listener.onMissing?.(0);
    await vi.waitFor(async () => expect(await error()).toBeNull());
    await second.seeder.stop();
  });

  test('takes an announce under way along when it is woken', async () => {
    const id = await addTorrent();
    const scene = await run();
    const answer = scene.holdAnnounces();
    await scene.seeder.start();
    await vi.waitFor(() => expect(scene.events).toEqual(['started 0']));
    await scene.wake(id);
    answer();
    await vi.waitFor(() => expect(scene.seeder.trackers(id)).toMatchObject([{ state: 'working' }]));
    await scene.seeder.stop();
    expect(scene.events).toEqual(['started 0']);
    const saved = await loadAnnounces(database, id);
    expect([saved?.startedWith.length, saved?.peerId]).toEqual([1, scene.announces[0]?.peerId]);
  });

  test('tells its trackers when it is not to be seeded any more, and is not woken again', async () => {
    const id = await addTorrent();
    const { seeder, events, engine, wake } = await run();
    await seeder.start();
    await vi.waitFor(() => expect(events).toEqual(['started 0']));
    await library.setTorrentSeeding(id, false);
    expect(seeder.view(id)).toBeNull();
    expect(seeder.dormant.wake((await library.torrent(id)).infoHash)).toBeNull();
    await vi.waitFor(() => expect(events).toEqual(['started 0', 'stopped 0']));
    await vi.waitFor(async () => expect(await loadAnnounces(database, id)).toBeNull());
    await library.setTorrentSeeding(id, true);
    await wake(id);
    expect(engine.torrents()).toHaveLength(1);
    await vi.waitFor(() => expect(events).toEqual(['started 0', 'stopped 0', 'started 0']));
    await seeder.stop();
  });

  test('is told of at a goodbye, like those that are awake', async () => {
    const ids = [await addTorrent(), await addTorrent(), await addTorrent()];
    const { seeder, events, wake } = await run();
    await seeder.start();
    await vi.waitFor(() => expect(events).toEqual(['started 0', 'started 0', 'started 0']));
    await wake(ids[1] as number);
    await seeder.sayGoodbye(5_000);
    await seeder.stop();
    expect(events.slice(3)).toEqual(['stopped 0', 'stopped 0', 'stopped 0']);
    for (const id of ids) expect(await loadAnnounces(database, id)).toBeNull();
  });

  test('is woken while it goes cold: it is awake in the end, and nothing is lost', async () => {
    const id = await addTorrent();
    const scene = await run();
    await scene.seeder.start();
    await vi.waitFor(() => expect(scene.events).toHaveLength(1));
    let bytes = 100;
    for (let round = 0; round < 30; round++) {
      await scene.wake(id);
      bytes += 10;
      scene.torrent().uploadedBytes = bytes;
      scene.torrent().listener.onCounters?.({ uploadedBytes: bytes, downloadedBytes: 0 });
      scene.torrent().idleSince = Number.NEGATIVE_INFINITY;
      scene.tick();
      await scene.wake(id);
      expect(scene.seeder.view(id)?.stats?.uploadedBytes).toBe(bytes);
    }
    await scene.seeder.stop();
    expect((await loadAnnounces(database, id))?.uploadedBytes).toBe(bytes - 100);
    expect(scene.events).toEqual(['started 0']);
  });

  test('wakes and cools 250 times and leaves nothing behind', { timeout: 120_000 }, async () => {
    const id = await addTorrent();
    const scene = await run();
    await scene.seeder.start();
    await vi.waitFor(() => expect(scene.events).toHaveLength(1));
    for (let round = 0; round < 250; round++) {
      await scene.wake(id);
      scene.torrent().idleSince = Number.NEGATIVE_INFINITY;
      scene.tick();
      await vi.waitFor(() => expect(scene.engine.torrents()).toEqual([]), { interval: 1 });
    }
    await vi.waitFor(() => expect(scene.sessions.all()).toEqual([]));
    expect(scene.clock.timers.size).toBeLessThan(5);
    expect(scene.events).toEqual(['started 0']);
    await scene.seeder.stop();
  });

  test('a storm wakes each once; those that were not asked for stay cold', { timeout: 60_000 }, async () => {
    const ids: number[] = [];
    for (let count = 0; count < 300; count++) ids.push(await addTorrent());
    const scene = await run();
    await scene.seeder.start();
    const adding = vi.spyOn(scene.engine, 'add');
    const storm = ids.slice(0, 250);
    await Promise.all([...storm, ...storm, ...storm].map(scene.wake));
    expect(adding).toHaveBeenCalledTimes(250);
    expect(scene.engine.torrents()).toHaveLength(250);
    await coolAll(scene);
    await scene.seeder.stop();
  });

  test('is announced in its turn: a tracker gets so many at a time, each torrent once', {
    timeout: 60_000,
  }, async () => {
    for (let count = 0; count < 120; count++) await addTorrent();
    const scene = await run();
    const answer = scene.holdAnnounces();
    await scene.seeder.start();
    await vi.waitFor(() => expect(scene.announces.length).toBe(4));
    scene.tick();
    scene.tick();
    expect(scene.announces.length).toBe(4);
    answer();
    await vi.waitFor(
      () => {
        scene.tick();
        expect(scene.announces.length).toBe(120);
      },
      { timeout: 30_000, interval: 50 },
    );
    expect(new Set(scene.announces.map(({ infoHash }) => infoHash.toString('hex'))).size).toBe(120);
    await scene.seeder.stop();
  });

  test('whose announce failed while the network was gone is announced when it is back, once', async () => {
    const ids = [await addTorrent(), await addTorrent(), await addTorrent()];
    const scene = await run();
    scene.says.isAway = true;
    await scene.seeder.start();
    const states = () => ids.map((id) => scene.seeder.trackers(id)[0]?.state);
    await vi.waitFor(() => expect(states()).toEqual(['failing', 'failing', 'failing']));
    scene.tick();
    expect(scene.announces).toHaveLength(3);
    scene.says.isAway = false;
    scene.seeder.retryAll();
    await vi.waitFor(() => {
      scene.tick();
      expect(states()).toEqual(['working', 'working', 'working']);
    });
    expect(scene.announces).toHaveLength(6);
    // What works is not hurried.
    scene.seeder.retryAll();
    scene.tick();
    await scene.seeder.stop();
    expect(scene.announces).toHaveLength(6);
  });

  test('is woken for leechers that its tracker names, not for seeds', async () => {
    const id = await addTorrent();
    for (const [leechers, awake] of [
      [0, 0],
      [2, 1],
    ] as const) {
      const scene = await run();
      scene.says.leechers = leechers;
      scene.says.peers = [{ host: '30.0.0.1', port: 1 }];
      await scene.seeder.start();
      await vi.waitFor(() => expect(scene.seeder.trackers(id)).toMatchObject([{ state: 'working' }]));
      await vi.waitFor(() => expect(scene.engine.torrents()).toHaveLength(awake));
      await scene.seeder.stop();
    }
  });
});
