import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../db/index.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { type Random, seededRandom, systemRandom } from '../lib/random.ts';
import type { Handle, StoredTorrent } from '../torrent/ports.ts';
import { type ForgetfulFiles, forgetfulFiles } from './files.faults.ts';
import type { BundleContent, Vault } from './ports.ts';
import { CHUNK_OBJECT_BYTES, inlineSealer, readFileRange } from './seal/index.ts';
import { faultyStore, memoryStore, type ObjectStore } from './store/index.ts';
import { openVault, type VaultOptions } from './vault.ts';

/** For tests: a torrent of random bytes as a swarm would give it. */
export interface Album {
  readonly torrent: StoredTorrent;
  readonly bytes: Buffer;
  readonly content: BundleContent;
  piece(index: number): Buffer;
  readonly pieces: number;
}

/** One life of a vault; `kill` ends it without a word, as kill -9 does. */
export interface Run {
  readonly vault: Vault;
  readonly database: Database;
  readonly store: ReturnType<typeof faultyStore>;
  kill(): Promise<void>;
  close(): Promise<void>;
}

/** For tests: a data folder and a store that outlive their processes. */
export class Workshop {
  readonly folder: string;
  readonly files: ForgetfulFiles = forgetfulFiles();
  readonly objects: ObjectStore;
  clock: Clock = systemClock;
  options: Partial<VaultOptions> = {};

  private constructor(folder: string, objects: ObjectStore) {
    this.folder = folder;
    this.objects = objects;
  }

  static async make(objects: ObjectStore = memoryStore()): Promise<Workshop> {
    const folder = await mkdtemp(join(tmpdir(), 'bae-vault-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    return new Workshop(folder, objects);
  }

  async start(): Promise<Run> {
    this.files.revive();
    const database = await openDatabase(`sqlite:${join(this.folder, 'bae.sqlite')}`, { clock: systemClock });
    const mortal = mortalStore(this.objects);
    const store = faultyStore(mortal.store, systemClock);
    let alive = true;
    const vault = await openVault({
      database: {
        ...database,
        batch: (queries) => (alive ? database.batch(queries) : Promise.reject(new BaeError('unavailable', 'Gone.'))),
      },
      store,
      dataDir: join(this.folder, 'data'),
      cacheBytes: 64 * CHUNK_OBJECT_BYTES,
      pinBytes: 32 * CHUNK_OBJECT_BYTES,
      ramCacheBytes: 4 * 1_048_576,
      spoolBytes: 32 * CHUNK_OBJECT_BYTES,
      clock: this.clock,
      random: systemRandom,
      log: silentLog,
      sealer: inlineSealer(readFileRange),
      files: this.files,
      lock: () => () => undefined,
      ...this.options,
    }).catch(async (error) => {
      await database.close();
      throw error;
    });
    const close = async () => {
      if (!alive) return;
      await vault.close();
      alive = false;
      await database.close();
    };
    onTestFinished(close);
    return {
      vault,
      database,
      store,
      close,
      kill: async () => {
        alive = false;
        this.files.kill();
        mortal.kill();
        await database.close();
        // What the system had already been asked to do ends before the next life begins.
        await new Promise((resolve) => setTimeout(resolve, 5));
      },
    };
  }

  /** All objects of the store by name. */
  async names(prefix = ''): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.objects.list(prefix)) names.push(name);
    return names.sort();
  }
}

/** A store that answers nobody once its process is gone. */
function mortalStore(store: ObjectStore): { store: ObjectStore; kill: () => void } {
  let dead = false;
  const guard = async <Result>(call: () => Promise<Result>): Promise<Result> => {
    const gone = () => new Promise<never>(() => undefined);
    if (dead) return gone();
    const result = await call();
    return dead ? gone() : result;
  };
  return {
    kill: () => {
      dead = true;
    },
    store: {
      put: (...args) => guard(() => store.put(...args)),
      get: (...args) => guard(() => store.get(...args)),
      head: (...args) => guard(() => store.head(...args)),
      delete: (...args) => guard(() => store.delete(...args)),
      list: (...args) => store.list(...args),
      describe: () => store.describe(),
      close: () => store.close(),
    },
  };
}

/** Saves a torrent's row, as an import does, and makes its bytes. */
export async function makeAlbum(database: Database, length: number, pieceLength: number, seed = 1): Promise<Album> {
  const bytes = randomBytes(length, seed);
  const rawInfo = Buffer.from(`d6:lengthi${length}e4:name5:album12:piece lengthi${pieceLength}e4:seedi${seed}ee`);
  const infoHash = createHash('sha1').update(rawInfo).digest();
  const pieces = Math.ceil(length / pieceLength);
  const { id } = await database.db
    .insertInto('torrents')
    .values({
      info_hash: infoHash,
      name: 'album',
      total_length: length,
      piece_length: pieceLength,
      piece_count: pieces,
      is_private: false,
      is_seeding: true,
      trackers_json: [],
      added_at: 0,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const settings = { infoHash: infoHash.toString('hex'), trackers: [['http://tracker.example/announce']], seeding: {} };
  return {
    torrent: { id, pieceLength, totalLength: length },
    bytes,
    pieces,
    piece: (index) => Buffer.from(bytes.subarray(index * pieceLength, (index + 1) * pieceLength)),
    content: {
      files: [{ path: ['secret name.flac'], length }],
      metainfo: [{ infoHash, rawInfo }],
      torrents: [settings],
      releases: [{ title: 'album' }],
    },
  };
}

function randomBytes(length: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed * 2_654_435_761 + 1;
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return Buffer.from(words.buffer, 0, length);
}

/** Pieces in a random order that a seed repeats. */
export function shuffled(count: number, random: Random = seededRandom(7)): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let at = count - 1; at > 0; at--) {
    const other = random.int(at + 1);
    [order[at], order[other]] = [order[other] as number, order[at] as number];
  }
  return order;
}

/** Reads bytes through the vault and gives the lease back. */
export async function readBytes(vault: Vault, handle: Handle, offset: number, length: number): Promise<Buffer> {
  const lease = await vault.pieces.read(handle, offset, length);
  const bytes = Buffer.concat(lease.views);
  lease.release();
  return bytes;
}

/** Reads all pieces a handle has and compares them with the album's. */
export async function wrongPieces(vault: Vault, handle: Handle, album: Album): Promise<number[]> {
  const wrong: number[] = [];
  for (let piece = 0; piece < album.pieces; piece++) {
    if (!vault.pieces.have(handle).has(piece)) continue;
    const expected = album.piece(piece);
    const got = await readBytes(vault, handle, piece * album.torrent.pieceLength, expected.length);
    if (!got.equals(expected)) wrong.push(piece);
  }
  return wrong;
}
