import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryDatabase } from '../../test/parts/database.ts';
import { importAlbum, makeAlbum, readBytes, Workshop } from '../../test/parts/workshop.ts';
import { VirtualClock } from '../../test/simulation/virtual-clock.ts';
import { silentLog } from '../lib/log.ts';
import { CHUNK_BYTES } from './chunk/index.ts';
import { EGRESS_SAVE_MILLISECONDS, Egress } from './egress.ts';
import { CHUNK_OBJECT_BYTES } from './seal/index.ts';

const DAY = 86_400_000;
const BLOCK = 16_384;

describe("a day's egress", () => {
  async function setUp() {
    const database = await temporaryDatabase();
    onTestFinished(() => database.remove());
    const clock = new VirtualClock();
    const open = () => Egress.open({ database, clock, log: silentLog });
    return { clock, open, egress: await open() };
  }

  it('has no limit at first, and none of 0', async () => {
    const { egress } = await setUp();
    egress.count(1e12);
    expect([egress.mayFetch, egress.state.waiting]).toEqual([true, null]);
    egress.setLimit(1);
    egress.setLimit(0);
    expect(egress.mayFetch).toBe(true);
    for (const wrong of [-1, 0.5, Number.NaN]) expect(() => egress.setLimit(wrong)).toThrow(RangeError);
    await egress.close();
  });

  it('is used up until the day turns, or until more is allowed', async () => {
    const { egress, clock } = await setUp();
    egress.setLimit(1_000);
    egress.count(999);
    expect(egress.mayFetch).toBe(true);
    egress.count(1);
    expect([egress.mayFetch, egress.state.bytes]).toEqual([false, 1_000]);
    expect(egress.state.waiting).toContain('00:00 UTC');
    // What did not come after all is no egress.
    egress.count(-1);
    expect(egress.mayFetch).toBe(true);
    egress.count(500);
    egress.setLimit(2_000);
    expect(egress.mayFetch).toBe(true);
    egress.setLimit(1_000);
    await clock.run(DAY - 1);
    expect(egress.mayFetch).toBe(false);
    await clock.run(1);
    expect([egress.mayFetch, egress.state]).toEqual([true, { bytes: 0, bytesPerDay: 1_000, waiting: null }]);
    await egress.close();
  });

  it('is counted on by the next start of the same day, not of another', async () => {
    const { egress, clock, open } = await setUp();
    egress.count(300);
    egress.count(400);
    await egress.close();
    const second = await open();
    expect(second.state.bytes).toBe(700);
    // A crash: what was saved in time is known.
    second.count(50);
    await clock.run(EGRESS_SAVE_MILLISECONDS);
    await second.close();
    second.count(7);
    expect((await open()).state.bytes).toBe(750);
    clock.jump(DAY);
    expect((await open()).state.bytes).toBe(0);
    clock.jump(-DAY);
    await second.close();
  });
});

describe('the vault', () => {
  /** Three chunks that are in the store alone. */
  async function cold(workshop: Workshop) {
    workshop.options = { cacheBytes: 0, pinBytes: 0 };
    const run = await workshop.start();
    const album = await makeAlbum(run.database, 3 * CHUNK_BYTES, 262_144);
    const { handle } = await importAlbum(run.vault, album);
    return { run, album, handle };
  }

  it('counts what readers have fetched, says when it is enough, and answers all the same who reads', async () => {
    const workshop = await Workshop.make();
    const { run, album, handle } = await cold(workshop);
    const { vault } = run;
    const segment = 262_160;
    vault.setEgressLimit(segment + 1);
    await readBytes(vault, handle, 0, BLOCK);
    expect([vault.stats().egress.bytes, vault.pieces.mayFetch?.()]).toEqual([segment, true]);
    await readBytes(vault, handle, CHUNK_BYTES / 2, BLOCK);
    expect(vault.stats().egress.bytes).toBe(segment + CHUNK_OBJECT_BYTES);
    expect([vault.pieces.mayFetch?.(), vault.stats().egress.waiting === null]).toEqual([false, false]);
    const bytes = await readBytes(vault, handle, 2 * CHUNK_BYTES, BLOCK);
    expect(bytes.equals(album.bytes.subarray(2 * CHUNK_BYTES, 2 * CHUNK_BYTES + BLOCK))).toBe(true);
    expect(vault.stats().egress.bytes).toBe(vault.stats().fetchedBytes);
    await run.close();
    const again = await workshop.start();
    again.vault.setEgressLimit(segment + 1);
    expect([again.vault.stats().egress.bytes > segment, again.vault.pieces.mayFetch?.()]).toEqual([true, false]);
    await again.close();
  });

  it('does not count what did not come, nor what is pinned', async () => {
    const workshop = await Workshop.make();
    const { run, album, handle } = await cold(workshop);
    run.store.inject({ act: 'fail', call: 'get', name: /^c\// });
    await expect(readBytes(run.vault, handle, 0, BLOCK)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(run.vault.stats().egress.bytes).toBe(0);
    await run.close();
    workshop.options = {};
    const roomy = await workshop.start();
    await roomy.vault.pinChunks(album.torrent.id);
    await expect.poll(() => roomy.vault.stats().fetchedBytes, { interval: 5 }).toBe(3 * CHUNK_OBJECT_BYTES);
    expect(roomy.vault.stats().egress.bytes).toBe(0);
    await roomy.close();
  });
});
