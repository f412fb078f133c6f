import type { HostPort } from '../metainfo/index.ts';
import { addressBytes } from './addresses.ts';

/** CRC-32C (RFC 3720) of every byte, reflected polynomial. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C (Castagnoli) of some bytes, unsigned. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] as number);
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * The canonical priority of a connection (BEP 40): both ends come to the same number, the higher one is kept. Networks
 * in common uncover more of the addresses: from /16 for IPv4, from /48 for IPv6, 8 bits at a time.
 * @returns an unsigned 32-bit number; 0 if the ends are not of one family or not IP addresses.
 */
export function peerPriority(one: HostPort, other: HostPort): number {
  const left = addressBytes(one.host);
  const right = addressBytes(other.host);
  if (left === null || right === null || left.length !== right.length) return 0;
  if (left.equals(right)) {
    const ports = Buffer.alloc(4);
    ports.writeUInt16BE(Math.min(one.port, other.port), 0);
    ports.writeUInt16BE(Math.max(one.port, other.port), 2);
    return crc32c(ports);
  }
  const least = left.length === 4 ? 2 : 6;
  let common = 0;
  while (left[common] === right[common]) common++;
  const uncovered = common < least ? least : common + 1;
  const masked = [left, right].map((address) => masking(address, uncovered));
  return crc32c(Buffer.concat(masked.sort(Buffer.compare)));
}

/** The first bytes as they are, of the others every second bit. */
function masking(address: Buffer, uncovered: number): Buffer {
  return Buffer.from(address.map((byte, at) => (at < uncovered ? byte : byte & 0x55)));
}
