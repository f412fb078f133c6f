import type { HostPort } from '../metainfo/index.ts';
import { ProtocolError } from './protocol.ts';

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
const PORT_BYTES = 2;
/** The longest IPv6 address in text: six groups and an IPv4 address. */
const MAX_IPV6_CHARS = 45;
/** The first 12 bytes of an IPv4 address written as IPv6 (::ffff:a.b.c.d). */
const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex');

/** The 4 or 16 bytes of an IP address in text, an IPv4-mapped IPv6 one as its 4; null for anything else (names, zones). */
export function addressBytes(text: string): Buffer | null {
  if (!text.includes(':')) return ipv4Bytes(text);
  const bytes = ipv6Bytes(text);
  return bytes?.subarray(0, 12).equals(MAPPED_PREFIX) ? bytes.subarray(12) : bytes;
}

/** An IP address as text from its 4 or 16 bytes (IPv6 as in RFC 5952, mapped IPv4 as IPv4); null for another length. */
export function addressText(bytes: Uint8Array): string | null {
  if (bytes.length === IPV4_BYTES) return bytes.join('.');
  if (bytes.length !== IPV6_BYTES) return null;
  if (MAPPED_PREFIX.compare(bytes, 0, 12) === 0) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[at * 2] as number) << 8) | (bytes[at * 2 + 1] as number));
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  groups.forEach((group, at) => {
    if (group !== 0) start = at + 1;
    else if (at + 1 - start > best.length) best = { start, length: at + 1 - start };
  });
  return best;
}

function ipv4Bytes(text: string): Buffer | null {
  const parts = text.split('.');
  if (parts.length !== IPV4_BYTES || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part))) return null;
  const numbers = parts.map(Number);
  return numbers.every((part) => part <= 255) ? Buffer.from(numbers) : null;
}

function ipv6Bytes(text: string): Buffer | null {
  const halves = text.split('::');
  if (halves.length > 2 || text.length > MAX_IPV6_CHARS) return null;
  const last = halves.length - 1;
  const [head, tail] = halves.map((half, at) => groupsBytes(half, at === last));
  if (head === null || head === undefined || tail === null) return null;
  if (tail === undefined) return head.length === IPV6_BYTES ? Buffer.from(head) : null;
  const zeros = IPV6_BYTES - head.length - tail.length;
  return zeros < 2 ? null : Buffer.from([...head, ...new Array<number>(zeros).fill(0), ...tail]);
}

/** The bytes of groups between colons, of which the very last may be an IPv4 address; null for anything else. */
function groupsBytes(half: string, atEnd: boolean): number[] | null {
  const groups = half === '' ? [] : half.split(':');
  const bytes: number[] = [];
  for (const [at, group] of groups.entries()) {
    const ipv4 = atEnd && at === groups.length - 1 ? ipv4Bytes(group) : null;
    if (ipv4 !== null) bytes.push(...ipv4);
    else if (/^[0-9a-f]{1,4}$/i.test(group)) bytes.push(...Buffer.from(group.padStart(4, '0'), 'hex'));
    else return null;
  }
  return bytes;
}

/** Peers from 6 bytes each (BEP 23), in their order; those with port 0 are left out. ProtocolError for a broken length. */
export function decodeCompactPeers4(bytes: Uint8Array): HostPort[] {
  return decodeCompact(bytes, IPV4_BYTES);
}

/** Peers from 18 bytes each (BEP 7), in their order; those with port 0 are left out. ProtocolError for a broken length. */
export function decodeCompactPeers6(bytes: Uint8Array): HostPort[] {
  return decodeCompact(bytes, IPV6_BYTES);
}

function decodeCompact(bytes: Uint8Array, addressLength: number): HostPort[] {
  const step = addressLength + PORT_BYTES;
  if (bytes.length % step !== 0) {
    throw new ProtocolError('compact-peers', `${bytes.length} bytes are no whole number of peers of ${step} bytes`);
  }
  const peers: HostPort[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    const port = ((bytes[at + step - 2] as number) << 8) | (bytes[at + step - 1] as number);
    const host = addressText(bytes.subarray(at, at + addressLength));
    if (port !== 0 && host !== null) peers.push({ host, port });
  }
  return peers;
}

/** Writes peers compactly: 6 bytes for each IPv4 one (BEP 23) and 18 for each IPv6 one (BEP 7); names are left out. */
export function encodeCompactPeers(peers: readonly HostPort[]): { ipv4: Buffer; ipv6: Buffer } {
  const ipv4: Buffer[] = [];
  const ipv6: Buffer[] = [];
  for (const peer of peers) {
    const address = addressBytes(peer.host);
    if (address === null) continue;
    (address.length === IPV4_BYTES ? ipv4 : ipv6).push(address, Buffer.of(peer.port >> 8, peer.port & 0xff));
  }
  return { ipv4: Buffer.concat(ipv4), ipv6: Buffer.concat(ipv6) };
}
