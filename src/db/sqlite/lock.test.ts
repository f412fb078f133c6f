import { expect, test } from 'vitest';
import type { Clock } from '../../lib/clock.ts';
import { MAX_WAITING_WRITERS, WRITE_WAIT_MILLISECONDS, WriteLock } from './lock.ts';

function manualClock(): { clock: Clock; fire(): void } {
  const timers = new Set<() => void>();
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after(milliseconds, call) {
      expect(milliseconds).toBe(WRITE_WAIT_MILLISECONDS);
      timers.add(call);
      return { cancel: () => void timers.delete(call) };
    },
    every: () => ({ cancel: () => undefined }),
  };
  return { clock, fire: () => [...timers][0]?.() };
}

test('first come, first served; who waited too long is passed over', async () => {
  const { clock, fire } = manualClock();
  const lock = new WriteLock(clock);
  const order: number[] = [];
  await lock.acquire();
  const second = lock.acquire();
  const third = lock.acquire().then(() => order.push(3));
  const fourth = lock.acquire().then(() => order.push(4));
  fire();
  await expect(second).rejects.toMatchObject({ kind: 'unavailable' });
  lock.release();
  await third;
  expect(order).toEqual([3]);
  lock.release();
  await fourth;
  lock.release();
  await lock.acquire();
});

test('the line has an end', async () => {
  const lock = new WriteLock(manualClock().clock);
  await lock.acquire();
  const waiting = Array.from({ length: MAX_WAITING_WRITERS }, () => lock.acquire());
  await expect(lock.acquire()).rejects.toMatchObject({ kind: 'unavailable' });
  for (const one of waiting) {
    lock.release();
    await one;
  }
});
