import { describe, expect, it, onTestFinished } from 'vitest';
import { frailDatabase, temporaryDatabase } from '../../test/parts/database.ts';
import { seededRandom } from '../lib/random.ts';
import { library, titles, written } from './testing.ts';

describe('a new generation', () => {
  it('comes after a crash and a power cut at any step, in an unbroken line', async () => {
    const { workshop, clock, run, change } = await library();
    await run.close();
    const random = seededRandom(11);
    let whole = false;
    let kills = 0;
    for (let step = 1; !whole; step++) {
      let left = Number.POSITIVE_INFINITY;
      workshop.step = () => {
        if (--left === 0) workshop.kill();
      };
      const title = `killed at ${step}`;
      const goOn = async () => {
        const life = await workshop.start();
        await workshop.orKilled(written(life, clock));
        await workshop.orKilled(life.close());
      };
      const live = async () => {
        const life = await workshop.start();
        left = step;
        await change(life, title);
        clock.pass();
        await workshop.orKilled(written(life, clock));
        left = Number.POSITIVE_INFINITY;
        await life.close();
        whole = true;
      };
      await live().catch((error) => {
        if (left > 0) throw error;
        kills++;
      });
      workshop.kill();
      await workshop.buried();
      await workshop.files.powerCut(random);
      // Killed again, some way into what it goes on with.
      left = random.int(step + 20) + 1;
      await goOn().catch((error) => {
        if (left > 0) throw error;
      });
      workshop.kill();
      await workshop.buried();
      await workshop.files.powerCut(random);
      workshop.step = null;
      const after = await workshop.start();
      await written(after, clock);
      expect((await titles(workshop)).at(-1)).toBe(title);
      await expect.poll(() => after.vault.stats().spoolBytes, { interval: 5 }).toBe(0);
      await after.close();
    }
    expect(kills).toBeGreaterThan(12);
    // Each crash repeats a generation at most once.
    expect((await titles(workshop)).length).toBeLessThanOrEqual(2 + 3 * (kills + 1));
  }, 60_000);

  it('comes though the database fails at any query', async () => {
    const database = await temporaryDatabase();
    onTestFinished(() => database.remove());
    const frail = frailDatabase(database);
    const { workshop, clock, run, change } = await library({ database: frail }, database);
    let failed = 0;
    for (let query = 1; ; query++) {
      await change(run, `query ${query}`);
      frail.after(query, () => {
        failed = query;
        frail.failAfter(0);
        setTimeout(() => frail.failAfter(Number.POSITIVE_INFINITY), 1);
      });
      await written(run, clock);
      expect((await titles(workshop)).at(-1)).toBe(`query ${query}`);
      if (failed < query) break;
    }
    expect(failed).toBeGreaterThan(5);
    await run.close();
  }, 60_000);
});
