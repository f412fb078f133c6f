/** The API's answers as the commands read them (its OpenAPI document says the same). */

export interface ImportAnswer {
  readonly id: string;
  readonly name: string | null;
  readonly infoHash: string;
  readonly state: string;
  readonly identification: string;
  readonly progress: number;
  readonly error: string | null;
  readonly retryable: boolean;
  readonly torrentId: string | null;
}

export interface TorrentAnswer {
  readonly id: string;
  readonly releaseIds: readonly string[];
  readonly name: string;
  readonly infoHash: string;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly seeding: boolean;
  readonly cacheMode: string;
  readonly cachedBytes: number;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly peers: number;
  readonly error: string | null;
}

export interface TorrentDetailAnswer extends TorrentAnswer {
  readonly private: boolean;
  readonly files: readonly { path: string; length: number; pad: boolean }[];
  readonly releases: readonly { id: string; title: string; artist: string }[];
  readonly trackers: readonly { tracker: string; tier: number; state: string; message: string | null }[];
}

/** An import as `bae imports --json` gives it. */
export function importFields(answer: ImportAnswer) {
  const { id, name, infoHash, state, identification, progress, error } = answer;
  return { id, name, infoHash, state, identification, progress, error };
}
