import type { Timer } from '../lib/clock.ts';
import { BaeError, errorMessage } from '../lib/errors.ts';
import { type FileTags, isAudioName } from '../library/index.ts';
import type { Info } from '../torrent/index.ts';
import { readBytes } from '../vault/index.ts';
import type { ImportOptions } from './ports.ts';
import type { ImportRows } from './rows.ts';

/** An identification that could not read or save is tried again after this. */
export const IDENTIFICATION_RETRY_MILLISECONDS = 60_000;

/**
 * What comes after an import is done: waiting → looking → as-is. Reads the tags of its files out of the vault, and makes its
 * provisional release the one that they describe. One import at a time, since nobody waits for it.
 */
export class Identification {
  readonly #rows: ImportRows;
  readonly #options: ImportOptions;
  readonly #due = new Set<number>();
  readonly #retries = new Set<Timer>();
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;

  constructor(rows: ImportRows, options: ImportOptions) {
    this.#rows = rows;
    this.#options = options;
  }

  /** Takes up an import that is done, after those that came before. */
  add(importId: number): void {
    if (this.#stop.signal.aborted) return;
    this.#due.add(importId);
    this.#running ??= this.#run();
  }

  /** Leaves what is not looked at to the end to the next start. */
  async stop(): Promise<void> {
    this.#stop.abort(new BaeError('cancelled', 'bae is stopping.'));
    for (const timer of this.#retries) timer.cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (const id of this.#due) {
      if (this.#stop.signal.aborted) break;
      this.#due.delete(id);
      await this.#one(id);
    }
    this.#running = null;
  }

  async #one(id: number): Promise<void> {
    try {
      await this.#identify(id);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const retryable = error instanceof BaeError && error.retryable;
      this.#options.log.warn('tags could not be read', { import: id, retryable, reason: errorMessage(error) });
      if (retryable) this.#later(id);
      else await this.#giveUp(id);
    }
  }

  #later(id: number): void {
    const timer = this.#options.clock.after(IDENTIFICATION_RETRY_MILLISECONDS, () => {
      this.#retries.delete(timer);
      this.add(id);
    });
    this.#retries.add(timer);
  }

  async #giveUp(id: number): Promise<void> {
    try {
      await this.#rows.update(id, { identification: 'unknown' });
    } catch (error) {
      this.#options.log.error('an identification could not be saved', { import: id, reason: errorMessage(error) });
    }
  }

  async #identify(id: number): Promise<void> {
    const { torrent_id: torrentId, bundle } = await this.#rows.get(id);
    if (torrentId === null || bundle === null) throw new BaeError('missing', `Import i${id} has no torrent any more.`);
    await this.#rows.update(id, { identification: 'looking' });
    const { info } = await this.#rows.torrent(torrentId);
    const tags = await this.#read(id, torrentId, info);
    const files = info.files.map(({ path, isPad }) => ({ path, pad: isPad }));
    if (tags.length > 0) await this.#options.library.addTags({ bundle, name: info.name, files }, tags);
    await this.#rows.update(id, { identification: 'as-is' });
  }

  async #read(importId: number, torrentId: number, info: Info): Promise<FileTags[]> {
    const { tags: reader, vault, log } = this.#options;
    const { signal } = this.#stop;
    const indexes = info.files.flatMap(({ path, isPad }, index) =>
      !isPad && isAudioName(path.at(-1) as string) ? [index] : [],
    );
    if (indexes.length === 0) return [];
    const { pieceLength, totalLength } = info;
    const handle = await vault.pieces.open({ id: torrentId, pieceLength, totalLength });
    try {
      const sources = indexes.map((index) => {
        const { path, length, offset } = info.files[index] as Info['files'][number];
        const read = (at: number, count: number) => readBytes(vault.pieces, handle, offset + at, count, { signal });
        return { name: path.at(-1) as string, length, read };
      });
      const { tags, notes } = await reader.read(sources, signal);
      if (notes.length > 0) log.info('files without tags', { import: importId, files: notes.length, first: notes[0] });
      return tags.flatMap((one, at) => (one === null ? [] : [{ ...one, fileIndex: indexes[at] as number }]));
    } finally {
      vault.pieces.close(handle);
    }
  }
}
