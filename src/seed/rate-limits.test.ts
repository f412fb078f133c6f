import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { temporaryDatabase } from '../../test/parts/database.ts';
import { QuietEngine } from '../../test/parts/quiet-engine.ts';
import { bencode } from '../../test/parts/torrent.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { LibraryManager } from '../library/index.ts';
import { AnnounceScheduler, makePeerId, parseInfo, Sessions } from '../torrent/index.ts';
import type { Vault } from '../vault/index.ts';
import { type CountersFile, openCountersFile } from './counters-file.ts';
import { SessionJournal } from './journal.ts';
import { TorrentSeeder } from './seeder.ts';

const clock = systemClock;
let database: Awaited<ReturnType<typeof temporaryDatabase>>;
let library: LibraryManager;
let files: CountersFile[];

beforeEach(async () => {
  database = await temporaryDatabase();
  files = [];
  library = new LibraryManager({ database, clock, log: silentLog });
});
afterEach(async () => {
  for (const file of files) await file.close();
  await database.remove();
});

/** One run of bae's seeding side, whose torrents have no trackers. */
async function run() {
  const engine = new QuietEngine();
  const random = systemRandom;
  const log = silentLog;
  const file = await openCountersFile(`${database.file}.counters`);
  files.push(file);
  const journal = new SessionJournal({ database, file, clock, log });
  await journal.recover();
  const scheduler = new AnnounceScheduler({
    ...{ clients: new Map(), clock, random, log, port: () => 6881, allowPrivateAddresses: false },
  });
  const newPeerId = () => makePeerId(random, '0.1.0');
  const sessions = new Sessions({ engine, scheduler, clock, random, log, newPeerId, keeper: journal });
  const deps = { database, library, vault: {} as Vault, sessions, journal, scheduler, newPeerId, clock, random, log };
  const seeder = new TorrentSeeder(deps);
  engine.dormant = seeder.dormant;
  return { engine, sessions, seeder };
}

const rawInfo = bencode({ length: 5, name: 'album', 'piece length': 16_384, pieces: Buffer.alloc(20) });
const info = parseInfo(rawInfo);

async function addTorrent(isSeeding: boolean): Promise<number> {
  const { db } = database;
  const { id } = await db
    .insertInto('torrents')
    .values({
      info_hash: info.infoHash,
      name: 'album',
      total_length: 5,
      piece_length: 16_384,
      piece_count: 1,
      is_private: false,
      is_seeding: isSeeding,
      trackers_json: [],
      added_at: 0,
      completed_at: 1,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await database.batch([db.insertInto('torrent_metainfo').values({ torrent_id: id, info: rawInfo })]);
  return id;
}

test("a torrent's own rate limits hold at once and at the next start; those not named stay", async () => {
  const id = await addTorrent(true);
  const first = await run();
  await first.seeder.start();
  await first.seeder.dormant.wake(info.infoHash);
  await Promise.all([
    first.seeder.setLimits(id, { uploadBytesPerSecond: 5_000_000_000 }),
    first.seeder.setLimits(id, { downloadBytesPerSecond: 7 }),
    first.seeder.setLimits(id, {}),
  ]);
  expect(first.engine.torrents()[0]?.limits).toEqual([
    { uploadBytesPerSecond: 5_000_000_000 },
    { downloadBytesPerSecond: 7 },
  ]);
  await first.seeder.stop();
  const both = { uploadBytesPerSecond: 5_000_000_000, downloadBytesPerSecond: 7 };
  expect((await library.torrents())[0]).toMatchObject(both);
  const second = await run();
  await second.seeder.start();
  await second.seeder.dormant.wake(info.infoHash);
  expect(second.engine.torrents()[0]?.spec.rateLimits).toEqual(both);
  await second.seeder.stop();
});

test('rate limits of a torrent that is not seeded are kept for when it is; one not in the library has none', async () => {
  const id = await addTorrent(false);
  const { seeder, engine } = await run();
  await seeder.start();
  await seeder.setLimits(id, { uploadBytesPerSecond: 9 });
  await library.setTorrentSeeding(id, true);
  await vi.waitFor(() => expect(engine.torrents()[0]?.spec.rateLimits).toMatchObject({ uploadBytesPerSecond: 9 }));
  for (const limits of [{ uploadBytesPerSecond: 1 }, {}]) {
    await expect(seeder.setLimits(99, limits)).rejects.toMatchObject({ kind: 'not-found' });
  }
  await seeder.stop();
});

test("an import's session keeps its limits when it is handed over, and takes new ones", async () => {
  const id = await addTorrent(true);
  const { seeder, sessions, engine } = await run();
  const session = sessions.begin({
    ...{ infoHash: info.infoHash, id, info, mode: 'download', trackers: [], announces: null },
  });
  await seeder.adopt(id, session);
  await seeder.setLimits(id, { downloadBytesPerSecond: 3 });
  expect(engine.torrents()[0]?.limits).toEqual([{ downloadBytesPerSecond: 3 }]);
  await seeder.stop();
});
