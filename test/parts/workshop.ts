import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../../src/db/index.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { BaeError } from '../../src/lib/errors.ts';
import { silentLog } from '../../src/lib/log.ts';
import { type Random, seededRandom, systemRandom } from '../../src/lib/random.ts';
import type { Handle, StoredTorrent } from '../../src/torrent/ports.ts';
import { type BundleContent, type Files, openVault, type Vault, type VaultOptions } from '../../src/vault/index.ts';
import { CHUNK_OBJECT_BYTES, inlineSealer, sealFiles } from '../../src/vault/seal/index.ts';
import { type FaultyStore, faultyStore, memoryStore, type ObjectStore } from '../../src/vault/store/index.ts';
import { type ForgetfulFiles, forgetfulFiles } from './forgetful-files.ts';

/** For tests: a torrent of random bytes as a swarm would give it. */
export interface Album {
  readonly torrent: StoredTorrent;
  readonly bytes: Buffer;
  readonly content: BundleContent;
  piece(index: number): Buffer;
  readonly pieces: number;
}

/** One life of a vault. */
export interface Run {
  readonly vault: Vault;
  readonly database: Database;
  readonly store: FaultyStore;
  close(): Promise<void>;
}

/** A process: what it waits for when it is gone never comes. */
interface Life {
  alive: boolean;
  readonly died: PromiseWithResolvers<never>;
}

/** Databases that no workshop uses, empty: opening one takes longer than most tests. */
const spareDatabases: Database[] = [];
const databaseFolders: string[] = [];
afterAll(async () => {
  for (const database of spareDatabases.splice(0)) await database.close();
  for (const folder of databaseFolders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function openSpare(): Promise<Database> {
  const folder = await mkdtemp(join(tmpdir(), 'bae-database-'));
  databaseFolders.push(folder);
  return openDatabase(`sqlite:${join(folder, 'bae.sqlite')}`, { clock: systemClock });
}

async function emptied(database: Database): Promise<Database> {
  const { db } = database;
  const tables = ['settings', 'pins', 'torrent_piece_mappings', 'torrents', 'chunks', 'bundles', 'library'] as const;
  await database.batch(tables.map((table) => db.deleteFrom(table)));
  return database;
}

/** For tests: a data folder and a store that outlive their processes. */
export class Workshop {
  readonly folder: string;
  readonly files: ForgetfulFiles = forgetfulFiles();
  readonly objects: ObjectStore;
  clock: Clock = systemClock;
  options: Partial<VaultOptions> = {};
  /** What the library says of its bundles. */
  describe: VaultOptions['describe'] = async () => ({ torrents: [], releases: [] });
  /** Called before and after each thing that outlives the process: the place to kill it. */
  step: ((what: string) => void) | null = null;
  #life: Life | null = null;
  readonly #database: Database;

  private constructor(folder: string, objects: ObjectStore, database: Database) {
    this.folder = folder;
    this.objects = objects;
    this.#database = database;
  }

  static async make(objects: ObjectStore = memoryStore()): Promise<Workshop> {
    const folder = await mkdtemp(join(tmpdir(), 'bae-vault-'));
    const spare = spareDatabases.pop() ?? (await openSpare());
    const workshop = new Workshop(folder, objects, spare);
    onTestFinished(() => workshop.#clear());
    return workshop;
  }

  /** Starts a vault; rejects if it is killed meanwhile. */
  async start(): Promise<Run> {
    const life: Life = { alive: true, died: Promise.withResolvers<never>() };
    this.#life = life;
    const database = mortalDatabase(life, this.#database, (what, call) => this.#step(life, what, call));
    const store = faultyStore(this.#guarded(life, this.objects), systemClock);
    const files = this.#mortal(life);
    const opening = openVault({
      database,
      store,
      dataDir: join(this.folder, 'data'),
      cacheBytes: 64 * CHUNK_OBJECT_BYTES,
      pinBytes: 32 * CHUNK_OBJECT_BYTES,
      ramCacheBytes: 4 * 1_048_576,
      spoolBytes: 32 * CHUNK_OBJECT_BYTES,
      clock: this.clock,
      random: systemRandom,
      log: silentLog,
      sealer: inlineSealer({ read: sealFiles.read, write: files.write }),
      describe: (bundle) => this.describe(bundle),
      files,
      lock: () => () => undefined,
      ...this.options,
    });
    const vault = await Promise.race([opening, life.died.promise]);
    const close = async () => {
      await vault.close();
      life.alive = false;
    };
    return { vault, database, store, close };
  }

  /** Ends the running vault without a word, as kill -9 does. */
  kill(): void {
    const life = this.#life;
    if (life === null || !life.alive) return;
    life.alive = false;
    life.died.reject(new Error('killed'));
    life.died.promise.catch((error) => silentLog.debug('A vault was killed.', { error }));
  }

  /** After `kill`: what the system had already been asked to do has ended. */
  async buried(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await this.files.settled();
    await this.#database.db.selectFrom('library').selectAll().execute();
  }

  /** Rejects when the running vault is killed. */
  orKilled<Result>(work: Promise<Result>): Promise<Result> {
    return Promise.race([work, (this.#life as Life).died.promise]);
  }

  /** All objects of the store by name. */
  async names(prefix = ''): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.objects.list(prefix)) names.push(name);
    return names.sort();
  }

  async #step<Result>(life: Life, what: string, call: () => Promise<Result>): Promise<Result> {
    if (life.alive) this.step?.(what);
    if (!life.alive) return await new Promise(() => undefined);
    const result = await call();
    if (life.alive) this.step?.(`${what}, done`);
    return life.alive ? result : await new Promise(() => undefined);
  }

  #mortal(life: Life): Files {
    const { files } = this;
    return {
      makeFolder: (path) => this.#step(life, `makeFolder ${path}`, () => files.makeFolder(path)),
      write: (path, data) => this.#step(life, `write ${path}`, () => files.write(path, data)),
      sync: (path) => this.#step(life, `sync ${path}`, () => files.sync(path)),
      rename: (from, to) => this.#step(life, `rename ${from}`, () => files.rename(from, to)),
      remove: (path) => this.#step(life, `remove ${path}`, () => files.remove(path)),
      list: (folder) => this.#step(life, `list ${folder}`, () => files.list(folder)),
      read: (path, into) => this.#step(life, `read ${path}`, () => files.read(path, into)),
      size: (path) => this.#step(life, `size ${path}`, () => files.size(path)),
    };
  }

  #guarded(life: Life, store: ObjectStore): ObjectStore {
    return {
      put: (...args) => this.#step(life, `put ${args[0]}`, () => store.put(...args)),
      link: (...args) => this.#step(life, `link ${args[0]}`, () => store.link(...args)),
      get: (...args) => this.#step(life, `get ${args[0]}`, () => store.get(...args)),
      head: (...args) => this.#step(life, `head ${args[0]}`, () => store.head(...args)),
      delete: (...args) => this.#step(life, `delete ${args[0]}`, () => store.delete(...args)),
      list: (...args) => store.list(...args),
      describe: () => store.describe(),
      close: () => store.close(),
    };
  }

  async #clear(): Promise<void> {
    this.step = null;
    this.kill();
    await this.buried();
    spareDatabases.push(await emptied(this.#database));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A database that takes nothing more from a process that is gone. */
function mortalDatabase(
  life: Life,
  database: Database,
  step: (what: string, call: () => Promise<number>) => Promise<number>,
): Database {
  const db = database.db.withPlugin({
    transformQuery: ({ node }) => {
      if (!life.alive) throw new BaeError('unavailable', 'This process is gone.');
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  const batch: Database['batch'] = (queries) => step('batch', () => database.batch(queries));
  return { ...database, db, batch };
}

/** Saves a torrent's row, as an import does (once), and makes its bytes. */
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
    .onConflict((conflict) => conflict.column('info_hash').doUpdateSet({ name: 'album' }))
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

/** Imports an album from its first piece to the commit; gives the bundle's id and the open handle. */
export async function importAlbum(vault: Vault, album: Album): Promise<{ bundle: number; handle: Handle }> {
  const bundle = await vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
  const handle = await vault.pieces.open(album.torrent);
  for (let index = 0; index < album.pieces; index++) await vault.pieces.writePiece(handle, index, album.piece(index));
  await vault.commit(bundle, album.content);
  return { bundle, handle };
}
