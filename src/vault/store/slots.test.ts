import { expect, it } from 'vitest';
import { BaeError } from '../../lib/errors.ts';
import { MAX_WAITING_CALLS, Slots } from './slots.ts';

/** Work that ends when told. */
function work() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { run: () => promise, end: resolve };
}

it('runs so many at a time, others in order', async () => {
  const slots = new Slots(2);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  const calls = Array.from({ length: 9 }, (_, index) =>
    slots.run(undefined, async () => {
      most = Math.max(most, ++running);
      order.push(index);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      if (index === 4) throw new Error('of its own');
    }),
  );
  const settled = await Promise.allSettled(calls);
  expect(settled.map(({ status }) => status === 'rejected')).toEqual(calls.map((_, index) => index === 4));
  expect(most).toBe(2);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

it('lets those who wait give up, and hands on no slot to them', async () => {
  const slots = new Slots(1);
  const first = work();
  const running = slots.run(undefined, first.run);
  const control = new AbortController();
  const waiting = slots.run(control.signal, async () => 'never');
  const last = slots.run(undefined, async () => 'last');
  control.abort();
  await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
  first.end();
  await running;
  expect(await last).toBe('last');
  expect(await slots.run(undefined, async () => 'free again')).toBe('free again');
});

it('refuses when too many wait, and all when closed', async () => {
  const slots = new Slots(1);
  const first = work();
  const running = slots.run(undefined, first.run);
  const waiting = Array.from({ length: MAX_WAITING_CALLS }, () => slots.run(undefined, async () => 'never'));
  const settled = Promise.allSettled(waiting);
  await expect(slots.run(undefined, async () => 'never')).rejects.toMatchObject({ kind: 'unavailable' });
  slots.close(new BaeError('unavailable', 'Closed.'));
  expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
  await expect(slots.run(undefined, async () => 'never')).rejects.toThrow('Closed.');
  first.end();
  await running;
});
