import * as vitest from 'vitest';
import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { BaeError } from '../../lib/errors.ts';
import { silentLog } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { storeConformance } from './conformance.ts';
import { faultyStore } from './faults.ts';
import { memoryStore } from './memory.ts';
import { metered } from './meter.ts';
import type { ObjectStore } from './ports.ts';
import { retrying } from './retry.ts';

/** A clock whose waits end at once and are written down. */
function hurriedClock(waits: number[]): Clock {
  return {
    ...systemClock,
    after(milliseconds, call) {
      waits.push(milliseconds);
      return systemClock.after(0, call);
    },
  };
}

function decorated(clock: Clock, tries?: number): { store: ObjectStore; faulty: ReturnType<typeof faultyStore> } {
  const faulty = faultyStore(memoryStore(), clock);
  return { faulty, store: retrying(faulty, { clock, random: seededRandom(1), log: silentLog, tries }) };
}

storeConformance(vitest, 'a store under all decorators', {
  open: async () => {
    const store = metered(faultyStore(memoryStore(), systemClock));
    return retrying(store, { clock: systemClock, random: seededRandom(1), log: silentLog });
  },
  listedObjects: 1_100,
});

describe('retrying', () => {
  it('tries again after retryable errors, ever longer and never in step, up to its bound', async () => {
    const waits: number[] = [];
    const { store, faulty } = decorated(hurriedClock(waits), 14);
    const takeBack = faulty.inject({ call: 'get', act: 'fail' });
    await expect(store.get('c/one')).rejects.toMatchObject({ kind: 'unavailable' });
    expect(waits).toHaveLength(13);
    waits.forEach((wait, index) => {
      expect(wait).toBeLessThanOrEqual(Math.min(32_000, 100 * 2 ** index));
    });
    expect(Math.max(...waits)).toBeGreaterThan(10_000);
    takeBack();
    faulty.inject({ call: 'put', act: 'fail', times: 3 });
    expect(await store.put('c/one', Buffer.from('x'))).toBe('stored');
    faulty.inject({ call: 'list', act: 'fail', times: 2 });
    const names: string[] = [];
    for await (const { name } of store.list('')) names.push(name);
    expect(names).toEqual(['c/one']);
  });

  it('does not try again what cannot help', async () => {
    const waits: number[] = [];
    const { store, faulty } = decorated(hurriedClock(waits));
    await expect(store.get('c/none')).rejects.toMatchObject({ kind: 'missing' });
    faulty.inject({ call: 'head', act: 'fail', error: new BaeError('refused', 'No.') });
    await expect(store.head('c/none')).rejects.toMatchObject({ kind: 'refused' });
    expect(waits).toEqual([]);
  });

  it('goes on without bound when told so, until the signal or the end', async () => {
    const { store, faulty } = decorated(systemClock, Number.POSITIVE_INFINITY);
    faulty.inject({ call: 'get', act: 'fail' });
    const control = new AbortController();
    const called = expect(store.get('c/one', { signal: control.signal })).rejects.toMatchObject({ kind: 'cancelled' });
    control.abort();
    await called;
    const ended = expect(store.get('c/one')).rejects.toMatchObject({ kind: 'unavailable' });
    await store.close();
    await ended;
  });
});

describe('metered', () => {
  it('counts calls, failures and bytes, each by its kind', async () => {
    const store = metered(memoryStore());
    await store.put('c/one', Buffer.alloc(1_000));
    await store.get('c/one', { range: { offset: 10, length: 100 } });
    await expect(store.get('c/none')).rejects.toThrow();
    await store.head('c/one');
    for await (const { size } of store.list('')) expect(size).toBe(1_000);
    await store.delete('c/one');
    expect(store.counts).toEqual({
      put: { calls: 1, failed: 0, bytes: 1_000 },
      get: { calls: 2, failed: 1, bytes: 100 },
      head: { calls: 1, failed: 0, bytes: 0 },
      list: { calls: 1, failed: 0, bytes: 0 },
      delete: { calls: 1, failed: 0, bytes: 0 },
    });
  });

  it('counts a listing by pages of 1,000', async () => {
    const store = metered(memoryStore());
    for (let index = 0; index < 1_001; index++) await store.put(`c/${index}`, Buffer.alloc(0));
    let listed = 0;
    for await (const { size } of store.list('c/')) listed += size + 1;
    expect([listed, store.counts.list.calls]).toEqual([1_001, 2]);
  });
});

describe('faultyStore', () => {
  it('fails the calls it is told to, and only those', async () => {
    const store = faultyStore(memoryStore(), systemClock);
    await store.put('c/one', Buffer.alloc(10));
    store.inject({ call: 'get', name: /^c\//, from: 2, times: 1, act: 'flip', at: 3 });
    expect((await store.get('c/one'))[3]).toBe(0);
    expect((await store.get('c/one'))[3]).toBe(1);
    expect((await store.get('c/one'))[3]).toBe(0);
    store.inject({ call: 'get', act: 'truncate', times: 1 });
    expect(await store.get('c/one')).toHaveLength(5);
  });

  it('loses replies, delays and hangs', async () => {
    const store = faultyStore(memoryStore(), systemClock);
    store.inject({ call: 'put', act: 'lose-reply', times: 1 });
    await expect(store.put('m/one', Buffer.from('x'), { ifAbsent: true })).rejects.toMatchObject({ retryable: true });
    expect(await store.put('m/one', Buffer.from('x'), { ifAbsent: true })).toBe('exists');
    store.inject({ call: 'head', act: 'delay', milliseconds: 5, times: 1 });
    expect(await store.head('m/one')).toEqual({ size: 1 });
    store.inject({ call: 'get', act: 'hang' });
    const control = new AbortController();
    const called = expect(store.get('m/one', { signal: control.signal })).rejects.toMatchObject({ kind: 'cancelled' });
    control.abort();
    await called;
  });
});
