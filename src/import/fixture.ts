import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { type Album, PIECE_BYTES } from '../../test/parts/album.ts';
import { ManualClock } from '../../test/parts/manual-clock.ts';
import { ScriptedEngine, type ScriptedSeed, type ScriptedTorrent } from '../../test/parts/scripted-engine.ts';
import { memoryVault, testStore } from '../../test/parts/vault.ts';
import { type Database, openDatabase } from '../db/index.ts';
import { inlineTagParser, TagReader } from '../identify/index.ts';
import { systemClock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { LibraryManager } from '../library/index.ts';
import {
  AnnounceScheduler,
  type HostPort,
  makePeerId,
  Sessions,
  type TorrentSession,
  type TrackerClient,
} from '../torrent/index.ts';
import type { Vault } from '../vault/index.ts';
import { ImportManager } from './manager.ts';
import type { ImportSnapshot } from './ports.ts';

export const STALL_MILLISECONDS = 600_000;

/** One life of bae's importing side. */
export class Run {
  readonly clock = new ManualClock();
  readonly announced: string[] = [];
  readonly handedOver: { torrentId: number; session: TorrentSession }[] = [];
  readonly logged: string[] = [];
  /** DHT nodes that torrent files named. */
  readonly nodes: HostPort[] = [];
  readonly database: Database;
  readonly vault: Vault;
  readonly engine: ScriptedEngine;
  readonly sessions: Sessions;
  readonly library: LibraryManager;
  readonly imports: ImportManager;
  /** Kept by name, as DNS would. */
  readonly hosts = new Map<string, readonly string[]>();

  constructor(parts: { database: Database; vault: Vault; seeds: readonly ScriptedSeed[] }) {
    this.database = parts.database;
    this.vault = parts.vault;
    const { clock, database, vault } = this;
    const write = (message: string, fields?: object) =>
      void this.logged.push(`${message} ${JSON.stringify(fields ?? {})}`);
    const log = { ...silentLog, warn: write, error: write };
    this.engine = new ScriptedEngine(vault.pieces, clock, parts.seeds);
    const client: TrackerClient = {
      announce: async (_url, { event, left }) => {
        this.announced.push(`${event ?? 'regular'} ${left}`);
        const none = { minIntervalSeconds: null, seeders: null, leechers: null, warning: null, trackerId: null };
        return { ...none, intervalSeconds: 1800, peers: [] };
      },
    };
    const scheduler = new AnnounceScheduler({
      clients: new Map([['http:', client]]),
      clock: systemClock,
      random: systemRandom,
      log,
      port: () => 6881,
      allowPrivateAddresses: false,
    });
    this.sessions = new Sessions({
      engine: this.engine,
      scheduler,
      clock: systemClock,
      random: systemRandom,
      log,
      newPeerId: () => makePeerId(systemRandom, '0.1.0'),
      keeper: {
        changed: () => undefined,
        counted: () => undefined,
        keep: async () => undefined,
        flush: async () => undefined,
      },
    });
    this.library = new LibraryManager({ database, clock, log });
    this.imports = new ImportManager({
      database,
      vault,
      sessions: this.sessions,
      library: this.library,
      tags: new TagReader({ parser: inlineTagParser, clock }),
      clock,
      log,
      settings: { stallMilliseconds: STALL_MILLISECONDS },
      resolveHost: async (host) => {
        const found = this.hosts.get(host) ?? (/^[\d.]+$/.test(host) ? [host] : null);
        if (found === null) throw new BaeError('unavailable', `no address for ${host}`);
        return found;
      },
      onNodes: (nodes) => void this.nodes.push(...nodes),
      savedAnnounces: async () => null,
      onDone: (torrentId, session) => void this.handedOver.push({ torrentId, session }),
    });
  }

  /** Adds an import of an album's .torrent. */
  add({ torrent }: Album, ...hosts: string[]): Promise<ImportSnapshot> {
    return this.imports.add({ source: { torrent }, peers: peers(hosts), asIs: false });
  }

  addMagnet({ magnet }: Album, ...hosts: string[]): Promise<ImportSnapshot> {
    return this.imports.add({ source: { magnet }, peers: peers(hosts), asIs: false });
  }

  /** Waits until an import's row says so. */
  async until(id: number, state: ImportSnapshot['state']): Promise<ImportSnapshot> {
    return vi.waitFor(
      async () => {
        const snapshot = await this.imports.get(id);
        if (snapshot.state !== state) throw new Error(`i${id} is ${snapshot.state} (${snapshot.error}), not ${state}`);
        return snapshot;
      },
      { timeout: 5_000, interval: 5 },
    );
  }

  /** Waits until nothing is left to be read of its tags. */
  async untilIdentified(id: number): Promise<ImportSnapshot> {
    return vi.waitFor(
      async () => {
        const snapshot = await this.imports.get(id);
        if (['waiting', 'looking'].includes(snapshot.identification))
          throw new Error(`it is ${snapshot.identification}`);
        return snapshot;
      },
      { timeout: 5_000, interval: 5 },
    );
  }

  /** The engine's side of an album. */
  torrent({ infoHash }: Album): ScriptedTorrent {
    const torrent = this.engine.get(infoHash);
    if (torrent === null) throw new Error('the engine does not have it');
    return torrent;
  }

  /** Reads a torrent of the library back. */
  async read(torrentId: number, { content }: Album): Promise<Buffer> {
    const { pieces } = this.vault;
    const handle = await pieces.open({ id: torrentId, pieceLength: PIECE_BYTES, totalLength: content.length });
    const lease = await pieces.read(handle, 0, content.length);
    const bytes = Buffer.concat(lease.views);
    lease.release();
    pieces.close(handle);
    return bytes;
  }

  /** Stops as SIGTERM does. */
  async stop(): Promise<void> {
    await this.imports.stop();
    for (const { session } of this.handedOver.splice(0)) await session.end(false);
    await this.engine.close();
  }
}

function peers(hosts: readonly string[]) {
  return hosts.map((host) => ({ host, port: 7_000 }));
}

/** For tests: a data folder, a store and a swarm that outlive runs. Opened once a test file, since that takes time. */
export class Workshop {
  readonly seeds: ScriptedSeed[] = [];
  readonly store = testStore();
  readonly #folder: string;
  #database: Database | null = null;
  #vault: Vault | null = null;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<Workshop> {
    const workshop = new Workshop(await mkdtemp(join(tmpdir(), 'bae-import-')));
    await workshop.open();
    return workshop;
  }

  get database(): Database {
    return this.#database as Database;
  }

  get vault(): Vault {
    return this.#vault as Vault;
  }

  async open(): Promise<void> {
    const database = await openDatabase(`sqlite:${join(this.#folder, 'bae.db')}`, { clock: systemClock });
    this.#database = database;
    this.#vault = await memoryVault({ database, store: this.store, dataDir: join(this.#folder, 'data') });
  }

  async close(): Promise<void> {
    await this.#vault?.close();
    await this.#database?.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** A seed of an album at `host`; it gives `allowance` pieces. */
  seed({ infoHash, rawInfo, content }: Album, host = '10.0.0.1', allowance = Number.POSITIVE_INFINITY): ScriptedSeed {
    const seed = { host, port: 7_000, infoHash, rawInfo, content, allowance, givesMetadata: true };
    this.seeds.push(seed);
    return seed;
  }

  /** A run of its own manager and engine, begun; `change` puts decorators around what they stand on. */
  async start(change: { database?: Database; vault?: Partial<Vault> } = {}): Promise<Run> {
    const run = this.prepare(change);
    await run.imports.start();
    return run;
  }

  /** A run whose manager has not begun. */
  prepare({ database = this.database, vault = {} }: { database?: Database; vault?: Partial<Vault> } = {}): Run {
    const changed = new Proxy(this.vault, {
      get: (real, name) => {
        const value = vault[name as keyof Vault] ?? Reflect.get(real, name, real);
        return typeof value === 'function' ? value.bind(real) : value;
      },
    });
    const run = new Run({ database, vault: changed, seeds: this.seeds });
    onTestFinished(() => run.stop());
    return run;
  }

  /** Forgets the imports of earlier tests, so that the next run does not go on with them. */
  async clear(): Promise<void> {
    this.seeds.length = 0;
    await this.database.db.deleteFrom('imports').execute();
  }

  /** How many rows each table that an import writes has. */
  async rows(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    const tables = ['torrents', 'torrent_piece_mappings', 'bundles', 'files', 'releases', 'albums', 'artists'] as const;
    for (const table of tables) {
      const { count } = await this.database.db
        .selectFrom(table)
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      counts[table] = count;
    }
    return counts;
  }

  /** Names of the objects of content in the store. */
  async objects(): Promise<string[]> {
    const names: string[] = [];
    for (const prefix of ['c/', 't/', 'm/']) for await (const { name } of this.store.list(prefix)) names.push(name);
    return names;
  }
}
