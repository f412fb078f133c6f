import type { Log } from '../lib/log.ts';
import { ABSENT, type Bundle, SPOOLED, STORED } from './bundle.ts';
import type { Bundles } from './bundles.ts';
import type { DiskCache } from './cache/index.ts';
import type { Journal } from './journal.ts';
import { partFileBytes } from './parts.ts';
import { CHUNK_OBJECT_BYTES } from './seal/index.ts';
import type { Spool, SpoolListing } from './spool.ts';

export interface RecoveryParts {
  readonly bundles: Bundles;
  readonly spool: Spool;
  readonly cache: DiskCache;
  readonly journal: Journal;
  readonly log: Log;
}

/** What a start found to go on with. Bundles in it are held. */
export interface Recovered {
  readonly importing: Bundle[];
  readonly cancelling: Bundle[];
  /** Committed bundles with a sealed manifest in the spool. */
  readonly unfinished: Bundle[];
}

/**
 * Brings spool and rows together after a stop of any kind. A row says spooled only after its file was durable, and stored only
 * after the store said so; so a file without a row was never uploaded and goes, and a row without its file is a chunk to
 * write again.
 */
export async function recover(parts: RecoveryParts): Promise<Recovered> {
  const found = await parts.spool.scan();
  const recovered: Recovered = { importing: [], cancelling: [], unfinished: [] };
  for (const id of await parts.bundles.inState('importing', 'cancelling')) {
    const bundle = await parts.bundles.hold(id);
    const listing = found.get(id);
    found.delete(id);
    if (bundle.state === 'cancelling') recovered.cancelling.push(bundle);
    else {
      await recoverImporting(parts, bundle, listing ?? { chunks: new Map(), parts: [], documents: [] });
      recovered.importing.push(bundle);
    }
  }
  const committed = new Set(found.size === 0 ? [] : await parts.bundles.inState('committed'));
  for (const [id, listing] of found) {
    const bundle = committed.has(id) ? await recoverCommitted(parts, id, listing) : null;
    if (bundle === null) await parts.spool.removeBundle(id);
    else recovered.unfinished.push(bundle);
  }
  return recovered;
}

async function recoverImporting(parts: RecoveryParts, bundle: Bundle, listing: SpoolListing): Promise<void> {
  const { spool, journal, log } = parts;
  for (const [index, fileBytes] of listing.chunks) await recoverChunk(parts, bundle, index, fileBytes);
  for (let index = 0; index < bundle.chunkCount; index++) {
    if (bundle.chunkState(index) !== SPOOLED || bundle.inSpool.has(index)) continue;
    log.warn('A spooled chunk has no file and must be downloaded again.', { bundle: bundle.id, index });
    await journal.dropped(bundle.id, index);
    bundle.setState(index, ABSENT);
  }
  for (const { part, fileBytes } of listing.parts) {
    const fits =
      part.chunkIndex < bundle.chunkCount &&
      part.length > 0 &&
      part.start + part.length <= bundle.contentLength(part.chunkIndex) &&
      fileBytes === partFileBytes(part.length);
    if (!fits || bundle.isSealed(part.chunkIndex)) {
      await spool.remove(spool.partPath(bundle.id, part));
      continue;
    }
    spool.forcePart(fileBytes);
    bundle.addPart({ ...part, fileBytes });
  }
  for (const name of listing.documents) await countDocument(parts, bundle, name);
}

async function recoverChunk(parts: RecoveryParts, bundle: Bundle, index: number, fileBytes: number): Promise<void> {
  const { spool, cache } = parts;
  const path = spool.chunkPath(bundle.id, index);
  const state = index < bundle.chunkCount ? bundle.chunkState(index) : ABSENT;
  if (state === SPOOLED && fileBytes === CHUNK_OBJECT_BYTES) {
    bundle.inSpool.add(index);
    spool.budget.force(CHUNK_OBJECT_BYTES);
  } else if (state !== STORED || !(await cache.adopt({ bundle: bundle.id, index }, path))) {
    await spool.remove(path);
  }
}

async function countDocument(parts: RecoveryParts, bundle: Bundle, name: string): Promise<void> {
  const { spool } = parts;
  const [kind, generation] = name.split('-') as ['table' | 'manifest', string];
  const path = spool.documentPath(bundle.id, kind, Number(generation));
  const bytes = (await spool.read(path))?.length ?? 0;
  spool.budget.force(bytes);
  bundle.documents.set(path, bytes);
}

/** Chunks become cache files; the bundle, held, if a manifest of it waits to be put. */
async function recoverCommitted(parts: RecoveryParts, id: number, listing: SpoolListing): Promise<Bundle | null> {
  const { spool, cache } = parts;
  for (const index of listing.chunks.keys()) {
    const path = spool.chunkPath(id, index);
    if (!(await cache.adopt({ bundle: id, index }, path))) await spool.remove(path);
  }
  if (!listing.documents.some((name) => name.startsWith('manifest'))) return null;
  const bundle = await parts.bundles.hold(id);
  for (const name of listing.documents) await countDocument(parts, bundle, name);
  return bundle;
}
