/* url.c -- the few questions we ask of a URL; parsing is libcurl's. */
#include "net/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void url_origin(const char *url, char ret[static 300])
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;

    ret[0] = 0;
    if (u && !curl_url_set(u, CURLUPART_URL, url, 0) && !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
        !curl_url_get(u, CURLUPART_HOST, &host, 0) && !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) &&
        (!strcasecmp(scheme, "http") || !strcasecmp(scheme, "https"))) {
        snprintf(ret, 300, "%s://%s:%s", scheme, host, port);
        for (char *c = ret; *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c + 32);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
}

/* An address of 127.0.0.0/8 in its four numbers; "127.example.com" is a name like any other. */
static bool loopback(const char *host)
{
    return !strcasecmp(host, "localhost") || !strcmp(host, "[::1]") ||
           (!strncmp(host, "127.", 4) && !host[strspn(host, "0123456789.")]);
}

bool url_allowed(const char *url)
{
    char origin[300];
    char *host, *colon;

    url_origin(url, origin);
    if (!strncmp(origin, "https://", 8))
        return true;
    if (strncmp(origin, "http://", 7))
        return false;
    host = origin + 7;
    colon = strrchr(host, ':');
    if (colon)
        *colon = 0;
    return loopback(host);
}

const char *url_shown(const char *url, struct arena *a)
{
    size_t n = strcspn(url, "?#");

    return arena_dup(a, url, n > 300 ? 300 : n);
}
