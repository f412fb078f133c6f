import { describe, expect, test } from 'vitest';
import { EMPTY_REPLY, announceScene as scene } from '../../../test/parts/scripted-tracker.ts';
import { type AnnounceReply, TrackerError } from './ports.ts';

const down = new TrackerError('unreachable', 'down');
const DAY = 86_400;

describe('announces', () => {
  test('started once, then regularly at the interval, completed once, stopped at the end', async () => {
    const { add, stop, pass, calls, events } = scene(() => EMPTY_REPLY);
    const handle = add([['http://a/']]);
    await pass(1_801);
    handle.completed();
    await pass(1_900);
    await stop(handle);
    await pass(10_000);
    expect(events()).toEqual(['a started', 'a null', 'a completed', 'a null', 'a stopped']);
    expect(calls.map(([at]) => Math.round(at))).toEqual([0, 1800, 1801, 3601, 3701]);
    expect(calls[4]?.[2]).toMatchObject({ uploaded: 1, downloaded: 2, left: 0, port: 7 });
    expect(handle.session.startedWith).toEqual([]);
  });

  test('completed waits until nothing is left, and follows started at once', async () => {
    let left = 5;
    const { add, pass, events } = scene(() => EMPTY_REPLY);
    const handle = add([['http://a/']], { counters: async () => ({ uploaded: 0, downloaded: 0, left }) });
    handle.completed();
    left = 0;
    await pass(5);
    expect(events()).toEqual(['a started', 'a completed']);
    expect(handle.session.completedSent).toBe(true);
  });

  test('completed is told once, however often and whenever it is said', async () => {
    const said: (() => void)[] = [];
    const { add, pass, events } = scene(() => {
      for (const say of said) say();
      return EMPTY_REPLY;
    });
    const handle = add([['http://a/']]);
    await pass(1);
    said.push(handle.completed);
    handle.completed();
    handle.completed();
    await pass(60);
    expect(events()).toEqual(['a started', 'a completed']);
  });

  test('a session that goes on after a restart sends no second started', async () => {
    const { add, pass, events } = scene(() => EMPTY_REPLY);
    add([['http://a/', 'http://b/']], { startedWith: ['http://b/'] });
    await pass(5);
    expect(events()).toEqual(['b null']);
  });

  test('one that wants nothing more and is not whole says paused (BEP 21), but started and stopped first', async () => {
    const { add, stop, pass, events } = scene(() => EMPTY_REPLY);
    const handle = add([['http://a/']], { partial: () => true });
    await pass(4_000);
    await stop(handle);
    expect(events()).toEqual(['a started', 'a paused', 'a paused', 'a stopped']);
  });

  test('leaving tells nothing; a tracker that never knew us is not told of a stop', async () => {
    const { add, stop, pass, events } = scene(() => down);
    await stop(add([['http://a/']]));
    const quiet = add([['http://b/']]);
    await pass(1);
    quiet.leave();
    await pass(100);
    expect(events()).toEqual(['b started']);
  });

  test('private peers are left out unless allowed', async () => {
    const peers = ['10.0.0.1', '127.0.0.1', '8.8.8.8', '::1'].map((host) => ({ host, port: 1 }));
    for (const [allowed, count] of [
      [true, 4],
      [false, 1],
    ] as const) {
      const { add, pass, found } = scene(() => ({ ...EMPTY_REPLY, peers }), allowed);
      add([['http://a/']]);
      await pass(1);
      expect(found.length).toBe(count);
    }
  });

  test('a warning is shown, and the tracker works', async () => {
    const { add, pass } = scene(() => ({ ...EMPTY_REPLY, warning: 'update your client' }));
    const { session } = add([['http://a/secret']]);
    await pass(1);
    expect(session.status()).toMatchObject([{ tracker: 'http://a', state: 'working', message: 'update your client' }]);
    expect(session.refusal).toBeNull();
  });
});

describe('a stop', () => {
  test('during the first started waits for it and tells stopped', async () => {
    const release: (() => void)[] = [];
    const { add, stop, pass, events } = scene((_, { event }) =>
      event === 'started' ? new Promise((done) => release.push(() => done(EMPTY_REPLY))) : EMPTY_REPLY,
    );
    const handle = add([['http://a/']]);
    await pass(1);
    const stopped = stop(handle);
    release[0]?.();
    await stopped;
    expect(events()).toEqual(['a started', 'a stopped']);
  });

  test('that no tracker hears in time leaves the session as one that goes on', async () => {
    const hang = (signal: AbortSignal) =>
      new Promise<AnnounceReply>((_, reject) => signal.addEventListener('abort', () => reject(down)));
    const { add, stop, pass, events } = scene((_, { event }, signal) =>
      event === 'stopped' ? hang(signal) : EMPTY_REPLY,
    );
    const handles = Array.from({ length: 20 }, (_, index) => add([[`http://a/${index}`]]));
    await pass(1);
    const late = new AbortController();
    const stopped = Promise.all(handles.map((handle) => stop(handle, late.signal)));
    await pass(1);
    late.abort();
    await stopped;
    // As many as may be under way, and no more behind them once it is too late.
    await pass(60);
    expect(events().filter((event) => event === 'a stopped')).toHaveLength(4);
    expect(handles.map(({ session }) => session.startedWith.length)).toEqual(handles.map(() => 1));
  });

  test('is told to every tracker that knows us', async () => {
    let isDown = false;
    const { add, stop, pass, events } = scene(({ host }) => (host === 'a' && isDown ? down : EMPTY_REPLY));
    const handle = add([['http://a/'], ['http://b/']]);
    await pass(1);
    isDown = true;
    await pass(1_800);
    isDown = false;
    await stop(handle);
    expect(events()).toEqual(['a started', 'a null', 'b started', 'a stopped', 'b stopped']);
  });
});

describe('several trackers (BEP 12)', () => {
  test('in order of their tiers, the next at once after a failure; each round begins with the first', async () => {
    let isDown = true;
    const { add, pass, events } = scene(({ host }) => (host === 'a' && isDown ? down : EMPTY_REPLY));
    const handle = add([['http://a/'], ['http://c/'], ['http://d/']]);
    await pass(1_801);
    expect(events()).toEqual(['a started', 'c started', 'a started', 'c null']);
    expect(handle.session.status().map(({ tracker, state }) => [tracker, state])).toEqual([
      ['http://a', 'failing'],
      ['http://c', 'working'],
      ['http://d', 'not-asked'],
    ]);
    isDown = false;
    await pass(1_800);
    expect(events().slice(4)).toEqual(['a started']);
  });

  test('one that fails for a while is not told started again when it is back, so that it counts all we served', async () => {
    let isDown = false;
    const { add, pass, events } = scene(({ host }) => (host === 'a' && isDown ? down : EMPTY_REPLY));
    add([['http://a/'], ['http://b/']]);
    await pass(1);
    isDown = true;
    await pass(1_800);
    isDown = false;
    await pass(1_800);
    expect(events()).toEqual(['a started', 'a null', 'b started', 'a null']);
  });

  test('the one that works goes to the front of its tier', async () => {
    const { add, pass, events } = scene(({ host }) => (host === 'b' ? EMPTY_REPLY : down));
    const { session } = add([['http://a/', 'http://b/', 'http://c/']]);
    await pass(1_801);
    expect(session.status()[0]).toMatchObject({ tracker: 'http://b', state: 'working' });
    expect(events().at(-1)).toBe('b null');
  });
});

describe('failures', () => {
  test('pauses double with jitter up to the cap, and retry in is honoured', async () => {
    let reply = down;
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

  test('a tracker that is down for a day is asked some fifty times, and then the session goes on as it was', async () => {
    let isDown = false;
    const { add, pass, calls, events } = scene(() => (isDown ? down : EMPTY_REPLY));
    const { session } = add([['http://a/']]);
    await pass(1);
    isDown = true;
    await pass(DAY);
    const asked = calls.length;
    expect(asked).toBeGreaterThan(40);
    expect(asked).toBeLessThan(80);
    isDown = false;
    await pass(2_251);
    expect(session.status()[0]).toMatchObject({ state: 'working', message: null });
    expect(events().filter((event) => event === 'a started')).toHaveLength(1);
  });

  test.each([
    ['Your client is not on the whitelist', 'does not allow bae as a client'],
    ['Unregistered torrent', 'does not know this torrent'],
    ['Passkey not found', "does not accept the passkey in this torrent's tracker address"],
  ])('"%s" is told in words, tried again after hours, and at once when a person wants it', async (reason, words) => {
    let reply: AnnounceReply | TrackerError = new TrackerError('refused', reason);
    const { add, pass, calls } = scene(() => reply);
    const handle = add([['http://a/']]);
    await pass(3 * DAY);
    const gaps = calls.slice(1).map(([at], index) => at - (calls[index]?.[0] ?? 0));
    gaps.forEach((gap, index) => {
      const plain = Math.min(3_600 * 2 ** index, DAY);
      expect(gap).toBeGreaterThanOrEqual(plain * 0.75 - 1);
      expect(gap).toBeLessThanOrEqual(plain * 1.25 + 2);
    });
    expect(gaps.length).toBeGreaterThan(4);
    expect(handle.session.status()[0]).toMatchObject({ state: 'refused', message: reason });
    expect(handle.session.refusal).toContain(`a ${words}: it says "${reason}".`);
    reply = EMPTY_REPLY;
    const before = calls.length;
    handle.retry();
    await pass(1);
    expect(calls.length).toBe(before + 1);
    expect(handle.session.refusal).toBeNull();
  });

  test('one tracker that refuses is no complaint while another works', async () => {
    const { add, pass, events } = scene(({ host }) =>
      host === 'a' ? new TrackerError('refused', 'unregistered torrent') : EMPTY_REPLY,
    );
    const { session } = add([['http://a/'], ['http://b/']]);
    await pass(1_801);
    expect(session.refusal).toBeNull();
    expect(events()).toEqual(['a started', 'b started', 'b null']);
  });
});

describe('intervals', () => {
  test('of 0 and of a month are clamped', async () => {
    let seconds = 0;
    const { add, pass, calls } = scene(() => ({ ...EMPTY_REPLY, intervalSeconds: seconds }));
    add([['http://a/']]);
    await pass(300);
    expect(calls.length).toBeLessThanOrEqual(11);
    seconds = 3_000_000;
    await pass(100_000);
    const before = calls.length;
    await pass(90_000);
    expect(calls.length - before).toBe(1);
  });

  test('a minimum above the interval is what counts', async () => {
    const { add, pass, calls } = scene(() => ({ ...EMPTY_REPLY, intervalSeconds: 60, minIntervalSeconds: 900 }));
    add([['http://a/']]);
    await pass(3_601);
    expect(calls.map(([at]) => Math.round(at))).toEqual([0, 900, 1800, 2700, 3600]);
  });

  test('a wish waits for the minimum interval of a tracker that works', async () => {
    const { add, pass, calls } = scene(() => ({ ...EMPTY_REPLY, minIntervalSeconds: 100 }));
    const handle = add([['http://a/']]);
    await pass(10);
    handle.retry();
    handle.retry();
    await pass(89);
    expect(calls.length).toBe(1);
    await pass(5);
    expect(calls.length).toBe(2);
  });
});
