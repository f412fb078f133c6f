// kill -9 at random moments of an import: it goes on where it was.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { filesUnder, showLogsOnFailure } from '../parts/bae.ts';
import { importThroughKills } from '../parts/kills.ts';
import { temporaryFolder } from '../parts/process.ts';

const MIB = 1024 * 1024;
const KILLS = 25;
const CONTENT_BYTES = 96 * MIB;
const BYTES_PER_SECOND = 20 * MIB;
/** Blocks on their way and pieces that are not whole when the process ends, at this speed. */
const LOST_BYTES = 4 * MIB;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder('kill');
});
afterAll(() => folder.remove());

it(`resumes after ${KILLS} kills and downloads next to nothing twice`, async () => {
  const store = `${folder.path}/store`;
  const report = await importThroughKills({
    contentBytes: CONTENT_BYTES,
    kills: KILLS,
    bytesPerSecond: BYTES_PER_SECOND,
    loses: 'process',
    store: `file:${store}`,
  });
  const { seed, receivedBytes, contentBytes, moments } = report;
  const twice = receivedBytes - contentBytes;
  const words = `seed ${seed}; ${(twice / MIB).toFixed(1)} MiB came twice over ${KILLS} kills at ${moments.join(', ')}`;
  process.stderr.write(`${words}\n`);
  expect(report.differences).toEqual([]);
  expect(report.spool).toEqual([]);
  expect(twice).toBeLessThanOrEqual(KILLS * LOST_BYTES);
  // A chunk that was sealed twice would lie there under two names.
  expect((await filesUnder(`${store}/c`)).length).toBe(report.chunkCount);
});
