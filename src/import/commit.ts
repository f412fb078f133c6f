import type { Info } from '../torrent/index.ts';
import type { ImportOptions } from './ports.ts';
import type { ImportRows } from './rows.ts';

export interface CommitWork {
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
export async function commitContent({ bundle, info, rows, options, signal }: CommitWork): Promise<void> {
  const files = info.files.map(({ path, length, isPad }) => ({ path, length, pad: isPad }));
  await rows.addFiles(bundle, files);
  await options.library.addProvisionalRelease({ bundle, name: info.name, files });
  const settings = await options.library.describe(bundle);
  const metainfo = [{ infoHash: info.infoHash, rawInfo: info.rawInfo }];
  await options.vault.commit(bundle, { files, metainfo, ...settings }, { signal });
}
