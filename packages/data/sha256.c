#include "data/canon.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct sha256 {
    EVP_MD_CTX *ctx;
};

struct sha256 *sha256_new(void)
{
    struct sha256 *s = xcalloc(1, sizeof(*s));

    s->ctx = EVP_MD_CTX_new();
    BUG_IF(!s->ctx || EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1, "SHA-256 is not available");
    return s;
}

void sha256_add(struct sha256 *s, const void *p, size_t n)
{
    BUG_IF(EVP_DigestUpdate(s->ctx, p, n) != 1, "SHA-256 update");
}

void sha256_hex(struct sha256 *s, char ret[static 65])
{
    static const char HEX[] = "0123456789abcdef";
    unsigned char md[32];

    BUG_IF(EVP_DigestFinal_ex(s->ctx, md, NULL) != 1, "SHA-256 final");
    for (size_t i = 0; i < sizeof(md); i++) {
        ret[2 * i] = HEX[md[i] >> 4];
        ret[2 * i + 1] = HEX[md[i] & 15];
    }
    ret[64] = 0;
    EVP_MD_CTX_free(s->ctx);
    free(s);
}
