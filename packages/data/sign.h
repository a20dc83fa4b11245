/*
 * sign.h -- Ed25519 signatures with a key file of the user's (PEM; OpenSSL).
 * Layer: data. Errors: EC_CONFIG (a file that is no such key), EC_IO. Keys and signatures travel as lower-case hex.
 */
#ifndef DATA_SIGN_H
#define DATA_SIGN_H

#include "data/cell.h"

enum { SIGN_KEY_HEX = 64, SIGN_HEX = 128 };
struct sign_key; /* private */
/* An unencrypted PKCS#8 PEM file: openssl genpkey -algorithm ed25519 -out key.pem */
enum ec sign_key_read(const char *path, struct sign_key **ret, struct err *reterr);
void sign_key_free(struct sign_key *k); /* NULL is fine */
void sign_key_public(const struct sign_key *k, char ret[static SIGN_KEY_HEX + 1]);
enum ec sign_octets(const struct sign_key *k, const void *p, size_t n, char ret[static SIGN_HEX + 1],
                    struct err *reterr);
/* The public key of a PEM file: openssl pkey -in key.pem -pubout -out public.pem. A private key's file is taken, too. */
enum ec sign_public_read(const char *path, char ret[static SIGN_KEY_HEX + 1], struct err *reterr);
/* false = not signed by this key, or no key or signature at all. */
bool sign_verify(struct cell public_hex, const void *p, size_t n, struct cell signature_hex);

#endif
