export { type LibraryDeps, LibraryManager, type NewRelease, type SeedingChange } from './manager.ts';
export type { FileTags, ReleaseFile } from './provisional.ts';
export type { TorrentFilter } from './queries.ts';
export type { LibraryFile, LibraryRelease, LibraryTorrent, LibraryTorrentDetail } from './rows.ts';
