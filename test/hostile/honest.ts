import { Worker } from 'node:worker_threads';
import type { HonestOptions, HonestReport } from './honest.worker.ts';

/** What an honest peer saw over some time. */
export interface Seen {
  readonly bytesPerSecond: number;
  /** How long the server took to answer, sorted. */
  readonly calls: readonly number[];
}

/** Starts an honest peer; `watch` tells what it sees while something happens. */
export function startHonest(options: HonestOptions) {
  const worker = new Worker(new URL('./honest.worker.ts', import.meta.url), { workerData: options });
  let reports: HonestReport[] = [];
  let failure: unknown = null;
  let wrongBlocks = 0;
  let closed = false;
  worker.on('error', (error) => {
    failure = error;
  });
  worker.on('message', (report: HonestReport) => {
    reports.push(report);
    wrongBlocks = report.wrongBlocks;
    closed = report.closed;
  });
  return {
    get wrongBlocks() {
      return wrongBlocks;
    },
    get closed() {
      return closed;
    },
    async watch(during: () => Promise<void>): Promise<Seen> {
      reports = [];
      await during();
      if (failure !== null) throw failure;
      const milliseconds = reports.reduce((sum, report) => sum + report.milliseconds, 0);
      const bytes = reports.reduce((sum, report) => sum + report.bytes, 0);
      const calls = reports.flatMap((report) => report.calls).sort((a, b) => a - b);
      return { bytesPerSecond: (1_000 * bytes) / milliseconds, calls };
    },
    stop: () => worker.terminate(),
  };
}

/** The value that so many of a hundred sorted values do not pass; 0 of none. */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}
