/* The downloading side of one connection: BEP 3 with the fast extension (BEP 6). */
#define _GNU_SOURCE
#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  PIECE_HEADER = 13,    /* length, id, index, begin */
  SAMPLE_EVERY = 256,   /* blocks */
  TURN = 64,            /* blocks read from one connection before the next gets its turn */
  MAX_PICKS = 100,      /* tries to find a piece that is not in flight; a tiny torrent may have none */
  MAX_MESSAGE = 1 << 22 /* bytes; a bitfield of a huge torrent is the longest that may come */
};

enum { CHOKE = 0, UNCHOKE = 1, INTERESTED = 2, ASK = 6, PIECE = 7, HAVE_NONE = 15, REJECT = 16 };

Plan plan;
Tally tally;
static uint64_t random_state = 0x9e3779b97f4a7c15u;

uint64_t random_u64(void) { /* xorshift64 */
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static uint32_t get32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t value) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint64_t length_of_piece(uint64_t piece) {
  return piece + 1 < plan.piece_count ? plan.piece_length : plan.total_length - piece * plan.piece_length;
}

static uint32_t length_of_block(uint64_t piece, uint64_t begin) {
  uint64_t rest = length_of_piece(piece) - begin;
  return rest < BLOCK ? (uint32_t)rest : BLOCK;
}

static void die(Connection *c) {
  if (c->dead) return;
  c->dead = true;
  tally.closed++;
  close(c->fd);
}

void flush(Connection *c) {
  if (plan.rc4) rc4(&c->sending, c->out + c->out_encrypted, c->out_have - c->out_encrypted);
  c->out_encrypted = c->out_have;
  while (c->out_sent < c->out_have) {
    ssize_t n = send(c->fd, c->out + c->out_sent, c->out_have - c->out_sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      die(c);
      return;
    }
    c->out_sent += (size_t)n;
  }
  c->out_have = c->out_sent = c->out_encrypted = 0;
}

static uint64_t blocks_of(uint64_t piece) { return (length_of_piece(piece) + BLOCK - 1) / BLOCK; }

static uint8_t *asked_of(Connection *c, uint64_t piece, uint64_t begin) {
  return c->asked + piece * ((plan.piece_length + BLOCK - 1) / BLOCK) + begin / BLOCK;
}

/* No client asks for what it has asked for already, and a seeder may drop such requests. */
static bool may_ask(Connection *c, uint64_t piece, uint64_t begin) {
  if (plan.order == BLOCKS) return !*asked_of(c, piece, begin);
  return memchr(asked_of(c, piece, 0), 1, blocks_of(piece)) == NULL;
}

static void pick(Connection *c) {
  for (int i = 0; i < MAX_PICKS; i++) {
    c->next_piece = (uint32_t)(random_u64() % plan.piece_count);
    c->next_begin = plan.order == BLOCKS ? (uint32_t)(random_u64() % blocks_of(c->next_piece)) * BLOCK : 0;
    if (may_ask(c, c->next_piece, c->next_begin)) return;
  }
}

/* Moves next_piece and next_begin to the block after the one just asked for. */
static void advance(Connection *c) {
  c->next_begin += BLOCK;
  if (plan.order != BLOCKS && c->next_begin < length_of_piece(c->next_piece)) return;
  c->next_begin = 0;
  if (plan.order == IN_ORDER) c->next_piece = (uint32_t)((c->next_piece + 1) % plan.piece_count);
  else pick(c);
}

/* Asks for as many blocks as were answered, in one write; waits until an eighth of the window is open. */
static void refill(Connection *c) {
  if (c->dead || c->choked || c->out_have > 0) return;
  if (plan.in_flight - c->in_flight < (plan.in_flight + 7) / 8) return;
  while (c->in_flight < plan.in_flight) {
    uint32_t piece = c->next_piece, begin = c->next_begin;
    uint8_t *p = c->out + c->out_have;
    put32(p, REQUEST - 4);
    p[4] = ASK;
    put32(p + 5, piece);
    put32(p + 9, begin);
    put32(p + 13, length_of_block(piece, begin));
    c->out_have += REQUEST;
    c->in_flight++;
    *asked_of(c, piece, begin) = 1;
    advance(c);
  }
  flush(c);
}

/* Without BEP 6 a choke ends all that is in flight. */
static void forget_asked(Connection *c) {
  c->in_flight = 0;
  memset(c->asked, 0, (size_t)(asked_of(c, plan.piece_count, 0) - c->asked));
}

static bool take_greeting(Connection *c) {
  if (c->head[0] != 19 || memcmp(c->head + 1, "BitTorrent protocol", 19) != 0) return false;
  if (memcmp(c->head + 28, plan.info_hash, 20) != 0) return false;
  c->fast = (c->head[27] & 4) != 0;
  static const uint8_t have_none[] = {0, 0, 0, 1, HAVE_NONE}, interested[] = {0, 0, 0, 1, INTERESTED};
  if (c->fast) {
    memcpy(c->out + c->out_have, have_none, sizeof have_none);
    c->out_have += sizeof have_none;
  }
  memcpy(c->out + c->out_have, interested, sizeof interested);
  c->out_have += sizeof interested;
  c->state = HEADER;
  c->have = 0;
  flush(c);
  return true;
}

/* A piece message's first 13 bytes are there. */
static bool take_piece(Connection *c, uint32_t length) {
  uint64_t piece = get32(c->head + 5), begin = get32(c->head + 9);
  uint32_t data = length - (PIECE_HEADER - 4);
  if (piece >= plan.piece_count || begin % BLOCK != 0 || begin >= length_of_piece(piece)) return false;
  if (data != length_of_block(piece, begin) || c->in_flight == 0) return false;
  c->in_flight--;
  *asked_of(c, piece, begin) = 0;
  tally.all_bytes += data;
  if (tally.counting) tally.bytes += data;
  uint64_t at = piece * plan.piece_length + begin;
  bool chosen = tally.blocks++ % SAMPLE_EVERY == 0 || c->blocks == 0;
  c->blocks++;
  c->left = data;
  c->have = 0;
  c->state = DISCARD;
  if (chosen && plan.sample && at >= plan.sample_offset && at + data <= plan.sample_offset + plan.sample_length) {
    c->state = COMPARE;
    c->block_at = at;
    c->block_have = 0;
  }
  return true;
}

/* Takes the message whose start is in head; false when the peer breaks the protocol. `more` tells that more bytes are needed. */
static bool take_message(Connection *c, bool *more) {
  *more = false;
  uint32_t length = get32(c->head);
  if (length > MAX_MESSAGE) return false;
  if (length > 0 && c->have < 5) return *more = true;
  int id = length == 0 ? -1 : c->head[4];
  if (id == PIECE) {
    if (length < PIECE_HEADER - 4 + 1) return false;
    if (c->have < PIECE_HEADER) return *more = true;
    return take_piece(c, length);
  }
  if (id == CHOKE) {
    c->choked = true;
    if (!c->fast) forget_asked(c);
  }
  if (id == UNCHOKE) c->choked = false;
  if (id == REJECT) {
    if (length != REQUEST - 4) return false;
    if (c->have < REQUEST) return *more = true;
    uint32_t piece = get32(c->head + 5), begin = get32(c->head + 9);
    if (piece >= plan.piece_count || begin >= length_of_piece(piece)) return false;
    *asked_of(c, piece, begin) = 0;
    tally.rejects++;
    if (c->in_flight > 0) c->in_flight--;
  }
  size_t whole = 4 + (size_t)length;
  if (whole <= c->have) {
    memmove(c->head, c->head + whole, c->have - whole);
    c->have -= whole;
  } else {
    c->left = whole - c->have;
    c->have = 0;
    c->state = DISCARD;
  }
  return true;
}

/* Bytes of head to read: no more than a piece's header, lest the block be copied, but a reject whole. */
static size_t wanted(const Connection *c) {
  if (c->state == GREETING) return HANDSHAKE;
  return c->have >= 5 && c->head[4] == REJECT && get32(c->head) == REQUEST - 4 ? REQUEST : PIECE_HEADER;
}

/* Reads what the state wants; false at the end of what is there (or of the connection). */
static bool step(Connection *c) {
  ssize_t n;
  if (c->state == DISCARD) n = recv(c->fd, NULL, c->left, MSG_TRUNC);
  else if (c->state == COMPARE) n = recv(c->fd, c->block + c->block_have, c->left, 0);
  else n = recv(c->fd, c->head + c->have, wanted(c) - c->have, 0);
  if (n < 0 && errno == EAGAIN) return false;
  if (n <= 0) {
    die(c);
    return false;
  }
  if (plan.rc4) {
    if (c->state == DISCARD) rc4_skip(&c->receiving, (size_t)n);
    else if (c->state == COMPARE) rc4(&c->receiving, c->block + c->block_have, (size_t)n);
    else rc4(&c->receiving, c->head + c->have, (size_t)n);
  }
  if (c->state == DISCARD || c->state == COMPARE) {
    c->left -= (size_t)n;
    c->block_have += (size_t)n;
    if (c->left > 0) return true;
    if (c->state == COMPARE) {
      tally.compared++;
      if (memcmp(c->block, plan.sample + (c->block_at - plan.sample_offset), c->block_have) != 0) tally.mismatches++;
    }
    c->state = HEADER;
    return true;
  }
  c->have += (size_t)n;
  if (c->state == GREETING) {
    if (c->have == HANDSHAKE && !take_greeting(c)) die(c);
    return !c->dead;
  }
  for (bool more = false; c->state == HEADER && c->have >= 4 && !more;) {
    if (!take_message(c, &more)) {
      tally.mismatches++;
      die(c);
      return false;
    }
  }
  return true;
}

void readable(Connection *c) {
  uint64_t until = c->blocks + TURN;
  while (!c->dead && c->blocks < until && step(c)) refill(c);
  refill(c);
}

void begin_connection(Connection *c, int fd, int index) {
  c->fd = fd;
  c->choked = true;
  c->block = malloc(BLOCK);
  c->out = calloc(1, HANDSHAKE + 16 + (size_t)REQUEST * plan.in_flight);
  c->out[0] = 19;
  memcpy(c->out + 1, "BitTorrent protocol", 19);
  c->out[27] = 4; /* fast extension */
  memcpy(c->out + 28, plan.info_hash, 20);
  char id[21];
  snprintf(id, sizeof id, "-LG0001-%05u%07u", (unsigned)index % 100000u, (unsigned)getpid() % 10000000u);
  memcpy(c->out + 48, id, 20);
  c->out_have = HANDSHAKE;
  c->asked = calloc(plan.piece_count + 1, (plan.piece_length + BLOCK - 1) / BLOCK);
  pick(c);
  flush(c);
}
