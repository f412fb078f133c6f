import { availableParallelism, networkInterfaces as interfaces } from 'node:os';
import { join } from 'node:path';
import { type Config, fixedLimits, makeDataFolder, refuseOpenListening, SOCKET_NAME } from './config.ts';
import { type Database, openDatabase } from './db/index.ts';
import { createApplication, createHttp, type Listening, listenSocket, listenTcp } from './http/index.ts';
import { TagReader, workerTagParser } from './identify/index.ts';
import { ImportManager } from './import/index.ts';
import { type Clock, keepAlive, nextTurn, systemClock } from './lib/clock.ts';
import { type Closer, closeAll } from './lib/closers.ts';
import { errorMessage } from './lib/errors.ts';
import type { Log } from './lib/log.ts';
import { WorkerPool } from './lib/pool.ts';
import { type Random, systemRandom } from './lib/random.ts';
import { LibraryManager } from './library/index.ts';
import { createLog } from './observe/index.ts';
import { DhtMemory, openJournal, TorrentSeeder } from './seed/index.ts';
import { openSettings } from './settings/index.ts';
import {
  createEngine,
  createNetworks,
  createPeerLookup,
  createResolver,
  createTrackers,
  Dht,
  type Engine,
  LocalDiscovery,
  loadIpFilter,
  makePeerId,
  type Networks,
  type SessionKeeper,
  Sessions,
  workerHasher,
} from './torrent/index.ts';
import { openVault, type Vault } from './vault/index.ts';
import { SEAL_WORKER_URL, type SealRequest, type SealResponse, workerSealer } from './vault/seal/index.ts';
import { metered, type ObjectStore, openStore, retrying } from './vault/store/index.ts';

/** The stop; what is not done by then is left to the next start. */
const STOP_MILLISECONDS = 9_000;
/** Before it, `bae stop` tells trackers for so long at most. */
const GOODBYE_MILLISECONDS = 10_000;
/** Tries of a store call that somebody waits for, before they are told. */
const STORE_TRIES = 6;
const MIB = 1024 * 1024;

export interface Server {
  /** Where TCP callers reach it: host and port. */
  readonly address: string;
  readonly peerPort: number;
  /** Resolves when somebody asked for the stop. */
  readonly stopAsked: Promise<void>;
  /**
   * Saves and closes everything, within 10 s. With `goodbye`, trackers are told `stopped` first, as far as another 10 s
   * allow; who asked for it can see that it is not over, since the API still answers meanwhile.
   */
  stop(goodbye: boolean): Promise<void>;
}

interface Base {
  readonly config: Config;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly networks: Networks;
  /** Undone in reverse order at the stop, or when a later step of the start fails. */
  readonly closers: Closer[];
  /** Whether the stop tells trackers. */
  readonly goodbye: { wanted: boolean };
}

/** Runs the server until SIGTERM, SIGINT or `bae stop`. */
export async function runServer(config: Config, environment: Base['environment'], version: string): Promise<void> {
  // The start and the stop may wait for nothing but time: the process must not end before they do.
  const alive = keepAlive();
  try {
    const server = await startServer(config, environment, version);
    const words = `bae ${version} listens on ${server.address}; peers reach it on port ${server.peerPort}.`;
    process.stdout.write(`${words}\nImport something: bae import album.torrent\n`);
    const signalled = Promise.withResolvers<boolean>();
    const signal = () => signalled.resolve(false);
    process.on('SIGTERM', signal).on('SIGINT', signal);
    const goodbye = await Promise.race([server.stopAsked.then(() => true), signalled.promise]);
    await server.stop(goodbye);
  } finally {
    alive.cancel();
  }
  // Every part is closed and saved: what still holds the process (a socket to a store that hangs) must not.
  process.exit();
}

/** Constructs everything, in the order in which each part needs the one before. */
export async function startServer(config: Config, environment: Base['environment'], version: string): Promise<Server> {
  refuseOpenListening(config);
  const closers: Base['closers'] = [];
  const log = createLog(config.log_level);
  const networks = createNetworks({ wanted: config.peer_interface ?? null, interfaces, clock: systemClock, log });
  closers.push(() => networks.binding?.close());
  const parts = { clock: systemClock, random: systemRandom, log, networks, closers, goodbye: { wanted: false } };
  const base: Base = { config, environment, version, ...parts };
  try {
    makeDataFolder(config.data);
    const database = await openDatabase(config.database, { clock: base.clock });
    closers.push(() => database.close());
    const library = new LibraryManager({ database, clock: base.clock, log });
    const { vault, store } = await openContent(base, database, library);
    return await startRooms(base, database, library, vault, store);
  } catch (error) {
    await undo(base, false);
    throw error;
  }
}

async function startRooms(
  base: Base,
  database: Database,
  library: LibraryManager,
  vault: Vault,
  store: ObjectStore,
): Promise<Server> {
  const { config, clock, log, closers } = base;
  const journal = await openJournal(join(config.data, 'counters'), { database, clock, log });
  closers.push(() => journal.close());
  const dht = await openDht(base, database);
  const { engine, peerPort, ...torrents } = await openEngine(base, vault, dht, journal);
  const { sessions } = torrents;
  const seeder = new TorrentSeeder({ database, library, vault, journal, clock, random: base.random, log, ...torrents });
  engine.dormant = seeder.dormant;
  const settings = await openSettings({ database, fixed: fixedLimits(config) });
  settings.follow((limits) => {
    engine.setLimits(limits);
    vault.setEgressLimit(limits.egressBytesPerDay);
  });
  closers.push(() => seeder.stop());
  const parser = workerTagParser(clock);
  closers.push(() => parser.close());
  const imports = new ImportManager({
    ...{ database, vault, sessions, library, clock, log },
    tags: new TagReader({ parser, clock }),
    settings: { stallMilliseconds: config.import_stall_seconds * 1_000 },
    resolveHost: createPeerLookup(base.networks.binding ?? undefined),
    savedAnnounces: (torrentId) => journal.load(torrentId),
    onNodes: (nodes) => void dht?.addNodes(nodes),
    onDone: (torrentId, session) => {
      seeder
        .adopt(torrentId, session)
        .catch((error) => log.error('a torrent cannot be seeded', { reason: errorMessage(error) }));
    },
  });
  closers.push(() => imports.stop());
  await seeder.start();
  const { binding } = base.networks;
  binding?.onChange(() => {
    if (binding.isUp) seeder.retryAll();
  });
  await imports.start();
  const asked = Promise.withResolvers<void>();
  const application = createApplication({
    ...{ imports, library, seeder, vault, settings },
    ...{ version: base.version, startedAt: clock.now(), now: () => clock.now() },
    peerPort: () => peerPort,
    peers: () => engine.stats().connections,
    leasedBytes: () => engine.stats().leasedBytes,
    networkFault: () => base.networks.binding?.fault ?? null,
    dht: () => dht?.stats() ?? { state: 'off', nodes: 0 },
    store: store.describe(),
    ready: () => faults(base, vault, database),
    stop: () => asked.resolve(),
  });
  const address = await openHttp(base, application);
  closers.push(() => (base.goodbye.wanted ? seeder.sayGoodbye(GOODBYE_MILLISECONDS) : undefined));
  return { address, peerPort, stopAsked: asked.promise, stop: (goodbye) => undo(base, goodbye) };
}

async function openContent(
  base: Base,
  database: Database,
  library: LibraryManager,
): Promise<{ vault: Vault; store: ObjectStore }> {
  const { config, environment, clock, random, log, closers } = base;
  const plain = await openStore(config.store, environment, clock);
  const store = retrying(metered(plain), { clock, random, log, tries: STORE_TRIES });
  closers.push(() => store.close());
  const threads = Math.max(2, availableParallelism() - 1);
  const pool = new WorkerPool<SealRequest, SealResponse>({ url: SEAL_WORKER_URL, name: 'seal', size: threads });
  closers.push(() => pool.close());
  const vault = await openVault({
    database,
    store,
    dataDir: config.data,
    cacheBytes: config.cache_bytes,
    ramCacheBytes: config.ram_cache_bytes,
    spoolBytes: config.spool_bytes,
    pinBytes: config.pin_bytes,
    clock,
    random,
    log,
    sealer: workerSealer(pool),
    describe: (bundle) => library.describe(bundle),
  });
  library.onManifestChange((bundle) => vault.manifestChanged(bundle));
  closers.push(() => vault.close());
  return { vault, store };
}

/** Not started yet: it shares the port number of the peers' listener. Null where the settings have it off. */
async function openDht(base: Base, database: Database): Promise<Dht | null> {
  const { config, clock, random, log, networks, closers } = base;
  const { allow_private_addresses: allowPrivateAddresses } = config;
  if (!config.dht) return null;
  const memory = new DhtMemory({ database, clock, log });
  const dht = new Dht({
    ...{ network: networks.datagrams, clock, random, log, allowPrivateAddresses },
    limitLoopback: config.limit_loopback,
    resolver: createResolver(allowPrivateAddresses, networks.binding ?? undefined),
    bootstrap: config.dht_bootstrap,
    saved: await memory.load(),
  });
  memory.follow(() => dht.snapshot());
  closers.push(() => dht.close());
  closers.push(() => memory.stop());
  return dht;
}

async function openEngine(base: Base, vault: Vault, dht: Dht | null, keeper: SessionKeeper) {
  const { config, version, clock, random, log, networks, closers } = base;
  const common = { clock, random, log, version };
  const { allow_private_addresses: allowPrivateAddresses } = config;
  const leasedBytes = Math.max(16 * MIB, Math.floor(config.ram_cache_bytes / 2));
  const hasher = workerHasher(Math.max(1, availableParallelism() - 1));
  closers.push(() => hasher.close());
  const engine: Engine = createEngine({
    ...{ store: vault.pieces, hasher, network: networks.peers, nextTurn, ...common },
    ...{ encryption: config.encryption, antiLeech: config.anti_leech },
    limits: { allowPrivateAddresses, limitLoopback: config.limit_loopback, leasedBytes },
    ...(config.ip_filter !== undefined && { filter: loadIpFilter(config.ip_filter) }),
    ...(dht !== null && { dht }),
  });
  closers.push(() => engine.close());
  const { binding } = networks;
  const addresses = binding === null ? config.peer_address : ['0.0.0.0', '::'];
  const { port } = await engine.listen({ addresses, port: config.peer_port });
  await dht?.start({ addresses, port });
  const source = binding === null ? {} : { source: binding };
  const { scheduler, close } = createTrackers({
    ...{ ...common, ...source, allowPrivateAddresses },
    ...{ encryption: config.encryption, port: () => port },
  });
  closers.push(close);
  const local = new LocalDiscovery({ network: networks.multicast, ...common });
  closers.push(() => local.close());
  if (config.lsd) await local.start({ addresses, port });
  const newPeerId = () => makePeerId(random, version);
  const discovery = { scheduler, ...(dht !== null && { dht }), ...(config.lsd && { local }) };
  const sessions = new Sessions({ engine, ...discovery, ...common, newPeerId, keeper });
  return { engine, peerPort: port, sessions, newPeerId, ...discovery };
}

/** Opens both ways in; returns where TCP callers reach it. */
async function openHttp(base: Base, application: ReturnType<typeof createApplication>): Promise<string> {
  const { config, version, log, closers } = base;
  const common = { application, version, log };
  const guard = { token: config.token ?? null, hosts: [config.listen.host.toLowerCase()] };
  const open: Listening[] = [];
  closers.push(() => Promise.all(open.map((one) => one.close())).then(() => undefined));
  const tcp = await listenTcp(createHttp({ ...common, guard }), config.listen.host, config.listen.port);
  open.push(tcp);
  open.push(await listenSocket(createHttp({ ...common, guard: null }), join(config.data, SOCKET_NAME)));
  return `${config.listen.host}:${tcp.port}`;
}

async function faults({ networks }: Base, vault: Vault, database: Database) {
  const { waiting: store } = vault.stats().uploads;
  return { store, database: await databaseFault(database), network: networks.binding?.fault ?? null };
}

async function databaseFault(database: Database): Promise<string | null> {
  try {
    await database.db.selectFrom('settings').select('key').limit(1).execute();
    return null;
  } catch (error) {
    return errorMessage(error);
  }
}

/** Closes what was opened, in reverse order. */
function undo({ closers, clock, log, goodbye }: Base, tell: boolean): Promise<void> {
  goodbye.wanted = tell;
  const milliseconds = STOP_MILLISECONDS + (tell ? GOODBYE_MILLISECONDS : 0);
  return closeAll(closers, { clock, log, milliseconds });
}
