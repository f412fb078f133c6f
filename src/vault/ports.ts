import type { PieceStore } from '../torrent/ports.ts';
import type { EgressState } from './egress.ts';
import type { JsonObject } from './seal/index.ts';

/** One file of a bundle, in stream order. Its path is a label for people, never a path on disk. */
export interface BundleFile {
  readonly path: readonly string[];
  /** Bytes. */
  readonly length: number;
  /** BEP 47: zeros that only align the next file. */
  readonly pad?: boolean;
}

/** A torrent as the bucket keeps it; enough to seed it again from bucket and key alone. */
export interface BundleTorrent {
  /** SHA-1 of rawInfo, 20 bytes. */
  readonly infoHash: Buffer;
  /** The info dictionary's own bytes. */
  readonly rawInfo: Buffer;
}

/** What may change after the import: changes become new generations of the bundle's manifest. Kept as JSON. */
export interface BundleSettings {
  /** Trackers by tier and how each torrent is seeded, by info-hash in hex. */
  readonly torrents: readonly {
    readonly infoHash: string;
    readonly trackers: readonly (readonly string[])[];
    readonly seeding: JsonObject;
  }[];
  /** The records made of this bundle, as the library describes them. */
  readonly releases: readonly JsonObject[];
}

/** All that a commit writes besides the chunks. */
export interface BundleContent extends BundleSettings {
  readonly files: readonly BundleFile[];
  readonly metainfo: readonly BundleTorrent[];
}

export interface BundleRequest {
  /** Bytes of the bundle's stream: the sum of its files. */
  readonly totalLength: number;
  /** Ids (table `torrents`) of the torrents whose bytes are exactly this stream; their piece maps are saved with the bundle. */
  readonly torrents: readonly number[];
}

/** How far a bundle's bytes have come. */
export interface BundleProgress {
  readonly state: 'writing' | 'committed' | 'abandoned';
  readonly chunks: number;
  /** Sealed and durable on disk or in the store. */
  readonly sealedChunks: number;
  /** Verified in the store. */
  readonly storedChunks: number;
  /** Sealed bytes of this bundle in the cache or spool. */
  readonly localBytes: number;
}

/** How uploads are going: `waiting` says why they stand still (a sentence for people), null while they go. */
export interface UploadState {
  readonly queuedChunks: number;
  readonly waiting: string | null;
}

export interface VaultStats {
  readonly cacheBytes: number;
  readonly cacheBudgetBytes: number;
  readonly pinnedBytes: number;
  readonly pinBudgetBytes: number;
  readonly ramBytes: number;
  /** Bytes of segments that readers hold. */
  readonly leasedBytes: number;
  readonly spoolBytes: number;
  readonly spoolBudgetBytes: number;
  readonly openChunks: number;
  /** Bytes since start. */
  readonly fetchedBytes: number;
  readonly uploadedBytes: number;
  /** What readers had fetched today. */
  readonly egress: EgressState;
  /** Reads answered since start, by where their bytes came from. */
  readonly reads: Readonly<Record<'ram' | 'disk' | 'remote', number>>;
  /** Bytes of segments opened since start. */
  readonly openedBytes: number;
  readonly uploads: UploadState;
}

/**
 * The only door to content. One vault is open per library at a time; a second one is refused in words, on this machine and
 * on others. All methods may be called side by side.
 */
export interface Vault {
  /** Hex, 16 bytes, made at the library's first start. */
  readonly libraryId: string;
  readonly pieces: PieceStore;
  /**
   * Makes a bundle that pieces of `torrents` can be written to; returns its id. Its row and the piece maps are durable
   * when this resolves. Again for a torrent that has a bundle of this length: returns that one.
   */
  createBundle(request: BundleRequest): Promise<number>;
  /** Seals what is in memory of a torrent's unfinished chunks into the spool, so that even kill -9 keeps it. */
  flush(torrentId: number): Promise<void>;
  /**
   * Waits until all chunks are in the store, then writes the content table and generation 1 of the manifest: from then on
   * the bundle is part of the library. Safe to call again at any time, also after a crash. `refused` when pieces are
   * missing or a different manifest is there; `cancelled` when the signal aborts or the bundle is abandoned.
   */
  commit(bundleId: number, content: BundleContent, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * What VaultOptions.describe says of a bundle changed, and `noteManifestChange` saved that it did: a new generation of the
   * manifest is written within seconds, at the close if that comes before and the store answers, else at the next start.
   * Nothing waits for it; a generation that somebody else wrote is told in the log.
   */
  manifestChanged(bundleId: number): void;
  /**
   * Cancels an uncommitted bundle: its spool, its objects and its rows go. Resolves once it is marked so durably and its
   * local files are gone; objects are deleted in the background, also after a restart. `refused` once committed; a bundle
   * that is not there is fine.
   */
  abandon(bundleId: number): Promise<void>;
  progress(bundleId: number): Promise<BundleProgress>;
  /**
   * Fetches all chunks of a torrent and keeps them local until unpinned, over restarts. Resolves when the promise is saved;
   * fetching goes on behind. `refused` when the pin budget has no room.
   */
  pinChunks(torrentId: number): Promise<void>;
  unpinChunks(torrentId: number): Promise<void>;
  /**
   * Bytes that may be fetched from the store for peers in a day (UTC), from now on; 0, as at the start: no limit. When they are
   * used up, `pieces.mayFetch` says no until the next day; reads are answered all the same. @throws RangeError
   */
  setEgressLimit(bytesPerDay: number): void;
  /** Sealed bytes of these bundles' chunks in the cache or spool. */
  cachedBytes(bundles: readonly number[]): number;
  stats(): VaultStats;
  /** Seals what is in memory into the spool, stops uploads, gives the library free. */
  close(): Promise<void>;
}
