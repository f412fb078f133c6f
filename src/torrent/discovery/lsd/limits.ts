/** The longest packet, in bytes (BEP 14: it must fit in one frame). */
export const LSD_PACKET_BYTES = 1_400;
/** Torrents that one packet of ours names. */
export const LSD_HASHES = 24;
/** A torrent is announced this often (BEP 14: not more than once in five minutes) … */
export const LSD_ANNOUNCE_MILLISECONDS = 300_000;
/** … and all of them together in no more than one packet a minute to each group. */
export const LSD_PACKET_MILLISECONDS = 60_000;
/** Packets read in a second; the rest is dropped unread. */
export const LSD_PACKETS_PER_SECOND = 50;
/** The longest cookie that is looked at, in characters. */
export const LSD_COOKIE_CHARS = 64;
/** How often announces are looked at. */
export const LSD_TICK_MILLISECONDS = 1_000;
