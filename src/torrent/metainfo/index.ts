export { BENCODE_LIMITS, type BencodeLimits, decode, decodePrefix } from './bencode-decode.ts';
export { type Encodable, encode } from './bencode-encode.ts';
export type { BencodeValue } from './bencode-value.ts';
export { formatHostPort, type HostPort, parseHostPort } from './host-port.ts';
export {
  HASH_BYTES,
  type Info,
  MAX_FILES,
  MAX_INFO_BYTES,
  MAX_PIECE_LENGTH,
  MAX_PIECES,
  parseInfo,
  type TorrentFile,
} from './info.ts';
export { cleanLabel, cleanText } from './labels.ts';
export { type FileRange, formatMagnet, type Magnet, parseMagnet } from './magnet.ts';
export { type Metainfo, parseTorrentFile } from './torrent-file.ts';
