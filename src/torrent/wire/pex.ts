import { type BencodeValue, decode, encode, type HostPort } from '../metainfo/index.ts';
import { decodeCompactPeers4, decodeCompactPeers6, encodeCompactPeers } from './addresses.ts';
import { encodeExtended } from './encoder.ts';
import { refusing } from './extension.ts';
import { EXTENDED_LIMITS, ProtocolError } from './protocol.ts';

/** Peers that one message adds, and as many that it drops, IPv4 and IPv6 together (BEP 11). */
export const PEX_PEERS = 50;

/** BEP 11 `added.f`; those for uTP (4) and hole punching (8) are not ours to tell. */
export const PEX_FLAGS = { prefersEncryption: 0x01, seed: 0x02, reachable: 0x10 } as const;

const NONE = Buffer.alloc(0);

export interface PexPeer extends HostPort {
  /** Bits of PEX_FLAGS; others are left as they came. */
  readonly flags: number;
}

/** What changed among the peers that a peer is connected with. */
export interface PexMessage {
  readonly added: readonly PexPeer[];
  readonly dropped: readonly HostPort[];
}

/** Writes a ut_pex message (BEP 11); `id` is the receiver's own for it. Of each list the first PEX_PEERS are sent. */
export function encodePex(id: number, message: PexMessage): Buffer {
  const added = message.added.slice(0, PEX_PEERS);
  const ofFamily = (isIpv6: boolean) => added.filter(({ host }) => host.includes(':') === isIpv6);
  const flags = (isIpv6: boolean) => Buffer.from(ofFamily(isIpv6).map((peer) => peer.flags));
  const come = encodeCompactPeers(added);
  const gone = encodeCompactPeers(message.dropped.slice(0, PEX_PEERS));
  return encodeExtended(
    id,
    encode({
      added: come.ipv4,
      'added.f': flags(false),
      added6: come.ipv6,
      'added6.f': flags(true),
      dropped: gone.ipv4,
      dropped6: gone.ipv6,
    }),
  );
}

/**
 * Reads a ut_pex message from an extended message's payload. Of more than PEX_PEERS added or dropped, the first are taken;
 * keys that are missing or of the wrong kind are as if empty, and so are flags.
 * @throws ProtocolError `extension` if it is no bencoded dictionary, `compact-peers` for half an address
 */
export function decodePex(payload: Buffer): PexMessage {
  const value = refusing(() => {
    const decoded = decode(payload, EXTENDED_LIMITS);
    decoded.dictionary();
    return decoded;
  });
  const added = [...peersOf(value, 'added', 6), ...peersOf(value, 'added6', 18)];
  const dropped = [...peersOf(value, 'dropped', 6), ...peersOf(value, 'dropped6', 18)];
  const plain = dropped.slice(0, PEX_PEERS).map(({ host, port }) => ({ host, port }));
  return { added: added.slice(0, PEX_PEERS), dropped: plain };
}

function bytesOf(value: BencodeValue, key: string): Buffer {
  const found = value.get(key);
  return found?.kind === 'bytes' ? found.bytes() : NONE;
}

/** The peers of one list, each of so many bytes, with their flags; those with port 0 are left out. */
function peersOf(value: BencodeValue, key: string, bytesEach: 6 | 18): PexPeer[] {
  const bytes = bytesOf(value, key);
  if (bytes.length % bytesEach !== 0) {
    throw new ProtocolError('compact-peers', `${bytes.length} bytes of ${key} are no whole number of peers`);
  }
  const flags = bytesOf(value, `${key}.f`);
  const read = bytesEach === 6 ? decodeCompactPeers4 : decodeCompactPeers6;
  const count = Math.min(PEX_PEERS, bytes.length / bytesEach);
  return Array.from({ length: count }, (_, at) => {
    const [peer] = read(bytes.subarray(at * bytesEach, (at + 1) * bytesEach));
    return peer === undefined ? [] : [{ ...peer, flags: flags[at] ?? 0 }];
  }).flat();
}
