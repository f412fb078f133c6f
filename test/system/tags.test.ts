// What a record is called, by the tags of its files: real ones by flac and metaflac, and a restart in the middle of reading.
import { execFile } from 'node:child_process';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decodeLibrary } from '../format/decode.ts';
import { type Bae, type ImportView, showLogsOnFailure, startBae, type TorrentDetail, torrentOf } from '../parts/bae.ts';
import { libtorrent } from '../parts/clients/index.ts';
import { listTree, makeAlbum, type Tree } from '../parts/content.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { flac } from '../parts/tagged-files.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

/** So many that reading their tags takes a while. */
const MANY_FILES = 400;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let bae: Bae;
beforeAll(async () => {
  folder = await temporaryFolder('tags');
  bae = await startBae({ store: `file:${folder.path}/store` });
});
afterAll(async () => {
  await bae?.remove();
  await folder?.remove();
});

async function metaflac(file: string, tags: Record<string, string>): Promise<void> {
  const set = Object.entries(tags).map(([name, value]) => `--set-tag=${name}=${value}`);
  await promisify(execFile)('metaflac', ['--remove-all-tags', ...set, file]);
}

/** Imports a tree from a libtorrent seed; `done` is called as soon as the import is. */
async function importTree(tree: Tree, done: (id: string) => Promise<void> = async () => undefined): Promise<Torrent> {
  const torrent = await makeTorrent({ source: tree.folder, path: `${tree.folder}.torrent` });
  const seed = await libtorrent.seed({ torrentPath: torrent.path, dataDir: dirname(tree.folder) });
  try {
    const { id } = await bae.ask<ImportView>('import', torrent.path, '--peer', `127.0.0.1:${seed.port}`);
    await bae.untilImport(id, ['done']);
    await done(id);
    await waitFor('its tags to be read', 30_000, async () => {
      const { identification } = await bae.api<ImportView>('GET', `/imports/${id}`);
      return identification === 'as-is';
    });
  } finally {
    await seed.stop();
  }
  return torrent;
}

async function show({ infoHash }: Torrent) {
  const { id } = await torrentOf(bae, infoHash);
  const { releases } = await bae.ask<TorrentDetail>('show', id);
  expect(releases).toHaveLength(1);
  const words = await bae.cli('show', id);
  return { release: releases[0], words: words.stdout };
}

it('an album of tagged FLAC files is called what its tags say, whatever its folder is called', async () => {
  const tree = await makeAlbum({ megabytes: 12, tracks: 3, dir: folder.path, name: 'download 4711' });
  const [one, two, three] = tree.files.filter(({ path }) => path.endsWith('.flac')).map(({ path }) => path) as string[];
  const about = { ALBUM: 'Ágætis byrjun', ALBUMARTIST: 'Sigur Rós', DATE: '1999-06-12' };
  const file = (path = '') => join(tree.folder, path);
  await metaflac(file(one), { ...about, ARTIST: 'Sigur Rós', TITLE: 'Svefn-g-englar', TRACKNUMBER: '2' });
  await metaflac(file(two), {
    ...about,
    ARTIST: 'Sigur Rós & Páll',
    TITLE: 'Intro',
    TRACKNUMBER: '01',
    DISCNUMBER: '1/1',
  });
  await metaflac(file(three), {});
  const { release, words } = await show(await importTree(await listTree(tree.folder)));
  expect(release).toMatchObject({ title: 'Ágætis byrjun', artist: 'Sigur Rós', year: 1999 });
  expect(release?.tracks.map(({ disc, track, title, artist }) => [disc, track, title, artist])).toEqual([
    [1, 1, 'Intro', 'Sigur Rós & Páll'],
    [1, 2, 'Svefn-g-englar', 'Sigur Rós'],
    [1, 3, 'Noise 3', null],
  ]);
  // 12 MB of 4 bytes a sample, 44,100 a second, in three: 22.7 s each.
  for (const { durationMs } of release?.tracks.slice(0, 2) ?? [])
    expect(Math.round((durationMs ?? 0) / 1_000)).toBe(23);
  expect(words).toMatch(
    /release {4}r\d+: Sigur Rós - Ágætis byrjun \(1999\)\ntrack {6}01 Sigur Rós & Páll - Intro {2}0:23\n/,
  );
  expect(words).toContain('track      02 Svefn-g-englar  0:23\n');
});

it('an album without tags is called what its folder and files are called', async () => {
  const tree = await makeAlbum({
    megabytes: 6,
    tracks: 2,
    dir: folder.path,
    name: 'Some Artist - Some Album (1987) [FLAC]',
  });
  for (const { path } of tree.files) if (path.endsWith('.flac')) await metaflac(join(tree.folder, path), {});
  await mkdir(join(tree.folder, 'CD2'));
  await rename(join(tree.folder, '02 - Noise 2.flac'), join(tree.folder, 'CD2/02 - Noise 2.flac'));
  const { release, words } = await show(await importTree(await listTree(tree.folder)));
  expect(release).toMatchObject({ title: 'Some Album', artist: 'Some Artist', year: 1987 });
  expect(release?.tracks.map(({ disc, title, artist }) => [disc, title, artist])).toEqual([
    [1, 'Noise 1', null],
    [2, 'Noise 2', null],
  ]);
  // How long they are is no tag.
  expect(words).toMatch(/\ntrack {6}1-01 Noise 1 {2}0:17\ntrack {6}2-02 Noise 2 {2}0:17\n/);
});

it('a kill between the commit and the tags is gone on from', async () => {
  const path = join(folder.path, 'many');
  await mkdir(path);
  const about = { ALBUM: 'Many', ARTIST: 'The Many' };
  for (let track = 1; track <= MANY_FILES; track++) {
    const name = `${String(track).padStart(3, '0')}.flac`;
    // Different bytes, so that pieces differ.
    const audio = Buffer.alloc(5_000, name);
    await writeFile(join(path, name), flac({ ...about, TITLE: `Title ${track}`, TRACKNUMBER: `${track}` }, { audio }));
  }
  let atKill = '';
  const torrent = await importTree(await listTree(path), async (id) => {
    atKill = (await bae.api<ImportView>('GET', `/imports/${id}`)).identification;
    await bae.kill();
    await bae.start();
    await bae.untilImport(id, ['done']);
  });
  expect(atKill).toMatch(/^(waiting|looking)$/);
  const { release } = await show(torrent);
  expect(release).toMatchObject({ title: 'Many', artist: 'The Many' });
  expect(release?.tracks.map(({ title }) => title)).toEqual(
    Array.from({ length: MANY_FILES }, (_, index) => `Title ${index + 1}`),
  );
});

it('bucket and key tell it too', async () => {
  const out = join(folder.path, 'out');
  await mkdir(out);
  const decode = () => decodeLibrary(join(bae.dataDir, 'library.key'), join(folder.path, 'store'), out);
  // A new generation of the manifest follows within seconds.
  const bundles = await waitFor('the manifests to say it', 30_000, async () => {
    const decoded = await decode();
    return decoded.filter(({ generation }) => generation > 1).length === 3 ? decoded : undefined;
  });
  const releases = bundles
    .flatMap((one) => one.releases)
    .sort((a, b) => String(a.title).localeCompare(String(b.title)));
  expect(releases).toMatchObject([
    { title: 'Ágætis byrjun', artist: 'Sigur Rós', tracks: [{ title: 'Intro' }, {}, {}] },
    { title: 'Many', artist: 'The Many' },
    { title: 'Some Album', artist: 'Some Artist', tracks: [{ disc: 1, durationMs: 17_013 }, { disc: 2 }] },
  ]);
});
