import { describe, expect, test, vi } from 'vitest';
import { bencode } from '../../test/parts/torrent.ts';
import { BaeError } from '../lib/errors.ts';
import { parseInfo } from '../torrent/index.ts';
import { LEASE_BYTES } from '../vault/index.ts';
import { addTorrent, database, library, PIECE, releaseOf, run, useLibrary } from './fixture.ts';
import { RETRY_MILLISECONDS } from './seeds.ts';

useLibrary();

describe('seeding', () => {
  test('starts with what is to be seeded, and follows the flag', async () => {
    const id = await addTorrent();
    await addTorrent({ seeding: false });
    const { seeder, engine, events, torrent, wake } = await run();
    await seeder.start();
    expect(engine.torrents()).toEqual([]);
    await wake(id);
    expect(engine.torrents().map((one) => one.id)).toEqual([id]);
    const firstPeerId = torrent().peerId;
    expect(seeder.view(id)?.stats?.uploadedBytes).toBe(100);
    await vi.waitFor(() => expect(seeder.trackers(id)[0]?.state).toBe('working'));
    await seeder.stopSeeding(await releaseOf(id));
    expect(seeder.view(id)).toBeNull();
    await vi.waitFor(() => expect(engine.torrents()).toEqual([]));
    await seeder.startSeeding(await releaseOf(id));
    expect(seeder.view(id)).not.toBeNull();
    await vi.waitFor(() => expect(events).toEqual(['started 0', 'stopped 0', 'started 0']));
    // Each announce session has an identity of its own: its counters never fall.
    expect(torrent().peerId.equals(firstPeerId)).toBe(false);
    await expect(seeder.startSeeding(99)).rejects.toMatchObject({ kind: 'not-found' });
    await seeder.stop();
  });

  test('ends as the last word says, whatever came before', async () => {
    const id = await addTorrent();
    const { seeder, engine } = await run();
    await seeder.start();
    const wishes = Array.from({ length: 20 }, (_, index) => library.setTorrentSeeding(id, index % 2 === 0));
    await Promise.all(wishes);
    await vi.waitFor(() => expect(engine.torrents()).toEqual([]));
    await Promise.all([library.setTorrentSeeding(id, false), library.setTorrentSeeding(id, true)]);
    expect(seeder.view(id)).not.toBeNull();
    await seeder.stop();
  });

  test('goes on after a restart: same identity, no second started, true counters', async () => {
    const id = await addTorrent();
    const first = await run();
    await first.seeder.start();
    await first.wake(id);
    await vi.waitFor(() => expect(first.events).toEqual(['started 0']));
    const { peerId } = first.torrent();
    first.torrent().uploadedBytes = 150;
    first.torrent().listener.onCounters?.({ uploadedBytes: 150, downloadedBytes: 0 });
    await first.seeder.stop();
    expect(first.engine.torrents()).toEqual([]);
    expect(first.events).toEqual(['started 0']);
    expect((await library.torrents())[0]).toMatchObject({ uploadedBytes: 150, isSeeding: true });
    const second = await run();
    await second.seeder.start();
    await vi.waitFor(() => expect(second.events).toEqual(['regular 50']));
    await second.wake(id);
    expect(second.torrent().peerId.equals(peerId)).toBe(true);
    expect(second.seeder.view(id)?.stats?.uploadedBytes).toBe(150);
    await second.seeder.stop();
  });

  test("takes an import's session over as it is, or ends it when nobody wants it seeded", async () => {
    for (const seeding of [true, false]) {
      const id = await addTorrent({ seeding });
      const { seeder, sessions, engine } = await run();
      const row = await database.db.selectFrom('torrent_metainfo').selectAll().where('torrent_id', '=', id).execute();
      const info = parseInfo(row[0]?.info as Buffer);
      const { infoHash } = info;
      const session = sessions.begin({ infoHash, id, info, mode: 'download', trackers: [], announces: null });
      await library.setTorrentSeeding(id, seeding);
      await seeder.adopt(id, session);
      expect(seeder.view(id) !== null).toBe(seeding);
      await vi.waitFor(() => expect(engine.torrents()).toHaveLength(seeding ? 1 : 0));
      await seeder.stop();
      expect(engine.torrents()).toEqual([]);
    }
  });
});

describe('what goes wrong', () => {
  test('is told at its torrent and hinders no other', async () => {
    const bad = await addTorrent({ info: bencode({ name: 'other' }) });
    const good = await addTorrent();
    const { seeder, torrent, wake } = await run();
    await seeder.start();
    await wake(bad);
    await wake(good);
    expect(seeder.view(good)?.stats).not.toBeNull();
    const errors = async () => (await library.torrents()).map(({ error }) => error);
    expect(await errors()).toEqual([expect.stringContaining('torrent metadata'), null]);
    torrent().listener.onError?.(new BaeError('unavailable', 'the store is away'));
    torrent().listener.onError?.(new BaeError('missing', 'a chunk is gone'));
    await vi.waitFor(async () => expect((await errors())[1]).toBe('a chunk is gone'));
    await library.setTorrentSeeding(good, false);
    await library.setTorrentSeeding(good, true);
    await vi.waitFor(async () => expect(await errors()).toEqual([expect.any(String), null]));
    expect(seeder.view(bad)?.stats).toBeNull();
    await seeder.stop();
  });

  test('a tracker that refuses is told in words, and asked again at once when a person wants it', async () => {
    const id = await addTorrent();
    const { seeder, says, events } = await run();
    says.refusal = 'unregistered torrent';
    await seeder.start();
    await vi.waitFor(() => expect(seeder.view(id)?.refusal).toContain('tracker.example does not know this torrent'));
    expect(JSON.stringify(seeder.view(id))).not.toContain('secret');
    expect(events).toHaveLength(1);
    says.refusal = null;
    await library.setTorrentSeeding(id, true);
    await vi.waitFor(() => expect(seeder.view(id)).toMatchObject({ refusal: null }));
    expect(seeder.trackers(id)).toMatchObject([{ state: 'working' }]);
    expect(events).toEqual(['started 0', 'started 0']);
    await seeder.stop();
  });

  test('is tried again when it passes', async () => {
    const id = await addTorrent({ seeding: false });
    const { seeder, journal, clock } = await run();
    vi.spyOn(journal, 'settle').mockRejectedValueOnce(new BaeError('unavailable', 'the database is busy'));
    await seeder.start();
    await library.setTorrentSeeding(id, true);
    expect(seeder.view(id)).toBeNull();
    clock.fire(RETRY_MILLISECONDS);
    await vi.waitFor(() => expect(seeder.view(id)).not.toBeNull());
    expect((await library.torrents())[0]?.error).toBeNull();
    await seeder.stop();
  });
});

test('a piece is read whole, wherever it lies, and nothing stays open', async () => {
  const id = await addTorrent({ seeding: false });
  const { seeder, leases } = await run();
  const first = await seeder.readPiece(id, 0);
  const last = await seeder.readPiece(id, 1);
  expect([first.length, last.length]).toEqual([PIECE, 1000]);
  for (const offset of [0, 9, 10, LEASE_BYTES - 1, LEASE_BYTES, PIECE - 1]) expect(first[offset]).toBe(offset % 251);
  expect(last[999]).toBe((PIECE + 999) % 251);
  for (const index of [-1, 2, 0.5]) {
    await expect(seeder.readPiece(id, index)).rejects.toMatchObject({ kind: 'bad-input' });
  }
  await expect(seeder.readPiece(99, 0)).rejects.toMatchObject({ kind: 'not-found' });
  expect(leases).toEqual({ open: 0, handles: 0 });
});

test('the cache mode is saved only when the vault agreed', async () => {
  const [one, two] = [await addTorrent({ seeding: false }), await addTorrent({ seeding: false })];
  const { seeder, pins } = await run();
  const modes = async () => (await library.torrents()).map(({ cacheMode }) => cacheMode);
  await seeder.setCacheMode(one, 'pinned');
  await expect(seeder.setCacheMode(two, 'pinned')).rejects.toMatchObject({ kind: 'refused' });
  expect(await modes()).toEqual(['pinned', 'on-demand']);
  await seeder.setCacheMode(one, 'on-demand');
  expect(await modes()).toEqual(['on-demand', 'on-demand']);
  expect(pins).toEqual([`pin ${one}`, `unpin ${one}`]);
  await expect(seeder.setCacheMode(one, 'auto')).rejects.toMatchObject({ kind: 'refused' });
  await expect(seeder.setCacheMode(99, 'pinned')).rejects.toMatchObject({ kind: 'not-found' });
});
