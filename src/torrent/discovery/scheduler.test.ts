import { describe, expect, test } from 'vitest';
import type { Clock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { ANNOUNCES_AT_ONCE } from './limits.ts';
import { type AnnounceReply, type AnnounceRequest, type PeerAddress, TrackerError } from './ports.ts';
import { AnnounceScheduler } from './scheduler.ts';
import type { SessionSpec } from './session.ts';

const empty: AnnounceReply = {
  intervalSeconds: 1800,
  minIntervalSeconds: null,
  seeders: 1,
  leechers: 0,
  peers: [],
  warning: null,
  trackerId: null,
};

/** A clock that a test moves; what is due runs in order, with time for promises in between. */
function virtualClock() {
  let now = 0;
  const pending: { at: number; every: number | null; call: () => void }[] = [];
  const add = (at: number, every: number | null, call: () => void) => {
    const item = { at, every, call };
    pending.push(item);
    return {
      cancel: () => {
        const index = pending.indexOf(item);
        if (index >= 0) pending.splice(index, 1);
      },
    };
  };
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: (milliseconds, call) => add(now + milliseconds, null, call),
    every: (milliseconds, call) => add(now + milliseconds, milliseconds, call),
  };
  const settle = () => new Promise((done) => setImmediate(done));
  const pass = async (seconds: number) => {
    const until = now + seconds * 1_000;
    await settle();
    for (;;) {
      const next = pending.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      now = next.at;
      if (next.every === null) pending.splice(pending.indexOf(next), 1);
      else next.at += next.every;
      next.call();
      await settle();
    }
    now = until;
  };
  return { clock, pass };
}

type Answer = (url: URL, request: AnnounceRequest) => AnnounceReply | TrackerError | Promise<AnnounceReply>;

function scene(answer: Answer, allowPrivateAddresses = true) {
  const { clock, pass } = virtualClock();
  const calls: [number, string, AnnounceRequest][] = [];
  const client = {
    announce: async (url: URL, request: AnnounceRequest) => {
      calls.push([clock.monotonic() / 1_000, url.host, request]);
      const reply = await answer(url, request);
      if (reply instanceof TrackerError) throw reply;
      return reply;
    },
  };
  const options = { clock, random: seededRandom(1), log: silentLog, port: () => 7, allowPrivateAddresses };
  const scheduler = new AnnounceScheduler({ ...options, clients: new Map([['http:', client]]) });
  const found: PeerAddress[] = [];
  const add = (trackers: string[][], more: Partial<SessionSpec> = {}) =>
    scheduler.add({
      infoHash: Buffer.alloc(20),
      peerId: Buffer.alloc(20),
      key: 1,
      trackers,
      startedWith: null,
      counters: () => ({ uploaded: 1, downloaded: 2, left: 3 }),
      wanted: () => 50,
      found: (peers) => found.push(...peers),
      changed: () => undefined,
      ...more,
    });
  const events = () => calls.map(([, host, { event }]) => `${host} ${event}`);
  return { add, pass, calls, events, found, scheduler };
}

describe('announces', () => {
  test('started once, then regularly at the interval, completed once, stopped at the end', async () => {
    const { add, pass, calls, events } = scene(() => empty);
    const handle = add([['http://a/']]);
    await pass(1_801);
    handle.completed();
    await pass(1_900);
    await handle.stop(true);
    await pass(10_000);
    expect(events()).toEqual(['a started', 'a null', 'a completed', 'a null', 'a stopped']);
    expect(calls.map(([at]) => Math.round(at))).toEqual([0, 1800, 1801, 3601, 3701]);
    expect(calls[4]?.[2]).toMatchObject({ uploaded: 1, downloaded: 2, left: 3, port: 7 });
  });

  test('a session that goes on after a restart sends no second started', async () => {
    const { add, pass, events } = scene(() => empty);
    add([['http://a/', 'http://b/']], { startedWith: 'http://b/' });
    await pass(5);
    expect(events()).toEqual(['b null']);
  });

  test('stop without telling sends nothing; a tracker that never knew us is not told', async () => {
    const { add, pass, events } = scene(() => new TrackerError('unreachable', 'no'));
    await add([['http://a/']]).stop(true);
    const quiet = add([['http://b/']]);
    await pass(1);
    await quiet.stop(false);
    await pass(100);
    expect(events()).toEqual(['a started', 'b started']);
  });

  test('tiers in order, the next at once after a failure, the one that works first from then on (BEP 12)', async () => {
    const { add, pass, events } = scene((url) => (url.host === 'c' ? empty : new TrackerError('unreachable', 'down')));
    const handle = add([['http://a/'], ['http://c/'], ['http://d/']]);
    await pass(1_801);
    expect(events()).toEqual(['a started', 'c started', 'c null']);
    expect(handle.session.status().map(({ tracker, state }) => [tracker, state])).toEqual([
      ['http://a', 'failing'],
      ['http://c', 'working'],
      ['http://d', 'not-asked'],
    ]);
  });

  test('pauses double with jitter up to the cap, and retry in is honoured', async () => {
    let reply = new TrackerError('unreachable', 'down');
    const { add, pass, calls } = scene(() => reply);
    add([['http://a/']]);
    await pass(20_000);
    const gaps = calls.slice(1).map(([at], index) => at - (calls[index]?.[0] ?? 0));
    gaps.forEach((gap, index) => {
      const plain = Math.min(15 * 2 ** index, 1_800);
      expect(gap).toBeGreaterThanOrEqual(plain * 0.75 - 1);
      expect(gap).toBeLessThanOrEqual(plain * 1.25 + 2);
    });
    expect(gaps.length).toBeGreaterThan(10);
    reply = new TrackerError('refused', 'wait', 7_200);
    const before = calls.length;
    await pass(9_000);
    expect(calls.length).toBeLessThanOrEqual(before + 2);
    reply = new TrackerError('never', 'gone');
    await pass(9_000);
    const last = calls.length;
    await pass(100_000);
    expect(calls.length).toBe(last);
  });

  test('intervals of 0 and of a month are clamped', async () => {
    let seconds = 0;
    const { add, pass, calls } = scene(() => ({ ...empty, intervalSeconds: seconds }));
    add([['http://a/']]);
    await pass(300);
    expect(calls.length).toBeLessThanOrEqual(11);
    seconds = 3_000_000;
    await pass(100_000);
    const before = calls.length;
    await pass(90_000);
    expect(calls.length - before).toBe(1);
  });

  test('asking again waits for the minimum interval', async () => {
    const { add, pass, calls } = scene(() => ({ ...empty, minIntervalSeconds: 100 }));
    const handle = add([['http://a/']]);
    await pass(10);
    handle.announceSoon();
    handle.announceSoon();
    await pass(89);
    expect(calls.length).toBe(1);
    await pass(5);
    expect(calls.length).toBe(2);
  });

  test('private peers are left out unless allowed', async () => {
    const peers = ['10.0.0.1', '127.0.0.1', '8.8.8.8', '::1'].map((host) => ({ host, port: 1 }));
    for (const [allowed, count] of [
      [true, 4],
      [false, 1],
    ] as const) {
      const { add, pass, found } = scene(() => ({ ...empty, peers }), allowed);
      add([['http://a/']]);
      await pass(1);
      expect(found.length).toBe(count);
    }
  });

  test('no more than the limit are under way, and all get their turn', async () => {
    const release: (() => void)[] = [];
    const { add, pass, calls } = scene(() => new Promise((done) => release.push(() => done(empty))));
    for (let index = 0; index < 120; index++) add([[`http://t${index}/`]]);
    await pass(1);
    expect(calls.length).toBe(ANNOUNCES_AT_ONCE);
    while (release.length > 0) {
      release.shift()?.();
      await pass(0);
    }
    expect(new Set(calls.map(([, host]) => host)).size).toBe(120);
  });

  test('a stop during the first started waits for it and tells stopped', async () => {
    let release: (() => void) | null = null;
    const { add, pass, events } = scene((_, { event }) =>
      event === 'started' ? new Promise((done) => (release = () => done(empty))) : empty,
    );
    const handle = add([['http://a/']]);
    await pass(1);
    const stopped = handle.stop(true);
    (release as (() => void) | null)?.();
    await stopped;
    expect(events()).toEqual(['a started', 'a stopped']);
  });
});
