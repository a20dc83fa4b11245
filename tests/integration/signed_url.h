/*
 * signed_url.h -- shared access signatures of Azure Storage, made from the account's key, as F&O makes them for its callers.
 * Sources: "Create a service SAS" (version 2015-04-05), "Create an account SAS". Include after check.h.
 */
#ifndef TEST_SIGNED_URL_H
#define TEST_SIGNED_URL_H

#include "base/clock.h"
#include "base/strbuf.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

struct storage {
    const char *url, *account, *key; /* http://127.0.0.1:10000/account, account, base64 key */
};

static void sign(const struct storage *s, const struct strbuf *text, struct strbuf *url)
{
    unsigned char key[96], md[EVP_MAX_MD_SIZE], b64[64];
    unsigned len = 0;
    int n = EVP_DecodeBlock(key, (const unsigned char *)s->key, (int)strlen(s->key));

    CHECK(n == 66, "the key is not 64 octets in base64: %d", n); /* 64 and the padding */
    HMAC(EVP_sha256(), key, 64, (const unsigned char *)text->buf, text->len, md, &len);
    n = EVP_EncodeBlock(b64, md, (int)len);
    strbuf_adds(url, "&sig=");
    strbuf_add_url(url, (const char *)b64, (size_t)n, NULL);
}

static void at_minute(int64_t minutes, char ret[static 32])
{
    clock_format_utc(clock_utc_ms() + minutes * 60000, ret);
    strcpy(ret + 19, "Z");
}

/* A blob's URL with rights `sp` ("rw", "r") from five minutes ago until `minutes` from now (negative = expired). */
__attribute__((unused)) static char *blob_url(const struct storage *s, const char *name, const char *sp,
                                              int64_t minutes)
{
    struct strbuf text = STRBUF(0), url = STRBUF(0);
    char from[32], to[32];

    at_minute(minutes < 0 ? minutes - 35 : -5, from);
    at_minute(minutes, to);
    strbuf_addf(&text, "%s\n%s\n%s\n/blob/%s/dmf/%s\n\n\n\n2015-04-05\n\n\n\n\n", sp, from, to, s->account, name);
    strbuf_addf(&url, "%s/dmf/%s?sv=2015-04-05&sr=b&st=", s->url, name);
    strbuf_add_url(&url, from, strlen(from), NULL);
    strbuf_adds(&url, "&se=");
    strbuf_add_url(&url, to, strlen(to), NULL);
    strbuf_addf(&url, "&sp=%s", sp);
    sign(s, &text, &url);
    strbuf_release(&text);
    return url.buf;
}

__attribute__((unused)) static char *container_url(const struct storage *s)
{
    struct strbuf text = STRBUF(0), url = STRBUF(0);
    char to[32];

    at_minute(60, to);
    strbuf_addf(&text, "%s\nrwdlac\nb\nsco\n\n%s\n\n\n2015-04-05\n", s->account, to);
    strbuf_addf(&url, "%s/dmf?restype=container&sv=2015-04-05&ss=b&srt=sco&sp=rwdlac&se=", s->url);
    strbuf_add_url(&url, to, strlen(to), NULL);
    sign(s, &text, &url);
    strbuf_release(&text);
    return url.buf;
}

#endif
