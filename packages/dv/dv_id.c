#include "dv/dv_parts.h"

#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

/* A digit's value plus one, 0 = none. Ids of millions of rows pass through here. */
static const uint8_t DIGIT[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};
static const char HEX[] = "0123456789abcdef";
static const uint8_t AT[16] = {
    0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34
}; /* where an octet stands */

bool dv_guid(struct cell text, uint8_t ret[static 16])
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    uint8_t id[16];

    if (!p || text.len != 36 || p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-')
        return false;
    for (size_t i = 0; i < 16; i++) {
        unsigned hi = DIGIT[p[AT[i]]], lo = DIGIT[p[AT[i] + 1]];

        if (!hi || !lo)
            return false;
        id[i] = (uint8_t)((hi - 1) << 4 | (lo - 1));
    }
    memcpy(ret, id, 16);
    return true;
}

static void shape(uint8_t b[static 16], int version, char ret[static 40])
{
    b[6] = (uint8_t)((b[6] & 0x0f) | version << 4);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    memset(ret, '-', 36);
    ret[36] = 0;
    for (size_t i = 0; i < 16; i++) {
        ret[AT[i]] = HEX[b[i] >> 4];
        ret[AT[i] + 1] = HEX[b[i] & 15];
    }
}

void dv_new_id(char ret[static 40])
{
    uint8_t b[16];

    /* up to 256 octets getrandom() neither fails nor falls short once the kernel's pool is ready */
    BUG_IF(getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b), "no random numbers from the kernel");
    shape(b, 4, ret);
}

void dv_id_from(const char *text, size_t n, char ret[static 40])
{
    static _Thread_local EVP_MD *sha256; /* found once: looking it up costs more than the digest of a key */
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!sha256)
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    BUG_IF(!sha256 || !EVP_Digest(text, n, digest, &len, sha256, NULL) || len < 16, "SHA-256 is not available");
    shape(digest, 8, ret);
}
