import { BaeError } from '../../lib/errors.ts';
import { formatHostPort, type HostPort, parseHostPort } from './host-port.ts';
import { cleanLabel } from './labels.ts';
import { trackerTiers, usableWebSeeds } from './trackers.ts';

/** The longest magnet link, in characters. */
export const MAX_MAGNET_CHARS = 65_536;
/** Peer addresses kept of one magnet link. */
export const MAX_MAGNET_PEERS = 100;
/** Ranges of a magnet link's file selection. */
export const MAX_FILE_RANGES = 1_000;

/** Files by their index in the torrent, both ends included. */
export interface FileRange {
  readonly first: number;
  readonly last: number;
}

/** What a magnet link says (BEP 9, 53). */
export interface Magnet {
  /** 20 bytes. */
  readonly infoHash: Buffer;
  /** Cleaned for display; null if the link has none. */
  readonly name: string | null;
  /** Tiers of one tracker each. */
  readonly trackers: readonly (readonly string[])[];
  readonly webSeeds: readonly string[];
  /** Peers to ask first (`x.pe`). */
  readonly peers: readonly HostPort[];
  /** The files to fetch (`so`, BEP 53); null means all. */
  readonly selectedFiles: readonly FileRange[] | null;
}

/**
 * Reads a magnet link: a version 1 info-hash (40 hex or 32 base32 digits), name, trackers, web seeds, peers, files.
 * @throws BaeError bad-input in one sentence.
 */
export function parseMagnet(uri: string): Magnet {
  const text = uri.trim();
  if (text.length > MAX_MAGNET_CHARS) throw bad(`is longer than ${MAX_MAGNET_CHARS} characters`);
  if (!/^magnet:\?/i.test(text)) throw bad('does not start with magnet:?');
  const parameters = readParameters(text.slice('magnet:?'.length));
  const all = (key: string) => parameters.filter(([name]) => name === key).map(([, value]) => value);
  const name = all('dn').find((value) => value !== '');
  const peers = all('x.pe').map(parseHostPort);
  const selections = all('so');
  return {
    infoHash: readInfoHash(all('xt')),
    name: name === undefined ? null : cleanLabel(name),
    trackers: trackerTiers(all('tr')),
    webSeeds: usableWebSeeds(all('ws')),
    peers: peers.filter((peer) => peer !== null).slice(0, MAX_MAGNET_PEERS),
    selectedFiles: selections.length === 0 ? null : readSelection(selections.join(',')),
  };
}

/** Writes a magnet link with hex info-hash, name, trackers and peers. */
export function formatMagnet(magnet: {
  readonly infoHash: Buffer;
  readonly name?: string | null;
  readonly trackers?: readonly (readonly string[])[];
  readonly peers?: readonly HostPort[];
}): string {
  const parts = [`magnet:?xt=urn:btih:${magnet.infoHash.toString('hex')}`];
  if (magnet.name) parts.push(`dn=${encodeURIComponent(magnet.name)}`);
  for (const tracker of magnet.trackers?.flat() ?? []) parts.push(`tr=${encodeURIComponent(tracker)}`);
  for (const peer of magnet.peers ?? []) parts.push(`x.pe=${formatHostPort(peer)}`);
  return parts.join('&');
}

function bad(problem: string): BaeError {
  return new BaeError('bad-input', `This magnet link cannot be used: it ${problem}.`);
}

/** Names without the number that some writers add (`tr.1`), and decoded values. */
function readParameters(query: string): [string, string][] {
  return query.split('&').map((part) => {
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).toLowerCase().replace(/\.[0-9]+$/, '');
    const value = equals < 0 ? '' : part.slice(equals + 1);
    // Many writers put names as forms do, with + for a space; elsewhere a + is a +.
    return [name, percentDecoded(name === 'dn' ? value.replaceAll('+', ' ') : value)];
  });
}

function percentDecoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw bad('has a broken %-escape');
  }
}

function readInfoHash(topics: readonly string[]): Buffer {
  const hashes = topics.filter((topic) => /^urn:btih:/i.test(topic)).map((topic) => decodeHash(topic.slice(9)));
  const [first, ...others] = hashes;
  if (first === undefined) {
    if (topics.some((topic) => /^urn:btmh:/i.test(topic))) {
      throw bad('names a BitTorrent version 2 torrent only, which is not supported yet');
    }
    throw bad('has no info-hash (xt=urn:btih:…)');
  }
  if (others.some((other) => !other.equals(first))) throw bad('has more than one info-hash');
  return first;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

function decodeHash(digits: string): Buffer {
  if (/^[0-9a-f]{40}$/i.test(digits)) return Buffer.from(digits, 'hex');
  if (!/^[a-z2-7]{32}$/i.test(digits)) throw bad('has an info-hash that is neither 40 hex nor 32 base32 digits');
  let bits = 0n;
  for (const digit of digits.toLowerCase()) bits = (bits << 5n) | BigInt(BASE32.indexOf(digit));
  return Buffer.from(bits.toString(16).padStart(40, '0'), 'hex');
}

function readSelection(text: string): FileRange[] {
  const parts = text.split(',').filter((part) => part !== '');
  if (parts.length > MAX_FILE_RANGES) throw bad(`selects more than ${MAX_FILE_RANGES} ranges of files`);
  return parts.map((part) => {
    const match = /^([0-9]{1,9})(?:-([0-9]{1,9}))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < first) throw bad('has a file selection (so=) that is not like 0,2,4-6');
    return { first, last };
  });
}
