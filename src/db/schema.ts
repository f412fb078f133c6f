import type { ColumnType, Generated } from 'kysely';

/**
 * Every table, as queries see it. Columns named `is_…` are booleans, columns named `…_json` hold JSON, `…_at` are
 * milliseconds since the Unix epoch; codec.ts turns them into what the dialect stores. Blobs come as Buffers. No integer
 * exceeds 2^53.
 */
export interface Schema {
  library: LibraryTable;
  bundles: BundlesTable;
  manifest_changes: ManifestChangesTable;
  chunks: ChunksTable;
  spool_pieces: SpoolPiecesTable;
  files: FilesTable;
  torrents: TorrentsTable;
  torrent_metainfo: TorrentMetainfoTable;
  torrent_piece_mappings: TorrentPieceMappingsTable;
  announce_sessions: AnnounceSessionsTable;
  pins: PinsTable;
  artists: ArtistsTable;
  albums: AlbumsTable;
  releases: ReleasesTable;
  tracks: TracksTable;
  imports: ImportsTable;
  settings: SettingsTable;
}

/** Bytes: any byte array goes in, a Buffer of its own comes out. */
export type Blob = ColumnType<Buffer, Uint8Array, Uint8Array>;
export type NullableBlob = ColumnType<Buffer | null, Uint8Array | null | undefined, Uint8Array | null>;
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };
/** A number that starts at zero. */
export type Counter = Generated<number>;
/** Null where an insert does not name it. */
export type Optional<T> = ColumnType<T | null, T | null | undefined, T | null>;

/** Always exactly one row, made by the vault. */
export interface LibraryTable {
  /** 1. */
  id: Generated<number>;
  /** 16 bytes. */
  library_id: Blob;
  created_at: number;
}

export type BundleState = 'importing' | 'committed' | 'cancelling';

export interface BundlesTable {
  /** Small and never used twice: the cache's files are named by it. */
  id: Generated<number>;
  /** 16 random bytes: the bundle's name wherever keys and manifests speak of it. */
  bundle_id: Blob;
  /** The bundle's key under the master key. */
  wrapped_key: Blob;
  /** Bytes. */
  total_length: number;
  chunk_count: number;
  state: BundleState;
  /** The newest manifest's; 0 = none yet. */
  generation: Counter;
  /** SHA-256 in the content table's object name. */
  table_name: NullableBlob;
  /** SHA-256 of the newest manifest's sealed bytes. */
  manifest_hash: NullableBlob;
  created_at: number;
}

/** Bundles of which the library says something else than their newest manifest; no row where they agree. */
export interface ManifestChangesTable {
  /** bundles.id */
  bundle: number;
  /** Grows with each change, so that one made while a manifest is being written is not taken for written. */
  revision: number;
}

/** A chunk's row is made when it is sealed in the spool; before that there is none. */
export const CHUNK_SPOOLED = 1;
/** Its object is in the store and verified. */
export const CHUNK_STORED = 2;

/** Millions of rows: at most 100 bytes each on disk, measured by `npm run bench db`. */
export interface ChunksTable {
  /** bundles.id */
  bundle: number;
  chunk_index: number;
  /** CHUNK_SPOOLED or CHUNK_STORED. */
  state: number;
  /** SHA-256 of the object: 32 bytes. */
  name: Blob;
  /** 24 bytes. */
  salt: Blob;
}

/** A verified piece whose chunk cannot close yet, sealed alone in the spool; deleted when its chunks are sealed. */
export interface SpoolPiecesTable {
  /** bundles.id */
  bundle: number;
  piece_index: number;
  /** Bundle offset of the piece's first byte. */
  byte_offset: number;
  /** Bytes of the piece in clear. */
  length: number;
  salt: Blob;
}

export interface FilesTable {
  /** bundles.id */
  bundle: number;
  /** Torrent order, from 0. */
  file_index: number;
  /** Labels from the root down, without the torrent's name; never used as a path on disk. */
  path_json: ColumnType<string[], readonly string[], readonly string[]>;
  /** Bytes. */
  length: number;
  /** Bundle offset of the first byte. */
  byte_offset: number;
  /** BEP 47 pad file: zeros, of interest to nobody. */
  is_pad: boolean;
}

export type CacheMode = 'on-demand' | 'pinned' | 'auto';
/** Announce URLs in tiers (BEP 12). They may hold passkeys: never log them. */
export type TrackerTiers = readonly (readonly string[])[];

export interface TorrentsTable {
  id: Generated<number>;
  /** 20 bytes. */
  info_hash: Blob;
  /** For display. */
  name: string;
  /** Bytes, pad files included. */
  total_length: number;
  piece_length: number;
  piece_count: number;
  /** BEP 27. */
  is_private: boolean;
  /** A person wants it seeded; it is once it is complete. */
  is_seeding: boolean;
  cache_mode: ColumnType<CacheMode, CacheMode | undefined, CacheMode>;
  trackers_json: ColumnType<string[][], TrackerTiers, TrackerTiers>;
  /** Payload over its whole life. */
  uploaded_bytes: Counter;
  downloaded_bytes: Counter;
  /** Its own rate limits; 0: none. */
  upload_bytes_per_second: Counter;
  download_bytes_per_second: Counter;
  /** One sentence, while something is wrong. */
  error: Optional<string>;
  added_at: number;
  completed_at: Optional<number>;
}

export interface TorrentMetainfoTable {
  torrent_id: number;
  /** The raw info dictionary: its SHA-1 is the info-hash. */
  info: Blob;
}

/** The piece map: one extent a row, sorted and gapless over the torrent's bytes. */
export interface TorrentPieceMappingsTable {
  torrent_id: number;
  torrent_offset: number;
  length: number;
  /** bundles.id; null = zeros. */
  bundle: Optional<number>;
  bundle_offset: number;
}

/** What one announce session told its trackers: `started` and `completed` are said once, over restarts too. */
export interface AnnounceSessionsTable {
  torrent_id: number;
  /** 20 bytes. */
  peer_id: Blob;
  /** BEP 7's key: 32 bits. */
  key: number;
  /** The tracker that acknowledged `started`. It may hold a passkey: never log it. */
  started_with: Optional<string>;
  is_completed_sent: boolean;
  /** Payload since `started`, as announced. */
  uploaded_bytes: Counter;
  downloaded_bytes: Counter;
  updated_at: number;
}

/** Runs of chunks a torrent keeps in the cache. */
export interface PinsTable {
  torrent_id: number;
  /** bundles.id */
  bundle: number;
  first_chunk: number;
  chunk_count: number;
}

export interface ArtistsTable {
  id: Generated<number>;
  name: string;
}

export interface AlbumsTable {
  id: Generated<number>;
  artist_id: Optional<number>;
  title: string;
  /** Of the first release of it that came in. */
  year: Optional<number>;
  created_at: number;
}

export interface ReleasesTable {
  id: Generated<number>;
  album_id: number;
  /** bundles.id */
  bundle: number;
  title: string;
  artist: Optional<string>;
  year: Optional<number>;
  /** Made from the content's own names; no person and no database confirmed it. */
  is_provisional: boolean;
  created_at: number;
}

export interface TracksTable {
  release_id: number;
  /** From 1. */
  disc_number: number;
  /** From 1. */
  track_number: number;
  title: string;
  artist: Optional<string>;
  /** Milliseconds. */
  duration_ms: Optional<number>;
  /** files.file_index in the release's bundle. */
  file_index: number;
}

export type ImportState =
  | 'queued'
  | 'metadata'
  | 'clues'
  | 'downloading'
  | 'committing'
  | 'done'
  | 'failed'
  | 'cancelling'
  | 'cancelled';
export type IdentificationState = 'waiting' | 'looking' | 'choosing' | 'chosen' | 'as-is' | 'unknown';
export type AnalysisState = 'pending' | 'running' | 'done';

/** One row is one job; a failed one is retried in its row. At most one per info-hash is neither done nor cancelled. */
export interface ImportsTable {
  id: Generated<number>;
  /** 20 bytes. */
  info_hash: Blob;
  torrent_id: Optional<number>;
  /** bundles.id */
  bundle: Optional<number>;
  name: Optional<string>;
  source: 'torrent' | 'magnet';
  /** As given. It may hold passkeys: never log it. */
  magnet: Optional<string>;
  state: ImportState;
  identification: ColumnType<IdentificationState, IdentificationState | undefined, IdentificationState>;
  analysis: ColumnType<AnalysisState, AnalysisState | undefined, AnalysisState>;
  /** One sentence: why it failed. */
  reason: Optional<string>;
  is_retryable: Generated<boolean>;
  /** HOST:PORT as given. */
  peers_json: ColumnType<string[], readonly string[] | undefined, readonly string[]>;
  options_json: ColumnType<JsonObject, JsonObject | undefined, JsonObject>;
  /** 0 to 1, as last saved. */
  progress: Counter;
  created_at: number;
  updated_at: number;
}

/** One row for each part that keeps something small over restarts: `limits` (settings), `egress` (vault), `dht` (seed). */
export interface SettingsTable {
  key: string;
  value_json: ColumnType<Json, Json, Json>;
}
