// Many more kills and power cuts than CI has time for; a failure names the seed that repeats its moments.
import { expect, it } from 'vitest';
import { filesUnder } from '../parts/bae.ts';
import { importThroughKills, type KillOptions } from '../parts/kills.ts';
import { temporaryFolder } from '../parts/process.ts';

const MIB = 1024 * 1024;
const ROUNDS = 2;
/** Requests in flight (16 MiB, see test/system/kill.test.ts), open chunks, and with a power cut what was not yet synced. */
const LOST_BYTES = 24 * MIB;

for (const loses of ['process', 'power'] satisfies KillOptions['loses'][]) {
  it(`an import survives the loss of its ${loses}, again and again`, async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      const folder = await temporaryFolder('soak-kill');
      const store = `${folder.path}/store`;
      const kills = 100;
      const report = await importThroughKills({
        contentBytes: 400 * MIB,
        kills,
        bytesPerSecond: 30 * MIB,
        loses,
        store: `file:${store}`,
      });
      const twice = report.receivedBytes - report.contentBytes;
      process.stderr.write(`round ${round}, seed ${report.seed}: ${(twice / MIB).toFixed(1)} MiB came twice\n`);
      expect(report.differences).toEqual([]);
      expect(report.spool).toEqual([]);
      expect(twice).toBeLessThanOrEqual(kills * LOST_BYTES);
      expect((await filesUnder(`${store}/c`)).length).toBe(report.chunkCount);
      await folder.remove();
    }
  });
}
