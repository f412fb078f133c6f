import { describe, expect, test } from 'vitest';
import { EMPTY_REPLY, announceScene as scene } from '../../../test/parts/scripted-tracker.ts';
import { ANNOUNCES_AT_ONCE, ANNOUNCES_PER_HOST_AND_SECOND, CONNECTIONS_PER_HOST } from './limits.ts';
import type { AnnounceReply } from './ports.ts';

/** Announces that begun in each second. */
function perSecond(calls: readonly (readonly [number, ...unknown[]])[]): number[] {
  const counts = new Map<number, number>();
  for (const [at] of calls) counts.set(Math.floor(at), (counts.get(Math.floor(at)) ?? 0) + 1);
  return [...counts.values()];
}

describe('announces by host', () => {
  test('10,000 torrents of one host: few connections, no bursts, one wheel, and all get their turn', async () => {
    let running = 0;
    let most = 0;
    let mostTimers = 0;
    const at = scene(async () => {
      most = Math.max(most, ++running);
      await new Promise<void>((done) => at.clock.after(20, done));
      mostTimers = Math.max(mostTimers, at.timers());
      running--;
      return EMPTY_REPLY;
    });
    for (let index = 0; index < 10_000; index++)
      at.add([[`http://a/${index}`]], { startedWith: [`http://a/${index}`] });
    await at.pass(10_000 / ANNOUNCES_PER_HOST_AND_SECOND + 5);
    expect(at.calls.length).toBe(10_000);
    expect(most).toBe(CONNECTIONS_PER_HOST);
    expect(Math.max(...perSecond(at.calls))).toBeLessThanOrEqual(ANNOUNCES_PER_HOST_AND_SECOND);
    // The tick, and for each announce under way its deadline and the answer on its way.
    expect(mostTimers).toBeLessThanOrEqual(1 + 2 * CONNECTIONS_PER_HOST);
    await at.pass(600);
    expect(at.timers()).toBe(1);
    await at.pass(1_800);
    expect(at.calls.length).toBe(20_000);
    expect(Math.max(...perSecond(at.calls))).toBeLessThanOrEqual(ANNOUNCES_PER_HOST_AND_SECOND);
  }, 60_000);

  test('what an event or a person wants told goes before, whatever the rate', async () => {
    const { add, pass, calls } = scene(() => EMPTY_REPLY);
    for (let index = 0; index < 1_000; index++) add([[`http://a/${index}`]], { startedWith: [`http://a/${index}`] });
    await pass(1);
    const download = add([['http://a/new']], { eager: () => true });
    await pass(0);
    expect(calls.at(-1)?.[2].event).toBe('started');
    download.completed();
    await pass(0);
    expect(calls.at(-1)?.[2].event).toBe('completed');
    expect(calls.length).toBeLessThan(200);
  });

  test('no more than the limit are under way over all hosts, and all get their turn', async () => {
    const release: (() => void)[] = [];
    const { add, pass, calls } = scene(() => new Promise((done) => release.push(() => done(EMPTY_REPLY))));
    for (let index = 0; index < 120; index++) add([[`http://t${index}/`]]);
    await pass(1);
    expect(calls.length).toBe(ANNOUNCES_AT_ONCE);
    while (release.length > 0) {
      release.shift()?.();
      await pass(0);
    }
    expect(new Set(calls.map(([, host]) => host)).size).toBe(120);
  });

  test('a host that hangs holds up nobody but itself', async () => {
    const { add, pass, calls } = scene(({ host }) =>
      host === 'dead' ? new Promise<AnnounceReply>(() => undefined) : EMPTY_REPLY,
    );
    for (let index = 0; index < 500; index++) add([[`http://dead/${index}`]]);
    for (let index = 0; index < 20; index++) add([[`http://live/${index}`]]);
    await pass(1);
    expect(calls.filter(([, host]) => host === 'dead')).toHaveLength(CONNECTIONS_PER_HOST);
    expect(calls.filter(([, host]) => host === 'live')).toHaveLength(20);
  });
});
