import { COUNTERS_MILLISECONDS } from './limits.ts';
import type { Rate } from './rate.ts';
import type { TorrentSpec } from './types.ts';

export interface PayloadBytes {
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
}

/** Payload of all runs, told when it has grown and not too often. */
export class Counters {
  readonly #before: PayloadBytes;
  readonly #uploaded: Rate;
  readonly #downloaded: Rate;
  #told = 0;
  #dueAt = 0;

  constructor(spec: TorrentSpec, uploaded: Rate, downloaded: Rate) {
    this.#before = { uploadedBytes: spec.uploadedBytes ?? 0, downloadedBytes: spec.downloadedBytes ?? 0 };
    this.#uploaded = uploaded;
    this.#downloaded = downloaded;
  }

  get now(): PayloadBytes {
    return {
      uploadedBytes: this.#before.uploadedBytes + this.#uploaded.total,
      downloadedBytes: this.#before.downloadedBytes + this.#downloaded.total,
    };
  }

  /** Whether something grew since it was last told. */
  get untold(): boolean {
    return this.#uploaded.total + this.#downloaded.total !== this.#told;
  }

  /** What is to be told now; null if nothing is. */
  due(now: number): PayloadBytes | null {
    if (now < this.#dueAt || !this.untold) return null;
    this.#dueAt = now + COUNTERS_MILLISECONDS;
    this.#told = this.#uploaded.total + this.#downloaded.total;
    return this.now;
  }
}
