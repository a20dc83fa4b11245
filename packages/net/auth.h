/*
 * auth.h -- tokens for a service by the OAuth 2.0 client-credentials grant of Microsoft Entra ID.
 * Layer: net. Source: Microsoft identity platform, "OAuth 2.0 client credentials flow". Errors: EC_AUTH with the AADSTS
 * code explained, EC_NET, EC_CONFIG. Secrets are read when needed, wiped after use (explicit_bzero), never logged.
 *
 * The scope is the service's base URL, lower case and without trailing slash, + "/.default". A token is renewed when less
 * than 5 minutes (or a tenth of its life, for short ones) remain; callers ask before every attempt, not once per run.
 */
#ifndef NET_AUTH_H
#define NET_AUTH_H

#include "net/http.h"

struct auth_config {
    const char *authority; /* https://login.microsoftonline.com */
    const char *tenant, *client_id;
    const char *secret_file; /* one of these three */
    const char
        *secret_command; /* run without a shell interpreter of ours: /bin/sh -c, its standard output is the secret */
    const char *certificate_file; /* PEM with certificate and key: signed client assertion (PS256, x5t#S256) */
    const char *secret; /* only from the environment */
    const char *resource; /* base URL of the service */
};
struct auth;
enum ec auth_new(const struct auth_config *cfg, struct http *http, struct auth **ret, struct err *reterr);
void auth_free(struct auth *a);
/* A token that is valid now; borrowed until the next call. renew = the service refused the one before. */
enum ec auth_token(struct auth *a, bool renew, const char **ret_token, struct err *reterr);

#endif
