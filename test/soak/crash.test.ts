// Power cuts at random moments of an import: what was never synced is gone, and it goes on all the same.
import { open, readdir, rename, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { filesUnder, showLogsOnFailure } from '../parts/bae.ts';
import { importThroughKills } from '../parts/kills.ts';
import { mountDisk } from '../parts/power.ts';
import { temporaryFolder } from '../parts/process.ts';

const MIB = 1024 * 1024;
const CUTS = 25;
const CONTENT_BYTES = 64 * MIB;
const BYTES_PER_SECOND = 16 * MIB;
/** Requests in flight (16 MiB, see test/system/kill.test.ts), open chunks, and what was not yet synced when the power went. */
const LOST_BYTES = 24 * MIB;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder('crash');
});
afterAll(() => folder.remove());

async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}

it('a power cut forgets what was not synced, and nothing else', async () => {
  const disk = await mountDisk(folder.path, 64 * MIB);
  try {
    await writeFile(`${disk.path}/kept`, 'kept');
    await sync(`${disk.path}/kept`);
    await writeFile(`${disk.path}/renamed.tmp`, 'renamed');
    await sync(`${disk.path}/renamed.tmp`);
    await rename(`${disk.path}/renamed.tmp`, `${disk.path}/renamed`);
    await sync(disk.path);
    await writeFile(`${disk.path}/lost`, 'lost');
    await rename(`${disk.path}/kept`, `${disk.path}/lost too`);
    await disk.cutPower();
    const names = await readdir(disk.path);
    expect(names.filter((name) => name !== 'lost+found').sort()).toEqual(['kept', 'renamed']);
  } finally {
    await disk.remove();
  }
});

it(`resumes after ${CUTS} power cuts, byte for byte`, async () => {
  // The store is another machine's: its power stays.
  const store = `${folder.path}/store`;
  const report = await importThroughKills({
    contentBytes: CONTENT_BYTES,
    kills: CUTS,
    bytesPerSecond: BYTES_PER_SECOND,
    loses: 'power',
    store: `file:${store}`,
  });
  const twice = report.receivedBytes - report.contentBytes;
  const words = `seed ${report.seed}; ${(twice / MIB).toFixed(1)} MiB came twice over ${CUTS} power cuts`;
  process.stderr.write(`${words} at ${report.moments.join(', ')}\n`);
  expect(report.differences).toEqual([]);
  expect(report.spool).toEqual([]);
  expect(twice).toBeLessThanOrEqual(CUTS * LOST_BYTES);
  expect((await filesUnder(`${store}/c`)).length).toBe(report.chunkCount);
});
