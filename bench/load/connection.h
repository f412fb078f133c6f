/* One connection of the load generator, and what all of them share. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encrypt.h"

enum {
  BLOCK = 16384,
  HANDSHAKE = 68,
  REQUEST = 17 /* length, id, index, begin, length */
};

typedef enum { GREETING, HEADER, DISCARD, COMPARE } State;

/* The order of requests: any blocks; any pieces, the blocks of each in order, as most clients ask; all in order. */
typedef enum { BLOCKS, PIECES, IN_ORDER } Order;

typedef struct {
  int fd;
  State state;
  bool choked, fast, dead;
  uint8_t head[HANDSHAKE];
  size_t have; /* bytes in head */
  size_t left; /* bytes to discard or to compare */
  uint8_t *block;
  size_t block_have;
  uint64_t block_at; /* the compared block's place in the content */
  uint32_t in_flight;
  uint64_t blocks;
  uint32_t next_piece, next_begin;
  uint8_t *asked; /* a byte for each block of the torrent: it is in flight */
  uint8_t *out;
  size_t out_have, out_sent, out_encrypted;
  Rc4 sending, receiving;
} Connection;

/* What to ask for. */
typedef struct {
  uint8_t info_hash[20];
  uint64_t piece_length, total_length, piece_count;
  uint32_t in_flight;
  Order order;
  bool rc4; /* connections are encrypted */
  const uint8_t *sample; /* NULL: nothing is compared */
  uint64_t sample_length, sample_offset;
} Plan;

/* What came. */
typedef struct {
  bool counting; /* bytes count from now on; all_bytes do from the start */
  uint64_t bytes, all_bytes, blocks, compared, mismatches, rejects, closed;
} Tally;

extern Plan plan;
extern Tally tally;

uint64_t random_u64(void);
/* Puts a freshly connected, non-blocking socket to work, encrypted already where it shall be: sends the handshake. */
void begin_connection(Connection *c, int fd, int index);
/* Sends what did not fit the socket's buffer before. */
void flush(Connection *c);
/* Takes what has come in, up to one turn's worth, and asks for more. */
void readable(Connection *c);

#endif
