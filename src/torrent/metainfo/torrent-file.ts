import { BaeError } from '../../lib/errors.ts';
import { decode } from './bencode-decode.ts';
import type { BencodeValue } from './bencode-value.ts';
import type { HostPort } from './host-port.ts';
import { type Info, readInfo, withPreface } from './info.ts';
import { cleanText } from './labels.ts';
import { readTrackers, readWebSeeds } from './trackers.ts';

/** DHT nodes kept of one torrent. */
export const MAX_NODES = 100;
/** The longest comment kept, in characters. */
export const MAX_COMMENT_CHARS = 4_096;

/** Begins a bencoded dictionary, and so every .torrent file (BEP 3). */
const DICTIONARY = 0x64;

/** What a .torrent file says. */
export interface Metainfo {
  readonly info: Info;
  /** Tiers of http, https and udp trackers (BEP 12), the first to be asked first; empty if there is none. */
  readonly trackers: readonly (readonly string[])[];
  /** Web seeds (BEP 19). */
  readonly webSeeds: readonly string[];
  /** DHT nodes (BEP 5). */
  readonly nodes: readonly HostPort[];
  readonly comment: string | null;
  readonly createdBy: string | null;
  /** Seconds since the Unix epoch. */
  readonly creationDate: number | null;
  /** What was odd and taken all the same, in the info dictionary and around it. */
  readonly notes: readonly string[];
}

/**
 * Reads a .torrent file (BEP 3, 12, 19, 27, 47). The result keeps views of `bytes`.
 * @throws BaeError bad-input that names what is wrong and where. Only the info dictionary is judged strictly; what else
 *   the file holds is taken where it can be used and left out where not.
 */
export function parseTorrentFile(bytes: Buffer): Metainfo {
  return withPreface('This torrent file cannot be used: ', () => {
    if (bytes.length === 0) throw new BaeError('bad-input', 'The file is empty.');
    if (bytes[0] !== DICTIONARY) {
      throw new BaeError('bad-input', 'The file is something else, since a torrent begins with the letter d.');
    }
    const torrent = decode(bytes);
    const infoValue = torrent.need('info');
    const info = readInfo(infoValue);
    const notes = [...info.notes];
    if (!torrent.keysSorted && infoValue.keysSorted) notes.push('the keys of the torrent file are not sorted');
    const date = torrent.get('creation date');
    return {
      info,
      trackers: readTrackers(torrent, notes),
      webSeeds: readWebSeeds(torrent),
      nodes: readNodes(torrent),
      comment: readText(torrent, 'comment'),
      createdBy: readText(torrent, 'created by'),
      creationDate: date?.kind === 'integer' ? safeInteger(date) : null,
      notes,
    };
  });
}

function safeInteger(value: BencodeValue): number | null {
  const number = Number(value.source.toString('latin1', value.bodyStart, value.end - 1));
  return Number.isSafeInteger(number) && number > 0 ? number : null;
}

function readText(torrent: BencodeValue, key: string): string | null {
  const value = torrent.get(`${key}.utf-8`) ?? torrent.get(key);
  if (value?.kind !== 'bytes') return null;
  const text = cleanText(value.text(), MAX_COMMENT_CHARS);
  return text === '' ? null : text;
}

function readNodes(torrent: BencodeValue): HostPort[] {
  const value = torrent.get('nodes');
  const nodes: HostPort[] = [];
  for (const node of value?.kind === 'list' ? value.list() : []) {
    const [host, port] = node.kind === 'list' ? node.list() : [];
    if (host?.kind !== 'bytes' || port?.kind !== 'integer' || nodes.length >= MAX_NODES) continue;
    const number = safeInteger(port);
    if (number !== null && number <= 65_535) nodes.push({ host: cleanText(host.text()), port: number });
  }
  return nodes;
}
