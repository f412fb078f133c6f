import { isPublicAddress } from '../../../lib/addresses.ts';
import type { Random } from '../../../lib/random.ts';
import { addressBytes, crc32c } from '../../wire/index.ts';

/** Bytes of a node id, and of the info-hashes it is compared with (BEP 5). */
export const ID_BYTES = 20;
/** BEP 42: which bits of an address tell; of IPv6 the upper half. */
const MASK_4 = Buffer.from('030f3fff', 'hex');
const MASK_6 = Buffer.from('0103070f1f3f7fff', 'hex');

/** Bits that two ids have in common from the first on: 0 to 160. */
export function sharedBits(one: Buffer, other: Buffer): number {
  for (let at = 0; at < ID_BYTES; at++) {
    const difference = (one[at] as number) ^ (other[at] as number);
    if (difference !== 0) return at * 8 + Math.clz32(difference) - 24;
  }
  return ID_BYTES * 8;
}

/** Less than 0 if `one` is nearer to the target than `other`, by XOR (BEP 5). */
export function compareDistance(target: Buffer, one: Buffer, other: Buffer): number {
  for (let at = 0; at < ID_BYTES; at++) {
    const goal = target[at] as number;
    const difference = ((one[at] as number) ^ goal) - ((other[at] as number) ^ goal);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** An id as BEP 42 wants it for an address as others see it; any random one while that is not known (null). */
export function makeNodeId(address: string | null, random: Random): Buffer {
  const id = random.bytes(ID_BYTES);
  const prefix = address === null ? null : prefixOf(address, id[ID_BYTES - 1] as number);
  if (prefix === null) return id;
  id[0] = prefix >>> 24;
  id[1] = (prefix >>> 16) & 0xff;
  id[2] = ((prefix >>> 8) & 0xf8) | ((id[2] as number) & 0x07);
  return id;
}

/** Whether an id goes with the address it comes from (BEP 42). Addresses that are not of the public internet are exempt. */
export function isIdOfAddress(id: Buffer, address: string): boolean {
  if (!isPublicAddress(address)) return true;
  const prefix = prefixOf(address, id[ID_BYTES - 1] as number);
  return prefix !== null && ((id.readUInt32BE(0) ^ prefix) & 0xfffff800) === 0;
}

/** An id that has exactly `bits` first bits in common with `id`: one of that bucket. */
export function idInBucket(id: Buffer, bits: number, random: Random): Buffer {
  const other = random.bytes(ID_BYTES);
  const byte = bits >> 3;
  id.copy(other, 0, 0, byte);
  if (byte === ID_BYTES) return other;
  const flipped = 0x80 >> (bits & 7);
  const kept = (0xff00 >> (bits & 7)) & 0xff;
  const own = id[byte] as number;
  other[byte] = (own & kept) | ((own ^ flipped) & flipped) | ((other[byte] as number) & (flipped - 1));
  return other;
}

function prefixOf(address: string, random: number): number | null {
  const bytes = addressBytes(address);
  if (bytes === null) return null;
  const mask = bytes.length === 4 ? MASK_4 : MASK_6;
  const masked = Buffer.from(mask.map((bits, at) => bits & (bytes[at] as number)));
  masked[0] = (masked[0] as number) | ((random & 0x07) << 5);
  return crc32c(masked);
}
