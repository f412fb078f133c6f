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

/** Longest first, so that none is broken up by another. */
function secretsOf(url: URL): string[] {
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

/**
 * Why a tracker will not have us, so that asking again soon is of no use:
 * - client: its list of clients
 * - torrent: it does not know the torrent, or no longer
 * - account: the passkey, or the account behind it
 */
export type Refusal = 'client' | 'torrent' | 'account';

/**
 * Failure reasons have no codes; these are the phrases of the common tracker programs (Ocelot, UNIT3D, TorrentPier, XBTT,
 * opentracker and their like). Whatever matches none is tried again as any failure.
 */
const PHRASES: readonly (readonly [Refusal, RegExp])[] = [
  ['account', /pass ?key|auth ?key|rss ?key|torrent_pass|\bpid\b.*(invalid|unknown|not)/i],
  [
    'client',
    /(client|user.?agent|peer.?id)\b.*(not |n't |un)(\w+ )*(allow|whitelist|white list|permit|approv|support|accept)/i,
  ],
  ['client', /(client|user.?agent|peer.?id)\b.*(bann|black ?list|blocked|forbidden|denied|outdated|too old|invalid)/i],
  [
    'client',
    /(bann|black ?list|block|forbidden|unsupported|invalid|disallow)\w* (\w+ )?(client|user.?agent|peer.?id)/i,
  ],
  ['account', /(user|account|you)\b.*(bann|disabled|not found|unknown|inactive|suspended|does not exist|deleted)/i],
  ['account', /(unknown|invalid|disabled|banned) (user|account)|authentication (failed|failure)|not authenticated/i],
  [
    'account',
    /(download|re-?download|get) .*\.?torrent.* again|log ?in|registered user|privileges?.* (revoked|removed)/i,
  ],
  ['torrent', /(unregistered|unknown|deleted|invalid) (torrent|info.?hash)/i],
  [
    'torrent',
    /(torrent|info.?hash)\b.*(not |n't |un)(\w+ )*(registered|found|exist|authori[sz]ed|approved|known|whitelist)/i,
  ],
  ['torrent', /(torrent|info.?hash)\b.*(deleted|removed|banned|trumped|rejected|black ?list|moderation|unregistered)/i],
  ['torrent', /requested download is not authori[sz]ed/i],
];

/** What a failure reason means, where it is one of the known kinds. */
export function refusalOf(reason: string): Refusal | null {
  return PHRASES.find(([, pattern]) => pattern.test(reason))?.[0] ?? null;
}

/** One sentence or two for the person whose torrent it is; `reason` as `trackerWords` gives it. */
export function refusalWords(refusal: Refusal, host: string, reason: string): string {
  const what = {
    client: `${host} does not allow bae as a client`,
    torrent: `${host} does not know this torrent`,
    account: `${host} does not accept the passkey in this torrent's tracker address`,
  }[refusal];
  const remedy = {
    client: 'Only its staff can allow it.',
    torrent: 'It may have been removed there, or not be published yet.',
    account: 'Download the torrent file again from its site.',
  }[refusal];
  return `${what}: it says "${reason}". ${remedy}`;
}
