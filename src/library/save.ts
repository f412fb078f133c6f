import type { Transaction } from 'kysely';
import type { Schema } from '../db/index.ts';
import type { ProvisionalRelease } from './provisional.ts';
import type { LibraryTrack } from './rows.ts';

type Db = Transaction<Schema>;

/** Tracks in one insert: a row has seven parameters, and databases take some ten thousands. */
const TRACKS_PER_INSERT = 500;

/** Saves a release of a bundle unless the bundle has one; gives the id of the one it has then. */
export async function saveRelease(db: Db, bundle: number, release: ProvisionalRelease, now: number): Promise<number> {
  const there = await db
    .selectFrom('releases')
    .select('id')
    .where('bundle', '=', bundle)
    .orderBy('id')
    .executeTakeFirst();
  if (there !== undefined) return there.id;
  const { artist, title, year, tracks } = release;
  const { id } = await db
    .insertInto('releases')
    .values({
      album_id: await albumOf(db, release, now),
      bundle,
      title,
      artist,
      year,
      is_provisional: true,
      created_at: now,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await insertTracks(db, id, tracks);
  return id;
}

/** Makes a bundle's provisional release the one described; its id stays. False, and nothing is done, where there is none. */
export async function replaceRelease(
  db: Db,
  bundle: number,
  release: ProvisionalRelease,
  now: number,
): Promise<boolean> {
  const there = await db
    .selectFrom('releases')
    .select(['id', 'album_id'])
    .where('bundle', '=', bundle)
    .where('is_provisional', '=', true)
    .orderBy('id')
    .executeTakeFirst();
  if (there === undefined) return false;
  const { artist, title, year, tracks } = release;
  const change = { album_id: await albumOf(db, release, now), title, artist, year };
  await db.updateTable('releases').set(change).where('id', '=', there.id).execute();
  await db.deleteFrom('tracks').where('release_id', '=', there.id).execute();
  await insertTracks(db, there.id, tracks);
  await removeEmptyAlbum(db, there.album_id);
  return true;
}

async function insertTracks(db: Db, release: number, tracks: readonly LibraryTrack[]): Promise<void> {
  const rows = tracks.map((track) => ({
    release_id: release,
    disc_number: track.disc,
    track_number: track.track,
    title: track.title,
    artist: track.artist,
    duration_ms: track.durationMs,
    file_index: track.fileIndex,
  }));
  for (let from = 0; from < rows.length; from += TRACKS_PER_INSERT) {
    await db
      .insertInto('tracks')
      .values(rows.slice(from, from + TRACKS_PER_INSERT))
      .execute();
  }
}

/** Deletes a bundle's releases, and the albums and artists that nothing else is of. */
export async function removeReleases(db: Db, bundle: number): Promise<void> {
  const releases = await db.selectFrom('releases').select('album_id').where('bundle', '=', bundle).execute();
  await db.deleteFrom('releases').where('bundle', '=', bundle).execute();
  for (const { album_id } of releases) await removeEmptyAlbum(db, album_id);
}

/** Deletes an album that no release is of, and its artist if no other album is of them. */
async function removeEmptyAlbum(db: Db, id: number): Promise<void> {
  const album = await db
    .deleteFrom('albums')
    .where('id', '=', id)
    .where(({ not, exists }) => not(exists(db.selectFrom('releases').select('id').where('album_id', '=', id))))
    .returning('artist_id')
    .executeTakeFirst();
  if (album === undefined || album.artist_id === null) return;
  await db
    .deleteFrom('artists')
    .where('id', '=', album.artist_id)
    .where(({ not, exists }) =>
      not(exists(db.selectFrom('albums').select('id').where('artist_id', '=', album.artist_id))),
    )
    .execute();
}

/** The album of that artist and title, made if need be; without an artist always a new one. */
async function albumOf(db: Db, { artist, title, year }: ProvisionalRelease, now: number): Promise<number> {
  const artistId = artist === null ? null : await artistOf(db, artist);
  if (artistId !== null) {
    const there = await db
      .selectFrom('albums')
      .select('id')
      .where('artist_id', '=', artistId)
      .where('title', '=', title)
      .executeTakeFirst();
    if (there !== undefined) return there.id;
  }
  const { id } = await db
    .insertInto('albums')
    .values({ artist_id: artistId, title, year, created_at: now })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

async function artistOf(db: Db, name: string): Promise<number> {
  await db
    .insertInto('artists')
    .values({ name })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const { id } = await db.selectFrom('artists').select('id').where('name', '=', name).executeTakeFirstOrThrow();
  return id;
}
