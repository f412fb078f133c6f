import type { CacheMode } from '../db/index.ts';

/** A torrent of the library: its content is committed. */
export interface LibraryTorrent {
  readonly id: number;
  /** bundles.id of those it lies on. */
  readonly bundles: readonly number[];
  /** Releases on its bundles, ascending. */
  readonly releaseIds: readonly number[];
  readonly name: string;
  /** 20 bytes. */
  readonly infoHash: Buffer;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly isPrivate: boolean;
  readonly isSeeding: boolean;
  readonly cacheMode: CacheMode;
  /** Its own rate limits; 0: none. */
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  /** Payload over its whole life, as last saved. */
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  /** One sentence, while something is wrong. */
  readonly error: string | null;
  /** Milliseconds since the Unix epoch. */
  readonly addedAt: number;
  readonly completedAt: number;
}

/** A torrent's own rate limits to be set, whole bytes per second, 0 for none; those not named stay. */
export interface LimitChanges {
  readonly uploadBytesPerSecond?: number | undefined;
  readonly downloadBytesPerSecond?: number | undefined;
}

/** All torrents of the library together. */
export interface LibraryTotals {
  readonly torrents: number;
  readonly seeding: number;
  /** Payload, as last saved. */
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
}

export interface LibraryFile {
  readonly path: readonly string[];
  readonly length: number;
  readonly pad: boolean;
}

export interface LibraryRelease {
  readonly id: number;
  readonly albumId: number;
  readonly title: string;
  readonly artist: string | null;
  readonly year: number | null;
  readonly isProvisional: boolean;
}

export interface LibraryTrack {
  /** From 1. */
  readonly disc: number;
  /** From 1. */
  readonly track: number;
  readonly title: string;
  readonly artist: string | null;
  readonly durationMs: number | null;
  /** Of its bundle. */
  readonly fileIndex: number;
}

export interface LibraryReleaseDetail extends LibraryRelease {
  /** By disc and track. */
  readonly tracks: readonly LibraryTrack[];
}

export interface LibraryTorrentDetail extends LibraryTorrent {
  readonly files: readonly LibraryFile[];
  readonly releases: readonly LibraryReleaseDetail[];
  /** Announce URLs in tiers. They may hold passkeys: never show or log more than the host. */
  readonly trackers: readonly (readonly string[])[];
}
