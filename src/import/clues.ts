import type { Info, Priorities } from '../torrent/index.ts';
import type { ByteRange } from '../torrent/ports.ts';

/** Files that tell which record this is. */
const CLUE = /\.(cue|log|nfo|txt|m3u8?|md5|ffp|accurip)$/i;
const COVER = /^(cover|folder|front|albumart)\.(jpe?g|png)$/i;
/** A clue larger than this tells nothing the smaller ones do not. */
export const CLUE_BYTES = 1024 * 1024;
export const COVER_BYTES = 2 * 1024 * 1024;
/** All clues of one torrent, the first in torrent order count. */
export const CLUES = 200;

/** Where the clue files of a torrent lie: torrent offsets and lengths in bytes, empty files left out. */
export function clueRanges(info: Info): ByteRange[] {
  return info.files
    .filter(({ path, length, isPad }) => {
      const name = path.at(-1) as string;
      const limit = CLUE.test(name) ? CLUE_BYTES : COVER.test(name) ? COVER_BYTES : 0;
      return !isPad && length > 0 && length <= limit;
    })
    .slice(0, CLUES)
    .map(({ offset, length }) => ({ offset, length }));
}

/** The clues' pieces before everything else, which waits; a torrent without clues has nothing to wait for. */
export function cluesFirst(info: Info): Priorities {
  const { ranges } = restAfterClues(info);
  return { ranges, rest: ranges.length === 0 ? 'normal' : 'skip' };
}

/** Everything, and clues that are still missing before the rest. */
export function restAfterClues(info: Info): Priorities {
  return { ranges: clueRanges(info).map((range) => ({ ...range, priority: 'high' })), rest: 'normal' };
}
