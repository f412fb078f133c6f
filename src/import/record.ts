import type { ImportState } from '../db/index.ts';
import { BaeError } from '../lib/errors.ts';
import type { ImportRow, ImportRows } from './rows.ts';

type More = Partial<Pick<ImportRow, 'reason' | 'is_retryable' | 'progress'>>;

/** A job's row: each step is saved before the job goes on, and never over a cancel. */
export class ImportRecord {
  readonly #rows: ImportRows;
  #row: ImportRow;

  constructor(row: ImportRow, rows: ImportRows) {
    this.#row = row;
    this.#rows = rows;
  }

  get row(): ImportRow {
    return this.#row;
  }

  /** What is known and need not be saved now, or was saved elsewhere. */
  note(change: Partial<ImportRow>): void {
    this.#row = { ...this.#row, ...change };
  }

  /** @throws BaeError `cancelled` when the import was called off */
  async step(state: ImportState, more: More = {}): Promise<void> {
    const change = { state, reason: null, is_retryable: false, progress: this.#row.progress, ...more };
    if (!(await this.#rows.step(this.#row.id, change))) throw new BaeError('cancelled', 'The import was called off.');
    this.note(change);
  }

  async setBundle(bundle: number): Promise<void> {
    await this.#rows.update(this.#row.id, { bundle });
    this.note({ bundle });
  }

  async saveProgress(progress: number): Promise<void> {
    this.note({ progress });
    await this.#rows.update(this.#row.id, { progress });
  }
}
