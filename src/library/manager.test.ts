import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { frailDatabase, temporaryDatabase } from '../../test/parts/database.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { LibraryManager, type SeedingChange } from './manager.ts';
import { describeProvisional, MAX_TRACKS } from './provisional.ts';
import { TORRENTS_PER_PAGE } from './queries.ts';

let database: Awaited<ReturnType<typeof temporaryDatabase>>;
let library: LibraryManager;
let errors: string[];
let made = 0;

beforeEach(async () => {
  database = await temporaryDatabase();
  errors = [];
  const log = { ...silentLog, error: (message: string) => void errors.push(message) };
  library = new LibraryManager({ database, clock: systemClock, log });
});

afterEach(() => database.remove());

const FILES = [
  { path: ['CD1', '01 - One.flac'] },
  { path: ['CD1', '02 - Two.flac'] },
  { path: ['.pad', '77'], pad: true },
  { path: ['CD2', '01 - Three.flac'] },
  { path: ['cover.jpg'] },
];

/** A bundle with files and one torrent on it, not yet in the library. */
async function content(): Promise<{ bundle: number; torrentId: number }> {
  const { db } = database;
  const unique = Buffer.alloc(20);
  unique.writeUInt32BE(++made);
  const { id: bundle } = await db
    .insertInto('bundles')
    .values({
      bundle_id: unique,
      wrapped_key: Buffer.alloc(60),
      total_length: 500,
      chunk_count: 1,
      state: 'committed',
      created_at: 0,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const files = FILES.map(({ path, pad }, file_index) => ({
    bundle,
    file_index,
    path_json: path,
    length: 100,
    byte_offset: file_index * 100,
    is_pad: pad ?? false,
  }));
  await db.insertInto('files').values(files).execute();
  return { bundle, torrentId: await addTorrent(bundle) };
}

async function addTorrent(bundle: number): Promise<number> {
  const infoHash = Buffer.alloc(20);
  infoHash.writeUInt32BE(++made);
  const { id } = await database.db
    .insertInto('torrents')
    .values({
      info_hash: infoHash,
      name: 'Artist - Album (1999)',
      total_length: 500,
      piece_length: 16_384,
      piece_count: 1,
      is_private: false,
      is_seeding: false,
      trackers_json: [['http://tracker.example/secret/announce']],
      added_at: 5,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const extents = [
    { torrent_id: id, torrent_offset: 0, length: 200, bundle, bundle_offset: 0 },
    { torrent_id: id, torrent_offset: 200, length: 100, bundle: null, bundle_offset: 0 },
    { torrent_id: id, torrent_offset: 300, length: 200, bundle, bundle_offset: 300 },
  ];
  await database.db.insertInto('torrent_piece_mappings').values(extents).execute();
  return id;
}

/** What an import does at its end. */
async function complete(torrentId: number, isSeeding: boolean): Promise<void> {
  const change = { completed_at: 7, is_seeding: isSeeding };
  await database.db.updateTable('torrents').set(change).where('id', '=', torrentId).execute();
}

async function releaseIds(bundle: number): Promise<number[]> {
  const rows = await database.db.selectFrom('releases').select('id').where('bundle', '=', bundle).execute();
  return rows.map(({ id }) => id);
}

describe('releases', () => {
  test('a bundle has one provisional release, however often and however fast it is asked for', async () => {
    const { bundle } = await content();
    const release = { bundle, name: 'Artist - Album (1999) [FLAC]', files: FILES };
    await Promise.all([1, 2, 3].map(() => library.addProvisionalRelease(release)));
    expect(await releaseIds(bundle)).toHaveLength(1);
    expect((await library.describe(bundle)).releases).toEqual([
      {
        title: 'Album',
        artist: 'Artist',
        year: 1999,
        provisional: true,
        tracks: [
          { disc: 1, track: 1, title: 'One', artist: null, durationMs: null, fileIndex: 0 },
          { disc: 1, track: 2, title: 'Two', artist: null, durationMs: null, fileIndex: 1 },
          { disc: 2, track: 1, title: 'Three', artist: null, durationMs: null, fileIndex: 3 },
        ],
      },
    ]);
  });

  test('a second pressing is a release of the same album; albums of nobody are never joined', async () => {
    const albums = async (name: string) => {
      const { bundle } = await content();
      await library.addProvisionalRelease({ bundle, name, files: [] });
      const { album_id } = await database.db
        .selectFrom('releases')
        .select('album_id')
        .where('bundle', '=', bundle)
        .executeTakeFirstOrThrow();
      return album_id;
    };
    expect(await albums('Artist - Album (1999)')).toBe(await albums('Artist - Album (2009)'));
    expect(await albums('Greatest Hits')).not.toBe(await albums('Greatest Hits'));
  });

  test('tags count where they agree', () => {
    const tag = { album: 'Tagged', albumArtist: 'Someone', year: 2001 };
    const tags = [0, 1, 3].map((fileIndex) => ({
      ...tag,
      fileIndex,
      title: `t${fileIndex}`,
      track: 7,
      durationMs: 1.5,
    }));
    const described = describeProvisional('Artist - Album', FILES, tags);
    expect(described).toMatchObject({ artist: 'Someone', title: 'Tagged', year: 2001 });
    expect(described.tracks.map(({ disc, track, title }) => [disc, track, title])).toEqual([
      [1, 7, 't0'],
      [1, 8, 't1'],
      [2, 7, 't3'],
    ]);
    const various = tags.map((one) => ({ ...one, albumArtist: `Artist ${one.fileIndex}` }));
    expect(describeProvisional('Album', FILES, various).artist).toBe('Various Artists');
    const guest = tags.map((one, index) => ({ ...one, albumArtist: index === 0 ? 'Someone feat. A' : 'Someone' }));
    expect(describeProvisional('Album', FILES, guest).artist).toBe('Someone');
    const torn = tags.map((one) => ({ ...one, album: `Album ${one.fileIndex}`, track: -1 }));
    expect(describeProvisional('Artist - Album', FILES, torn)).toMatchObject({ title: 'Album' });
  });

  test('every track has a place, and there is an end to them', async () => {
    const files = Array.from({ length: MAX_TRACKS + 5 }, (_, index) => ({ path: [`${index % 3} - x.mp3`] }));
    const { bundle } = await content();
    await library.addProvisionalRelease({ bundle, name: 'A - B', files });
    expect((await library.describe(bundle)).releases[0]?.tracks).toHaveLength(MAX_TRACKS);
  });
});

describe('torrents', () => {
  test('are listed once their content is committed, with their releases', async () => {
    const { bundle, torrentId } = await content();
    expect(await library.torrents()).toEqual([]);
    await expect(library.setTorrentSeeding(torrentId, true)).rejects.toMatchObject({ kind: 'not-found' });
    await library.addProvisionalRelease({ bundle, name: 'Artist - Album', files: FILES });
    const [releaseId] = (await releaseIds(bundle)) as [number];
    expect(await library.torrentsOfRelease(releaseId)).toEqual([]);
    await complete(torrentId, true);
    const [row] = await library.torrents();
    expect(row).toMatchObject({ id: torrentId, releaseIds: [releaseId], isSeeding: true, error: null, addedAt: 5 });
    await complete(torrentId, false);
    expect((await library.torrents())[0]).toEqual({ ...row, isSeeding: false });
    expect(await library.torrentsOfRelease(releaseId)).toEqual([torrentId]);
    await expect(library.torrentsOfRelease(99)).rejects.toMatchObject({ kind: 'not-found' });
  });

  test('show their files, releases and trackers', async () => {
    const { bundle, torrentId } = await content();
    await library.addProvisionalRelease({ bundle, name: 'Artist - Album', files: FILES });
    await complete(torrentId, false);
    const detail = await library.torrent(torrentId);
    expect(detail.files.map(({ path, pad }) => [path.join('/'), pad])).toEqual(
      FILES.map(({ path, pad }) => [path.join('/'), pad ?? false]),
    );
    expect(detail.releases).toMatchObject([{ title: 'Album', artist: 'Artist', isProvisional: true }]);
    expect(detail.trackers).toEqual([['http://tracker.example/secret/announce']]);
    await expect(library.torrent(99)).rejects.toMatchObject({ kind: 'not-found' });
  });

  test('keep cache mode and error', async () => {
    const { torrentId } = await content();
    await complete(torrentId, false);
    await library.setCacheMode(torrentId, 'pinned');
    await library.setTorrentError(torrentId, 'a chunk is missing from the store');
    expect((await library.torrents())[0]).toMatchObject({
      cacheMode: 'pinned',
      error: 'a chunk is missing from the store',
    });
  });

  test('tell when they are to be seeded; a failing listener hinders nobody', async () => {
    const { torrentId } = await content();
    await complete(torrentId, false);
    const heard: SeedingChange[] = [];
    library.onSeedingChange(() => Promise.reject(new Error('no')));
    const stop = library.onSeedingChange(async (change) => {
      heard.push(change);
      expect(await library.getSeedingTorrents()).toHaveLength(change.isSeeding ? 1 : 0);
    });
    await library.setTorrentSeeding(torrentId, true);
    await library.setTorrentSeeding(torrentId, false);
    stop();
    await library.setTorrentSeeding(torrentId, true);
    expect(heard).toEqual([
      { torrentId, isSeeding: true },
      { torrentId, isSeeding: false },
    ]);
    expect(errors).toHaveLength(3);
  });

  test('note in the database, and tell, what their manifest does not say yet; what is set already is no change', async () => {
    const { bundle, torrentId } = await content();
    const second = await addTorrent(bundle);
    await complete(torrentId, false);
    const heard: number[] = [];
    library.onManifestChange((changed) => void heard.push(changed));
    const noted = () => database.db.selectFrom('manifest_changes').select(['bundle', 'revision']).execute();
    await library.setTorrentSeeding(torrentId, false);
    await library.setTorrentError(torrentId, 'a word');
    expect([heard, await noted()]).toEqual([[], []]);
    await library.setTorrentSeeding(torrentId, true);
    await library.setCacheMode(torrentId, 'pinned');
    await library.setCacheMode(torrentId, 'pinned');
    expect([heard, await noted()]).toEqual([[bundle, bundle], [{ bundle, revision: 2 }]]);
    const limits = { uploadBytesPerSecond: 5, downloadBytesPerSecond: 2 ** 40 };
    await library.setLimits(torrentId, limits);
    await library.setLimits(torrentId, { uploadBytesPerSecond: 5 });
    expect(await noted()).toEqual([{ bundle, revision: 3 }]);
    const { torrents } = await library.describe(bundle);
    const trackers = [['http://tracker.example/secret/announce']];
    const none = { uploadBytesPerSecond: 0, downloadBytesPerSecond: 0 };
    expect(torrents).toMatchObject([
      { trackers, seeding: { seeding: true, cacheMode: 'pinned', ...limits } },
      { trackers, seeding: { seeding: false, cacheMode: 'on-demand', ...none } },
    ]);
    const ofId = async (id: number) =>
      (await database.db.selectFrom('torrents').select('info_hash').where('id', '=', id).executeTakeFirstOrThrow())
        .info_hash;
    const hashes = [await ofId(torrentId), await ofId(second)].map((hash) => hash.toString('hex'));
    expect(torrents.map(({ infoHash }) => infoHash)).toEqual(hashes);
  });

  test('whose change fails half way have not changed, and nothing is noted', async () => {
    const { torrentId } = await content();
    await complete(torrentId, false);
    const frail = frailDatabase(database);
    const other = new LibraryManager({ database: frail, clock: systemClock, log: silentLog });
    other.onManifestChange(() => expect.unreachable());
    for (let queries = 0; queries < 4; queries++) {
      frail.failAfter(queries);
      await expect(other.setTorrentSeeding(torrentId, true), `${queries}`).rejects.toThrow('the disk is full');
      expect(await library.getSeedingTorrents()).toEqual([]);
      expect(await database.db.selectFrom('manifest_changes').selectAll().execute()).toEqual([]);
    }
  });

  test('more than a page of them come all', async () => {
    const { bundle } = await content();
    const torrents = Array.from({ length: TORRENTS_PER_PAGE + 3 }, (_, index) => {
      const info_hash = Buffer.alloc(20, 9);
      info_hash.writeUInt32BE(index);
      return database.db.insertInto('torrents').values({
        info_hash,
        name: `${bundle}`,
        total_length: 1,
        piece_length: 1,
        piece_count: 1,
        is_private: false,
        is_seeding: true,
        trackers_json: [],
        added_at: 0,
        completed_at: 1,
      });
    });
    await database.batch(torrents);
    const all = await library.getSeedingTorrents();
    expect(new Set(all.map(({ id }) => id)).size).toBe(TORRENTS_PER_PAGE + 3);
  });
});
