import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { temporaryDatabase } from '../../test/parts/database.ts';
import { QuietEngine, type QuietTorrent } from '../../test/parts/quiet-engine.ts';
import { bencode } from '../../test/parts/torrent.ts';
import { systemClock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { LibraryManager } from '../library/index.ts';
import {
  AnnounceScheduler,
  makePeerId,
  parseInfo,
  Sessions,
  type TrackerClient,
  TrackerError,
} from '../torrent/index.ts';
import { LEASE_BYTES, type Vault } from '../vault/index.ts';
import { type CountersFile, openCountersFile } from './counters-file.ts';
import { ManualClock, piecesOf } from './fixture.ts';
import { SessionJournal } from './journal.ts';
import { RETRY_MILLISECONDS, TorrentSeeder } from './seeder.ts';

const PIECE = 3 * 2 ** 20;
const TOTAL = PIECE + 1000;
const TRACKER = 'http://tracker.example/secret/announce';

let database: Awaited<ReturnType<typeof temporaryDatabase>>;
let library: LibraryManager;
let made = 0;
/** Of all runs of a test. */
let files: CountersFile[];

beforeEach(async () => {
  database = await temporaryDatabase();
  files = [];
  library = new LibraryManager({ database, clock: systemClock, log: silentLog });
});

afterEach(async () => {
  for (const file of files) await file.close();
  await database.remove();
});

/** One run of bae's seeding side. */
async function run() {
  const events: string[] = [];
  const leases = { open: 0, handles: 0 };
  const says: { refusal: string | null } = { refusal: null };
  const client: TrackerClient = {
    announce(_url, { event, uploaded }) {
      events.push(`${event ?? 'regular'} ${uploaded}`);
      if (says.refusal !== null) return Promise.reject(new TrackerError('refused', says.refusal));
      const none = { minIntervalSeconds: null, seeders: null, leechers: null, warning: null, trackerId: null };
      return Promise.resolve({ ...none, intervalSeconds: 1800, peers: [] });
    },
  };
  const clock = new ManualClock();
  const file = await openCountersFile(`${database.file}.counters`);
  files.push(file);
  const journal = new SessionJournal({ database, file, clock, log: silentLog });
  await journal.recover();
  const engine = new QuietEngine();
  const scheduler = new AnnounceScheduler({
    clients: new Map([['http:', client]]),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    port: () => 6881,
    allowPrivateAddresses: false,
  });
  const sessions = new Sessions({
    engine,
    scheduler,
    clock,
    random: systemRandom,
    log: silentLog,
    newPeerId: () => makePeerId(systemRandom, '0.1.0'),
    keeper: journal,
  });
  const pins: string[] = [];
  const vault = {
    pieces: piecesOf(leases),
    pinChunks: async (id: number) => {
      if (pins.length > 0) throw new BaeError('refused', 'no room for the pin');
      pins.push(`pin ${id}`);
    },
    unpinChunks: async (id: number) => void pins.push(`unpin ${id}`),
  } as unknown as Vault;
  const seeder = new TorrentSeeder({ database, library, vault, sessions, journal, clock, log: silentLog });
  const torrent = () => engine.torrents()[0] as QuietTorrent;
  return { seeder, sessions, engine, events, says, clock, journal, pins, leases, torrent };
}

/** A torrent of the library, with a release. */
async function addTorrent({ seeding = true, info = null as Buffer | null } = {}): Promise<number> {
  const rawInfo = bencode({ length: TOTAL, name: `album ${++made}`, 'piece length': PIECE, pieces: Buffer.alloc(40) });
  const { infoHash } = parseInfo(rawInfo);
  const { db } = database;
  const { id: bundle } = await db
    .insertInto('bundles')
    .values({
      bundle_id: infoHash,
      wrapped_key: Buffer.alloc(60),
      total_length: TOTAL,
      chunk_count: 4,
      state: 'committed',
      created_at: 0,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const { id } = await db
    .insertInto('torrents')
    .values({
      info_hash: infoHash,
      name: 'album',
      total_length: TOTAL,
      piece_length: PIECE,
      piece_count: 2,
      is_private: false,
      is_seeding: seeding,
      trackers_json: [[TRACKER]],
      uploaded_bytes: 100,
      added_at: 0,
      completed_at: 1,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const extent = { torrent_id: id, torrent_offset: 0, length: TOTAL, bundle, bundle_offset: 0 };
  await database.batch([
    db.insertInto('torrent_metainfo').values({ torrent_id: id, info: info ?? rawInfo }),
    db.insertInto('torrent_piece_mappings').values(extent),
  ]);
  await library.addProvisionalRelease({ bundle, name: 'Artist - Album', files: [] });
  return id;
}

async function releaseOf(torrentId: number): Promise<number> {
  return (await library.torrent(torrentId)).releaseIds[0] as number;
}

describe('seeding', () => {
  test('starts with what is to be seeded, and follows the flag', async () => {
    const id = await addTorrent();
    await addTorrent({ seeding: false });
    const { seeder, engine, events, torrent } = await run();
    await seeder.start();
    expect(engine.torrents().map((one) => one.id)).toEqual([id]);
    const firstPeerId = torrent().peerId;
    expect(seeder.view(id)?.stats.uploadedBytes).toBe(100);
    await vi.waitFor(() => expect(seeder.view(id)?.trackers[0]?.state).toBe('working'));
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
    expect(second.torrent().peerId.equals(peerId)).toBe(true);
    expect(second.seeder.view(id)?.stats.uploadedBytes).toBe(150);
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
    const { seeder, torrent } = await run();
    await seeder.start();
    expect(seeder.view(good)).not.toBeNull();
    const errors = async () => (await library.torrents()).map(({ error }) => error);
    expect(await errors()).toEqual([expect.stringContaining('torrent metadata'), null]);
    torrent().listener.onError?.(new BaeError('unavailable', 'the store is away'));
    torrent().listener.onError?.(new BaeError('missing', 'a chunk is gone'));
    await vi.waitFor(async () => expect((await errors())[1]).toBe('a chunk is gone'));
    await library.setTorrentSeeding(good, false);
    await library.setTorrentSeeding(good, true);
    await vi.waitFor(async () => expect(await errors()).toEqual([expect.any(String), null]));
    expect(seeder.view(bad)).toBeNull();
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
    await vi.waitFor(() => expect(seeder.view(id)).toMatchObject({ refusal: null, trackers: [{ state: 'working' }] }));
    expect(events).toEqual(['started 0', 'started 0']);
    await seeder.stop();
  });

  test('is tried again when it passes', async () => {
    const id = await addTorrent();
    const { seeder, journal, clock } = await run();
    vi.spyOn(journal, 'load').mockRejectedValueOnce(new BaeError('unavailable', 'the database is busy'));
    await seeder.start();
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
