import { dirname, join } from 'node:path';
import type { Database } from '../db/index.ts';
import type { Clock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { type Files, systemFiles } from './files.ts';
import { openLibrary } from './library.ts';
import { lockFolder } from './lock.ts';
import { OpenVault } from './open-vault.ts';
import { Owner } from './owner.ts';
import type { BundleSettings, Vault } from './ports.ts';
import { CHUNK_OBJECT_BYTES, type Sealer } from './seal/index.ts';
import type { ObjectStore } from './store/index.ts';

/** Less than this cannot hold the chunks under way. */
export const MIN_SPOOL_BYTES = 8 * CHUNK_OBJECT_BYTES;

export interface VaultOptions {
  readonly database: Database;
  readonly store: ObjectStore;
  /** Made if it is not there; lock, spool and cache lie in it. */
  readonly dataDir: string;
  /** Made at the first start. Default: library.key in dataDir. */
  readonly keyFile?: string;
  readonly cacheBytes: number;
  readonly ramCacheBytes: number;
  readonly spoolBytes: number;
  readonly pinBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly sealer: Sealer;
  /** What the library says of a bundle now; asked when a new generation of its manifest is due, after a restart too. */
  readonly describe: (bundleId: number) => Promise<BundleSettings>;
  /** Default: the system's. */
  readonly files?: Files;
  /** Takes a folder for this process and returns the way to give it free. Default: `lockFolder`. */
  readonly lock?: (folder: string) => () => void;
}

/**
 * Opens the vault and goes on with what an earlier run left: spooled chunks are uploaded, cancelled bundles deleted.
 * `refused` in words when another bae has the data folder or the library, or when folder, key and store do not belong
 * together; `unavailable` when the store cannot be reached; `bad-input` for a damaged key file or a spool that is too small.
 */
export async function openVault(options: VaultOptions): Promise<Vault> {
  const { database, store, dataDir, clock, random, log, files = systemFiles } = options;
  if (options.spoolBytes < MIN_SPOOL_BYTES) {
    throw new BaeError(
      'bad-input',
      `A spool of ${options.spoolBytes} bytes is too small: BAE_SPOOL_BYTES must be at least ${MIN_SPOOL_BYTES}.`,
    );
  }
  if ((await files.size(dataDir)) === null) {
    await files.makeFolder(dataDir);
    await files.sync(dirname(dataDir));
  }
  const unlock = (options.lock ?? lockFolder)(dataDir);
  let owner: Owner | undefined;
  try {
    const keyFile = options.keyFile ?? join(dataDir, 'library.key');
    const keys = await openLibrary({ database, store, files, keyFile, clock, random });
    owner = await Owner.take({ store, files, dataDir, clock, random, log });
    return await OpenVault.open({ ...options, files, keys, owner, unlock });
  } catch (error) {
    owner?.stop();
    unlock();
    throw error;
  }
}
