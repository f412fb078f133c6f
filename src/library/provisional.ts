import { isAudioName, parseRecordName, parseTrackName } from './names.ts';
import type { LibraryTrack } from './rows.ts';

/** A file of the bundle, in bundle order. */
export interface ReleaseFile {
  readonly path: readonly string[];
  /** BEP 47. */
  readonly pad?: boolean;
}

/** What a file's own tags say; every part may be missing. */
export interface FileTags {
  /** Index into the bundle's files. */
  readonly fileIndex: number;
  readonly albumArtist?: string;
  readonly artist?: string;
  readonly album?: string;
  readonly year?: number;
  readonly title?: string;
  readonly disc?: number;
  readonly track?: number;
  readonly durationMs?: number;
}

export interface ProvisionalRelease {
  readonly artist: string | null;
  readonly title: string;
  readonly year: number | null;
  readonly tracks: readonly LibraryTrack[];
}

/** More files of sound than this in one release: the rest get no track. */
export const MAX_TRACKS = 2000;

/**
 * The release that content's own names and tags describe. Tags count where all that are there agree; otherwise the folder's name.
 * Every track has a place of its own: where names and tags tell none, or the same twice, it is the next free one.
 */
export function describeProvisional(
  name: string,
  files: readonly ReleaseFile[],
  tags: readonly FileTags[] = [],
): ProvisionalRelease {
  const named = parseRecordName(name);
  const artists = tags.map((tag) => tag.albumArtist ?? tag.artist);
  const artist = agreed(artists) ?? prevailing(artists);
  const various = tags.length > 1 && artist === null && artists.every((one) => one !== undefined);
  return {
    artist: various ? 'Various Artists' : (artist ?? named.artist),
    title: agreed(tags.map((tag) => tag.album)) ?? named.title,
    year: agreed(tags.map((tag) => tag.year)) ?? named.year,
    tracks: describeTracks(files, new Map(tags.map((tag) => [tag.fileIndex, tag]))),
  };
}

function describeTracks(files: readonly ReleaseFile[], tags: ReadonlyMap<number, FileTags>): LibraryTrack[] {
  const taken = new Set<string>();
  const wanted = files
    .map(({ path, pad }, fileIndex) => ({ path, pad, fileIndex }))
    .filter(({ path, pad }) => !pad && isAudioName(path.at(-1) ?? ''))
    .slice(0, MAX_TRACKS)
    .map(({ path, fileIndex }) => ({ named: parseTrackName(path), tag: tags.get(fileIndex), fileIndex }));
  // Those that know their place first, so that nobody takes it from them.
  wanted.sort((a, b) => Number(knowsPlace(b)) - Number(knowsPlace(a)) || a.fileIndex - b.fileIndex);
  const tracks = wanted.map(({ named, tag, fileIndex }) => {
    const disc = place(tag?.disc) ?? named.disc ?? 1;
    let track = place(tag?.track) ?? named.track ?? 1;
    while (taken.has(`${disc}/${track}`)) track++;
    taken.add(`${disc}/${track}`);
    return {
      disc,
      track,
      title: text(tag?.title) ?? named.title,
      artist: text(tag?.artist) ?? null,
      durationMs: tag?.durationMs === undefined ? null : Math.round(tag.durationMs),
      fileIndex,
    };
  });
  return tracks.sort((a, b) => a.disc - b.disc || a.track - b.track);
}

function knowsPlace(file: { named: { track: number | null }; tag: FileTags | undefined }): boolean {
  return (place(file.tag?.track) ?? file.named.track) !== null;
}

/** A track's or disc's number if it is one. */
function place(value: number | undefined): number | null {
  return value !== undefined && Number.isInteger(value) && value >= 1 && value <= 9999 ? value : null;
}

function text(value: string | undefined): string | null {
  const trimmed = value?.trim() ?? '';
  return trimmed === '' ? null : trimmed;
}

/** The one value all that have one share; null when none has, or when they differ. */
function agreed<T extends string | number>(values: readonly (T | undefined)[]): T | null {
  const there = new Set(values.filter((value) => value !== undefined && value !== ''));
  const [only] = there;
  return there.size === 1 && only !== undefined ? only : null;
}

/** The value that more than half have: a guest on one track does not make an album one of various artists. */
function prevailing(values: readonly (string | undefined)[]): string | null {
  const counts = new Map<string, number>();
  for (const value of values) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  for (const [value, count] of counts) if (count * 2 > values.length) return value;
  return null;
}
