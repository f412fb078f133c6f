import { afterEach, beforeEach, expect, it } from 'vitest';
import { temporaryDatabase } from '../../test/parts/database.ts';
import type { FixedLimits, Limits } from './ports.ts';
import { openSettings } from './settings.ts';

let database: Awaited<ReturnType<typeof temporaryDatabase>>;
beforeEach(async () => {
  database = await temporaryDatabase();
});
afterEach(() => database.remove());

const NONE = { uploadBytesPerSecond: 0, downloadBytesPerSecond: 0, peerUploadBytesPerSecond: 0, egressBytesPerDay: 0 };

/** One run's settings, and all that its follower was told. */
async function run(fixed: FixedLimits = {}) {
  const settings = await openSettings({ database, fixed });
  const told: Limits[] = [];
  settings.follow((limits) => void told.push(limits));
  return { settings, told };
}

it('there is no limit at first; what is set holds at once, and at the next start', async () => {
  const { settings, told } = await run();
  await Promise.all([
    settings.setLimits({ uploadBytesPerSecond: 5 }),
    settings.setLimits({ egressBytesPerDay: 2 ** 50, downloadBytesPerSecond: undefined }),
  ]);
  await settings.setLimits({});
  const both = { ...NONE, uploadBytesPerSecond: 5, egressBytesPerDay: 2 ** 50 };
  expect(told).toEqual([NONE, { ...NONE, uploadBytesPerSecond: 5 }, both]);
  expect((await run()).told).toEqual([both]);
});

it('what is fixed elsewhere wins, is refused in words, and lets nothing else of the same call through', async () => {
  await (await run()).settings.setLimits({ uploadBytesPerSecond: 5, downloadBytesPerSecond: 6 });
  const fixed = { uploadBytesPerSecond: { value: 9, where: 'BAE_UPLOAD_BYTES_PER_SECOND' } };
  const { settings, told } = await run(fixed);
  expect(told).toEqual([{ ...NONE, uploadBytesPerSecond: 9, downloadBytesPerSecond: 6 }]);
  const refused = settings.setLimits({ downloadBytesPerSecond: 7, uploadBytesPerSecond: 9 });
  await expect(refused).rejects.toMatchObject({ kind: 'refused' });
  await expect(refused).rejects.toThrow('set by BAE_UPLOAD_BYTES_PER_SECOND: change it there');
  expect(settings.limits.downloadBytesPerSecond).toBe(6);
  await settings.setLimits({ downloadBytesPerSecond: 8 });
  // What was set before is there again when nothing fixes it.
  expect((await run()).told).toEqual([{ ...NONE, uploadBytesPerSecond: 5, downloadBytesPerSecond: 8 }]);
});

it('limits are whole numbers, not negative; what else the database holds is none', async () => {
  const { settings } = await run();
  for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) {
    await expect(settings.setLimits({ peerUploadBytesPerSecond: wrong })).rejects.toMatchObject({ kind: 'bad-input' });
  }
  const value_json = { uploadBytesPerSecond: 'much', downloadBytesPerSecond: -1, egressBytesPerDay: 4, other: 1 };
  await database.db.insertInto('settings').values({ key: 'limits', value_json }).execute();
  expect((await run()).told).toEqual([{ ...NONE, egressBytesPerDay: 4 }]);
});

it('what cannot be saved does not hold', async () => {
  const { settings, told } = await run();
  await database.db.schema.dropTable('settings').execute();
  await expect(settings.setLimits({ uploadBytesPerSecond: 5 })).rejects.toThrow();
  expect([told, settings.limits]).toEqual([[NONE], NONE]);
});
