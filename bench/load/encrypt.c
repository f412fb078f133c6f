/* Message Stream Encryption, the initiator's side, without padding and without an initial payload. */
#include "encrypt.h"

#include <string.h>
#include <sys/socket.h>

enum {
  KEY = 96,         /* bytes of a public key: 768 bits */
  MAX_PADDING = 512,
  VERIFICATION = 8, /* zeros that tell where the encrypted answer begins */
  DISCARDED = 1024, /* bytes of either key stream that are never used */
  CRYPTO_RC4 = 2
};

void rc4(Rc4 *state, uint8_t *bytes, size_t length) {
  uint8_t i = state->i, j = state->j, *s = state->s;
  for (size_t at = 0; at < length; at++) {
    uint8_t a = s[++i];
    j = (uint8_t)(j + a);
    uint8_t b = s[j];
    s[i] = b;
    s[j] = a;
    bytes[at] ^= s[(uint8_t)(a + b)];
  }
  state->i = i;
  state->j = j;
}

void rc4_skip(Rc4 *state, size_t length) {
  uint8_t i = state->i, j = state->j, *s = state->s;
  while (length-- > 0) {
    uint8_t a = s[++i];
    j = (uint8_t)(j + a);
    s[i] = s[j];
    s[j] = a;
  }
  state->i = i;
  state->j = j;
}

static void rc4_start(Rc4 *state, const uint8_t *key, size_t length) {
  for (int i = 0; i < 256; i++) state->s[i] = (uint8_t)i;
  for (int i = 0, j = 0; i < 256; i++) {
    uint8_t a = state->s[i];
    j = (j + a + key[(size_t)i % length]) & 255;
    state->s[i] = state->s[j];
    state->s[j] = a;
  }
  state->i = state->j = 0;
  rc4_skip(state, DISCARDED);
}

static uint32_t rotated(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

static void sha1_block(uint32_t h[5], const uint8_t *p) {
  uint32_t w[80];
  for (int i = 0; i < 16; i++) w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 80; i++) w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
  for (int i = 0; i < 80; i++) {
    uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
    uint32_t k = i < 20 ? 0x5a827999u : i < 40 ? 0x6ed9eba1u : i < 60 ? 0x8f1bbcdcu : 0xca62c1d6u;
    uint32_t next = rotated(a, 5) + f + e + k + w[i];
    e = d;
    d = c;
    c = rotated(b, 30);
    b = a;
    a = next;
  }
  h[0] += a;
  h[1] += b;
  h[2] += c;
  h[3] += d;
  h[4] += e;
}

/* SHA-1 of a label of four letters, then up to two parts; no more than 180 bytes in all. */
static void sha1(uint8_t digest[20], const char *label, const uint8_t *one, size_t one_length, const uint8_t *two, size_t two_length) {
  uint8_t data[192] = {0};
  size_t length = 4 + one_length + two_length, blocks = (length + 9 + 63) / 64;
  memcpy(data, label, 4);
  memcpy(data + 4, one, one_length);
  if (two_length > 0) memcpy(data + 4 + one_length, two, two_length);
  data[length] = 0x80;
  data[64 * blocks - 2] = (uint8_t)(length >> 5);
  data[64 * blocks - 1] = (uint8_t)(length << 3);
  uint32_t h[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
  for (size_t block = 0; block < blocks; block++) sha1_block(h, data + 64 * block);
  for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static bool send_all(int fd, const uint8_t *bytes, size_t length) { return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length; }

static bool recv_all(int fd, uint8_t *bytes, size_t length) { return recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length; }

/* Reads up to the end of the verification constant behind the peer's padding. */
static bool synchronize(int fd, Rc4 *receiving) {
  uint8_t mark[VERIFICATION] = {0}, seen[VERIFICATION];
  rc4(receiving, mark, sizeof mark);
  if (!recv_all(fd, seen, sizeof seen)) return false;
  for (int padding = 0; memcmp(seen, mark, sizeof mark) != 0; padding++) {
    memmove(seen, seen + 1, sizeof seen - 1);
    if (padding == MAX_PADDING || !recv_all(fd, seen + sizeof seen - 1, 1)) return false;
  }
  return true;
}

bool encrypt_connection(int fd, const uint8_t info_hash[20], Rc4 *sending, Rc4 *receiving) {
  uint8_t ours[KEY] = {0}, secret[KEY], digest[20], other[20];
  ours[KEY - 1] = 2; /* the generator to the power of 1, so that the secret is the peer's public key */
  if (!send_all(fd, ours, KEY) || !recv_all(fd, secret, KEY)) return false;
  sha1(digest, "keyA", secret, KEY, info_hash, 20);
  rc4_start(sending, digest, 20);
  sha1(digest, "keyB", secret, KEY, info_hash, 20);
  rc4_start(receiving, digest, 20);

  uint8_t hello[40 + VERIFICATION + 8] = {0};
  sha1(hello, "req1", secret, KEY, NULL, 0);
  sha1(digest, "req2", info_hash, 20, NULL, 0);
  sha1(other, "req3", secret, KEY, NULL, 0);
  for (int i = 0; i < 20; i++) hello[20 + i] = digest[i] ^ other[i];
  hello[40 + VERIFICATION + 3] = CRYPTO_RC4; /* then no padding and no initial payload: two zeros each */
  rc4(sending, hello + 40, sizeof hello - 40);
  if (!send_all(fd, hello, sizeof hello) || !synchronize(fd, receiving)) return false;

  uint8_t answer[6], padding[MAX_PADDING];
  if (!recv_all(fd, answer, sizeof answer)) return false;
  rc4(receiving, answer, sizeof answer);
  size_t length = (size_t)answer[4] << 8 | answer[5];
  if (answer[3] != CRYPTO_RC4 || length > sizeof padding) return false;
  if (length > 0 && !recv_all(fd, padding, length)) return false;
  rc4_skip(receiving, length);
  return true;
}
