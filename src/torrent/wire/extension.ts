import { BaeError } from '../../lib/errors.ts';
import { type BencodeValue, cleanText, decode, decodePrefix, encode, MAX_INFO_BYTES } from '../metainfo/index.ts';
import { addressBytes, addressText } from './addresses.ts';
import { encodeExtended } from './encoder.ts';
import { EXTENDED_LIMITS, ProtocolError } from './protocol.ts';

/** The id of the extension handshake itself (BEP 10). */
export const EXTENSION_HANDSHAKE_ID = 0;
/** Bytes of every piece of an info dictionary but the last (BEP 9). */
export const METADATA_PIECE_BYTES = 16_384;
/** Extensions one peer may name. */
export const MAX_EXTENSIONS = 100;
/** The longest client name kept, in characters. */
export const MAX_CLIENT_CHARS = 64;

/** The extension handshake (BEP 10), with the keys of BEP 9 and 21. Every key may be missing. */
export interface ExtensionHandshake {
  /** Extension name to the id its sender wants it under; 0 switches it off. */
  readonly messages: ReadonlyMap<string, number>;
  /** `v`, cleaned for display. */
  readonly client?: string;
  /** `reqq`: requests the sender queues. */
  readonly requestQueue?: number;
  /** `p`: the sender's listening TCP port. */
  readonly listenPort?: number;
  /** `yourip`: the receiver's address as the sender sees it. */
  readonly yourIp?: string;
  /** `e`: the sender prefers encrypted connections; read, not written. */
  readonly prefersEncryption?: boolean;
  /** `upload_only`: the sender wants nothing (BEP 21). */
  readonly uploadOnly?: boolean;
  /** `metadata_size`: bytes of the info dictionary (BEP 9), 1 to MAX_INFO_BYTES. */
  readonly metadataSize?: number;
}

/** Writes the whole extended message of a handshake. */
export function encodeExtensionHandshake(handshake: ExtensionHandshake): Buffer {
  const yourIp = handshake.yourIp === undefined ? null : addressBytes(handshake.yourIp);
  const dictionary = encode({
    m: handshake.messages,
    metadata_size: handshake.metadataSize,
    p: handshake.listenPort,
    reqq: handshake.requestQueue,
    upload_only: handshake.uploadOnly === undefined ? undefined : Number(handshake.uploadOnly),
    v: handshake.client,
    yourip: yourIp ?? undefined,
  });
  return encodeExtended(EXTENSION_HANDSHAKE_ID, dictionary);
}

/**
 * Reads an extension handshake from an extended message's payload. Values of the wrong kind or range are left out, as
 * if the peer had not sent them.
 * @throws ProtocolError `extension` if it is no bencoded dictionary.
 */
export function decodeExtensionHandshake(payload: Buffer): ExtensionHandshake {
  const value = refusing(() => {
    const decoded = decode(payload, EXTENDED_LIMITS);
    decoded.dictionary();
    return decoded;
  });
  const requestQueue = number(value.get('reqq'), 1, 0x7fffffff);
  const listenPort = number(value.get('p'), 1, 65_535);
  const metadataSize = number(value.get('metadata_size'), 1, MAX_INFO_BYTES);
  const prefersEncryption = number(value.get('e'));
  const uploadOnly = number(value.get('upload_only'));
  const client = value.get('v');
  const yourIp = value.get('yourip');
  const address = yourIp?.kind === 'bytes' ? addressText(yourIp.bytes()) : null;
  return {
    messages: extensions(value.get('m')),
    ...(client?.kind === 'bytes' && { client: cleanText(client.text(), MAX_CLIENT_CHARS) }),
    ...(requestQueue !== null && { requestQueue }),
    ...(listenPort !== null && { listenPort }),
    ...(address !== null && { yourIp: address }),
    ...(prefersEncryption !== null && { prefersEncryption: prefersEncryption !== 0 }),
    ...(uploadOnly !== null && { uploadOnly: uploadOnly !== 0 }),
    ...(metadataSize !== null && { metadataSize }),
  };
}

function extensions(value: BencodeValue | undefined): Map<string, number> {
  const found = new Map<string, number>();
  for (const [name, id] of value?.kind === 'dictionary' ? value.dictionary() : []) {
    const wanted = number(id, 0, 255);
    if (wanted !== null && found.size < MAX_EXTENSIONS) found.set(name, wanted);
  }
  return found;
}

/** The integer if it is one and from `least` to `most`, else null. */
function number(value: BencodeValue | undefined, least?: number, most?: number): number | null {
  if (value?.kind !== 'integer') return null;
  try {
    return value.integer(least, most);
  } catch (error) {
    if (error instanceof BaeError) return null;
    throw error;
  }
}

/** Runs a reader of bencode; what it refuses is a ProtocolError `extension`. */
export function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof BaeError) throw new ProtocolError('extension', error.message);
    throw error;
  }
}

/** A ut_metadata message (BEP 9). */
export type MetadataMessage =
  | { readonly type: 'request' | 'reject'; readonly piece: number }
  | { readonly type: 'data'; readonly piece: number; readonly totalBytes: number; readonly data: Buffer };

const METADATA_REQUEST = 0;
const METADATA_DATA = 1;
const METADATA_REJECT = 2;

/** Asks for a piece of the info dictionary; `id` is the receiver's own for ut_metadata, as in all three. */
export function encodeMetadataRequest(id: number, piece: number): Buffer {
  return encodeExtended(id, encode({ msg_type: METADATA_REQUEST, piece }));
}

/** Sends a piece of the info dictionary; `totalBytes` is the size of the whole. */
export function encodeMetadataData(id: number, piece: number, totalBytes: number, data: Uint8Array): Buffer {
  return encodeExtended(id, encode({ msg_type: METADATA_DATA, piece, total_size: totalBytes }), data);
}

/** Says that a piece of the info dictionary is not given. */
export function encodeMetadataReject(id: number, piece: number): Buffer {
  return encodeExtended(id, encode({ msg_type: METADATA_REJECT, piece }));
}

/**
 * Reads a ut_metadata message from an extended message's payload; null for a type that BEP 9 does not know and asks to
 * ignore. `data` is a view, with the length that its piece number and `totalBytes` ask for.
 * @throws ProtocolError `extension` for anything malformed.
 */
export function decodeMetadataMessage(payload: Buffer): MetadataMessage | null {
  return refusing(() => {
    const value = decodePrefix(payload, EXTENDED_LIMITS);
    const kind = value.need('msg_type').integer();
    if (kind < METADATA_REQUEST || kind > METADATA_REJECT) return null;
    const piece = value.need('piece').integer(0, Math.ceil(MAX_INFO_BYTES / METADATA_PIECE_BYTES) - 1);
    if (kind !== METADATA_DATA) return { type: kind === METADATA_REQUEST ? 'request' : 'reject', piece };
    const totalBytes = value.need('total_size').integer(1, MAX_INFO_BYTES);
    const data = payload.subarray(value.end);
    const expected = Math.min(METADATA_PIECE_BYTES, totalBytes - piece * METADATA_PIECE_BYTES);
    if (expected <= 0 || data.length !== expected) {
      throw value.fail(`has ${data.length} bytes for metadata piece ${piece} of ${totalBytes} bytes`);
    }
    return { type: 'data', piece, totalBytes, data };
  });
}
