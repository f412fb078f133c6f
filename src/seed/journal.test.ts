import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { temporaryDatabase } from '../../test/parts/database.ts';
import type { Clock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import type { TorrentSession } from '../torrent/index.ts';
import { SAVE_MILLISECONDS, SAVED_AT_ONCE, SessionJournal } from './journal.ts';

let database: Awaited<ReturnType<typeof temporaryDatabase>>;
let timers: (() => void)[];
let journal: SessionJournal;

beforeEach(async () => {
  database = await temporaryDatabase();
  timers = [];
  const clock: Clock = {
    now: () => 42,
    monotonic: () => 0,
    after(milliseconds, call) {
      expect(milliseconds).toBe(SAVE_MILLISECONDS);
      timers.push(call);
      return { cancel: () => void timers.splice(timers.indexOf(call), 1) };
    },
    every: () => ({ cancel: () => undefined }),
  };
  journal = new SessionJournal({ database, clock, log: silentLog });
});

afterEach(() => database.remove());

async function addTorrents(count: number): Promise<number[]> {
  const rows = Array.from({ length: count }, (_, index) => {
    const info_hash = Buffer.alloc(20);
    info_hash.writeUInt32BE(index);
    return {
      info_hash,
      name: 'x',
      total_length: 1,
      piece_length: 1,
      piece_count: 1,
      is_private: false,
      is_seeding: true,
      trackers_json: [],
      added_at: 0,
    };
  });
  const added = await database.db.insertInto('torrents').values(rows).returning('id').execute();
  return added.map(({ id }) => id);
}

/** What the journal asks of a session. */
function session(id: number | null, bytes: number, startedWith: string | null = null): TorrentSession {
  return {
    torrent: { id, stats: () => ({ uploadedBytes: bytes + 1000, downloadedBytes: 7 }) },
    saved: () => ({
      peerId: Buffer.alloc(20, 1),
      key: 2 ** 32 - 1,
      startedWith,
      completedSent: true,
      uploadedBytes: bytes,
      downloadedBytes: 3,
    }),
  } as unknown as TorrentSession;
}

test('changes gather and are saved together, the newest as they are then', async () => {
  const [one] = (await addTorrents(1)) as [number];
  expect(await journal.load(one)).toBeNull();
  const changing = session(one, 5, 'http://tracker.example/secret/announce');
  journal.changed(changing);
  journal.changed(changing);
  expect(timers).toHaveLength(1);
  timers[0]?.();
  const saved = { peerId: Buffer.alloc(20, 1), key: 2 ** 32 - 1, completedSent: true, downloadedBytes: 3 };
  const startedWith = 'http://tracker.example/secret/announce';
  await vi.waitFor(async () => expect(await journal.load(one)).toEqual({ ...saved, startedWith, uploadedBytes: 5 }));
  journal.changed(session(one, 6));
  await journal.flush();
  expect(await journal.load(one)).toEqual({ ...saved, startedWith: null, uploadedBytes: 6 });
  const row = await database.db.selectFrom('torrents').select(['uploaded_bytes', 'downloaded_bytes']).execute();
  expect(row).toEqual([{ uploaded_bytes: 1006, downloaded_bytes: 7 }]);
});

test('sessions without a torrent in the database hinder no other, and more than one batch comes all', async () => {
  const ids = await addTorrents(SAVED_AT_ONCE + 5);
  for (const id of [null, 1_000_000, ...ids]) journal.changed(session(id, 1));
  await journal.flush();
  const rows = await database.db.selectFrom('announce_sessions').select('torrent_id').execute();
  expect(rows).toHaveLength(ids.length);
});

test('what could not be saved is kept and tried again', async () => {
  const [one] = (await addTorrents(1)) as [number];
  const batch = vi.spyOn(database, 'batch').mockRejectedValueOnce(new Error('the disk is full'));
  journal.changed(session(one, 9));
  await expect(journal.flush()).rejects.toThrow('the disk is full');
  await vi.waitFor(() => expect(timers).toHaveLength(1));
  timers[0]?.();
  await vi.waitFor(async () => expect((await journal.load(one))?.uploadedBytes).toBe(9));
  expect(batch).toHaveBeenCalledTimes(2);
});
