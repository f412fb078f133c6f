import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Album,
  importAlbum,
  makeAlbum,
  type Run,
  readBytes,
  Workshop,
  wrongPieces,
} from '../../test/parts/workshop.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Handle } from '../torrent/ports.ts';
import { STORED } from './bundle.ts';
import { CHUNK_BYTES } from './chunk/index.ts';
import { RECHECK_MILLISECONDS } from './recheck.ts';
import { HEADER_BYTES } from './seal/index.ts';

interface Stored {
  readonly workshop: Workshop;
  readonly run: Run;
  readonly album: Album;
  readonly bundle: number;
  readonly handle: Handle;
  /** Object names by chunk index. */
  readonly objects: string[];
}

/** An album of two chunks in the store, with a cache of so many bytes. */
async function stored(cacheBytes: number): Promise<Stored> {
  const workshop = await Workshop.make();
  workshop.options = { cacheBytes, pinBytes: cacheBytes };
  const run = await workshop.start();
  const album = await makeAlbum(run.database, 2 * CHUNK_BYTES, 262_144);
  const { bundle, handle } = await importAlbum(run.vault, album);
  const rows = await run.database.db.selectFrom('chunks').select('name').orderBy('chunk_index').execute();
  const objects = rows.map(({ name }) => `c/${name.toString('hex').slice(0, 2)}/${name.toString('hex')}`);
  return { workshop, run, album, bundle, handle, objects };
}

const damages: Record<string, (object: Buffer, other: Buffer) => Buffer | null> = {
  'a bit flipped in a segment': (object) => {
    object.writeUInt8(object.readUInt8(HEADER_BYTES + 300_000) ^ 4, HEADER_BYTES + 300_000);
    return object;
  },
  'a bit flipped in a tag': (object) => {
    object.writeUInt8(object.readUInt8(HEADER_BYTES + 2 * 262_160 - 1) ^ 1, HEADER_BYTES + 2 * 262_160 - 1);
    return object;
  },
  'an object cut short': (object) => object.subarray(0, HEADER_BYTES + 262_160),
  'two objects swapped': (_, other) => other,
  'an object emptied': () => Buffer.alloc(0),
  'an object deleted': () => null,
};

describe('an object in the store', () => {
  for (const [name, damage] of Object.entries(damages)) {
    it(`is never served with ${name}`, async () => {
      const { workshop, run, album, handle, objects } = await stored(0);
      const [first, second] = objects as [string, string];
      const bad = damage(await workshop.objects.get(first), await workshop.objects.get(second));
      if (bad === null) await workshop.objects.delete(first);
      else await workshop.objects.put(first, bad);
      const lost: number[] = [];
      run.vault.pieces.onLost(handle, { lost: (pieces) => lost.push(...pieces), found: () => undefined });
      const kind = bad === null ? 'missing' : 'corrupt';
      // Segment 1 holds what was flipped.
      await expect(readBytes(run.vault, handle, 262_144, 16_384)).rejects.toMatchObject({ kind });
      expect(lost).toEqual([0, 1, 2, 3]);
      expect(run.vault.pieces.have(handle).count).toBe(4);
      expect(run.vault.pieces.tryRead(handle, 262_144, 16_384)).toBeNull();
      const good = await readBytes(run.vault, handle, CHUNK_BYTES, CHUNK_BYTES);
      expect(good.equals(album.bytes.subarray(CHUNK_BYTES))).toBe(true);
      await expect(run.vault.pieces.writePiece(handle, 1, album.piece(1))).rejects.toMatchObject({ kind: 'refused' });
      await run.close();

      const again = await workshop.start();
      const reopened = await again.vault.pieces.open(album.torrent);
      expect(again.vault.pieces.have(reopened).count).toBe(4);
      await again.close();
    });
  }

  it('is noticed to be rotten in its header by a whole read', async () => {
    const { workshop, run, handle, objects } = await stored(0);
    const object = await workshop.objects.get(objects[0] as string);
    object.writeUInt8(object.readUInt8(40) ^ 1, 40);
    await workshop.objects.put(objects[0] as string, object);
    await expect(readBytes(run.vault, handle, 0, CHUNK_BYTES)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('is asked for twice before it counts as lost', async () => {
    const { run, album, handle } = await stored(0);
    run.store.inject({ call: 'get', name: /^c\//, act: 'flip', times: 1 });
    const bytes = await readBytes(run.vault, handle, 0, 100);
    expect(bytes.equals(album.bytes.subarray(0, 100))).toBe(true);
    expect(run.vault.pieces.have(handle).full).toBe(true);
  });

  it('is unavailable, and nothing is lost, while the store does not answer', async () => {
    const { run, album, handle } = await stored(0);
    const takeBack = run.store.inject({ call: 'get', act: 'fail' });
    await expect(readBytes(run.vault, handle, 0, 100)).rejects.toMatchObject({ kind: 'unavailable' });
    takeBack();
    expect((await readBytes(run.vault, handle, 0, 100)).equals(album.bytes.subarray(0, 100))).toBe(true);
  });
});

/** The system's clock, on which the wait for the next look at lost chunks ends when told. */
function impatientClock() {
  const waits = new Set<() => void>();
  const clock: Clock = {
    ...systemClock,
    after(milliseconds, call) {
      if (milliseconds !== RECHECK_MILLISECONDS) return systemClock.after(milliseconds, call);
      waits.add(call);
      return { cancel: () => void waits.delete(call) };
    },
  };
  const passTime = async () => {
    await expect.poll(() => waits.size, { timeout: 5_000 }).toBe(1);
    const [wait] = waits;
    waits.clear();
    wait?.();
  };
  return { clock, passTime };
}

describe('an object that was lost and is whole again', () => {
  it('is read again at once after a restart, and within ten minutes without one', async () => {
    for (const restart of [true, false]) {
      const { workshop, run, album, handle, objects } = await stored(0);
      const { clock, passTime } = impatientClock();
      workshop.clock = clock;
      const [name] = objects as [string, string];
      const object = await workshop.objects.get(name);
      await workshop.objects.delete(name);
      await expect(readBytes(run.vault, handle, 0, 100)).rejects.toMatchObject({ kind: 'missing' });
      await run.close();

      let again = await workshop.start();
      let reopened = await again.vault.pieces.open(album.torrent);
      await passTime();
      expect(again.vault.pieces.have(reopened).count).toBe(4);
      await workshop.objects.put(name, object);
      if (restart) {
        await again.close();
        again = await workshop.start();
        reopened = await again.vault.pieces.open(album.torrent);
      } else await passTime();
      const { have } = again.vault.pieces;
      await expect.poll(() => have(reopened).full, { timeout: 5_000 }).toBe(true);
      expect((await readBytes(again.vault, reopened, 0, album.bytes.length)).equals(album.bytes)).toBe(true);
      const states = await again.database.db.selectFrom('chunks').select('state').execute();
      expect(states.map(({ state }) => state)).toEqual([STORED, STORED]);
      await again.close();
    }
  });
});

describe('a cached chunk', () => {
  it('that is rotten is dropped and fetched again', async () => {
    const { workshop, run, album, handle } = await stored(16 * CHUNK_BYTES);
    const cache = join(workshop.folder, 'data', 'cache');
    let spoilt = 0;
    for (const name of await readdir(cache, { recursive: true })) {
      const bytes = await readFile(join(cache, name)).catch(() => Buffer.alloc(0));
      if (bytes.length < CHUNK_BYTES) continue;
      await writeFile(join(cache, name), bytes.fill(7, 1_000));
      spoilt++;
    }
    expect(spoilt).toBe(2);
    expect(run.vault.stats().fetchedBytes).toBe(0);
    const bytes = await readBytes(run.vault, handle, 0, album.bytes.length);
    expect(bytes.equals(album.bytes)).toBe(true);
    expect(run.vault.stats().fetchedBytes).toBeGreaterThan(0);
    expect(run.vault.pieces.have(handle).full).toBe(true);
  });
});

describe('a spooled chunk', () => {
  it('that rots before it is uploaded is lost, said so, and written again', async () => {
    const workshop = await Workshop.make();
    const run = await workshop.start();
    const album = await makeAlbum(run.database, 2 * CHUNK_BYTES, 262_144);
    const bundle = await run.vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
    const handle = await run.vault.pieces.open(album.torrent);
    const takeBack = run.store.inject({ call: 'put', act: 'fail' });
    for (let index = 0; index < 8; index++) await run.vault.pieces.writePiece(handle, index, album.piece(index));
    await run.vault.flush(album.torrent.id);
    const lost: number[] = [];
    run.vault.pieces.onLost(handle, { lost: (pieces) => lost.push(...pieces), found: () => undefined });
    const path = join(workshop.folder, 'data', 'spool', String(bundle), '1');
    await writeFile(path, (await readFile(path)).fill(9, 2_000, 3_000));
    takeBack();
    await expect.poll(() => lost, { timeout: 5_000 }).toEqual([4, 5, 6, 7]);
    for (const index of lost) await run.vault.pieces.writePiece(handle, index, album.piece(index));
    await run.vault.commit(bundle, album.content);
    expect((await readBytes(run.vault, handle, 0, album.bytes.length)).equals(album.bytes)).toBe(true);
    expect((await workshop.names('c/')).length).toBe(2);
  });
});

it('a saved part that is lost when its chunk is sealed is fetched again', async () => {
  const workshop = await Workshop.make();
  const first = await workshop.start();
  const album = await makeAlbum(first.database, CHUNK_BYTES, CHUNK_BYTES / 2);
  const bundle = await first.vault.createBundle({ totalLength: album.bytes.length, torrents: [album.torrent.id] });
  await first.vault.pieces.writePiece(await first.vault.pieces.open(album.torrent), 0, album.piece(0));
  await first.close();
  const next = await workshop.start();
  const { pieces } = next.vault;
  const handle = await pieces.open(album.torrent);
  const [folder] = await workshop.files.list(join(workshop.folder, 'data', 'spool'));
  const parts = join(workshop.folder, 'data', 'spool', folder as string);
  for (const name of await workshop.files.list(parts)) await workshop.files.remove(join(parts, name));
  await pieces.writePiece(handle, 1, album.piece(1));
  await expect.poll(() => pieces.have(handle).has(0), { interval: 5 }).toBe(false);
  await pieces.writePiece(handle, 0, album.piece(0));
  await next.vault.commit(bundle, album.content);
  expect(await wrongPieces(next.vault, handle, album)).toEqual([]);
  await next.close();
});
