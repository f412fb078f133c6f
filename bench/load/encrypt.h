/* RC4 connections (MSE) for the load generator, which has no secrets: its private key is 1, its public key 2. */
#ifndef ENCRYPT_H
#define ENCRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint8_t s[256];
  uint8_t i, j;
} Rc4;

/* Encrypts or decrypts in place. */
void rc4(Rc4 *state, uint8_t *bytes, size_t length);
/* Goes on as if `length` bytes had been decrypted. */
void rc4_skip(Rc4 *state, size_t length);

/* The encrypted handshake on a blocking socket, offering RC4 alone. False if the peer does not agree. */
bool encrypt_connection(int fd, const uint8_t info_hash[20], Rc4 *sending, Rc4 *receiving);

#endif
