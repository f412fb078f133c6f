/**
 * Why a tracker will not have us, so that asking again soon is of no use:
 * - client: its list of clients
 * - torrent: it does not know the torrent, or no longer, or not yet
 * - passkey: nobody has it
 * - account: whoever has the passkey may not come in, or not for this torrent
 * - places: the account has this torrent in too many places, or too many torrents
 * - address: our port or address
 */
export type Refusal = 'client' | 'torrent' | 'passkey' | 'account' | 'places' | 'address';

/**
 * Failure reasons have no codes; these are the phrases of the common tracker programs (Ocelot, UNIT3D and its announce
 * server, NexusPHP, TBDev, XBTT, TorrentPier, opentracker and their like), of which refusals.test.ts has the words.
 * Whatever matches none is tried again as any failure.
 */
const PHRASES: readonly (readonly [Refusal, RegExp])[] = [
  ['passkey', /pass ?key|auth ?key|rss ?key|torrent[_ ]pass\b|\bpid\b.*(invalid|unknown|not)/i],
  ['passkey', /(download|re-?download|get) .*\.?torrent.* again|re-?download th(e|is)\b|registered user/i],
  [
    'client',
    /(client|user.?agent|peer.?id|agent)\b.*(not |n't |un)(\w+ )*(allow|whitelist|white list|permit|approv|support|accept)/i,
  ],
  [
    'client',
    /(client|user.?agent|peer.?id)\b.*(bann|black ?list|blocked|forbidden|denied|outdated|too old|too long|invalid)/i,
  ],
  [
    'client',
    /(bann|black ?list|block|forbidden|unsupported|invalid|disallow|cannot use|unapprov)\w* (\w+ )?(client|user.?agent|peer.?id|agent)/i,
  ],
  ['client', /browser|crawler|abnormal access|non-compact clients|no user.?agent|user.?agent must/i],
  ['places', /(more than|up ?to|limit|only|already)\b.*\b(locations?|places?|clients?|peers on this torrent)\b/i],
  ['places', /already (are )?(download|seed|leech)|connection limit|slot limit|torrent\(s\) allowed|only from \d+ ip/i],
  [
    'account',
    /(user|account|you)\b.*(bann|disabled|parked|not found|unknown|inactive|suspended|does not exist|deleted)/i,
  ],
  ['account', /(you|account)\b.*(not|n't) (\w+ )?(enabled|activated|welcome)|no longer welcome|still validating/i],
  ['account', /(unknown|invalid|disabled|banned) (user|account)|authentication (failed|failure)|not authenticated/i],
  ['account', /log ?in\b|privileges?.* (revoked|removed|disabled)|group not found|trying to cheat/i],
  ['account', /access denied|leeching forbidden|ratio is too low|vip access|permission|not authori[sz]ed \(\d/i],
  [
    'address',
    /\bip\b.*(bann|black ?list|block)|(bann|black ?list|block)\w* ip\b|\bport\b.*black ?list|illegal port|invalid ip\b|properly forwarded/i,
  ],
  ['torrent', /(unregistered|unknown|deleted|invalid|disallowed|unapproved) (torrent|info.?hash)/i],
  [
    'torrent',
    /(torrent|info.?hash)\b.*(not |n't |un)(\w+ )*(registered|found|exist|authori[sz]ed|approved|known|whitelist)/i,
  ],
  [
    'torrent',
    /(torrent|info.?hash)\b.*(deleted|removed|banned|trumped|rejected|postponed|frozen|black ?list|moderation|unregistered)/i,
  ],
  ['torrent', /requested download is not authori[sz]ed|\b(not |un)registered\b/i],
];

/** What a failure reason means, where it is one of the known kinds. */
export function refusalOf(reason: string): Refusal | null {
  return PHRASES.find(([, pattern]) => pattern.test(reason))?.[0] ?? null;
}

/** It took this event from us a moment ago, and takes none twice. */
const SAME_EVENT = /\b(same|duplicate|already)\b.*\bevent\b|\bevent\b.*\b(already|twice|duplicate)/i;
const TOO_SOON =
  /too (frequent|often|soon|fast|quick|many)|min(imum)? (announce )?(interval|time)|slow down|rate limit/i;

/**
 * Whether a refusal only says that we are early: because it has taken the same event from us just now, or for another reason
 * of time. It is neither a fault nor a complaint.
 */
export function earlyOf(reason: string): 'same-event' | 'too-soon' | null {
  if (refusalOf(reason) !== null) return null;
  return SAME_EVENT.test(reason) ? 'same-event' : TOO_SOON.test(reason) ? 'too-soon' : null;
}

const WHAT: Record<Refusal, string> = {
  client: 'does not allow bae as a client',
  torrent: 'does not know this torrent',
  passkey: "does not accept the passkey in this torrent's tracker address",
  account: 'does not let the account of this torrent in',
  places: 'lets this account have no more clients or torrents at once',
  address: 'does not take the address or port of this bae',
};

const REMEDY: Record<Refusal, string> = {
  client: 'Only its staff can allow it.',
  torrent: 'It may have been removed there, or not be published yet.',
  passkey: 'Download the torrent file again from its site.',
  account: 'Its site may tell more when you sign in there.',
  places: 'Stop the torrent elsewhere; a client that ended without a word is forgotten there after a while.',
  address: 'Choose another port with BAE_PEER_PORT, or ask its staff.',
};

/** One sentence or two for the person whose torrent it is; `reason` as `trackerWords` gives it. */
export function refusalWords(refusal: Refusal, host: string, reason: string): string {
  return `${host} ${WHAT[refusal]}: it says "${reason}". ${REMEDY[refusal]}`;
}
