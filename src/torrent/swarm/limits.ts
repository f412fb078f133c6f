import type { EngineLimits } from './types.ts';

// Every bound of the swarm, with its unit in its name. Those of single messages are wire's.

const MIB = 1024 * 1024;

/** What a person may set, and what holds when nobody does. */
export const DEFAULT_LIMITS: EngineLimits = {
  connections: 500,
  connectionsPerTorrent: 60,
  leasedBytes: 64 * MIB,
  pieceBytes: 24 * MIB,
  allowPrivateAddresses: false,
  limitLoopback: false,
};

// Connections.

/** From accept or connect to the end of the handshake, absolute. */
export const HANDSHAKE_MILLISECONDS = 10_000;
/** Incoming connections before their handshake; the oldest is dropped for one more. Not among the established. */
export const PENDING_CONNECTIONS = 1_000;
/** Key agreements (MSE) with those who come, over all of them: a tenth of a processor core at most … */
export const KEY_AGREEMENTS_PER_SECOND = 200;
/** … and so many in a row, a few milliseconds. */
export const KEY_AGREEMENTS_AT_ONCE = 20;
/** Established and dialled connections of one torrent with one address, and with one IPv4 /24 or IPv6 /64. */
export const CONNECTIONS_PER_ADDRESS = 2;
export const CONNECTIONS_PER_NETWORK = 16;
/** Dialled and not yet connected, over all torrents. */
export const HALF_OPEN_CONNECTIONS = 50;
export const DIALS_PER_SECOND = 10;
/** Of a torrent's places, those that dialling leaves to peers that come by themselves. */
export const PLACES_FOR_INCOMING = 10;
/** Without a byte from the peer for this long, the connection ends. */
export const IDLE_MILLISECONDS = 240_000;
/** Without a byte to the peer for this long, a keep-alive goes out. */
export const KEEP_ALIVE_MILLISECONDS = 100_000;
/** A full torrent gives up a connection on which nobody has wanted anything for this long. */
export const USELESS_MILLISECONDS = 60_000;
/** Of two connections with one peer, an older one stays; within this long the peer ids decide. */
export const TWIN_MILLISECONDS = 10_000;

// Known addresses.

/** Addresses remembered for a torrent; for one more, one that failed goes, else it is not taken. */
export const KNOWN_PEERS = 1_000;
/** The first pause after a failed dial; it doubles with each. */
export const FIRST_REDIAL_MILLISECONDS = 5_000;
export const MOST_REDIAL_MILLISECONDS = 600_000;
/** A person's own peers are tried again more often, and forever. */
export const MOST_HAND_REDIAL_MILLISECONDS = 30_000;
/** An address whose peer turned out to be connected already is tried again after this long. */
export const TWIN_REDIAL_MILLISECONDS = 120_000;
/** A connection that ends sooner, without payload, counts as a failed dial. */
export const SHORT_SESSION_MILLISECONDS = 30_000;
/** Other addresses are forgotten after this many failures in a row. */
export const DIAL_FAILURES = 6;
/** Banned addresses remembered for a torrent; the oldest goes first. */
export const BANNED_PEERS = 10_000;

/** Peers whose word on our own address counts, the last of each (BEP 10 `yourip`). */
export const OWN_ADDRESS_VOTES = 64;
/** A peer is told of others this often (BEP 11: not more than once a minute) … */
export const PEX_MILLISECONDS = 60_000;
/** … and what it tells sooner than this after the last is left unread; minutes differ a little. */
export const LEAST_PEX_MILLISECONDS = 45_000;
/** More messages than this in a minute end the connection. */
export const PEX_MESSAGES = 6;

/** Extension handshakes (BEP 10) of a peer in this time: one at first, and one when what it says of itself changes; … */
export const EXTENSION_HANDSHAKES = 10;
/** … with more the connection ends. */
export const EXTENSION_HANDSHAKE_MILLISECONDS = 60_000;

// Serving.

/** Requests queued for a peer, announced as `reqq`; beyond it they are rejected (BEP 6) or dropped. */
export const QUEUED_REQUESTS = 2_000;
/** Requests out of range or over 16 KiB, then the connection ends. */
export const INVALID_REQUESTS = 50;
/** Bytes given to a connection and not yet taken by the system. */
export const SEND_BUFFER_BYTES = 512 * 1024;
/** Given to a connection at once, at first and at least; twice as much when it was taken within the quarter of … */
export const LEAST_BATCH_BYTES = 32 * 1024;
/** … this time, half as much when that took longer: so nobody has more before it than it takes soon. */
export const BATCH_MILLISECONDS = 1_000;
/** Who took nothing for this long is as slow as what it has been given and not taken says. */
export const QUIET_MILLISECONDS = 4_000;
/** Messages that wait to be sent as they are; more are copied into pages of this size. */
export const SINGLE_MESSAGES = 32;
export const OUTBOX_PAGE_BYTES = 16 * 1024;
/** Memory held for a peer: queued bytes, and whole segments that leases of them keep. */
export const PEER_HELD_BYTES = 1 * MIB;
/** Blocks next to each other are leased together, up to this many bytes. */
export const RUN_BYTES = 256 * 1024;
/** What pins more than so many bytes for each that is sent is copied: a lone block holds a whole segment. */
export const PINNED_PER_SENT = 4;
/** A peer that took longer than this for what leases hold is given copies from then on. */
export const LEASE_MILLISECONDS = 2_000;
/** Fetched from the remote store for a peer and not yet taken by it. */
export const COLD_BYTES = 8 * MIB;
/** A remote read is counted in units of this size: what one fetch brings at least. */
export const COLD_UNIT_BYTES = 256 * 1024;
/** Bytes a peer may have fetched for each byte it takes … */
export const COLD_FETCHED_PER_TAKEN = 4;
/** … beyond what it may have at once, and again every hour, for lone blocks. */
export const COLD_ALLOWANCE_BYTES = 64 * MIB;
/** What may not be fetched for a peer (its budget, or the day's egress, is used up) is refused after this long, QUEUED_REQUESTS at most. */
export const PARKED_MILLISECONDS = 5_000;
/** Reads under way for a peer. */
export const COLD_READS = 4;
/** A read that failed with `unavailable` is tried again after this long, where it cannot be rejected. */
export const READ_RETRY_MILLISECONDS = 5_000;
/** Ways to steer a peer, at a time (BEP 6). */
export const SUGGESTIONS = 10;
/** Metadata requests queued for a peer (BEP 9), and bytes given per window as a multiple of the metadata's size. */
export const METADATA_REQUESTS_QUEUED = 64;
export const METADATA_SENT_TIMES = 2;
export const METADATA_WINDOW_MILLISECONDS = 600_000;
/** Metadata messages of a peer in this time, of whatever kind: the largest metadata have 640 pieces; … */
export const METADATA_MESSAGES = 1_000;
/** … with more the connection ends. */
export const METADATA_MESSAGES_MILLISECONDS = 60_000;

// Choking.

export const CHOKE_MILLISECONDS = 10_000;
/** Peers of all torrents served at once; when no more are interested, all are. */
export const UPLOAD_SLOTS = 20;
/** More are served while that leaves each this much, or while with each step the total rate grows; never more than this. */
export const SLOT_BYTES_PER_SECOND = 256 * 1024;
export const MOST_UPLOAD_SLOTS = 500;
/** A step is kept if it brought at least this share of what as many average peers have; one back if it cost no more … */
export const SLOT_GAIN = 0.5;
/** … else the next one comes after so many choke ticks. */
export const SLOT_REST_TICKS = 6;
/** Of the slots, those that a torrent being downloaded has at least, and those of all that only seed. */
export const DOWNLOADING_SLOTS = 4;
export const SEEDING_SLOTS = 4;
/** Who has been served for this long and takes less than this share of what a slot is worth does not use it up … */
export const TRIAL_MILLISECONDS = 2_000;
export const TAKER_SHARE = 0.25;
/** … and who has not shown yet that it takes something competes for this share of the slots, while others want them. */
export const TRIAL_SHARE = 0.5;
/** The optimistic one of them stays for this many choke ticks. */
export const OPTIMISTIC_TICKS = 3;
/** While seeding, others take a peer's place after it was served for so long, or so much. */
export const SEED_TURN_MILLISECONDS = 60_000;
export const SEED_TURN_BYTES = 64 * MIB;

/** With anti-leech: so much longer seems to have waited who has nothing yet or nearly all, and less who is in between. */
export const ANTI_LEECH_MILLISECONDS = 300_000;

// Rates.

/** While somebody waits for a rate limit, what came in is given out this often. */
export const SHARE_MILLISECONDS = 50;
/** What one gets before others that wait get anything: a whole block. */
export const SHARE_BYTES = 16 * 1024;
/** What a limit that was not used up lets through at once, as bytes of this much time. */
export const BURST_MILLISECONDS = 250;
/** What went through without asking is made up for, but for what is more than this much time's bytes. */
export const DEBT_MILLISECONDS = 2_000;

// Downloading.

/** Pieces of one torrent that always fit, whatever its others and the other torrents hold. */
export const PIECES_ALWAYS = 2;
/** Blocks asked of a peer and not yet received, whatever its `reqq` says. */
export const REQUESTS_IN_FLIGHT = 1_024;
/** What a peer takes when it does not say (BEP 10 `reqq`). */
export const DEFAULT_PEER_QUEUE = 250;
/** Blocks asked for at first, before its speed is known. */
export const FIRST_REQUESTS = 8;
/** Requests are kept for this much time of the peer's speed, and the time an answer takes. */
export const PIPELINE_MILLISECONDS = 1_000;
/** A peer that owes blocks and sends none for this long is snubbed: others may fetch them, and it is asked for one at a time. */
export const SNUB_MILLISECONDS = 20_000;
/** A piece that a peer rejected is not asked of it again until it has rejected nothing for this long. */
export const REFUSED_MILLISECONDS = 15_000;
/** A snubbed peer is given no piece to send alone for this long; twice as long each time, but no longer than the other. */
export const LONE_AGAIN_MILLISECONDS = 15_000;
export const MOST_LONE_AGAIN_MILLISECONDS = 600_000;
/** Peers asked for one block in the endgame, and blocks asked of one peer that others were asked for too. */
export const ENDGAME_REQUESTS = 3;
export const ENDGAME_BLOCKS = 16;
/** Bad pieces a peer took part in, not cleared since; then it is banned. One that it sent alone is proof enough. */
export const BAD_PIECES = 3;
/** Failed pieces whose blocks' hashes are kept to find who sent the wrong ones. */
export const FAILED_PIECES_KEPT = 16;
/** After a failed write, nothing is requested for this long. */
export const WRITE_RETRY_MILLISECONDS = 5_000;
/** Blocks from a peer that it was not asked for, in bytes; then the connection ends. */
export const UNASKED_BYTES = 4 * MIB;
/** Peers from which metadata is fetched at once, each all of it (BEP 9). */
export const METADATA_FETCHES = 3;
export const METADATA_REQUESTS_IN_FLIGHT = 4;
/** A peer that sends no piece of the metadata for this long is passed over. */
export const METADATA_WAIT_MILLISECONDS = 15_000;
/** `have` messages of a peer kept until there is metadata. */
export const EARLY_HAVES = 10_000;

// Work in one turn of the event loop, in what costs about as much as a byte copied; the rest goes on in the next.

/** What is given to connections … */
export const TURN_SENT_WORK = 4 * MIB;
/** … where a block costs as much as so many bytes beside its own. */
export const BLOCK_WORK = 1024;
/** What is read from peers … */
export const TURN_READ_WORK = 4 * MIB;
/** … where a message costs so much beside its bytes, and one of an extension so much, and so much for each of its bytes. */
export const MESSAGE_WORK = 256;
export const EXTENDED_WORK = 4 * 1024;
export const EXTENDED_BYTE_WORK = 16;
/** What comes in chunks up to this size is read at once, however much the turn had. */
export const SMALL_CHUNK_BYTES = 2 * 1024;

// Bookkeeping.

/** Rates, time-outs and redials are looked at this often. */
export const TICK_MILLISECONDS = 1_000;
/** With every such look, since what is not told is lost in a crash. */
export const COUNTERS_MILLISECONDS = TICK_MILLISECONDS / 2;
