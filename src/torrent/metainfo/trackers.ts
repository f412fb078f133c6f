import type { BencodeValue } from './bencode-value.ts';

/** Trackers kept of one torrent. */
export const MAX_TRACKERS = 100;
/** The longest tracker or web seed address, in characters. */
export const MAX_URL_CHARS = 2_048;
/** Web seeds kept of one torrent. */
export const MAX_WEB_SEEDS = 100;

const TRACKER_SCHEMES = new Set(['http:', 'https:', 'udp:']);
const WEB_SEED_SCHEMES = new Set(['http:', 'https:']);

/**
 * A torrent's trackers in tiers: `announce-list` (BEP 12) where it names any that can be used, else `announce` (BEP 3).
 * Others than http, https and udp, repeated ones and those over the limits are left out and counted in a note. Notes
 * name no address, since addresses carry passkeys.
 */
export function readTrackers(torrent: BencodeValue, notes: string[]): string[][] {
  const tiers = new TierBuilder();
  const list = torrent.get('announce-list');
  if (list !== undefined && list.kind === 'list') {
    for (const tier of list.list()) {
      if (tier.kind === 'list') tiers.addTier(textsOf(tier.list()));
      else if (tier.kind === 'bytes') tiers.addTier([tier.text()]);
    }
  } else if (list !== undefined) notes.push('announce-list is not a list and was left out');
  const announce = torrent.get('announce');
  if (tiers.tiers.length === 0 && announce?.kind === 'bytes') tiers.addTier([announce.text()]);
  if (tiers.leftOut > 0) notes.push(`${tiers.leftOut} trackers that cannot be used were left out`);
  return tiers.tiers;
}

/** Tracker addresses, each a tier of its own, as magnet links give them; unusable ones are left out. */
export function trackerTiers(addresses: readonly string[]): string[][] {
  const tiers = new TierBuilder();
  for (const address of addresses) tiers.addTier([address]);
  return tiers.tiers;
}

/** A torrent's web seeds (BEP 19), http and https only. */
export function readWebSeeds(torrent: BencodeValue): string[] {
  const value = torrent.get('url-list');
  const texts = value?.kind === 'bytes' ? [value.text()] : value?.kind === 'list' ? textsOf(value.list()) : [];
  return usableWebSeeds(texts);
}

/** Those of the addresses that can be web seeds, each once, at most MAX_WEB_SEEDS. */
export function usableWebSeeds(addresses: readonly string[]): string[] {
  const usable = addresses.map((address) => usableUrl(address, WEB_SEED_SCHEMES)).filter((url) => url !== null);
  return [...new Set(usable)].slice(0, MAX_WEB_SEEDS);
}

class TierBuilder {
  readonly tiers: string[][] = [];
  readonly #seen = new Set<string>();
  leftOut = 0;

  addTier(addresses: readonly string[]): void {
    const tier: string[] = [];
    for (const address of addresses) {
      if (address.trim() === '') continue;
      const url = usableUrl(address, TRACKER_SCHEMES);
      if (url === null || this.#seen.size >= MAX_TRACKERS) {
        this.leftOut++;
      } else if (!this.#seen.has(url)) {
        this.#seen.add(url);
        tier.push(url);
      }
    }
    if (tier.length > 0) this.tiers.push(tier);
  }
}

function textsOf(values: readonly BencodeValue[]): string[] {
  return values.filter((value) => value.kind === 'bytes').map((value) => value.text());
}

/** The address as it was written, without spaces around it, if it is one of the schemes and complete. */
function usableUrl(address: string, schemes: ReadonlySet<string>): string | null {
  const trimmed = address.trim();
  if (trimmed.length > MAX_URL_CHARS || /[\s\p{Cc}]/u.test(trimmed)) return null;
  const url = URL.parse(trimmed);
  if (url === null || !schemes.has(url.protocol) || url.hostname === '') return null;
  // BEP 15 names no default port.
  if (url.protocol === 'udp:' && url.port === '') return null;
  return trimmed;
}
