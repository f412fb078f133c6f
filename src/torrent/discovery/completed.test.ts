// `completed`: what becomes of it when it, or its answer, is lost.
import { describe, expect, test } from 'vitest';
import { EMPTY_REPLY, announceScene as scene } from '../../../test/parts/scripted-tracker.ts';
import { COMPLETED_TRIES } from './limits.ts';
import { type AnnounceReply, type AnnounceRequest, TrackerError } from './ports.ts';

const down = new TrackerError('unreachable', 'down');
type Answer = AnnounceReply | TrackerError;

/** A whole torrent whose tracker knows it; from then on it answers to `completed` what `answer` says. */
async function whole(answer: (request: AnnounceRequest) => Answer | Promise<Answer>) {
  const at = scene((_, request) => (request.event === 'completed' ? answer(request) : EMPTY_REPLY));
  const kept: (boolean | null)[] = [];
  let fails = false;
  const handle = at.add([['http://a/']], {
    completing: async (session) => {
      if (fails) throw new Error('the disk is full');
      kept.push(session.completedSent);
    },
  });
  await at.pass(1);
  handle.completed();
  const told = () => at.events().filter((event) => event === 'a completed').length;
  const full = (on: boolean) => {
    fails = on;
  };
  return { ...at, handle, kept, told, full };
}

describe('completed', () => {
  test('that never reached its tracker is sent again until it does', async () => {
    let isDown = true;
    const { handle, pass, told, kept } = await whole(() => (isDown ? down : EMPTY_REPLY));
    await pass(600);
    expect([told() > COMPLETED_TRIES, handle.session.completedSent, kept]).toEqual([true, false, []]);
    expect(handle.rest()).toBeNull();
    isDown = false;
    await pass(1_800);
    expect([handle.session.completedSent, kept]).toEqual([true, [true]]);
    const before = told();
    await pass(7_200);
    expect(told()).toBe(before);
    expect(handle.rest()).not.toBeNull();
  });

  test('is kept as sent before it leaves, and does not leave where it cannot be kept', async () => {
    const { handle, pass, kept, told, full } = await whole(() => EMPTY_REPLY);
    full(true);
    await pass(1);
    expect([handle.session.completedSent, kept]).toEqual([false, []]);
    full(false);
    await pass(60);
    expect([handle.session.completedSent, kept, told()]).toEqual([true, [true], 2]);
  });

  test('whose answer is lost is sent again within 30 s; a tracker that takes no event twice says that it has it', async () => {
    let sent = 0;
    const { calls, handle, pass, told } = await whole(async (request) => {
      if (++sent > 1) return new TrackerError('refused', 'The same event came less than 30 seconds ago');
      await request.sending?.();
      return down;
    });
    await pass(2);
    expect(handle.session.completedSent).toBe(true);
    await pass(28);
    expect(told()).toBe(2);
    expect(handle.session.status()[0]).toMatchObject({ state: 'working' });
    await pass(100_000);
    expect(told()).toBe(2);
    expect(calls.at(-1)?.[2].event).toBeNull();
  });

  test('whose answers are all lost is sent a few times, and then taken for told', async () => {
    const { handle, pass, told } = await whole(async (request) => {
      await request.sending?.();
      return down;
    });
    await pass(100_000);
    expect(told()).toBe(COMPLETED_TRIES);
    expect(handle.session.completedSent).toBe(true);
    expect(handle.rest()).not.toBeNull();
  });

  test.each([
    ['refused', new TrackerError('refused', 'Database is down')],
    ['answered with an error status', new TrackerError('unreachable', 'a answers with status 502', null, true)],
  ])('that is %s was not counted: it is sent again, by another run too', async (_, error) => {
    let answer: Answer = error;
    const { handle, pass, told } = await whole(async ({ sending }) => {
      await sending?.();
      return answer;
    });
    await pass(3_600);
    expect([told() > COMPLETED_TRIES, handle.session.completedSent]).toEqual([true, false]);
    answer = EMPTY_REPLY;
    await pass(1_800);
    expect(handle.session.completedSent).toBe(true);
  });

  test('that is untold when the session ends is told before stopped', async () => {
    let isDown = true;
    const { events, handle, pass } = await whole(() => (isDown ? down : EMPTY_REPLY));
    await pass(1);
    isDown = false;
    await handle.stop(new AbortController().signal);
    expect(events().slice(-2)).toEqual(['a completed', 'a stopped']);
  });

  test('is not said of a torrent that has bytes left when it ends', async () => {
    const { add, pass, events } = scene(() => EMPTY_REPLY);
    const handle = add([['http://a/']], { counters: async () => ({ uploaded: 0, downloaded: 5, left: 5 }) });
    await pass(1);
    handle.completed();
    await handle.stop(new AbortController().signal);
    expect(events()).toEqual(['a started', 'a stopped']);
  });
});

describe('a refusal that only says that we are early', () => {
  const early = new TrackerError('refused', 'The same event came less than 30 seconds ago');

  test('is no fault: the tracker works, no other is tried, and it is asked again after 30 s', async () => {
    let answer: Answer = early;
    const { add, pass, calls, events } = scene(() => answer);
    const { session } = add([['http://a/'], ['http://b/']], { startedWith: ['http://a/'] });
    await pass(29);
    expect(events()).toEqual(['a null']);
    expect(session.status()[0]).toMatchObject({ state: 'working' });
    expect(session.refusal).toBeNull();
    answer = EMPTY_REPLY;
    await pass(20);
    expect(events()).toEqual(['a null', 'a null']);
    expect((calls[1]?.[0] ?? 0) - (calls[0]?.[0] ?? 0)).toBeGreaterThanOrEqual(30);
  });

  test('comes with growing pauses, and does not hold up what is to be told', async () => {
    const { add, pass, calls, events } = scene((_, { event }) => (event === 'completed' ? EMPTY_REPLY : early));
    const handle = add([['http://a/']], { startedWith: ['http://a/'] });
    await pass(20_000);
    expect(calls.length).toBeLessThan(20);
    handle.completed();
    await pass(1);
    expect(events().at(-1)).toBe('a completed');
  });

  test('of a started whose answer was lost is its answer', async () => {
    let count = 0;
    const { add, pass, events } = scene(() => (++count === 1 ? down : count === 2 ? early : EMPTY_REPLY));
    const { session } = add([['http://a/']]);
    await pass(100);
    expect(events()).toEqual(['a started', 'a started', 'a null']);
    expect(session.startedWith).toEqual(['http://a/']);
  });

  test('is a failure like others where the tracker does not know us', async () => {
    const { add, pass, events } = scene(({ host }) =>
      host === 'a' ? new TrackerError('refused', 'Too many announces, slow down') : EMPTY_REPLY,
    );
    add([['http://a/'], ['http://b/']]);
    await pass(1);
    expect(events()).toEqual(['a started', 'b started']);
  });
});

describe('another tracker (BEP 27)', () => {
  const PASSKEY = '0123456789abcdef0123456789abcdef';
  test.each([
    ['of another site', 'http://a.example/announce', 'http://b.example/announce', 1],
    ['of another site with another passkey', `http://a/${PASSKEY}/announce`, `http://b/f${PASSKEY}/announce`, 1],
    ['on another port of the host', 'http://a.example/x', 'http://a.example:81/y', 0],
    ['with the same passkey', `http://a.example/${PASSKEY}/announce`, `http://b.example/${PASSKEY}/announce`, 0],
    ['with the same short word', 'http://a.example/music/announce', 'http://b.example/music/announce', 1],
  ])('%s', async (_, first, second, count) => {
    let isDown = false;
    let switched = 0;
    const order: string[] = [];
    const peers = [{ host: '8.8.8.8', port: 1 }];
    const { add, pass } = scene(({ href }) => (href === first && isDown ? down : { ...EMPTY_REPLY, peers }));
    const spec = { switched: () => order.push(`switched ${++switched}`), found: () => order.push('found') };
    add([[first], [second]], spec);
    await pass(1_700);
    expect(order).toEqual(['found']);
    isDown = true;
    await pass(1_000);
    expect(order).toEqual(count === 0 ? ['found', 'found'] : ['found', 'switched 1', 'found']);
  });

  test('is none while the first only fails and no other answers', async () => {
    let isDown = false;
    let switched = 0;
    const { add, pass } = scene(() => (isDown ? down : EMPTY_REPLY));
    add([['http://a/'], ['http://b/']], { switched: () => switched++ });
    await pass(1);
    isDown = true;
    await pass(10_000);
    isDown = false;
    await pass(4_000);
    expect(switched).toBe(0);
  });
});
