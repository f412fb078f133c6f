export { type LibraryDeps, LibraryManager, type NewRelease, type SeedingChange } from './manager.ts';
export { isAudioName } from './names.ts';
export type { FileTags, ReleaseFile } from './provisional.ts';
export type { TorrentFilter } from './queries.ts';
export type {
  LibraryFile,
  LibraryRelease,
  LibraryReleaseDetail,
  LibraryTorrent,
  LibraryTorrentDetail,
  LibraryTrack,
} from './rows.ts';
