import { describe, expect, test } from 'vitest';
import { announceScene, EMPTY_REPLY } from '../../../test/parts/scripted-tracker.ts';
import { type RestedAnnounces, TrackerError } from './index.ts';

const ONE = 'http://one.example/secret/announce';
const TWO = 'http://two.example/secret/announce';

describe('announces that rest', () => {
  test('go on when the next is due, with what trackers had said', async () => {
    const scene = announceScene(() => ({ ...EMPTY_REPLY, intervalSeconds: 1_000, trackerId: Buffer.from('abc') }));
    const first = scene.add([[ONE]]);
    await scene.pass(1);
    const rested = first.rest() as RestedAnnounces;
    expect(rested).toMatchObject({ next: ONE, trackers: [{ text: ONE, state: 'working', seeders: 1 }] });
    await scene.pass(500);
    const second = scene.add([[ONE]], { startedWith: [ONE] }, rested);
    expect(second.session.status()).toMatchObject([{ state: 'working', seeders: 1 }]);
    await scene.pass(490);
    expect(scene.events()).toEqual(['one.example started']);
    await scene.pass(20);
    expect(scene.events()).toEqual(['one.example started', 'one.example null']);
    expect(scene.calls[1]?.[2].trackerId).toEqual(Buffer.from('abc'));
    scene.scheduler.close();
  });

  test('keep the growing pauses of a tracker that is down, and the word of one that said never', async () => {
    const scene = announceScene((url) =>
      url.host === 'one.example' ? new TrackerError('never', 'no more') : new TrackerError('unreachable', 'away'),
    );
    let handle = scene.add([[ONE], [TWO]]);
    for (let round = 0; round < 200; round++) {
      await scene.pass(60);
      const rested = handle.rest();
      if (rested !== null) handle = scene.add([[ONE], [TWO]], {}, rested);
    }
    expect(scene.events().filter((event) => event.startsWith('one'))).toHaveLength(1);
    // 15 s, 30 s, 60 s … 1,800 s, with a quarter of jitter: more than 7 and never one each minute.
    const tries = scene.events().filter((event) => event.startsWith('two')).length;
    expect(tries).toBeGreaterThan(7);
    expect(tries).toBeLessThan(20);
    scene.scheduler.close();
  });

  test('do not end while one is under way or a completed is untold; another owner may have them then', async () => {
    const reply = Promise.withResolvers<typeof EMPTY_REPLY>();
    const scene = announceScene(() => reply.promise);
    const told: string[] = [];
    const spec = { changed: () => told.push('first'), settled: () => told.push('first settled') };
    const handle = scene.add([[ONE]], spec);
    await scene.pass(1);
    expect([handle.rest(), handle.isResting()]).toEqual([null, false]);
    const { settled: _, ...own } = handle.session.spec;
    handle.handOver({ ...own, changed: () => told.push('second') });
    reply.resolve(EMPTY_REPLY);
    await scene.pass(1);
    expect(told).toEqual(['second']);
    expect(handle.session.startedWith).toEqual([ONE]);
    handle.session.completed();
    expect(handle.rest()).toBeNull();
    scene.scheduler.close();
  });

  test('that wait for their turn are due again at once; an owner hears when nothing is under way', async () => {
    const scene = announceScene(() => new Promise(() => undefined));
    const settled: number[] = [];
    for (let count = 0; count < 4; count++) scene.add([[ONE]]);
    const waiting = scene.add([[ONE]], { settled: () => settled.push(1) });
    await scene.pass(1);
    expect(waiting.isResting()).toBe(false);
    expect(waiting.rest()).toMatchObject({ dueAt: 1, trackers: [] });
    await scene.pass(31);
    expect([scene.calls.length, settled]).toEqual([4, []]);
    scene.scheduler.close();
  });
});
