/** A tracker's whole reply, unpacked. */
export const REPLY_BYTES = 1024 * 1024;
/** One announce, redirects and all. */
export const ANNOUNCE_MILLISECONDS = 30_000;
export const REDIRECTS = 3;
/** Peers taken from one reply; the rest is left out. */
export const PEERS_PER_REPLY = 500;
/** Announces under way at one tracker host, and so connections to it. */
export const CONNECTIONS_PER_HOST = 4;
/**
 * Announces begun at one host in a second: 10,000 torrents of one tracker that all become due (a start, an outage that
 * ends) take four minutes of it, and 50,000 are through within the usual half hour.
 */
export const ANNOUNCES_PER_HOST_AND_SECOND = 40;
/** Announces under way at once, over all torrents. */
export const ANNOUNCES_AT_ONCE = 50;
/** A tracker's interval is kept within these. */
export const LEAST_INTERVAL_SECONDS = 30;
export const MOST_INTERVAL_SECONDS = 86_400;
/** When a tracker names none (BEP 3 gives no default; trackers commonly ask for half an hour). */
export const DEFAULT_INTERVAL_SECONDS = 1_800;
/** The first pause after a failure; it doubles with each. */
export const FIRST_RETRY_SECONDS = 15;
/** No pause between failures grows beyond this. */
export const MOST_RETRY_SECONDS = 1_800;
/** The first pause when a tracker will not have us (its client list, an unknown torrent or passkey); it doubles with each. */
export const FIRST_REFUSED_RETRY_SECONDS = 3_600;
export const MOST_REFUSED_RETRY_SECONDS = 86_400;
/** A tracker's words are cut at this many characters. */
export const MESSAGE_CHARACTERS = 300;
/** One UDP request is sent this often, each time waiting twice as long (BEP 15 begins with 15 s; we give up sooner). */
export const UDP_TRIES = 4;
export const UDP_FIRST_WAIT_MILLISECONDS = 2_000;
/** A UDP connection id is good for a minute (BEP 15). */
export const UDP_CONNECTION_MILLISECONDS = 60_000;
/** One `stopped` gets so long; what holds up a stop is the caller's to say. */
export const STOPPED_MILLISECONDS = 5_000;
/** Trackers take the same event of a peer once in so long; who is told to be early comes again after it. */
export const EVENT_REPEAT_SECONDS = 30;
/** A `completed` that was sent and never answered is sent this often in all: it may have been counted each time. */
export const COMPLETED_TRIES = 5;
