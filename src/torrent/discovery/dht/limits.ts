// Every bound of the DHT, with its unit in its name.

// Messages.

/** Bytes of a packet; longer ones are not read. A reply of ours stays below what one Ethernet frame carries. */
export const PACKET_BYTES = 2_048;
/** Values and keys of one packet, and how deep they nest. */
export const PACKET_TOKENS = 400;
export const PACKET_DEPTH = 6;
/** Bytes of a transaction id that is given back. */
export const TRANSACTION_ID_BYTES = 32;
/** Bytes of a token that another node makes. */
export const TOKEN_BYTES = 128;
/** Nodes taken from one reply; BEP 5 asks for 8. */
export const NODES_PER_REPLY = 20;
/** Peers taken from one reply, and put into one. */
export const PEERS_PER_REPLY = 200;
export const PEERS_SENT = 50;
/** An error's words are cut at this many characters. */
export const ERROR_CHARACTERS = 100;

// Routing table (BEP 5).

export const BUCKET_NODES = 8;
/** Nodes waiting for a place in a bucket, the newest. */
export const BUCKET_REPLACEMENTS = 8;
/** A node that was heard of within this time is good; a bucket that changed nothing for so long is refreshed. */
export const GOOD_MILLISECONDS = 15 * 60_000;
/** Queries in a row without an answer, then a node is bad. */
export const BAD_FAILURES = 2;
/** Good nodes saved for the next start, the nearest first. */
export const SAVED_NODES = 200;

// Queries of ours.

/** Waiting for an answer; more wait in the queue. */
export const TRANSACTIONS = 256;
/** Queries waiting for their turn; more fail at once. */
export const QUEUED_QUERIES = 512;
/** After this long without an answer a lookup asks another node as well. */
export const SLOW_MILLISECONDS = 1_000;
/** After this long an answer comes too late. */
export const ANSWER_MILLISECONDS = 4_000;
/** Packets a second: the rate and what may go at once; in all and to one address. */
export const QUERIES_OUT = { perSecond: 100, burst: 100 };
export const QUERIES_OUT_PER_ADDRESS = { perSecond: 5, burst: 10 };

// Queries of others.

export const QUERIES_IN = { perSecond: 200, burst: 400 };
export const PACKETS_IN_PER_ADDRESS = { perSecond: 20, burst: 40 };
/** Addresses whose packets are counted; the one heard of longest ago goes first. */
export const COUNTED_ADDRESSES = 4_096;
/** Answers that make no sense, then an address is neither asked nor answered for a while. */
export const NONSENSE_ANSWERS = 5;
export const BLOCKED_MILLISECONDS = 30 * 60_000;
export const BLOCKED_ADDRESSES = 1_000;

// Lookups.

/** Queries under way for one lookup; those that are slow are not counted, up to LOOKUP_IN_FLIGHT in all. */
export const ALPHA = 4;
export const LOOKUP_IN_FLIGHT = 8;
/** Queries one lookup may cost, announces not counted. */
export const LOOKUP_QUERIES = 100;
/** Nodes a lookup remembers, the nearest. */
export const LOOKUP_CANDIDATES = 60;
export const LOOKUP_MILLISECONDS = 60_000;
/** Peers taken from one lookup. */
export const LOOKUP_PEERS = 1_000;

// Torrents.

/** Lookups for torrents at a time. */
export const LOOKUPS_AT_ONCE = 4;
/**
 * The same for torrents that have no object here, beside those, and how long after another one begins: a lookup takes some
 * seconds, so this many keep that pace.
 */
export const SOURCE_LOOKUPS_AT_ONCE = 8;
export const SOURCE_PAUSE_SECONDS = 1;
/** A torrent is looked up and announced this often; with very many torrents their turn comes later. */
export const ANNOUNCE_SECONDS = 15 * 60;
/** Spread over this long, so that torrents that began together do not stay together. */
export const ANNOUNCE_SPREAD_SECONDS = 60;
/** One that wants peers and found none is looked up again after this, doubling each time. */
export const HUNGRY_SECONDS = 15;

// Peers of others that are kept here.

/** Torrents; for one more, the one announced longest ago goes. */
export const STORED_TORRENTS = 2_000;
export const STORED_PEERS_PER_TORRENT = 200;
/** Peers of all torrents together. */
export const STORED_PEERS = 50_000;
/** Torrents one address may announce here. */
export const STORED_TORRENTS_PER_ADDRESS = 50;
/** An announce is forgotten after this; clients announce again every 15 minutes or so. */
export const STORED_MILLISECONDS = 30 * 60_000;
/** A token's secret changes this often; the one before it holds too (BEP 5). */
export const SECRET_MILLISECONDS = 5 * 60_000;

// Upkeep.

/** Queries that wait, answers that do not come and rotation are looked at this often. */
export const TICK_MILLISECONDS = 250;
/** The first pause before looking for a way in again while nobody answers; it doubles with each. */
export const FIRST_BOOTSTRAP_SECONDS = 5;
export const MOST_BOOTSTRAP_SECONDS = 300;
/** With fewer nodes than this, neighbours are looked for again, as often at first; a small network stays small. */
export const FEW_NODES = 20;
export const MOST_NEIGHBOUR_SECONDS = 15 * 60;
/** Nodes taken from one torrent file: each may be a name to look up, which takes the system a thread for a while. */
export const NODES_PER_TORRENT = 10;
/** Nodes named by torrent files and peers that wait to be asked whether they are there. */
export const NAMED_NODES = 200;
/** Of these, asked in one second. */
export const NAMED_PER_SECOND = 10;
/** Nodes that say how they see us, the newest; as many as VOTES_NEEDED must agree, and be most of them. */
export const VOTES = 24;
export const VOTES_NEEDED = 6;
/** The first pause before a socket that failed is opened again; it doubles with each that fails within the longest. */
export const FIRST_REOPEN_MILLISECONDS = 1_000;
export const MOST_REOPEN_MILLISECONDS = 60_000;
