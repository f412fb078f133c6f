import { dirname, join } from 'node:path';
import { Budget } from './budget.ts';
import type { ChunkKey } from './cache/index.ts';
import { type Files, TEMPORARY, writeDurably } from './files.ts';

/** A run of a chunk's bytes that is sealed alone in the spool, since the chunk could not close. */
export interface Part {
  readonly chunkIndex: number;
  /** In the chunk. */
  readonly start: number;
  /** Bytes in clear. */
  readonly length: number;
}

/** What one bundle has in the spool. */
export interface SpoolListing {
  /** By chunk index: bytes of the file. */
  readonly chunks: Map<number, number>;
  readonly parts: { readonly part: Part; readonly fileBytes: number }[];
  /** Names of sealed tables and manifests. */
  readonly documents: string[];
}

const PART_NAME = /^(\d{1,10})-(\d{1,7})-(\d{1,7})\.part$/;
const CHUNK_NAME = /^\d{1,10}$/;
const DOCUMENT_NAME = /^(table|manifest)-\d{16}$/;

/** The share of the spool that parts may take: the rest is for whole chunks, which can leave it again. */
const PART_SHARE = 0.5;

/**
 * Sealed bytes that are not yet in the store: `<folder>/<bundle>/<chunk index>` for whole chunk objects,
 * `<chunk index>-<start>-<length>.part` for runs of unfinished ones. A chunk's file counts once a row names it, which comes
 * after `settle`; any other file with its final name is whole and durable. Whoever writes reserves first, so the budget is
 * never exceeded.
 */
export class Spool {
  readonly budget: Budget;
  readonly #files: Files;
  readonly #folder: string;
  readonly #maxPartBytes: number;
  #partBytes = 0;
  readonly #folders = new Map<number, Promise<void>>();

  constructor(files: Files, folder: string, budgetBytes: number) {
    this.#files = files;
    this.#folder = folder;
    this.budget = new Budget(budgetBytes);
    this.#maxPartBytes = budgetBytes * PART_SHARE;
  }

  chunkPath(bundle: number, index: number): string {
    return join(this.#folder, String(bundle), String(index));
  }

  partPath(bundle: number, part: Part): string {
    return join(this.#folder, String(bundle), `${part.chunkIndex}-${part.start}-${part.length}.part`);
  }

  documentPath(bundle: number, kind: 'table' | 'manifest', generation: number): string {
    return join(this.#folder, String(bundle), `${kind}-${String(generation).padStart(16, '0')}`);
  }

  /** Takes room for a part if parts may have it now. */
  tryReservePart(fileBytes: number): boolean {
    if (this.#partBytes + fileBytes > this.#maxPartBytes || !this.budget.tryReserve(fileBytes)) return false;
    this.#partBytes += fileBytes;
    return true;
  }

  /** Counts a part that is on disk already. */
  forcePart(fileBytes: number): void {
    this.budget.force(fileBytes);
    this.#partBytes += fileBytes;
  }

  releasePart(fileBytes: number): void {
    this.#partBytes -= fileBytes;
    this.budget.release(fileBytes);
  }

  /** Writes a file of a bundle durably; its room is reserved. */
  async write(bundle: number, path: string, data: Uint8Array): Promise<void> {
    await this.makeFolder(bundle);
    await writeDurably(this.#files, path, data);
  }

  /**
   * Makes the files of chunks, written by the sealer, durable: their bytes, then the names of each bundle at once. Tells which
   * failed and why: a bundle that is being given up takes nobody along.
   */
  async settle(chunks: readonly ChunkKey[]): Promise<ReadonlyMap<ChunkKey, unknown>> {
    const failed = new Map<ChunkKey, unknown>();
    const sync = (path: string, of: readonly ChunkKey[]) =>
      this.#files.sync(path).catch((error) => {
        for (const chunk of of) failed.set(chunk, error);
      });
    await Promise.all(chunks.map((chunk) => sync(this.chunkPath(chunk.bundle, chunk.index), [chunk])));
    const written = chunks.filter((chunk) => !failed.has(chunk));
    const bundles = Map.groupBy(written, ({ bundle }) => bundle);
    await Promise.all(Array.from(bundles, ([bundle, of]) => sync(join(this.#folder, String(bundle)), of)));
    return failed;
  }

  read(path: string, into?: Buffer): Promise<Buffer | null> {
    return this.#files.read(path, into);
  }

  remove(path: string): Promise<void> {
    return this.#files.remove(path);
  }

  /** Removes all that a bundle has here; its room is the caller's to release. */
  async removeBundle(bundle: number): Promise<void> {
    this.#folders.delete(bundle);
    await this.#files.remove(join(this.#folder, String(bundle)));
    await this.#files.sync(this.#folder);
  }

  /** Looks through the folder after a start: what was not finished is deleted, the rest listed by bundle. Counts nothing. */
  async scan(): Promise<Map<number, SpoolListing>> {
    await this.#files.makeFolder(this.#folder);
    await this.#files.sync(dirname(this.#folder));
    const found = new Map<number, SpoolListing>();
    for (const name of await this.#files.list(this.#folder)) {
      const folder = join(this.#folder, name);
      if (CHUNK_NAME.test(name)) found.set(Number(name), await this.#scanBundle(folder));
      else await this.#files.remove(folder);
    }
    return found;
  }

  async #scanBundle(folder: string): Promise<SpoolListing> {
    const listing: SpoolListing = { chunks: new Map(), parts: [], documents: [] };
    for (const name of await this.#files.list(folder)) {
      const path = join(folder, name);
      const fileBytes = (await this.#files.size(path)) ?? 0;
      const part = PART_NAME.exec(name)?.slice(1).map(Number);
      if (CHUNK_NAME.test(name)) listing.chunks.set(Number(name), fileBytes);
      else if (part !== undefined) {
        const [chunkIndex, start, length] = part as [number, number, number];
        listing.parts.push({ part: { chunkIndex, start, length }, fileBytes });
      } else if (DOCUMENT_NAME.test(name)) listing.documents.push(name);
      else if (name.endsWith(TEMPORARY)) await this.#files.remove(path);
    }
    return listing;
  }

  /** Makes a bundle's folder, durably; does so once. */
  makeFolder(bundle: number): Promise<void> {
    let made = this.#folders.get(bundle);
    if (made === undefined) {
      made = this.#makeFolderNow(bundle);
      this.#folders.set(bundle, made);
      made.catch(() => this.#folders.delete(bundle));
    }
    return made;
  }

  async #makeFolderNow(bundle: number): Promise<void> {
    await this.#files.makeFolder(join(this.#folder, String(bundle)));
    await this.#files.sync(this.#folder);
  }
}
