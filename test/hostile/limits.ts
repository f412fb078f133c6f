// The server's limits as strangers meet them: stated here once more, so that none changes unseen.

/** From accept to the end of the handshake. */
export const HANDSHAKE_MILLISECONDS = 10_000;
/** Key agreements with those who come. */
export const KEY_AGREEMENTS_AT_ONCE = 20;
export const KEY_AGREEMENTS_PER_SECOND = 200;
/** Memory held for a peer. */
export const PEER_HELD_BYTES = 1024 * 1024;
/** Messages of a peer in a minute. */
export const EXTENSION_HANDSHAKES = 10;
export const METADATA_MESSAGES = 1_000;
export const PEX_MESSAGES = 6;
/** Metadata given in ten minutes, as a multiple of its size. */
export const METADATA_SENT_TIMES = 2;
export const DIALS_PER_SECOND = 10;
/** DHT packets: answers in all, answers to one address, our own queries. */
export const QUERIES_IN = { perSecond: 200, burst: 400 };
export const PACKETS_IN_PER_ADDRESS = { perSecond: 20, burst: 40 };
export const QUERIES_OUT = { perSecond: 100, burst: 100 };
