// What tests of this room share.
import { afterEach, beforeEach } from 'vitest';
import { temporaryDatabase } from '../../test/parts/database.ts';
import { QuietEngine, type QuietTorrent } from '../../test/parts/quiet-engine.ts';
import { bencode } from '../../test/parts/torrent.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { LibraryManager } from '../library/index.ts';
import {
  type AnnounceRequest,
  AnnounceScheduler,
  type Dht,
  type LocalDiscovery,
  type LookupSource,
  makePeerId,
  type PeerAddress,
  parseInfo,
  Sessions,
  type TrackerClient,
  TrackerError,
} from '../torrent/index.ts';
import type { Lease, PieceStore } from '../torrent/ports.ts';
import { LEASE_BYTES, type Vault } from '../vault/index.ts';
import { type CountersFile, openCountersFile } from './counters-file.ts';
import { SessionJournal } from './journal.ts';
import { TorrentSeeder } from './seeder.ts';

/** A clock whose timers a test fires. */
export class ManualClock implements Clock {
  readonly timers = new Map<object, { milliseconds: number; call: () => void }>();
  now = () => systemClock.now();
  monotonic = () => systemClock.monotonic();
  readonly ticks = new Set<() => void>();

  after(milliseconds: number, call: () => void) {
    const key = {};
    this.timers.set(key, { milliseconds, call });
    return { cancel: () => void this.timers.delete(key) };
  }

  every(_milliseconds: number, call: () => void) {
    this.ticks.add(call);
    return { cancel: () => void this.ticks.delete(call) };
  }

  fire(milliseconds: number): void {
    for (const [key, timer] of this.timers) {
      if (timer.milliseconds !== milliseconds) continue;
      this.timers.delete(key);
      timer.call();
    }
  }
}

/** Torrent bytes whose value tells their offset; leases and handles are counted. */
export function piecesOf(counts: { open: number; handles: number }): PieceStore {
  const store: Pick<PieceStore, 'open' | 'close' | 'read'> = {
    open: async (torrent) => {
      counts.handles++;
      return { torrent, unitBytes: 2 ** 20, maxOpenUnits: 64 };
    },
    close: () => void counts.handles--,
    read: async (_handle, offset, length): Promise<Lease> => {
      if (length > LEASE_BYTES) throw new RangeError('too much at once');
      counts.open++;
      const bytes = Buffer.from(Uint8Array.from({ length }, (_, index) => (offset + index) % 251));
      const views = [bytes.subarray(0, 10), bytes.subarray(10)];
      return { views, pinnedBytes: length, release: () => void counts.open-- };
    },
  };
  return store as PieceStore;
}

export const PIECE = 3 * 2 ** 20;
const TOTAL = PIECE + 1000;
const TRACKER = 'http://tracker.example/secret/announce';

export let database: Awaited<ReturnType<typeof temporaryDatabase>>;
export let library: LibraryManager;
let made = 0;
/** Of all runs of a test. */
let files: CountersFile[];

/** A database of its own for each test of a file that calls this, once. */
export function useLibrary(): void {
  beforeEach(async () => {
    database = await temporaryDatabase();
    files = [];
    library = new LibraryManager({ database, clock: systemClock, log: silentLog });
  });

  afterEach(async () => {
    for (const file of files) await file.close();
    await database.remove();
  });
}

/** A DHT and a local network that look nothing up by themselves. */
class QuietLookups {
  /** Info-hashes, and when each was looked up before. */
  readonly begun: string[] = [];
  source: LookupSource | null = null;
  readonly dht: Pick<Dht, 'add' | 'follow'> = {
    add: ({ infoHash }, lookedUpAt = null) => {
      this.begun.push(`${infoHash.toString('hex')} ${lookedUpAt}`);
      return { lookedUpAt, stop: () => undefined };
    },
    follow: (source) => {
      this.source = source;
    },
  };
  readonly local: Pick<LocalDiscovery, 'add' | 'dormant'> = { dormant: null, add: () => ({ stop: () => undefined }) };
}

/** One run of bae's seeding side. */
export async function run() {
  const events: string[] = [];
  const announces: (AnnounceRequest & { host: string })[] = [];
  const leases = { open: 0, handles: 0 };
  const told = { leechers: null as number | null, peers: [] as PeerAddress[] };
  const says = { ...told, refusal: null as string | null, isAway: false };
  let held: Promise<void> = Promise.resolve();
  const client: TrackerClient = {
    async announce(url, request) {
      const { event, uploaded } = request;
      announces.push({ ...request, host: url.host });
      events.push(`${event ?? 'regular'} ${uploaded}`);
      await held;
      if (says.isAway) throw new TrackerError('unreachable', 'no address to announce from');
      if (says.refusal !== null) throw new TrackerError('refused', says.refusal);
      const none = { minIntervalSeconds: null, seeders: null, warning: null, trackerId: null };
      return { ...none, intervalSeconds: 1800, leechers: says.leechers, peers: says.peers };
    },
  };
  const clock = new ManualClock();
  const file = await openCountersFile(`${database.file}.counters`);
  files.push(file);
  const journal = new SessionJournal({ database, file, clock, log: silentLog });
  await journal.recover();
  const engine = new QuietEngine();
  const lookups = new QuietLookups();
  const scheduler = new AnnounceScheduler({
    clients: new Map([['http:', client]]),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    port: () => 6881,
    allowPrivateAddresses: false,
  });
  const random = systemRandom;
  const newPeerId = () => makePeerId(random, '0.1.0');
  const discovery = { scheduler, dht: lookups.dht, local: lookups.local };
  const common = { ...discovery, clock, random, log: silentLog, newPeerId };
  const sessions = new Sessions({ ...common, engine, keeper: journal });
  const pins: string[] = [];
  const vault = {
    pieces: piecesOf(leases),
    pinChunks: async (id: number) => {
      if (pins.length > 0) throw new BaeError('refused', 'no room for the pin');
      pins.push(`pin ${id}`);
    },
    unpinChunks: async (id: number) => void pins.push(`unpin ${id}`),
  } as unknown as Vault;
  const seeder = new TorrentSeeder({ ...common, database, library, vault, sessions, journal });
  engine.dormant = seeder.dormant;
  const wake = async (id: number) => {
    await seeder.dormant.wake((await library.torrent(id)).infoHash);
  };
  const torrent = () => engine.torrents()[0] as QuietTorrent;
  /** Trackers answer nothing until what this gives is called. */
  const holdAnnounces = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    return resolve;
  };
  /** A second passes for the seeder. */
  const tick = () => {
    for (const call of clock.ticks) call();
  };
  const hands = { wake, tick, holdAnnounces, torrent, lookups };
  return { seeder, ...hands, announces, sessions, engine, events, says, clock, journal, pins, leases };
}

/** A torrent of the library, with a release. */
export async function addTorrent({
  seeding = true,
  info = null as Buffer | null,
  isPrivate = true,
} = {}): Promise<number> {
  const file = { length: TOTAL, name: `album ${++made}`, 'piece length': PIECE, pieces: Buffer.alloc(40) };
  const rawInfo = bencode(isPrivate ? { ...file, private: 1 } : file);
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
      is_private: isPrivate,
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

export async function releaseOf(torrentId: number): Promise<number> {
  return (await library.torrent(torrentId)).releaseIds[0] as number;
}
