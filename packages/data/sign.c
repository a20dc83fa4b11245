#include "data/sign.h"
#include "base/file.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PEM = 64 << 10, KEY_OCTETS = 32, SIGN_OCTETS = 64 };

struct sign_key {
    EVP_PKEY *key;
    char public_hex[SIGN_KEY_HEX + 1];
};

static void to_hex(const unsigned char *p, size_t n, char *ret)
{
    static const char DIGITS[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        ret[2 * i] = DIGITS[p[i] >> 4];
        ret[2 * i + 1] = DIGITS[p[i] & 15];
    }
    ret[2 * n] = 0;
}

static bool from_hex(struct cell hex, unsigned char *ret, size_t n)
{
    if (hex.len != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int v = 0;

        for (int k = 0; k < 2; k++) {
            char c = hex.ptr[2 * i + (size_t)k];

            if (c >= '0' && c <= '9')
                v = v << 4 | (c - '0');
            else if (c >= 'a' && c <= 'f')
                v = v << 4 | (c - 'a' + 10);
            else
                return false;
        }
        ret[i] = (unsigned char)v;
    }
    return true;
}

/* A passphrase is never asked for: nobody sits at the terminal of a nightly run. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static EVP_PKEY *read_pem(const char *path, bool private, enum ec *ret_rc, struct err *reterr)
{
    struct strbuf pem = STRBUF(0);
    EVP_PKEY *key = NULL;
    BIO *bio = NULL;

    *ret_rc = file_read(path, MAX_PEM, &pem, reterr);
    if (*ret_rc)
        goto out;
    bio = BIO_new_mem_buf(pem.buf, (int)pem.len);
    if (bio && private)
        key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    else if (bio)
        key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    if (key && EVP_PKEY_base_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
out:
    BIO_free(bio);
    if (pem.buf)
        explicit_bzero(pem.buf, pem.len);
    strbuf_release(&pem);
    return key;
}

static bool public_of(EVP_PKEY *key, char ret[static SIGN_KEY_HEX + 1])
{
    unsigned char raw[KEY_OCTETS];
    size_t n = sizeof(raw);

    if (EVP_PKEY_get_raw_public_key(key, raw, &n) != 1 || n != sizeof(raw))
        return false;
    to_hex(raw, n, ret);
    return true;
}

enum ec sign_key_read(const char *path, struct sign_key **ret, struct err *reterr)
{
    struct sign_key *k;
    enum ec rc;
    EVP_PKEY *key = read_pem(path, true, &rc, reterr);

    if (rc)
        return err_ctx(reterr, rc, "the key that signs certificates");
    if (!key) {
        err_set(reterr, EC_CONFIG, "'%s' is no unencrypted private Ed25519 key in PEM", path);
        return err_hint(reterr, "make one: openssl genpkey -algorithm ed25519 -out key.pem");
    }
    k = xcalloc(1, sizeof(*k));
    k->key = key;
    BUG_IF(!public_of(key, k->public_hex), "public part of an Ed25519 key");
    *ret = k;
    return EC_OK;
}

void sign_key_free(struct sign_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->key);
    free(k);
}

void sign_key_public(const struct sign_key *k, char ret[static SIGN_KEY_HEX + 1])
{
    memcpy(ret, k->public_hex, sizeof(k->public_hex));
}

enum ec sign_octets(const struct sign_key *k, const void *p, size_t n, char ret[static SIGN_HEX + 1],
                    struct err *reterr)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char raw[SIGN_OCTETS];
    size_t len = sizeof(raw);
    bool fine = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->key) == 1 &&
                EVP_DigestSign(ctx, raw, &len, p, n) == 1 && len == sizeof(raw);

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    if (!fine)
        return err_set(reterr, EC_FAIL, "OpenSSL could not sign with the Ed25519 key");
    to_hex(raw, len, ret);
    return EC_OK;
}

enum ec sign_public_read(const char *path, char ret[static SIGN_KEY_HEX + 1], struct err *reterr)
{
    enum ec rc;
    EVP_PKEY *key = read_pem(path, false, &rc, reterr);
    bool fine;

    if (!rc && !key)
        key = read_pem(path, true, &rc, reterr);
    if (rc)
        return rc;
    fine = key && public_of(key, ret);
    EVP_PKEY_free(key);
    if (fine)
        return EC_OK;
    err_set(reterr, EC_CONFIG, "'%s' is no public Ed25519 key in PEM", path);
    return err_hint(reterr, "it comes from the private one: openssl pkey -in key.pem -pubout -out public.pem");
}

bool sign_verify(struct cell public_hex, const void *p, size_t n, struct cell signature_hex)
{
    unsigned char raw[KEY_OCTETS], sig[SIGN_OCTETS];
    EVP_PKEY *key = NULL;
    EVP_MD_CTX *ctx;
    bool fine;

    if (!from_hex(public_hex, raw, sizeof(raw)) || !from_hex(signature_hex, sig, sizeof(sig)))
        return false;
    key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof(raw));
    ctx = EVP_MD_CTX_new();
    fine = key && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
           EVP_DigestVerify(ctx, sig, sizeof(sig), p, n) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return fine;
}
