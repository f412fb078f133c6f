import { HASH_BYTES } from '../../metainfo/index.ts';
import { LSD_COOKIE_CHARS, LSD_HASHES, LSD_PACKET_BYTES } from './limits.ts';

const FIRST_LINE = 'BT-SEARCH * HTTP/1.1';

/** Somebody near has torrents (BEP 14). */
export interface LocalAnnounce {
  /** Where it listens for peers. */
  readonly port: number;
  /** Each 20 bytes. */
  readonly infoHashes: readonly Buffer[];
  /** By which its sender knows its own; null if there is none. */
  readonly cookie: string | null;
}

/** Writes a packet to a group, `host` as in a URL: `239.192.152.143:6771`. At most LSD_HASHES hashes. */
export function encodeLocalAnnounce(host: string, { port, infoHashes, cookie }: LocalAnnounce): Buffer {
  if (infoHashes.length > LSD_HASHES) throw new RangeError('too many hashes for a packet');
  const lines = [
    FIRST_LINE,
    `Host: ${host}`,
    `Port: ${port}`,
    ...infoHashes.map((hash) => `Infohash: ${hash.toString('hex')}`),
    ...(cookie === null ? [] : [`cookie: ${cookie}`]),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n\r\n`, 'latin1');
}

/** Reads a packet; null for anything that is not just so: one port, at least one hash, nothing behind the headers. */
export function decodeLocalAnnounce(packet: Buffer): LocalAnnounce | null {
  if (packet.length > LSD_PACKET_BYTES) return null;
  const text = packet.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  if (end < 0 || /[^\r\n]/.test(text.slice(end))) return null;
  const [first, ...lines] = text.slice(0, end).split('\r\n');
  if (first !== FIRST_LINE) return null;
  const headers = { port: [] as string[], infohash: [] as string[], cookie: [] as string[] };
  for (const line of lines) {
    const [, name = '', value = ''] = /^([A-Za-z-]+):[ \t]*([\x20-\x7e]*?)[ \t]*$/.exec(line) ?? [];
    if (name === '') return null;
    const known = name.toLowerCase();
    if (known === 'port' || known === 'infohash' || known === 'cookie') headers[known].push(value);
  }
  const port = headers.port.length === 1 && /^\d{1,5}$/.test(headers.port[0] as string) ? Number(headers.port[0]) : 0;
  const [cookie = null, ...more] = headers.cookie;
  const isSound = port >= 1 && port <= 65_535 && headers.infohash.length > 0 && more.length === 0;
  if (!isSound || (cookie?.length ?? 0) > LSD_COOKIE_CHARS) return null;
  if (!headers.infohash.every((hash) => hash.length === 2 * HASH_BYTES && /^[0-9a-f]+$/i.test(hash))) return null;
  return { port, infoHashes: headers.infohash.map((hash) => Buffer.from(hash, 'hex')), cookie };
}
