/*
 * Sign-in with a certificate: the signed assertion that stands in for a secret ("Microsoft identity platform
 * application authentication certificate credentials"). Certificates are registered on the admin port and hold for
 * both applications.
 */
#include "emu_store.h"

#include "base/file.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FILE_MAX = 1 << 20, CLOCK_SLACK_S = 300, LIFE_MAX_S = 86400 };

static const char *certificates_path(const struct emu *e, struct arena *a)
{
    return arena_printf(a, "%s/certificates.pem", e->dir);
}

bool emu_login_register(struct emu *e, const char *pem, size_t n)
{
    struct arena a = { 0 };
    struct strbuf all = STRBUF(0);
    BIO *bio = BIO_new_mem_buf(pem, (int)(n < FILE_MAX ? n : 0));
    X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool ok = x != NULL;

    if (ok && file_exists(certificates_path(e, &a)))
        ok = !file_read(certificates_path(e, &a), FILE_MAX, &all, NULL);
    if (ok) {
        strbuf_add(&all, pem, n);
        strbuf_addc(&all, '\n');
        ok = !file_write_atomic(certificates_path(e, &a), all.buf, all.len, 0600, NULL);
    }
    X509_free(x);
    BIO_free(bio);
    strbuf_release(&all);
    arena_release(&a);
    return ok;
}

/* The registered certificate with this thumbprint (base64url, of the DER form); NULL = none. The caller frees. */
static X509 *find_certificate(const struct emu *e, const char *thumbprint, const EVP_MD *digest)
{
    struct arena a = { 0 };
    struct strbuf all = STRBUF(0), print = STRBUF(0);
    BIO *bio = NULL;
    X509 *x = NULL;
    bool found = false;

    if (!file_read(certificates_path(e, &a), FILE_MAX, &all, NULL) && all.len)
        bio = BIO_new_mem_buf(all.buf, (int)all.len);
    while (bio && !found && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        unsigned char d[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        strbuf_reset(&print);
        if (X509_digest(x, digest, d, &n))
            emu_base64(d, n, true, &print);
        found = print.len && !strcmp(print.buf, thumbprint);
        if (!found)
            X509_free(x);
    }
    BIO_free(bio);
    strbuf_release(&all);
    strbuf_release(&print);
    arena_release(&a);
    return found ? x : NULL;
}

static bool signature_good(X509 *x, bool pss, const char *text, size_t n, const struct strbuf *signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx = NULL;
    bool ok = ctx && EVP_DigestVerifyInit(ctx, &key_ctx, EVP_sha256(), NULL, X509_get0_pubkey(x)) == 1;

    if (ok && pss)
        ok = EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
    ok = ok && EVP_DigestVerify(ctx, (const unsigned char *)signature->buf, signature->len,
                                (const unsigned char *)text, n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* A base64url part of the assertion as a JSON object; NULL = it is none. The caller frees. */
static yajl_val part(const char *p, size_t n)
{
    struct strbuf s = STRBUF(0);
    yajl_val v = emu_unbase64(p, n, &s) ? yajl_tree_parse(strbuf_str(&s), NULL, 0) : NULL;

    strbuf_release(&s);
    return v;
}

static const char *member(yajl_val o, const char *name)
{
    const char *path[] = { name, NULL };
    yajl_val v = YAJL_IS_OBJECT(o) ? yajl_tree_get(o, path, yajl_t_any) : NULL;

    return YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : YAJL_IS_NUMBER(v) ? YAJL_GET_NUMBER(v) : "";
}

static int check_claims(const struct emu *e, yajl_val claims, const char *client_id, const char *audience)
{
    int64_t now = emu_now_ms(e) / 1000, exp = strtoll(member(claims, "exp"), NULL, 10),
            nbf = strtoll(member(claims, "nbf"), NULL, 10);

    if (strcmp(member(claims, "aud"), audience) != 0)
        return 700023;
    if (strcasecmp(member(claims, "iss"), client_id) != 0 || strcasecmp(member(claims, "sub"), client_id) != 0)
        return 700021;
    if (!exp || exp <= now || nbf > now + CLOCK_SLACK_S || exp > now + LIFE_MAX_S)
        return 700024;
    return *member(claims, "jti") ? 0 : 50027;
}

int emu_login_assertion(const struct emu *e, const char *assertion, const char *client_id, const char *audience)
{
    const char *dot = strchr(assertion, '.'), *last = strrchr(assertion, '.'), *alg, *print;
    yajl_val header = NULL, claims = NULL;
    struct strbuf signature = STRBUF(0);
    X509 *x = NULL;
    bool pss;
    int code = 50027; /* not a well-formed token */

    if (!dot || dot == last)
        return code;
    header = part(assertion, (size_t)(dot - assertion));
    claims = part(dot + 1, (size_t)(last - dot) - 1);
    if (!header || !claims || !emu_unbase64(last + 1, strlen(last + 1), &signature) || !signature.len)
        goto out;
    alg = member(header, "alg");
    pss = !strcmp(alg, "PS256");
    if (!pss && strcmp(alg, "RS256") != 0)
        goto out;
    print = member(header, "x5t#S256");
    x = *print ? find_certificate(e, print, EVP_sha256()) : find_certificate(e, member(header, "x5t"), EVP_sha1());
    code = 700027; /* not registered, or the signature does not fit */
    if (x && signature_good(x, pss, assertion, (size_t)(last - assertion), &signature))
        code = check_claims(e, claims, client_id, audience);
out:
    X509_free(x);
    yajl_tree_free(header);
    yajl_tree_free(claims);
    strbuf_release(&signature);
    return code;
}
