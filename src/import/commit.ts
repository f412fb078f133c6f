import type { Info } from '../torrent/index.ts';
import type { ImportOptions } from './ports.ts';
import type { ImportRows } from './rows.ts';

export interface CommitWork {
  readonly torrentId: number;
  /** bundles.id */
  readonly bundle: number;
  readonly info: Info;
  readonly rows: ImportRows;
  readonly options: ImportOptions;
  /** Calls it off. */
  readonly signal: AbortSignal;
}

/**
 * Makes a whole torrent part of the library: its file table, a provisional release from its own names, the vault's commit.
 * Safe to call again after it was cut short anywhere. Rejects as the vault's commit does.
 */
export async function commitContent({ torrentId, bundle, info, rows, options, signal }: CommitWork): Promise<void> {
  const files = info.files.map(({ path, length, isPad }) => ({ path, length, pad: isPad }));
  await rows.addFiles(bundle, files);
  const releases = await options.library.addProvisionalRelease({ bundle, name: info.name, files });
  const torrent = await rows.torrent(torrentId);
  const settings = {
    infoHash: info.infoHash.toString('hex'),
    trackers: torrent.trackers_json,
    seeding: { seeding: true, cacheMode: 'on-demand' },
  };
  const metainfo = [{ infoHash: info.infoHash, rawInfo: info.rawInfo }];
  await options.vault.commit(bundle, { files, metainfo, torrents: [settings], releases }, { signal });
}
