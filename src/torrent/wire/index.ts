export {
  addressBytes,
  addressText,
  decodeCompactPeers4,
  decodeCompactPeers6,
  encodeCompactPeers,
} from './addresses.ts';
export { ALLOWED_FAST_COUNT, allowedFastSet } from './allowed-fast.ts';
export { type DecoderOptions, MessageDecoder } from './decoder.ts';
export { decodeDontHave, encodeDontHave } from './dont-have.ts';
export * from './encoder.ts';
export {
  decodeExtensionHandshake,
  decodeMetadataMessage,
  EXTENSION_HANDSHAKE_ID,
  type ExtensionHandshake,
  encodeExtensionHandshake,
  encodeMetadataData,
  encodeMetadataReject,
  encodeMetadataRequest,
  METADATA_PIECE_BYTES,
  type MetadataMessage,
} from './extension.ts';
export {
  encodeHandshake,
  type Features,
  HANDSHAKE_BYTES,
  type Handshake,
  HandshakeDecoder,
  isHandshakeStart,
  startsLikeHandshake,
} from './handshake.ts';
export { checkBitfield } from './message-length.ts';
export { messageSink } from './message-sink.ts';
export { KEY_BYTES as MSE_KEY_BYTES } from './mse/agreement.ts';
export { MSE_METHODS, MSE_OPENING_BYTES } from './mse/exchange.ts';
export { MseHandshake, type Rc4Streams } from './mse/handshake.ts';
export { ObfuscatedHashes, obfuscatedHash } from './mse/obfuscated-hashes.ts';
export { Rc4 } from './mse/rc4.ts';
export { clientName, makePeerId, PEER_ID_BYTES } from './peer-id.ts';
export { crc32c, peerPriority } from './peer-priority.ts';
export { decodePex, encodePex, PEX_FLAGS, PEX_PEERS, type PexMessage, type PexPeer } from './pex.ts';
export {
  BLOCK_BYTES,
  MAX_EXTENDED_BYTES,
  MESSAGE_ID,
  type Message,
  type MessageSink,
  ProtocolError,
  type ProtocolErrorCode,
} from './protocol.ts';
