import { expect, test } from 'vitest';
import { MAX_WAITING, Turns } from './turns.ts';

test('one after the other for one key, side by side for others', async () => {
  const turns = new Turns<string>();
  const order: string[] = [];
  const slow = Promise.withResolvers<void>();
  const first = turns.take('a', () => slow.promise);
  const second = turns.take('a', async () => void order.push('a'));
  await turns.take('b', async () => void order.push('b'));
  slow.reject(new Error('no'));
  await expect(first).rejects.toThrow('no');
  await second;
  await turns.idle();
  expect(order).toEqual(['b', 'a']);
});

test('the line has an end', async () => {
  const turns = new Turns<number>();
  const gate = Promise.withResolvers<void>();
  const waiting = Array.from({ length: MAX_WAITING }, () => turns.take(1, () => gate.promise));
  await expect(turns.take(1, () => gate.promise)).rejects.toMatchObject({ kind: 'unavailable' });
  gate.resolve();
  await Promise.all(waiting);
  await turns.take(1, () => gate.promise);
});
