// The seeders of bench/seed.ts: libtorrent with plain files, and bae with the same torrent in memory, on disk or in the store.
import { join } from 'node:path';
import { type Bae, gatewayStore, type StatsView, startBae } from '../../test/parts/bae.ts';
import type { Gateway } from '../../test/parts/gateway.ts';
import type { Torrent } from '../../test/parts/torrent.ts';
import { runLoad } from './build.ts';
import { startTunedSeeder } from './peers.ts';

const MIB = 1024 * 1024;
/** What a tier holds that shall not hold the content. */
const SMALL_BYTES = 64 * MIB;
/** Sealed objects are a little larger than what is in them, and the last chunk is padded. */
const ROOM = 1.1;
const IMPORT_MILLISECONDS = 600_000;
/** Passes over the content until all of it has been read into memory. */
const MOST_WARMING_PASSES = 20;
const WARMING_SECONDS = 2;

/** Where bae takes the bytes from. */
export const TIERS = ['ram', 'disk', 'store'] as const;
export type Tier = (typeof TIERS)[number];

/** A running seeder. */
export interface Seeder {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** Bytes opened (decrypted) since start; 0 where nothing is sealed. */
  openedBytes(): Promise<number>;
  stop(): Promise<void>;
}

export interface SeederOptions {
  readonly torrent: Torrent;
  /** Holds the torrent's top folder, or its single file. */
  readonly dataDir: string;
  /** For what bae keeps. */
  readonly folder: string;
  /** The store; without one, a directory. */
  readonly gateway?: Gateway;
  /** Folder for CPU profiles of bae, one a tier. */
  readonly profile?: string;
}

export async function startLibtorrentSeeder(options: SeederOptions): Promise<Seeder> {
  const peer = await startTunedSeeder({ torrentPath: options.torrent.path, dataDir: options.dataDir });
  return {
    name: 'libtorrent',
    pid: peer.pid,
    port: peer.port,
    openedBytes: async () => 0,
    stop: () => peer.stop(),
  };
}

/** bae with the torrent imported, and only the tier it shall serve from large enough to hold it. */
export async function startBaeSeeder(tier: Tier, options: SeederOptions): Promise<Seeder> {
  const { torrent, gateway } = options;
  const all = Math.ceil(torrent.totalBytes * ROOM) + SMALL_BYTES;
  const home = gateway === undefined ? undefined : gatewayStore(gateway, `bench-${tier}`);
  const bae = await startBae({
    store: home?.store ?? `file:${join(options.folder, `store-${tier}`)}`,
    env: {
      ...home?.env,
      BAE_CACHE_BYTES: String(tier === 'store' ? SMALL_BYTES : all),
      // Leases may pin half of it: all of the content and as much again.
      BAE_RAM_CACHE_BYTES: String(tier === 'ram' ? 2 * all : SMALL_BYTES),
      BAE_LOG_LEVEL: 'warn',
    },
  });
  try {
    await importTorrent(bae, options);
    // A fresh start holds nothing in memory of what the import did.
    await bae.stop();
    const { profile } = options;
    await bae.start(profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${join(profile, tier)}` });
    if (tier === 'ram') await warm(bae, torrent);
  } catch (error) {
    await bae.remove();
    throw error;
  }
  const stop = async () => {
    await bae.stop();
    await bae.remove();
  };
  const openedBytes = async () => (await bae.api<StatsView>('GET', '/stats')).openedBytes;
  return { name: `bae ${tier}`, pid: bae.pid(), port: bae.peerPort, openedBytes, stop };
}

async function importTorrent(bae: Bae, options: SeederOptions): Promise<void> {
  const source = await startLibtorrentSeeder(options);
  const peer = `127.0.0.1:${source.port}`;
  try {
    const { id } = await bae.ask<{ id: string }>('import', options.torrent.path, '--peer', peer);
    await bae.untilImport(id, ['done'], IMPORT_MILLISECONDS);
  } finally {
    await source.stop();
  }
}

/** Reads everything, in order. */
async function warm(bae: Bae, torrent: Torrent): Promise<void> {
  const load = { host: '127.0.0.1', port: bae.peerPort, torrent, connections: 1, requestsInFlight: 256 };
  // Each pass goes on from the same place, so one that is as long as the content has seen all of it.
  for (let pass = 0, seconds = WARMING_SECONDS; pass < MOST_WARMING_PASSES; pass++, seconds *= 2) {
    const { allBytes } = await runLoad({ ...load, seconds, order: 'sequential' });
    if (allBytes > torrent.totalBytes) return;
  }
  throw new Error('bae took too long to read its content into memory');
}
