// What an attack costs the server and an honest peer of it.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { percentile, type startHonest } from './honest.ts';

/** What is to be true after an attack, in words, and whether it is. */
export type Outcome = readonly (readonly [string, boolean])[];

export interface Measured {
  readonly outcome: Outcome;
  /** The honest peer's rate meanwhile, as a share of what it was before. */
  readonly rate: number;
  /** Milliseconds that the server took to answer calls, the 50th and 95th of a hundred; before, too. */
  readonly calls: readonly [number, number];
  readonly quietCalls: readonly [number, number];
  /** By how much its memory grew at most, in bytes. */
  readonly grown: number;
}

const BASE_MILLISECONDS = 1_000;
const SAMPLE_MILLISECONDS = 50;

const rssBytes = (pid: number) =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);

/** Runs an attack while an honest peer downloads from the server with this process id. */
export async function measure(
  server: { readonly pid: number; readonly honest: ReturnType<typeof startHonest> },
  run: () => Promise<Outcome>,
): Promise<Measured> {
  const { pid, honest } = server;
  const quiet = await honest.watch(() => delay(BASE_MILLISECONDS));
  const before = rssBytes(pid);
  let peak = before;
  let outcome: Outcome = [];
  const hard = await honest.watch(async () => {
    const sampling = setInterval(() => {
      peak = Math.max(peak, rssBytes(pid));
    }, SAMPLE_MILLISECONDS);
    try {
      outcome = await run();
    } finally {
      clearInterval(sampling);
    }
  });
  const both = (calls: readonly number[]) => [percentile(calls, 50), percentile(calls, 95)] as const;
  return {
    ...{ outcome, grown: peak - before, calls: both(hard.calls), quietCalls: both(quiet.calls) },
    rate: hard.bytesPerSecond / quiet.bytesPerSecond,
  };
}
