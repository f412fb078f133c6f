import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { temporaryDatabase } from '../../test/parts/database.ts';
import { ManualClock } from '../../test/parts/manual-clock.ts';
import { silentLog } from '../lib/log.ts';
import type { TorrentSession } from '../torrent/index.ts';
import { decodeRecords, RECORD_BYTES } from './counter-record.ts';
import { type CountersFile, openCountersFile, SLOTS } from './counters-file.ts';
import { COUNTERS_SAVE_MILLISECONDS, SAVE_MILLISECONDS, SAVED_AT_ONCE, SessionJournal } from './journal.ts';

let database: Awaited<ReturnType<typeof temporaryDatabase>>;
let path: string;
let file: CountersFile;
let clock: ManualClock;
let journal: SessionJournal;

beforeEach(async () => {
  database = await temporaryDatabase();
  path = `${database.file}.counters`;
  await begin();
});

afterEach(async () => {
  await file.close();
  await database.remove();
});

/** Another run, as after a kill: what was only in memory is gone. */
async function begin(): Promise<void> {
  file = await openCountersFile(path);
  clock = new ManualClock();
  journal = new SessionJournal({ database, file, clock, log: silentLog });
  await journal.recover();
}

async function killed(): Promise<void> {
  await file.close();
  await begin();
}

const infoHash = (index: number) => {
  const hash = Buffer.alloc(20);
  hash.writeUInt32BE(index);
  return hash;
};

async function addTorrents(count: number): Promise<number[]> {
  const rows = Array.from({ length: count }, (_, index) => ({
    info_hash: infoHash(index),
    name: 'x',
    total_length: 1,
    piece_length: 1,
    piece_count: 1,
    is_private: false,
    is_seeding: true,
    trackers_json: [],
    added_at: 0,
  }));
  const ids: number[] = [];
  for (let from = 0; from < rows.length; from += 1_000) {
    const some = rows.slice(from, from + 1_000);
    const added = await database.db.insertInto('torrents').values(some).returning('id').execute();
    ids.push(...added.map(({ id }) => id));
  }
  return ids;
}

interface Fake {
  id: number | null;
  uploaded: number;
  startedWith?: readonly string[];
  peer?: number;
  index?: number;
  isOver?: boolean;
}

/** What the journal asks of a session; of its life before this announce session, 1,000 bytes up and 7 down. */
function session(fake: Fake): TorrentSession {
  return {
    torrent: {
      id: fake.id,
      infoHash: infoHash(fake.index ?? 0),
      stats: () => ({ uploadedBytes: fake.uploaded + 1000, downloadedBytes: 10 }),
    },
    saved: () =>
      fake.isOver === true
        ? null
        : {
            peerId: Buffer.alloc(20, fake.peer ?? 1),
            key: 2 ** 32 - 1,
            startedWith: fake.startedWith ?? [],
            completedSent: true,
            uploadedBytes: fake.uploaded,
            downloadedBytes: 3,
          },
  } as unknown as TorrentSession;
}

const saved = {
  peerId: Buffer.alloc(20, 1),
  key: 2 ** 32 - 1,
  startedWith: [],
  completedSent: true,
  downloadedBytes: 3,
};
const totals = async () =>
  (await database.db.selectFrom('torrents').select(['uploaded_bytes', 'downloaded_bytes']).execute())[0];
const inFile = async () => (await file.read()).map(({ uploadedBytes }) => uploadedBytes).sort((a, b) => a - b);

/** A session the database knows, with so many bytes up. */
async function known(uploaded: number): Promise<Fake & { id: number }> {
  const [id] = (await addTorrents(1)) as [number];
  const fake = { id, uploaded };
  journal.changed(session(fake));
  await journal.flush();
  return fake;
}

describe('the database', () => {
  test('has who we are within a second, and counters within thirty, as they are then', async () => {
    const [id] = (await addTorrents(1)) as [number];
    expect(await journal.load(id)).toBeNull();
    const startedWith = ['http://a.example/secret/announce', 'http://b.example/secret/announce'];
    const fake: Fake = { id, uploaded: 5, startedWith };
    const one = session(fake);
    journal.changed(one);
    journal.changed(one);
    clock.advance(SAVE_MILLISECONDS);
    const rows = () => database.db.selectFrom('announce_sessions').select('uploaded_bytes').execute();
    await vi.waitFor(async () => expect(await rows()).toEqual([{ uploaded_bytes: 5 }]));
    fake.uploaded = 6;
    journal.counted(one);
    clock.advance(COUNTERS_SAVE_MILLISECONDS - 1);
    fake.uploaded = 9;
    clock.advance(1);
    await vi.waitFor(async () => expect(await rows()).toEqual([{ uploaded_bytes: 9 }]));
    expect(await journal.load(id)).toEqual({ ...saved, startedWith, uploadedBytes: 9 });
    expect(await totals()).toEqual({ uploaded_bytes: 1009, downloaded_bytes: 10 });
  });

  test('is asked about a session that ended a moment ago only after it was told', async () => {
    const fake = await known(5);
    fake.uploaded = 8;
    journal.changed(session(fake));
    expect((await journal.load(fake.id))?.uploadedBytes).toBe(8);
  });

  test('is waited for while it is told of that one, and not while it is told of others', async () => {
    const fake = await known(5);
    fake.uploaded = 8;
    const writing = await database.db.startTransaction().execute();
    journal.changed(session(fake));
    const saving = journal.flush();
    const settled = vi.fn();
    const settling = journal.settle(fake.id).then(settled);
    expect(await journal.load(fake.id + 1)).toBeNull();
    expect(settled).not.toHaveBeenCalled();
    await writing.rollback().execute();
    await Promise.all([settling, saving]);
    expect((await journal.load(fake.id))?.uploadedBytes).toBe(8);
  });

  test('forgets a session that is over, and keeps what the torrent counted', async () => {
    const fake = await known(5);
    journal.changed(session({ ...fake, uploaded: 7, isOver: true }));
    expect(await journal.load(fake.id)).toBeNull();
    expect(await totals()).toEqual({ uploaded_bytes: 1007, downloaded_bytes: 10 });
  });

  test('knows nothing of sessions without a torrent, which hinder no other, and takes more than one batch', async () => {
    const ids = await addTorrents(SAVED_AT_ONCE + 5);
    for (const id of [null, 1_000_000, ...ids]) journal.changed(session({ id, uploaded: 1 }));
    await journal.flush();
    const rows = await database.db.selectFrom('announce_sessions').select('torrent_id').execute();
    expect(rows).toHaveLength(ids.length);
  });

  test('that fails is told again by itself', async () => {
    const [id] = (await addTorrents(1)) as [number];
    const batch = vi.spyOn(database, 'batch').mockRejectedValueOnce(new Error('the disk is full'));
    journal.changed(session({ id, uploaded: 9 }));
    await expect(journal.flush()).rejects.toThrow('the disk is full');
    await vi.waitFor(() => {
      clock.advance(SAVE_MILLISECONDS);
      expect(batch).toHaveBeenCalledTimes(2);
    });
    expect((await journal.load(id))?.uploadedBytes).toBe(9);
  });
});

describe('the counters file', () => {
  test('has each change at once, and after a kill the larger of file and database counts', async () => {
    const fake = await known(5);
    fake.uploaded = 100;
    await journal.keep(session(fake));
    expect(await inFile()).toEqual([100]);
    await killed();
    expect(await journal.load(fake.id)).toEqual({ ...saved, uploadedBytes: 100 });
    expect(await totals()).toEqual({ uploaded_bytes: 1100, downloaded_bytes: 10 });
    expect(await inFile()).toEqual([]);
  });

  test('lowers nothing: an older record says nothing', async () => {
    const fake = await known(5);
    const one = session(fake);
    fake.uploaded = 50;
    await journal.keep(one);
    fake.uploaded = 60;
    journal.changed(one);
    await journal.flush();
    expect(await inFile()).toEqual([50]);
    await killed();
    expect((await journal.load(fake.id))?.uploadedBytes).toBe(60);
  });

  test.each([
    ['another session of the torrent', { peer: 2 }],
    ['another torrent that had its number', { index: 77 }],
  ])('a record of %s raises nothing', async (_, other) => {
    const fake = await known(5);
    await journal.keep(session({ ...fake, uploaded: 10 ** 12, ...other }));
    await killed();
    expect((await journal.load(fake.id))?.uploadedBytes).toBe(5);
    expect(await totals()).toEqual({ uploaded_bytes: 1005, downloaded_bytes: 10 });
  });

  test('a write that a crash tears at any byte loses one second, and inflates nothing', async () => {
    const fake = await known(5);
    const one = session(fake);
    for (const uploaded of [100, 200]) {
      fake.uploaded = uploaded;
      await journal.keep(one);
    }
    const before = await readFile(path);
    fake.uploaded = 2 ** 40 + 255;
    await journal.keep(one);
    const after = await readFile(path);
    expect(before.length).toBe(2 * RECORD_BYTES);
    for (let cut = 0; cut <= after.length; cut++) {
      const torn = decodeRecords(Buffer.concat([after.subarray(0, cut), before.subarray(cut)]));
      expect([200, fake.uploaded]).toContain(Math.max(...torn.map(({ uploadedBytes }) => uploadedBytes)));
    }
    // In the middle of the record that was written over, the older of the two.
    await writeFile(path, Buffer.concat([after.subarray(0, 57), before.subarray(57)]));
    await killed();
    expect((await journal.load(fake.id))?.uploadedBytes).toBe(200);
  });

  test('rubbish in it is no counters', async () => {
    const fake = await known(5);
    await writeFile(path, Buffer.concat([Buffer.alloc(1_000, 0xff), Buffer.from('BAEC'), Buffer.alloc(3_000)]));
    await killed();
    expect((await journal.load(fake.id))?.uploadedBytes).toBe(5);
  });

  test('takes only as many torrents as it has slots; the rest goes to the database at once', async () => {
    const ids = await addTorrents(SLOTS + 3);
    const sessions = ids.map((id, index) => session({ id, uploaded: 1, index }));
    await Promise.all(sessions.map((one) => journal.keep(one)));
    expect((await readFile(path)).length).toBeLessThanOrEqual(SLOTS * 2 * RECORD_BYTES);
    const rows = await database.db.selectFrom('announce_sessions').select('torrent_id').execute();
    expect(rows).toHaveLength(ids.length);
    // The slots are free again: what the database has, the file need not.
    await Promise.all(
      sessions.slice(0, 10).map((_, at) => journal.keep(session({ id: ids[at] ?? 0, uploaded: 2, index: at }))),
    );
    expect((await readFile(path)).length).toBeLessThanOrEqual(SLOTS * 2 * RECORD_BYTES);
    expect(await inFile()).toContain(2);
  }, 60_000);

  test('is touched only for torrents that counted, one record each', async () => {
    const ids = await addTorrents(1_000);
    for (const [index, id] of ids.entries()) journal.changed(session({ id, uploaded: 1, index }));
    await journal.flush();
    const write = vi.spyOn(file, 'write');
    const two = ids.slice(0, 2).map((id, index) => session({ id, uploaded: 2, index }));
    for (const one of two) journal.counted(one);
    await Promise.all(two.map((one) => journal.keep(one)));
    expect(write).toHaveBeenCalledTimes(2);
    for (const one of two) await journal.keep(one);
    expect(write).toHaveBeenCalledTimes(2);
  });

  test('that fails leaves it to the database; when that fails too, nobody is told that it was kept', async () => {
    const fake = await known(5);
    const one = session(fake);
    vi.spyOn(file, 'write').mockRejectedValue(new Error('the disk is full'));
    fake.uploaded = 20;
    await journal.keep(one);
    expect((await database.db.selectFrom('announce_sessions').select('uploaded_bytes').execute())[0]).toEqual({
      uploaded_bytes: 20,
    });
    fake.uploaded = 30;
    vi.spyOn(database, 'batch').mockRejectedValueOnce(new Error('the disk is full'));
    await expect(journal.keep(one)).rejects.toThrow('the disk is full');
    await journal.keep(one);
    expect((await journal.load(fake.id))?.uploadedBytes).toBe(30);
  });
});
