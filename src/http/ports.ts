/**
 * What the outside may ask of a running bae; app.ts meets it with the rooms. Ids are strings: a torrent's is `t` and a
 * number, a release's `r` and a number, an import's `i` and a number.
 */

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

export type Identification = 'waiting' | 'looking' | 'choosing' | 'chosen' | 'as-is' | 'unknown';

export interface ImportView {
  readonly id: string;
  readonly name: string | null;
  readonly infoHash: string;
  readonly state: ImportState;
  readonly identification: Identification;
  /** 0 to 1, of the torrent's bytes. */
  readonly progress: number;
  /** One sentence: why it failed, or what it waits for now. */
  readonly error: string | null;
  /** For a failed one: whether `retry` may help with nothing else changed. */
  readonly retryable: boolean;
  /** The torrent it became, once its metadata is known. */
  readonly torrentId: string | null;
}

export interface TorrentView {
  readonly id: string;
  readonly releaseIds: readonly string[];
  readonly name: string;
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly seeding: boolean;
  readonly cacheMode: 'on-demand' | 'pinned' | 'auto';
  readonly cachedBytes: number;
  /** Its own rate limits; 0: none. */
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  /** Connected peers. */
  readonly peers: number;
  readonly error: string | null;
}

export interface TrackerView {
  /** Scheme, host and port; never the path or query, which may hold a passkey. */
  readonly tracker: string;
  readonly tier: number;
  readonly state: string;
  readonly message: string | null;
}

/** A connected peer. */
export interface PeerView {
  readonly host: string;
  readonly port: number;
  readonly client: string;
  readonly incoming: boolean;
  /** header: the handshake alone was encrypted; rc4: all is. */
  readonly encryption: 'plain' | 'header' | 'rc4';
  /** 0 to 1. */
  readonly progress: number;
  /** Payload of this connection, as we see it. */
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
}

export interface TrackView {
  readonly disc: number;
  readonly track: number;
  readonly title: string;
  /** Where the track's own tags name one. */
  readonly artist: string | null;
  readonly durationMs: number | null;
}

export interface ReleaseView {
  readonly id: string;
  readonly title: string;
  readonly artist: string;
  readonly year: number | null;
  readonly tracks: readonly TrackView[];
}

export interface TorrentDetail extends TorrentView {
  readonly private: boolean;
  readonly files: readonly { readonly path: string; readonly length: number; readonly pad: boolean }[];
  readonly releases: readonly ReleaseView[];
  readonly trackers: readonly TrackerView[];
  /** Connected now. */
  readonly peerList: readonly PeerView[];
}

export interface StatsView {
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly peerPort: number;
  readonly store: string;
  readonly torrents: number;
  readonly seeding: number;
  readonly imports: number;
  readonly peers: number;
  /** Why there is no traffic with peers and trackers; null while nothing hinders. */
  readonly networkFault: string | null;
  /** off: by the settings; down: without a socket; joining: no node is known yet. */
  readonly dhtState: 'off' | 'down' | 'joining' | 'ready';
  /** Nodes known. */
  readonly dhtNodes: number;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly cacheBytes: number;
  readonly cacheBudgetBytes: number;
  readonly pinnedBytes: number;
  /** Memory that blocks under way to peers keep from being reused. */
  readonly leasedBytes: number;
  readonly spoolBytes: number;
  readonly spoolBudgetBytes: number;
  readonly storeReadBytes: number;
  /** Fetched from the store for readers since the day began (UTC), and how much may be; 0: no limit. */
  readonly egressBytes: number;
  readonly egressBytesPerDay: number;
  /** One sentence while nothing more may be fetched for peers today; else null. */
  readonly egressWaiting: string | null;
  /** Bytes of sealed chunks opened since start, from disk and store. */
  readonly openedBytes: number;
  readonly storeWrittenBytes: number;
}

export interface NewImport {
  /** Raw bytes of a .torrent file, or a magnet link. */
  readonly source: { readonly torrent: Uint8Array } | { readonly magnet: string };
  /** Peers given by hand; always allowed to be tried. */
  readonly peers: readonly { readonly host: string; readonly port: number }[];
  readonly asIs: boolean;
}

/** The limits that all of bae has now. Whole bytes, 0 for no limit. */
export interface SettingsView {
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  /** What one connection with a peer may be sent. */
  readonly peerUploadBytesPerSecond: number;
  /** What may be fetched from the store for peers in a day (UTC). */
  readonly egressBytesPerDay: number;
  /** Of those above that cannot be changed here: the flag, variable or file that says them. */
  readonly fixed: Readonly<Record<string, string>>;
}

/** Limits to set; those not named stay. */
export type SettingsChanges = { readonly [Name in keyof Omit<SettingsView, 'fixed'>]?: number | undefined };

/** The rate limits of one torrent, by its id or its import's; 0: none. */
export interface LimitsView {
  readonly id: string;
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
}

/** Rate limits to set; those not named stay. Whole bytes per second, 0 for none. */
export interface LimitChanges {
  readonly uploadBytesPerSecond?: number | undefined;
  readonly downloadBytesPerSecond?: number | undefined;
}

/** All calls reject with BaeErrors, whose kinds the edge maps to status codes. */
export interface Application {
  /** Already there or running: the same import is answered, or `refused` when it is in the library. */
  addImport(request: NewImport): Promise<ImportView>;
  imports(): Promise<readonly ImportView[]>;
  import(id: string): Promise<ImportView>;
  cancelImport(id: string): Promise<ImportView>;
  retryImport(id: string): Promise<ImportView>;
  /** All torrents, by ascending id, some at a time. */
  torrents(): AsyncIterable<readonly TorrentView[]>;
  /** By a torrent's or a release's id. */
  torrent(id: string): Promise<TorrentDetail>;
  setSeeding(id: string, on: boolean): Promise<readonly TorrentView[]>;
  setPinned(id: string, on: boolean): Promise<readonly TorrentView[]>;
  /** By a torrent's, a release's or an import's id; a torrent may still be on its way into the library. */
  setLimits(id: string, limits: LimitChanges): Promise<readonly LimitsView[]>;
  settings(): SettingsView;
  /** `refused` for a limit that is fixed elsewhere; nothing is changed then. */
  setSettings(changes: SettingsChanges): Promise<SettingsView>;
  stats(): Promise<StatsView>;
  /** Every part that must work, by name; null is well, else one sentence. */
  ready(): Promise<Readonly<Record<string, string | null>>>;
  /** Begins the orderly stop; resolves at once. */
  stop(): void;
}
