import { expect, test } from 'vitest';
import { VirtualClock } from '../../test/simulation/virtual-clock.ts';
import { closeAll } from './closers.ts';
import { silentLog } from './log.ts';

test('the last is closed first, each after the other, though one fails; what hangs is given up in time', async () => {
  const clock = new VirtualClock();
  const steps: string[] = [];
  const failures: unknown[] = [];
  const log = { ...silentLog, error: (_: string, about?: object) => void failures.push(about) };
  const slow = () => new Promise<void>((done) => clock.after(1_000, () => done(void steps.push('slow'))));
  const closers = [
    () => void steps.push('never'),
    () => new Promise<void>(() => undefined),
    () => void steps.push('third'),
    () => Promise.reject(new Error('broken')),
    slow,
  ];
  let isOver = false;
  const closed = closeAll(closers, { clock, log, milliseconds: 5_000 }).then(() => {
    isOver = true;
  });
  await clock.run(4_900);
  expect([steps, isOver]).toEqual([['slow', 'third'], false]);
  await clock.run(200);
  await closed;
  expect([steps, failures]).toEqual([['slow', 'third'], [{ reason: 'broken' }]]);
});
