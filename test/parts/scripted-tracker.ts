// Announces on a clock that stands still until a test moves it, answered by whatever the test says.
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { seededRandom } from '../../src/lib/random.ts';
import {
  type AnnounceReply,
  type AnnounceRequest,
  AnnounceScheduler,
  type PeerAddress,
  type RestedAnnounces,
  type SessionSpec,
  TrackerError,
} from '../../src/torrent/discovery/index.ts';

export const EMPTY_REPLY: AnnounceReply = {
  intervalSeconds: 1800,
  minIntervalSeconds: null,
  seeders: 1,
  leechers: 0,
  peers: [],
  warning: null,
  trackerId: null,
};

/** What is due runs in order, with time for promises in between. `timers` tells how many wait. */
function virtualClock() {
  let now = 0;
  const pending = new Set<{ at: number; every: number | null; call: () => void }>();
  const add = (at: number, every: number | null, call: () => void) => {
    const item = { at, every, call };
    pending.add(item);
    return { cancel: () => void pending.delete(item) };
  };
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: (milliseconds, call) => add(now + milliseconds, null, call),
    every: (milliseconds, call) => add(now + milliseconds, milliseconds, call),
  };
  const pass = async (seconds: number) => {
    const until = now + seconds * 1_000;
    await setImmediate();
    for (;;) {
      let next: { at: number; every: number | null; call: () => void } | null = null;
      for (const item of pending) if (item.at <= until && (next === null || item.at < next.at)) next = item;
      if (next === null) break;
      now = next.at;
      if (next.every === null) pending.delete(next);
      else next.at += next.every;
      next.call();
      await setImmediate();
    }
    now = until;
  };
  return { clock, pass, timers: () => pending.size };
}

type Answer = (
  url: URL,
  request: AnnounceRequest,
  signal: AbortSignal,
) => AnnounceReply | TrackerError | Promise<AnnounceReply | TrackerError>;

/** A scheduler whose trackers say what `answer` says; every announce is noted with its second and host. */
export function announceScene(answer: Answer, allowPrivateAddresses = true) {
  const { clock, pass, timers } = virtualClock();
  const calls: [number, string, AnnounceRequest][] = [];
  const client = {
    announce: async (url: URL, request: AnnounceRequest, signal: AbortSignal) => {
      calls.push([clock.monotonic() / 1_000, url.host, request]);
      const reply = await answer(url, request, signal);
      // Whatever was answered was sent; what is unreachable was not, unless `answer` has said so.
      const isAnswer = !(reply instanceof TrackerError) || reply.kind !== 'unreachable';
      if (isAnswer) await request.sending?.();
      if (reply instanceof TrackerError) throw reply;
      return reply;
    },
  };
  const options = { clock, random: seededRandom(1), log: silentLog, port: () => 7, allowPrivateAddresses };
  const scheduler = new AnnounceScheduler({ ...options, clients: new Map([['http:', client]]) });
  const found: PeerAddress[] = [];
  const add = (
    trackers: readonly (readonly string[])[],
    more: Partial<SessionSpec> = {},
    rested: RestedAnnounces | null = null,
  ) => {
    const spec: SessionSpec = {
      infoHash: Buffer.alloc(20),
      peerId: Buffer.alloc(20),
      key: 1,
      trackers,
      startedWith: [],
      counters: async () => ({ uploaded: 1, downloaded: 2, left: 0 }),
      partial: () => false,
      wanted: () => 50,
      eager: () => false,
      found: (peers) => found.push(...peers),
      changed: () => undefined,
      ...more,
    };
    return scheduler.add(spec, rested);
  };
  const events = () => calls.map(([, host, { event }]) => `${host} ${event}`);
  /** Ends a session the way a removal does. */
  const stop = (handle: ReturnType<typeof add>, signal = new AbortController().signal) => handle.stop(signal);
  return { add, stop, pass, calls, events, found, scheduler, timers, clock };
}
