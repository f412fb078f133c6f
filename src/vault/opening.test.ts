import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeAlbum, Workshop } from '../../test/parts/workshop.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { lockFolder } from './lock.ts';
import { OWNER_NAME, STALE_MILLISECONDS } from './owner.ts';

/** The system's clock, so far ahead. */
function ahead(milliseconds: () => number): Clock {
  return {
    ...systemClock,
    now: () => systemClock.now() + milliseconds(),
    monotonic: () => systemClock.monotonic() + milliseconds(),
  };
}

describe('opening a vault', () => {
  it('makes the key file and the root object once, and uses them ever after', async () => {
    const workshop = await Workshop.make();
    const first = await workshop.start();
    const key = join(workshop.folder, 'data', 'library.key');
    expect((await stat(key)).mode & 0o777).toBe(0o600);
    const text = await workshop.files.read(key);
    const root = await workshop.objects.get('k/library');
    expect(root.includes(text?.toString().split('key: ')[1]?.slice(0, 64) ?? '')).toBe(false);
    await first.close();
    const second = await workshop.start();
    expect(second.vault.libraryId).toBe(first.vault.libraryId);
    expect(await workshop.files.read(key)).toEqual(text);
    expect(await workshop.objects.get('k/library')).toEqual(root);
    await second.close();
  });

  it('goes on with a first start that ended after any step', async () => {
    const workshop = await Workshop.make();
    for (let step = 1; step < 40; step++) {
      let left = step;
      workshop.step = () => {
        if (--left === 0) workshop.kill();
      };
      const started = await workshop.start().then(
        () => true,
        () => left > 0,
      );
      if (started && left > 0) break;
      workshop.kill();
      await workshop.buried();
    }
    workshop.step = null;
    const run = await workshop.start();
    expect((await workshop.names()).filter((name) => !name.startsWith('o/'))).toEqual(['k/library']);
    await run.close();
  });

  it('says what does not belong together', async () => {
    const workshop = await Workshop.make();
    const other = await Workshop.make();
    const key = join(workshop.folder, 'data', 'library.key');
    for (const one of [workshop, other]) await (await one.start()).close();

    workshop.options = { store: other.objects };
    await expect(workshop.start()).rejects.toMatchObject({ kind: 'refused', message: /key file .* does not belong/ });
    const empty = await Workshop.make();
    workshop.options = { store: empty.objects };
    await expect(workshop.start()).rejects.toMatchObject({ kind: 'refused', message: /is it the right store/ });
    workshop.options = { keyFile: join(other.folder, 'data', 'library.key') };
    await expect(workshop.start()).rejects.toMatchObject({ kind: 'refused', message: /does not belong/ });
    workshop.options = { store: other.objects, keyFile: join(other.folder, 'data', 'library.key') };
    await expect(workshop.start()).rejects.toMatchObject({ kind: 'refused', message: /another library/ });
    workshop.options = { spoolBytes: 1_000_000 };
    await expect(workshop.start()).rejects.toMatchObject({ kind: 'bad-input' });

    workshop.options = {};
    const text = (await workshop.files.read(key)) as Buffer;
    await workshop.files.write(key, Buffer.from(text.toString().replace(/key: ......../, 'key: 00000000')));
    await expect(workshop.start()).rejects.toMatchObject({ kind: 'bad-input', message: /damaged/ });
    await rename(key, `${key}.away`);
    await expect(workshop.start()).rejects.toMatchObject({
      kind: 'refused',
      message: /holds a library, and its key file/,
    });
    await rename(`${key}.away`, key);
    await workshop.files.write(key, text);
    await (await workshop.start()).close();

    await empty.objects.put('k/library', Buffer.from('<html>Please log in</html>'));
    await expect(empty.start()).rejects.toMatchObject({
      kind: 'corrupt',
      message: /has something else as k\/library: is it the right store\?$/,
    });
  });
});

describe('one writer a library', () => {
  it('locks the data folder for one process', async () => {
    const { folder } = await Workshop.make();
    const unlock = lockFolder(folder);
    expect(() => lockFolder(folder)).toThrow(/Another bae is running/);
    expect(() => lockFolder(join(folder, 'none'))).toThrow(/none\/lock cannot be locked \(.*\): may it be written\?$/);
    unlock();
    lockFolder(folder)();
  });

  it('refuses a second data folder until the first is closed or gone for five minutes', async () => {
    const workshop = await Workshop.make();
    const first = await workshop.start();
    const other = await Workshop.make(workshop.objects);
    other.options = { keyFile: join(workshop.folder, 'data', 'library.key') };
    await expect(other.start()).rejects.toMatchObject({ kind: 'refused', message: /Another bae writes/ });
    await first.close();
    const second = await other.start();
    await expect(workshop.start()).rejects.toMatchObject({ kind: 'refused' });
    other.kill();
    await other.buried();
    await (await other.start()).close();
    expect(await workshop.names('o/')).toEqual([]);
    expect(second.vault.libraryId).toBe(first.vault.libraryId);
  });

  it('stops writing when another took the library while it was away', async () => {
    const workshop = await Workshop.make();
    let away = 0;
    workshop.clock = ahead(() => away);
    const run = await workshop.start();
    const album = await makeAlbum(run.database, 100_000, 50_000);
    const bundle = await run.vault.createBundle({ totalLength: 100_000, torrents: [album.torrent.id] });
    const other = await Workshop.make(workshop.objects);
    other.clock = ahead(() => STALE_MILLISECONDS);
    other.options = { keyFile: join(workshop.folder, 'data', 'library.key') };
    const second = await other.start();
    away = STALE_MILLISECONDS;
    const handle = await run.vault.pieces.open(album.torrent);
    for (const index of [0, 1]) await run.vault.pieces.writePiece(handle, index, album.piece(index));
    await expect.poll(() => run.vault.stats().uploads.waiting).toMatch(/Another bae writes/);
    expect(await workshop.names('c/')).toEqual([]);
    expect((await run.vault.progress(bundle)).sealedChunks).toBe(1);
    await run.close();
    expect(await workshop.names('o/')).toEqual([OWNER_NAME]);
    await second.close();
  });
});
