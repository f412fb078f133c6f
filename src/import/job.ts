import { sleep } from '../lib/clock.ts';
import { BaeError, errorKind, errorMessage } from '../lib/errors.ts';
import type { Info } from '../torrent/index.ts';
import { Attempt } from './attempt.ts';
import type { ImportOptions } from './ports.ts';
import { ImportRecord } from './record.ts';
import type { ImportRow, ImportRows } from './rows.ts';

/** A cancelled import whose traces could not be removed is tried again after this, until the stop. */
export const CLEAR_RETRY_MILLISECONDS = 30_000;

/** Why a job was called off: a person's cancel, or the server's stop, which leaves it for the next start. */
type End = 'cancel' | 'stop';

/** One import on its way: queued → metadata → clues → downloading → committing → done, every step saved before the next. */
export class Job {
  readonly #options: ImportOptions;
  readonly #rows: ImportRows;
  readonly #record: ImportRecord;
  readonly #stop = new AbortController();
  /** Resolves when a cancel came to its end or had to be put off. */
  readonly #cleared = Promise.withResolvers<void>();
  #attempt: Attempt | null = null;
  #end: End | null;
  #running: Promise<void> | null = null;
  #isOver = false;
  #isUnsaved = false;

  constructor(row: ImportRow, rows: ImportRows, options: ImportOptions) {
    this.#record = new ImportRecord(row, rows);
    this.#rows = rows;
    this.#options = options;
    // Marked by an earlier run that did not live to see it through.
    this.#end = row.state === 'cancelling' ? 'cancel' : null;
  }

  get row(): ImportRow {
    return this.#record.row;
  }

  get progress(): number {
    return this.#attempt?.progress ?? this.row.progress;
  }

  /** What it waits for, if it is something a person would want to know. */
  get waiting(): string | null {
    if (this.#isOver) return null;
    if (this.#running === null) return 'It waits for its turn.';
    return this.#attempt?.waiting ?? this.#attempt?.refusal ?? null;
  }

  /** It failed or is done and left the swarm; only its row may still have to be saved. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** It failed and the database could not be told: `row` alone knows. */
  get isUnsaved(): boolean {
    return this.#isUnsaved;
  }

  /** Runs to its end: done, failed, cancelled, or left as it is by a stop. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Calls the job off and waits until that is so, or, for a cancel, until it had to be put off. */
  async end(how: End): Promise<void> {
    if (how === 'stop') this.#stop.abort(new BaeError('cancelled', 'bae is stopping.'));
    this.#end ??= how;
    this.#attempt?.callOff();
    await (how === 'stop' ? this.run() : Promise.race([this.run(), this.#cleared.promise]));
  }

  /** The same import asked for again: its new peers, and the metadata if that was missing. */
  join(change: Partial<ImportRow>, added: readonly string[], info: Info | null): void {
    this.#record.note(change);
    this.#attempt?.addPeers(added);
    if (info !== null) this.#attempt?.offer(info);
  }

  async #run(): Promise<void> {
    for (let isEnded = false; !isEnded && this.#end !== 'stop'; ) {
      isEnded = this.#end === 'cancel' ? await this.#clear() : await this.#try();
    }
    this.#isOver = true;
  }

  /** True when it is done or failed, false when it was called off. */
  async #try(): Promise<boolean> {
    const attempt = new Attempt(this.#record, this.#rows, this.#options);
    this.#attempt = attempt;
    try {
      await attempt.run();
      return true;
    } catch (error) {
      await attempt.leave(this.#end !== 'stop');
      this.#attempt = null;
      if (this.#end !== null) return false;
      await this.#fail(error);
      return true;
    }
  }

  async #fail(error: unknown): Promise<void> {
    this.#isOver = true;
    const reason = errorMessage(error);
    const retryable = error instanceof BaeError && error.retryable;
    this.#options.log.warn('an import failed', { import: this.row.id, reason });
    const more = { reason, is_retryable: retryable };
    try {
      await this.#record.step('failed', more);
    } catch (failure) {
      // Called off in this very moment: whoever did that sees it through.
      if (errorKind(failure) === 'cancelled') return;
      this.#isUnsaved = true;
      this.#record.note({ state: 'failed', ...more });
      this.#options.log.error('an import could not save its failure', {
        import: this.row.id,
        reason: errorMessage(failure),
      });
    }
  }

  /** Removes all that the import made. True when it is gone, or left to the next start; false when it is too late. */
  async #clear(): Promise<boolean> {
    const { clock, log } = this.#options;
    for (;;) {
      try {
        return await this.#clearOnce();
      } catch (error) {
        this.#record.note({ reason: errorMessage(error) });
        log.error('a cancelled import could not be removed', { import: this.row.id, reason: errorMessage(error) });
        this.#cleared.resolve();
      }
      try {
        await sleep(clock, CLEAR_RETRY_MILLISECONDS, this.#stop.signal);
      } catch (stopped) {
        log.info('a cancelled import is left to the next start', { import: this.row.id, why: errorMessage(stopped) });
        return true;
      }
    }
  }

  async #clearOnce(): Promise<boolean> {
    const { id, torrent_id: torrentId } = this.row;
    const bundle = this.row.bundle ?? (await this.#rows.bundleOf(torrentId));
    if (bundle !== null) {
      try {
        await this.#options.vault.abandon(bundle);
      } catch (error) {
        if (errorKind(error) !== 'refused') throw error;
        // Committed already: it is part of the library, and all that is left is to say so.
        await this.#rows.update(id, { state: 'committing', bundle });
        this.#record.note({ state: 'committing', bundle, reason: null });
        this.#end = this.#stop.signal.aborted ? 'stop' : null;
        return false;
      }
      await this.#options.library.removeProvisionalRelease(bundle);
    }
    await this.#rows.forget(id, torrentId);
    this.#record.note({ state: 'cancelled', torrent_id: null, bundle: null, reason: null });
    return true;
  }
}
