#include "dv/dv_parts.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool dv_guid(struct cell text, uint8_t ret[static 16])
{
    uint8_t id[16];
    size_t n = 0;

    if (!text.ptr || text.len != 36)
        return false;
    for (size_t i = 0; i < 36;) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text.ptr[i++] != '-')
                return false;
            continue;
        }
        int hi = hex_digit(text.ptr[i]), lo = hex_digit(text.ptr[i + 1]);

        if (hi < 0 || lo < 0)
            return false;
        id[n++] = (uint8_t)(hi << 4 | lo);
        i += 2;
    }
    memcpy(ret, id, 16);
    return true;
}

static void shape(uint8_t b[static 16], int version, char ret[static 40])
{
    b[6] = (uint8_t)((b[6] & 0x0f) | version << 4);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(ret, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
             b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
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
