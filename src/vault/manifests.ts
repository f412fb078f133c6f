import type { Database } from '../db/index.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { type Commits, isHopeless } from './commit.ts';
import { unwrittenRevision } from './manifest-changes.ts';
import type { Patience } from './patience.ts';

/** Changes of a bundle within this time after the first become one generation of its manifest. */
export const MANIFEST_DELAY_MILLISECONDS = 2_000;

export interface ManifestsParts {
  readonly database: Database;
  readonly commits: Commits;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends what goes on behind. */
  readonly stop: AbortSignal;
}

/**
 * Brings manifests in line with what is noted as changed: soon, behind everybody's back, one bundle after the other (each
 * loads its chunk table). The notes are durable, so whatever is not written when the process ends is written by the next.
 */
export class Manifests {
  readonly #deps: ManifestsParts;
  readonly #due = new Set<number>();
  #timer: Timer | null = null;
  #writing: Promise<void> | null = null;

  constructor(deps: ManifestsParts) {
    this.#deps = deps;
  }

  /** See Vault.manifestChanged. */
  changed(bundle: number): void {
    this.#due.add(bundle);
    this.#arm();
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  /** Writes at once what is due now; resolves when it is durable in the store, was refused, or the vault stops. */
  async flush(): Promise<void> {
    await this.#writing;
    this.#timer?.cancel();
    if (this.#due.size > 0) this.#begin();
    await this.#writing;
  }

  #arm(): void {
    if (this.#writing !== null || this.#due.size === 0 || this.#deps.stop.aborted) return;
    this.#timer ??= this.#deps.clock.after(MANIFEST_DELAY_MILLISECONDS, () => this.#begin());
  }

  #begin(): void {
    this.#timer = null;
    const bundles = [...this.#due];
    this.#due.clear();
    this.#writing = this.#write(bundles).finally(() => {
      this.#writing = null;
      this.#arm();
    });
  }

  async #write(bundles: readonly number[]): Promise<void> {
    const { patience, log, stop } = this.#deps;
    for (const bundle of bundles) {
      try {
        await patience.until('Writing a manifest', stop, () => this.#writeOne(bundle), isHopeless);
      } catch (error) {
        if (stop.aborted) return;
        log.error('A manifest is not up to date.', { bundle, error: errorMessage(error) });
      }
    }
  }
  async #writeOne(bundle: number): Promise<void> {
    const { database, commits } = this.#deps;
    // An import that was cancelled meanwhile took its notes along.
    if ((await unwrittenRevision(database.db, bundle)) !== null) await commits.writeChange(bundle);
  }
}
