/** The longest name shown, in Unicode code points. */
export const MAX_LABEL_CHARS = 255;

// Control characters, line separators, and marks that turn the direction of the text after them.
const UNSHOWABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const LINE_BREAKS = /[\t\r\n]+/g;
const SEPARATORS = /[/\\]/g;
const PLAIN_ASCII = /^[\x20-\x7e]*$/;

/**
 * Text from outside made fit to be shown on one line: line breaks and tabs become a space, other unshowable characters
 * U+FFFD, and it is cut at `maxChars` code points.
 */
export function cleanText(text: string, maxChars: number = MAX_LABEL_CHARS): string {
  if (text.length <= maxChars && PLAIN_ASCII.test(text)) return text;
  // A code point has at most two code units, so the first cut only bounds the work.
  const bounded = text.slice(0, maxChars * 2);
  const points = Array.from(bounded);
  const cut = points.length > maxChars ? points.slice(0, maxChars).join('') : bounded;
  return cut.replace(LINE_BREAKS, ' ').replace(UNSHOWABLE, '\ufffd');
}

/**
 * One name of a torrent (its own, or a part of a file's path) made fit to be shown: as `cleanText`, and path separators
 * and the names `.` and `..` become underscores. A label is for people and is never used as a path on disk.
 */
export function cleanLabel(text: string): string {
  const shown = cleanText(text).replace(SEPARATORS, '_');
  return shown === '.' || shown === '..' ? '_'.repeat(shown.length) : shown;
}
