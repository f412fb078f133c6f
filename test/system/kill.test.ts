// kill -9 at random moments of an import: it goes on where it was.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { filesUnder, showLogsOnFailure } from '../parts/bae.ts';
import { importThroughKills } from '../parts/kills.ts';
import { temporaryFolder } from '../parts/process.ts';

const MIB = 1024 * 1024;
const KILLS = 25;
const CONTENT_BYTES = 96 * MIB;
const BYTES_PER_SECOND = 20 * MIB;
/**
 * What a kill may cost: the requests that one peer may be asked at a time (REQUESTS_IN_FLIGHT of torrent/swarm), which the
 * seed counts as sent once its system has them, and the chunks begun and not yet closed.
 */
const IN_FLIGHT_BYTES = 1_024 * 16_384;
const OPEN_BYTES = 4 * MIB;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder('kill');
});
afterAll(() => folder.remove());

it(`resumes after ${KILLS} kills and downloads no more twice than was under way`, async () => {
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
  expect(twice).toBeLessThanOrEqual(KILLS * (IN_FLIGHT_BYTES + OPEN_BYTES));
  // A chunk that was sealed twice would lie there under two names.
  expect((await filesUnder(`${store}/c`)).length).toBe(report.chunkCount);
});
