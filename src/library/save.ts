import type { Transaction } from 'kysely';
import type { Schema } from '../db/index.ts';
import type { ProvisionalRelease } from './provisional.ts';

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
  const { artist, title, year } = release;
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
  const rows = release.tracks.map((track) => ({
    release_id: id,
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
  return id;
}

/** Deletes a bundle's releases, and the albums and artists that nothing else is of. */
export async function removeReleases(db: Db, bundle: number): Promise<void> {
  const releases = await db.selectFrom('releases').select('album_id').where('bundle', '=', bundle).execute();
  await db.deleteFrom('releases').where('bundle', '=', bundle).execute();
  for (const { album_id } of releases) {
    const album = await db
      .deleteFrom('albums')
      .where('id', '=', album_id)
      .where(({ not, exists }) => not(exists(db.selectFrom('releases').select('id').where('album_id', '=', album_id))))
      .returning('artist_id')
      .executeTakeFirst();
    if (album === undefined || album.artist_id === null) continue;
    await db
      .deleteFrom('artists')
      .where('id', '=', album.artist_id)
      .where(({ not, exists }) =>
        not(exists(db.selectFrom('albums').select('id').where('artist_id', '=', album.artist_id))),
      )
      .execute();
  }
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
