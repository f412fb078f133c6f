import { createHash } from 'node:crypto';
import { addressBytes } from './addresses.ts';

/** How many pieces a choked peer may ask for (BEP 6 suggests 10). */
export const ALLOWED_FAST_COUNT = 10;

/**
 * The pieces that a peer may ask for while it is choked, in the order BEP 6 makes them from the peer's address, so that
 * coming back gives it nothing new. For IPv6, which BEP 6 does not name, the /64 stands for the /24.
 * @param infoHash 20 bytes
 * @returns at most `count` indices, all pieces if there are fewer; none if the address is no IP address.
 */
export function allowedFastSet(
  infoHash: Buffer,
  host: string,
  pieceCount: number,
  count = ALLOWED_FAST_COUNT,
): number[] {
  const address = addressBytes(host);
  if (address === null) return [];
  const network = address.length === 4 ? Buffer.of(...address.subarray(0, 3), 0) : address.subarray(0, 8);
  const wanted = Math.min(count, pieceCount);
  const chosen = new Set<number>();
  let digest = Buffer.concat([network, infoHash]);
  while (chosen.size < wanted) {
    digest = createHash('sha1').update(digest).digest();
    for (let at = 0; at < digest.length && chosen.size < wanted; at += 4) {
      chosen.add(digest.readUInt32BE(at) % pieceCount);
    }
  }
  return [...chosen];
}
