import { cleanText } from '../metainfo/index.ts';
import { MESSAGE_CHARACTERS } from './limits.ts';

/** Parts of announce URLs that are the same for everybody. */
const COMMON = /^(announce|scrape|tracker|index)?(\.php|\.html?)?$/i;
/** Shorter parts are no secrets, and leaving them out of a sentence would only garble it. */
const SECRET_CHARACTERS = 4;
/** What the search for secrets looks at; far more than is shown. */
const SEARCHED_CHARACTERS = 8 * MESSAGE_CHARACTERS;

/**
 * A tracker's own words made fit for logs and people: whatever of the URLs' paths, queries and user names stands in
 * them is left out first (it may be a passkey, and trackers do repeat it), then they are cleaned and cut. All words
 * of trackers come through here.
 */
export function trackerWords(text: string, urls: readonly URL[]): string {
  let words = text.slice(0, SEARCHED_CHARACTERS);
  for (const secret of urls.flatMap(secretsOf)) {
    words = words.replaceAll(new RegExp(secret.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&'), 'gi'), '…');
  }
  return cleanText(words, MESSAGE_CHARACTERS);
}

/** What of a URL may be secret; longest first, so that none is broken up by another. */
export function secretsOf(url: URL): string[] {
  const parts = [url.username, url.password, ...url.pathname.split('/')];
  for (const [name, value] of url.searchParams) parts.push(name, value);
  // As they stand in the URL too: searchParams are unescaped.
  parts.push(...url.search.split(/[?&=]/));
  const all = parts.flatMap((part) => [part, unescaped(part)]);
  const secrets = all.filter((part) => part.length >= SECRET_CHARACTERS && !COMMON.test(part));
  return [...new Set(secrets)].sort((a, b) => b.length - a.length);
}

function unescaped(part: string): string {
  return part.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
