import { join } from 'node:path';
import { Abandons } from './abandon.ts';
import type { Bundle } from './bundle.ts';
import { Bundles } from './bundles.ts';
import { type DiskCache, openDiskCache, type RamCache, ramCache } from './cache/index.ts';
import { Commits } from './commit.ts';
import { Documents } from './documents.ts';
import { Egress } from './egress.ts';
import { Fetcher } from './fetch.ts';
import type { Files } from './files.ts';
import { Journal } from './journal.ts';
import { Manifests } from './manifests.ts';
import { OpenChunks } from './open-chunks.ts';
import type { Owner } from './owner.ts';
import { Parts } from './parts.ts';
import { Patience } from './patience.ts';
import { Pieces } from './pieces.ts';
import { Pins } from './pins.ts';
import { ReadAhead } from './read-ahead.ts';
import { Recheck } from './recheck.ts';
import { CHUNK_OBJECT_BYTES, type LibraryKeys } from './seal/index.ts';
import { Sealing } from './sealing.ts';
import { Segments } from './segments.ts';
import { Spool } from './spool.ts';
import { Torrents } from './torrents.ts';
import { Uploads } from './uploads.ts';
import type { VaultOptions } from './vault.ts';

export interface WorksOptions extends VaultOptions {
  readonly files: Files;
  readonly keys: LibraryKeys;
  readonly owner: Owner;
  /** Ends what goes on behind. */
  readonly stop: AbortSignal;
  readonly committed: (bundle: Bundle) => void;
}

/** Everything the vault is made of. */
export interface Works {
  readonly cache: DiskCache;
  readonly ram: RamCache;
  readonly spool: Spool;
  readonly bundles: Bundles;
  readonly journal: Journal;
  readonly open: OpenChunks;
  readonly sealing: Sealing;
  readonly uploads: Uploads;
  readonly torrents: Torrents;
  readonly segments: Segments;
  readonly fetcher: Fetcher;
  readonly egress: Egress;
  readonly pins: Pins;
  readonly commits: Commits;
  readonly manifests: Manifests;
  readonly abandons: Abandons;
  readonly pieces: Pieces;
  readonly patience: Patience;
}

/** Puts the vault's works together; nothing moves yet. */
export async function assemble(options: WorksOptions): Promise<Works> {
  const { database, store, sealer, clock, random, log, keys, files, owner, stop } = options;
  const { libraryId } = keys;
  const mayWrite = () => owner.ensure();
  const cache = await openDiskCache({
    folder: join(options.dataDir, 'cache'),
    objectBytes: CHUNK_OBJECT_BYTES,
    budgetBytes: options.cacheBytes,
    pinBudgetBytes: options.pinBytes,
    clock,
    log,
  });
  const ram = ramCache(options.ramCacheBytes);
  const spool = new Spool(files, join(options.dataDir, 'spool'), options.spoolBytes);
  const bundles = new Bundles(database, keys);
  const journal = new Journal(database, clock, (chunks) => spool.settle(chunks));
  const patience = new Patience(clock, log);
  const parts = new Parts({ spool, sealer, random, libraryId });
  const uploads = new Uploads({ store, spool, cache, journal, clock, log, mayWrite });
  const sealing: Sealing = new Sealing({
    ...{ spool, parts, sealer, journal, clock, random, log, libraryId },
    open: () => open,
    sealed: (bundle, index) => uploads.add(bundle, index, true),
  });
  const open = new OpenChunks({ parts, clock, log, completed: (chunk) => sealing.add(chunk) });
  sealing.onRoom(() => open.makeRoom());
  const egress = await Egress.open({ database, clock, log });
  const fetcher = new Fetcher({ store, cache, sealer, egress, log, libraryId });
  const recheck = new Recheck({ bundles, fetcher, journal, clock, log, stop });
  const torrents = new Torrents(database, bundles, open, (bundle) => recheck.look(bundle));
  const segments = new Segments({ spool, cache, ram, sealer, fetcher, journal, log, libraryId });
  const readAhead = new ReadAhead(segments, clock);
  const pins = new Pins({ database, bundles, cache, fetcher, segments, torrents, patience, log, stop });
  const documents = new Documents(spool, store);
  const commits = new Commits({
    ...{ database, bundles, open, documents, patience, keys, random, mayWrite },
    ...{ describe: options.describe, committed: options.committed },
  });
  const manifests = new Manifests({ database, commits, patience, clock, log, stop });
  const abandons = new Abandons({
    ...{ database, bundles, store, spool, cache, ram, open, patience, keys, log, mayWrite, stop },
  });
  const pieces = new Pieces({ torrents, segments, readAhead, ram, open, parts, sealing, egress });
  return {
    ...{ cache, ram, spool, bundles, journal, open, sealing, uploads, torrents, segments, fetcher, egress, pins },
    ...{ commits, manifests, abandons, pieces, patience },
  };
}
