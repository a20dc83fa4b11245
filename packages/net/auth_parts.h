/* auth_parts.h -- pieces of auth.c. Layer: net, private to it. */
#ifndef NET_AUTH_PARTS_H
#define NET_AUTH_PARTS_H

#include "net/auth.h"

/* The secret's text without its line end, from file, command or environment. The caller wipes `out`. */
enum ec secret_read(const struct auth_config *cfg, struct strbuf *out, struct err *reterr);
/*
 * A signed client assertion (Microsoft identity platform, "Application authentication certificate credentials"): JWT with
 * alg PS256 and x5t#S256, valid for five minutes. `path` is a PEM file with the certificate and its private key.
 */
enum ec auth_assertion(const char *path, const char *client_id, const char *audience, struct strbuf *out,
                       struct err *reterr);

#endif
