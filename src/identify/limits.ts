const KIB = 1024;
const MIB = 1024 * KIB;

/** Files of one torrent that are looked into; the others have no tags. */
export const MAX_FILES = 2_000;
/** Bytes read of one file, embedded pictures that come before the tags included. */
export const MAX_FILE_BYTES = 8 * MIB;
/** Bytes read of one torrent's files: what a store charges for. */
export const MAX_TOTAL_BYTES = 512 * MIB;
/** Reads of one file. */
export const MAX_FILE_READS = 16;
/** Bytes of a file's first reads, if it has them; later ones are longer. */
export const READ_BYTES = 64 * KIB;
/** Time for parsing one file, all its tries together. */
export const MAX_FILE_MILLISECONDS = 15_000;
/** Time for parsing one torrent's files. */
export const MAX_TOTAL_MILLISECONDS = 120_000;
/** The thread that parses ends when there was nothing to parse for so long. */
export const IDLE_MILLISECONDS = 30_000;
/** JavaScript heap of the thread that parses. */
export const MAX_HEAP_MEBIBYTES = 128;
/** UTF-16 units of a name or title; the rest is cut off. */
export const MAX_TEXT_LENGTH = 300;
/** Longer is no track: two days. */
export const MAX_DURATION_MILLISECONDS = 2 * 24 * 60 * 60 * 1_000;
