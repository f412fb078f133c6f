import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/lib/random.ts';
import { makeAlbum, shuffled, Workshop, wrongPieces } from '../parts/workshop.ts';

const TOTAL_BYTES = 3_300_000;
const PIECE_BYTES = 300_000;
const KILLS = 25;

/**
 * One life of an import, as the job machine drives it; `took` counts the pieces it had to take in. What was flushed is `safe`:
 * every later life must have it.
 */
async function importAlbum(
  workshop: Workshop,
  took: () => void,
  seed: number,
  safe = new Set<number>(),
): Promise<void> {
  const run = await workshop.start();
  const album = await makeAlbum(run.database, TOTAL_BYTES, PIECE_BYTES);
  const bundle = await run.vault.createBundle({ totalLength: TOTAL_BYTES, torrents: [album.torrent.id] });
  const handle = await run.vault.pieces.open(album.torrent);
  expect([...safe].filter((index) => !run.vault.pieces.have(handle).has(index))).toEqual([]);
  for (const index of shuffled(album.pieces, seededRandom(seed))) {
    if (run.vault.pieces.have(handle).has(index)) continue;
    took();
    await workshop.orKilled(run.vault.pieces.writePiece(handle, index, album.piece(index)));
    if (index % 4 !== 1) continue;
    await workshop.orKilled(run.vault.flush(album.torrent.id));
    for (let at = 0; at < album.pieces; at++) if (run.vault.pieces.have(handle).has(at)) safe.add(at);
  }
  await workshop.orKilled(run.vault.commit(bundle, album.content));
  expect(await wrongPieces(run.vault, handle, album)).toEqual([]);
  expect(run.vault.pieces.have(handle).full).toBe(true);
  await workshop.orKilled(run.close());
}

/** Counts the steps of an import that nothing disturbs. */
async function countSteps(): Promise<number> {
  const workshop = await Workshop.make();
  let steps = 0;
  workshop.step = () => steps++;
  await importAlbum(workshop, () => undefined, 1);
  return steps;
}

async function leftovers(workshop: Workshop): Promise<string[]> {
  const spool = `${workshop.folder}/data/spool`;
  const [bundle] = await workshop.files.list(spool);
  const spooled = bundle === undefined ? [] : await workshop.files.list(`${spool}/${bundle}`);
  return [...spooled, ...(await workshop.names()).map((name) => name.slice(0, 2))];
}

describe('an import that is killed 25 times', () => {
  for (const powerCut of [false, true]) {
    for (const seed of [1, 2, 3]) {
      it(`goes on each time, wherever it was${powerCut ? ', though the disk forgets' : ''} (${seed})`, async () => {
        const steps = await countSteps();
        const random = seededRandom(seed);
        const workshop = await Workshop.make();
        let taken = 0;
        const safe = new Set<number>();
        for (let kills = 0; kills < KILLS; kills++) {
          // Late enough to get on, so that every part of the way is reached.
          let left = 1 + random.int(Math.ceil(steps / 4));
          workshop.step = () => {
            if (--left === 0) workshop.kill();
          };
          const life = importAlbum(workshop, () => taken++, kills, safe);
          await life.catch((error) => {
            if (left > 0) throw error;
          });
          workshop.kill();
          await workshop.buried();
          if (powerCut) await workshop.files.powerCut(random);
        }
        workshop.step = null;
        await importAlbum(workshop, () => taken++, KILLS, safe);
        // Each kill costs at most what was in memory: here that may be all that one life took in.
        expect(taken).toBeLessThanOrEqual(11 + KILLS * 11);
        expect(await leftovers(workshop)).toEqual(['c/', 'c/', 'c/', 'c/', 'k/', 'm/', 't/']);
      });
    }
  }
});
