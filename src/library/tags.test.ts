import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryDatabase } from '../../test/parts/database.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { LibraryManager } from './manager.ts';

let database: Awaited<ReturnType<typeof temporaryDatabase>>;
let library: LibraryManager;
let made = 0;

beforeEach(async () => {
  database = await temporaryDatabase();
  library = new LibraryManager({ database, clock: systemClock, log: silentLog });
});
afterEach(() => database.remove());

const FILES = [{ path: ['01 - One.flac'] }, { path: ['02 - Two.flac'] }, { path: ['CD2', '01 - Three.flac'] }];

/** A torrent of the library and its bundle. */
async function content(): Promise<{ bundle: number; torrentId: number }> {
  const { db } = database;
  const unique = Buffer.alloc(20, ++made);
  const { id: bundle } = await db
    .insertInto('bundles')
    .values({
      bundle_id: unique,
      wrapped_key: Buffer.alloc(60),
      total_length: 300,
      chunk_count: 1,
      state: 'committed',
      created_at: 0,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const { id: torrentId } = await db
    .insertInto('torrents')
    .values({
      info_hash: unique,
      name: 'Artist - Album (1999)',
      total_length: 300,
      piece_length: 16_384,
      piece_count: 1,
      is_private: false,
      is_seeding: false,
      trackers_json: [],
      added_at: 5,
      completed_at: 7,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const extent = { torrent_id: torrentId, torrent_offset: 0, length: 300, bundle, bundle_offset: 0 };
  await db.insertInto('torrent_piece_mappings').values(extent).execute();
  return { bundle, torrentId };
}

async function releasesOf(torrentId: number) {
  return (await library.torrent(torrentId)).releases;
}

/** Rows of albums, artists, releases and tracks. */
function counts(): Promise<number[]> {
  const tables = ['albums', 'artists', 'releases', 'tracks'] as const;
  return Promise.all(tables.map(async (table) => (await database.db.selectFrom(table).selectAll().execute()).length));
}

test('tags make the provisional release another, under its id, and leave nothing behind', async () => {
  const { bundle, torrentId } = await content();
  const release = { bundle, name: 'Artist - Album (1999)', files: FILES };
  await library.addProvisionalRelease(release);
  const [before] = await releasesOf(torrentId);
  expect(before).toMatchObject({ title: 'Album', artist: 'Artist', year: 1999 });
  const heard: number[] = [];
  library.onManifestChange((changed) => void heard.push(changed));
  const tag = { fileIndex: 1, album: 'Tagged', albumArtist: 'Someone', year: 2001, title: 'Zwei', durationMs: 2_000 };
  await Promise.all([1, 2, 3].map(() => library.addTags(release, [tag])));
  const track = { disc: 1, artist: null, durationMs: null };
  expect(await releasesOf(torrentId)).toEqual([
    {
      id: before?.id,
      albumId: expect.any(Number),
      title: 'Tagged',
      artist: 'Someone',
      year: 2001,
      isProvisional: true,
      tracks: [
        { ...track, track: 1, title: 'One', fileIndex: 0 },
        { ...track, track: 2, title: 'Zwei', durationMs: 2_000, fileIndex: 1 },
        { ...track, disc: 2, track: 1, title: 'Three', fileIndex: 2 },
      ],
    },
  ]);
  expect(await counts()).toEqual([1, 1, 1, 3]);
  expect(heard).toEqual([bundle, bundle, bundle]);
  expect((await library.describe(bundle)).releases).toMatchObject([
    { title: 'Tagged', tracks: [{}, { title: 'Zwei' }, {}] },
  ]);
});

test('an album that has another pressing stays when tags take one away', async () => {
  const [one, two] = [await content(), await content()];
  const name = 'Artist - Album (1999)';
  for (const { bundle } of [one, two]) await library.addProvisionalRelease({ bundle, name, files: FILES });
  expect(await counts()).toEqual([1, 1, 2, 6]);
  await library.addTags({ bundle: two.bundle, name, files: FILES }, [{ fileIndex: 0, album: 'Else', artist: 'Else' }]);
  expect(await counts()).toEqual([2, 2, 2, 6]);
  expect(await releasesOf(one.torrentId)).toMatchObject([{ title: 'Album', artist: 'Artist' }]);
  expect(await releasesOf(two.torrentId)).toMatchObject([{ title: 'Else', artist: 'Else' }]);
});

test('tags change neither a release that is no longer provisional nor one that is not there', async () => {
  const { bundle, torrentId } = await content();
  library.onManifestChange(() => expect.unreachable());
  const release = { bundle, name: 'Artist - Album', files: FILES };
  const tags = [{ fileIndex: 0, album: 'Tagged' }];
  await library.addTags(release, tags);
  expect(await counts()).toEqual([0, 0, 0, 0]);
  await library.addProvisionalRelease(release);
  await database.db.updateTable('releases').set({ is_provisional: false }).where('bundle', '=', bundle).execute();
  const before = await releasesOf(torrentId);
  await library.addTags(release, tags);
  expect(await releasesOf(torrentId)).toEqual(before);
});
