import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { temporaryDatabase } from '../../test/parts/database.ts';
import { ManualClock } from '../../test/parts/manual-clock.ts';
import { silentLog } from '../lib/log.ts';
import { DHT_SAVE_MILLISECONDS, DhtMemory } from './dht-memory.ts';

let database: Awaited<ReturnType<typeof temporaryDatabase>>;
beforeEach(async () => {
  database = await temporaryDatabase();
});
afterEach(() => database.remove());

const saved = (id: string) => ({ ipv4: { id, nodes: 'abcd' }, ipv6: null });

test('what the DHT knows is saved every few minutes and at the stop, and loaded at the next start', async () => {
  const clock = new ManualClock();
  const memory = new DhtMemory({ database, clock, log: silentLog });
  expect(await memory.load()).toBe(null);
  let id = 'one';
  memory.follow(() => saved(id));
  clock.advance(DHT_SAVE_MILLISECONDS);
  await vi.waitFor(async () => expect(await memory.load()).toEqual(saved('one')));
  id = 'two';
  await memory.stop();
  const next = new DhtMemory({ database, clock, log: silentLog });
  expect(await next.load()).toEqual(saved('two'));
  id = 'three';
  clock.advance(10 * DHT_SAVE_MILLISECONDS);
  await memory.stop();
  expect(await next.load()).toEqual(saved('two'));
});

test('a run that did not come so far as to have a DHT overwrites nothing', async () => {
  const clock = new ManualClock();
  const first = new DhtMemory({ database, clock, log: silentLog });
  first.follow(() => saved('one'));
  await first.stop();
  const second = new DhtMemory({ database, clock, log: silentLog });
  await second.stop();
  expect(await second.load()).toEqual(saved('one'));
});

test('a database that fails is told in the log, and the next time is tried again', async () => {
  const clock = new ManualClock();
  const said: string[] = [];
  const memory = new DhtMemory({ database, clock, log: { ...silentLog, warn: (words) => void said.push(words) } });
  let fails = true;
  memory.follow(() => {
    if (fails) throw new Error('no');
    return saved('one');
  });
  clock.advance(DHT_SAVE_MILLISECONDS);
  await vi.waitFor(() => expect(said).toEqual(['the DHT nodes could not be saved']));
  fails = false;
  clock.advance(DHT_SAVE_MILLISECONDS);
  await vi.waitFor(async () => expect(await memory.load()).toEqual(saved('one')));
});
