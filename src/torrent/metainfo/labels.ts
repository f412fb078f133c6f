/** The longest name shown, in Unicode code points. */
export const MAX_LABEL_CHARS = 255;

// Control characters, line separators, and marks that turn the direction of the text after them.
const UNSHOWABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const SEPARATORS = /[/\\]/g;

/** Text from outside made fit to be shown on one line: unshowable characters become U+FFFD, the rest is cut at `maxChars`. */
export function cleanText(text: string, maxChars: number = MAX_LABEL_CHARS): string {
  // A code point has at most two code units, so the first cut only bounds the work.
  const bounded = text.slice(0, maxChars * 2);
  const points = Array.from(bounded);
  const cut = points.length > maxChars ? points.slice(0, maxChars).join('') : bounded;
  return cut.replace(UNSHOWABLE, '\ufffd');
}

/**
 * One name of a torrent (its own, or a part of a file's path) made fit to be shown: as `cleanText`, and path separators
 * and the names `.` and `..` become underscores. A label is for people and is never used as a path on disk.
 */
export function cleanLabel(text: string): string {
  const shown = cleanText(text).replace(SEPARATORS, '_');
  return shown === '.' || shown === '..' ? '_'.repeat(shown.length) : shown;
}
