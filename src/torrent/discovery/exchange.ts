import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { type AnnounceReply, type AnnounceRequest, type TrackerClient, TrackerError } from './ports.ts';
import type { AnnounceCounters, AnnounceSession } from './session.ts';
import type { Tracker } from './tracker.ts';

export interface ExchangeOptions {
  /** By URL protocol: `http:`, `https:`, `udp:`. */
  readonly clients: ReadonlyMap<string, TrackerClient>;
  readonly clock: Clock;
  readonly log: Log;
  /** The peer port we tell; 0 until it is known. */
  readonly port: () => number;
}

export interface Outcome {
  /** Null when it failed. */
  readonly reply: AnnounceReply | null;
  /** To the next announce, of whichever tracker; null when none is left to try. */
  readonly pauseSeconds: number | null;
}

/** One announce from beginning to end, its outcome taken in by the session. Rejects for faults of ours alone. */
export async function exchange(
  options: ExchangeOptions,
  session: AnnounceSession,
  tracker: Tracker,
  counters: AnnounceCounters,
  milliseconds: number,
  signal?: AbortSignal,
): Promise<Outcome> {
  const { clock, log } = options;
  const request = session.request(tracker, options.port(), counters, false);
  let mayHaveLeft = false;
  const sending = async () => {
    if (request.event === 'completed' && !mayHaveLeft) await session.completing();
    mayHaveLeft = true;
  };
  try {
    const reply = await send(options, tracker, { ...request, sending }, milliseconds, signal);
    return { reply, pauseSeconds: session.succeeded(tracker, request, reply, clock.monotonic() / 1_000) };
  } catch (error) {
    if (!(error instanceof TrackerError)) throw error;
    const pauseSeconds = session.failed(tracker, request, error, mayHaveLeft, clock.monotonic() / 1_000);
    const about = { tracker: tracker.url.host, reason: error.message };
    // Being early is no failure.
    if (tracker.state === 'working') log.debug('an announce came early', about);
    else log.warn('an announce failed', about);
    return { reply: null, pauseSeconds };
  }
}

/** Tells one tracker one thing, within a time. Rejects with TrackerError. */
export async function send(
  { clients, clock }: Pick<ExchangeOptions, 'clients' | 'clock'>,
  { url }: Tracker,
  request: AnnounceRequest,
  milliseconds: number,
  signal?: AbortSignal,
): Promise<AnnounceReply> {
  const client = clients.get(url.protocol);
  if (client === undefined) throw new TrackerError('never', `${url.protocol} trackers are not supported`);
  const abort = new AbortController();
  const timer = clock.after(milliseconds, () => abort.abort());
  const both = signal === undefined ? abort.signal : AbortSignal.any([abort.signal, signal]);
  try {
    return await client.announce(url, request, both);
  } finally {
    timer.cancel();
  }
}
