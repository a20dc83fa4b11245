/* auth_cert.c -- sign-in with a certificate: a JWT signed with PS256. */
#include "base/clock.h"
#include "net/auth_parts.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

static void base64url(struct strbuf *out, const unsigned char *p, size_t n)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        size_t chars = n - i >= 3 ? 4 : n - i + 1;

        for (size_t k = 0; k < chars; k++)
            strbuf_addc(out, DIGITS[v >> (18 - 6 * k) & 63]);
    }
}

static enum ec crypto_error(struct err *reterr, const char *path, const char *what)
{
    char text[200] = "";

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    err_set(reterr, EC_CONFIG, "%s '%s': %s", what, path, text);
    return err_hint(reterr,
                    "certificate_file is one PEM file with the certificate and its unencrypted RSA private key");
}

static enum ec sign(EVP_PKEY *key, const struct strbuf *input, struct strbuf *out, const char *path,
                    struct err *reterr)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    unsigned char sig[1024];
    size_t n = sizeof(sig);
    bool fine = ctx && EVP_DigestSignInit(ctx, &pctx, EVP_sha256(), NULL, key) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1 &&
                EVP_DigestSign(ctx, sig, &n, (const unsigned char *)input->buf, input->len) == 1;

    EVP_MD_CTX_free(ctx);
    if (!fine)
        return crypto_error(reterr, path, "sign with the key of");
    base64url(out, sig, n);
    return EC_OK;
}

enum ec auth_assertion(const char *path, const char *client_id, const char *audience, struct strbuf *out,
                       struct err *reterr)
{
    BIO *bio = BIO_new_file(path, "r");
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;
    unsigned char thumb[32], id[16];
    unsigned int n = sizeof(thumb);
    struct strbuf head = STRBUF(0), claims = STRBUF(0), input = STRBUF(0);
    int64_t now = clock_utc_ms() / 1000;
    enum ec rc = EC_OK;

    if (!bio) {
        rc = crypto_error(reterr, path, "open the certificate file");
        goto out;
    }
    cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    (void)BIO_reset(bio);
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    if (!cert || !key || EVP_PKEY_base_id(key) != EVP_PKEY_RSA || X509_digest(cert, EVP_sha256(), thumb, &n) != 1 ||
        RAND_bytes(id, sizeof(id)) != 1) {
        rc = crypto_error(reterr, path, "read the certificate file");
        goto out;
    }
    strbuf_adds(&head, "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"");
    base64url(&head, thumb, n);
    strbuf_adds(&head, "\"}");
    strbuf_addf(&claims, "{\"aud\":\"%s\",\"iss\":\"%s\",\"sub\":\"%s\",\"jti\":\"", audience, client_id, client_id);
    for (size_t i = 0; i < sizeof(id); i++)
        strbuf_addf(&claims, "%02x", id[i]);
    strbuf_addf(&claims, "\",\"nbf\":%lld,\"iat\":%lld,\"exp\":%lld}", (long long)now, (long long)now,
                (long long)now + 300);
    base64url(&input, (const unsigned char *)head.buf, head.len);
    strbuf_addc(&input, '.');
    base64url(&input, (const unsigned char *)claims.buf, claims.len);
    strbuf_add(out, input.buf, input.len);
    strbuf_addc(out, '.');
    rc = sign(key, &input, out, path, reterr);
out:
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(bio);
    strbuf_release(&head);
    strbuf_release(&claims);
    strbuf_release(&input);
    return rc;
}
