import { type ColumnDefinitionBuilder, sql, type Transaction } from 'kysely';
import type { Schema } from '../schema.ts';

type Db = Transaction<Schema>;
type Column = (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder;

// integer: fits in 32 bits; bigint: bytes and times.
const required: Column = (column) => column.notNull();
const unique: Column = (column) => column.notNull().unique();
const zero: Column = (column) => column.notNull().defaultTo(0);
/** Ids are never used twice, even after a delete: files on disk outlive their rows by a moment. */
const identity: Column = (column) => column.primaryKey().autoIncrement();
const key: Column = (column) => column.notNull().primaryKey();
const owned =
  (target: string): Column =>
  (column) =>
    column.notNull().references(target).onDelete('cascade');
const pointer =
  (target: string): Column =>
  (column) =>
    column.references(target).onDelete('set null');
/** Rows lie in key order, with no second tree for the key. */
const clustered = sql`without rowid`;

/** Content, torrents, music, imports, settings. */
export async function firstLight(db: Db): Promise<void> {
  await bundles(db);
  await chunks(db);
  await torrents(db);
  await seeding(db);
  await music(db);
  await imports(db);
  await db.schema
    .createTable('settings')
    .addColumn('key', 'text', key)
    .addColumn('value_json', 'text', required)
    .execute();
}

async function bundles(db: Db): Promise<void> {
  await db.schema
    .createTable('library')
    .addColumn('id', 'integer', (column) => column.primaryKey().defaultTo(1).check(sql`id = 1`))
    .addColumn('library_id', 'blob', required)
    .addColumn('created_at', 'bigint', required)
    .execute();
  await db.schema
    .createTable('bundles')
    .addColumn('id', 'integer', identity)
    .addColumn('bundle_id', 'blob', unique)
    .addColumn('wrapped_key', 'blob', required)
    .addColumn('total_length', 'bigint', required)
    .addColumn('chunk_count', 'integer', required)
    .addColumn('state', 'text', required)
    .addColumn('generation', 'integer', zero)
    .addColumn('table_name', 'blob')
    .addColumn('manifest_hash', 'blob')
    .addColumn('created_at', 'bigint', required)
    .execute();
  await db.schema
    .createTable('files')
    .addColumn('bundle', 'integer', owned('bundles.id'))
    .addColumn('file_index', 'integer', required)
    .addColumn('path_json', 'text', required)
    .addColumn('length', 'bigint', required)
    .addColumn('byte_offset', 'bigint', required)
    .addColumn('is_pad', 'integer', required)
    .addPrimaryKeyConstraint('files_key', ['bundle', 'file_index'])
    .modifyEnd(clustered)
    .execute();
}

async function chunks(db: Db): Promise<void> {
  await db.schema
    .createTable('chunks')
    .addColumn('bundle', 'integer', owned('bundles.id'))
    .addColumn('chunk_index', 'integer', required)
    .addColumn('state', 'integer', required)
    .addColumn('name', 'blob', required)
    .addColumn('salt', 'blob', required)
    .addPrimaryKeyConstraint('chunks_key', ['bundle', 'chunk_index'])
    .modifyEnd(clustered)
    .execute();
  // What a start looks for. It holds spooled chunks only (CHUNK_SPOOLED), so it weighs nothing once they are stored.
  await sql`create index chunks_spooled on chunks (bundle, chunk_index) where state = 1`.execute(db);
  await db.schema
    .createTable('spool_pieces')
    .addColumn('bundle', 'integer', owned('bundles.id'))
    .addColumn('piece_index', 'integer', required)
    .addColumn('byte_offset', 'bigint', required)
    .addColumn('length', 'integer', required)
    .addColumn('salt', 'blob', required)
    .addPrimaryKeyConstraint('spool_pieces_key', ['bundle', 'piece_index'])
    .modifyEnd(clustered)
    .execute();
}

async function torrents(db: Db): Promise<void> {
  await db.schema
    .createTable('torrents')
    .addColumn('id', 'integer', identity)
    .addColumn('info_hash', 'blob', unique)
    .addColumn('name', 'text', required)
    .addColumn('total_length', 'bigint', required)
    .addColumn('piece_length', 'integer', required)
    .addColumn('piece_count', 'integer', required)
    .addColumn('is_private', 'integer', required)
    .addColumn('is_seeding', 'integer', required)
    .addColumn('cache_mode', 'text', (column) => column.notNull().defaultTo('on-demand'))
    .addColumn('trackers_json', 'text', required)
    .addColumn('uploaded_bytes', 'bigint', zero)
    .addColumn('downloaded_bytes', 'bigint', zero)
    .addColumn('error', 'text')
    .addColumn('added_at', 'bigint', required)
    .addColumn('completed_at', 'bigint')
    .execute();
  await db.schema
    .createTable('torrent_metainfo')
    .addColumn('torrent_id', 'integer', (column) => owned('torrents.id')(column).primaryKey())
    .addColumn('info', 'blob', required)
    .execute();
  await db.schema
    .createTable('torrent_piece_mappings')
    .addColumn('torrent_id', 'integer', owned('torrents.id'))
    .addColumn('torrent_offset', 'bigint', required)
    .addColumn('length', 'bigint', required)
    // No action on delete: content that a torrent still lies on cannot go.
    .addColumn('bundle', 'integer', (column) => column.references('bundles.id'))
    .addColumn('bundle_offset', 'bigint', required)
    .addPrimaryKeyConstraint('torrent_piece_mappings_key', ['torrent_id', 'torrent_offset'])
    .modifyEnd(clustered)
    .execute();
  await sql`create index mappings_by_bundle on torrent_piece_mappings (bundle)`.execute(db);
}

async function seeding(db: Db): Promise<void> {
  await db.schema
    .createTable('announce_sessions')
    .addColumn('torrent_id', 'integer', (column) => owned('torrents.id')(column).primaryKey())
    .addColumn('peer_id', 'blob', required)
    .addColumn('key', 'bigint', required)
    .addColumn('started_with', 'text')
    .addColumn('is_completed_sent', 'integer', required)
    .addColumn('uploaded_bytes', 'bigint', zero)
    .addColumn('downloaded_bytes', 'bigint', zero)
    .addColumn('updated_at', 'bigint', required)
    .execute();
  await db.schema
    .createTable('pins')
    .addColumn('torrent_id', 'integer', owned('torrents.id'))
    .addColumn('bundle', 'integer', owned('bundles.id'))
    .addColumn('first_chunk', 'integer', required)
    .addColumn('chunk_count', 'integer', required)
    .addPrimaryKeyConstraint('pins_key', ['torrent_id', 'bundle', 'first_chunk'])
    .modifyEnd(clustered)
    .execute();
  await sql`create index pins_by_bundle on pins (bundle)`.execute(db);
}

async function music(db: Db): Promise<void> {
  await db.schema
    .createTable('artists')
    .addColumn('id', 'integer', identity)
    .addColumn('name', 'text', unique)
    .execute();
  await db.schema
    .createTable('albums')
    .addColumn('id', 'integer', identity)
    .addColumn('artist_id', 'integer', pointer('artists.id'))
    .addColumn('title', 'text', required)
    .addColumn('year', 'integer')
    .addColumn('created_at', 'bigint', required)
    .execute();
  await sql`create index albums_by_artist on albums (artist_id, title)`.execute(db);
  await db.schema
    .createTable('releases')
    .addColumn('id', 'integer', identity)
    .addColumn('album_id', 'integer', owned('albums.id'))
    .addColumn('bundle', 'integer', owned('bundles.id'))
    .addColumn('title', 'text', required)
    .addColumn('artist', 'text')
    .addColumn('year', 'integer')
    .addColumn('is_provisional', 'integer', required)
    .addColumn('created_at', 'bigint', required)
    .execute();
  await sql`create index releases_by_album on releases (album_id)`.execute(db);
  await sql`create index releases_by_bundle on releases (bundle)`.execute(db);
  await db.schema
    .createTable('tracks')
    .addColumn('release_id', 'integer', owned('releases.id'))
    .addColumn('disc_number', 'integer', required)
    .addColumn('track_number', 'integer', required)
    .addColumn('title', 'text', required)
    .addColumn('artist', 'text')
    .addColumn('duration_ms', 'integer')
    .addColumn('file_index', 'integer', required)
    .addPrimaryKeyConstraint('tracks_key', ['release_id', 'disc_number', 'track_number'])
    .modifyEnd(clustered)
    .execute();
}

async function imports(db: Db): Promise<void> {
  await db.schema
    .createTable('imports')
    .addColumn('id', 'integer', identity)
    .addColumn('info_hash', 'blob', required)
    .addColumn('torrent_id', 'integer', pointer('torrents.id'))
    .addColumn('bundle', 'integer', pointer('bundles.id'))
    .addColumn('name', 'text')
    .addColumn('source', 'text', required)
    .addColumn('magnet', 'text')
    .addColumn('state', 'text', required)
    .addColumn('identification', 'text', (column) => column.notNull().defaultTo('waiting'))
    .addColumn('analysis', 'text', (column) => column.notNull().defaultTo('pending'))
    .addColumn('reason', 'text')
    .addColumn('is_retryable', 'integer', zero)
    .addColumn('peers_json', 'text', (column) => column.notNull().defaultTo('[]'))
    .addColumn('options_json', 'text', (column) => column.notNull().defaultTo('{}'))
    .addColumn('progress', 'double precision', zero)
    .addColumn('created_at', 'bigint', required)
    .addColumn('updated_at', 'bigint', required)
    .execute();
  // The same info-hash twice, at the same moment even, is one job.
  await sql`create unique index imports_live on imports (info_hash) where state not in ('done', 'cancelled')`.execute(
    db,
  );
  await sql`create index imports_by_torrent on imports (torrent_id)`.execute(db);
  await sql`create index imports_by_bundle on imports (bundle)`.execute(db);
}
