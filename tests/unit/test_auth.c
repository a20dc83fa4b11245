/* Sign-in: the request, the cache, the refusals, secrets from file, command and certificate. */
#include "check.h"

#include "net/auth_parts.h"
#include "net_fake.h"

#include "base/file.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static const char *answer;
static int status;
static int times; /* that many answers first are 503 with Retry-After: 2 */

static void token_endpoint(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    (void)q;
    f->n++;
    if (f->n <= times) {
        fake_text(a, 503, "");
        strbuf_adds(&a->head, "Retry-After: 2\r\n");
        return;
    }
    fake_text(a, status, answer);
}

struct env {
    struct fake_http f;
    struct http *h;
    struct auth *a;
    struct err e;
};

static struct auth_config config(struct env *v)
{
    return (struct auth_config){ .authority = v->f.url,
                                 .tenant = "contoso.com",
                                 .client_id = "id-1",
                                 .secret = "s&=+ \xC3\xA4",
                                 .resource = "https://Contoso.Operations.Dynamics.com//" };
}

static void env_open(struct env *v, const struct auth_config *cfg)
{
    struct auth_config c;

    memset(v, 0, sizeof(*v));
    fake_start(&v->f, token_endpoint);
    v->f.handle_tokens = true;
    status = 200;
    times = 0;
    answer = "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"tok\"}";
    c = config(v);
    if (cfg) {
        c.secret = cfg->secret;
        c.secret_file = cfg->secret_file;
        c.secret_command = cfg->secret_command;
        c.certificate_file = cfg->certificate_file;
    }
    jump_clock();
    CHECK_OK(http_new(&(struct http_config){ 0 }, &v->h, &v->e), &v->e);
    CHECK_OK(auth_new(&c, v->h, &v->a, &v->e), &v->e);
}

static void env_close(struct env *v)
{
    auth_free(v->a);
    http_free(v->h);
    fake_stop(&v->f);
    clock_replace(NULL);
}

static void request(void **state)
{
    struct env v;
    const char *t = NULL;

    (void)state;
    env_open(&v, NULL);
    CHECK_OK(auth_token(v.a, false, &t, &v.e), &v.e);
    assert_string_equal(t, "tok");
    assert_string_equal(v.f.seen[0].method, "POST");
    assert_string_equal(v.f.seen[0].target, "/contoso.com/oauth2/v2.0/token");
    CHECK_STR(fake_header(&v.f.seen[0], "Content-Type"), "application/x-www-form-urlencoded", "form");
    CHECK_STR(
        v.f.seen[0].body,
        "grant_type=client_credentials&client_id=id-1&scope=https%3A%2F%2Fcontoso.operations.dynamics.com%2F.default"
        "&client_secret=s%26%3D%2B%20%C3%A4",
        "lower case, one slash before .default");
    env_close(&v);
}

static void cache(void **state)
{
    static const struct {
        const char *expires;
        int64_t good_ms, renewed_ms; /* still the old one after good_ms, a new one after renewed_ms */
    } CASES[] = {
        { "3599", 3290000, 3300000 },    { "\"3599\"", 3290000, 3300000 }, { "100", 89000, 91000 },
        { "0", 260000, 280000 },         { "-5", 260000, 280000 },         { "\"x\"", 260000, 280000 },
        { "86399", 86090000, 86100000 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct env v;
        char text[200];
        const char *t = NULL;

        env_open(&v, NULL);
        snprintf(text, sizeof(text), "{\"expires_in\":%s,\"access_token\":\"a\"}", CASES[i].expires);
        answer = text;
        CHECK_OK(auth_token(v.a, false, &t, &v.e), &v.e);
        CHECK_OK(auth_token(v.a, false, &t, &v.e), &v.e);
        CHECK(v.f.n == 1, "case %zu", i);
        jump_ms += CASES[i].good_ms;
        CHECK_OK(auth_token(v.a, false, &t, &v.e), &v.e);
        CHECK(v.f.n == 1, "case %zu: renewed too early", i);
        jump_ms += CASES[i].renewed_ms - CASES[i].good_ms;
        CHECK_OK(auth_token(v.a, false, &t, &v.e), &v.e);
        CHECK(v.f.n == 2, "case %zu: not renewed", i);
        CHECK_OK(auth_token(v.a, true, &t, &v.e), &v.e);
        CHECK(v.f.n == 3, "case %zu: not on demand", i);
        env_close(&v);
    }
}

static void refusals(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum ec rc;
        const char *text, *hint;
    } CASES[] = {
        { 401,
          "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret provided.\"}",
          EC_AUTH, "AADSTS7000215", "not its id" },
        { 400, "{\"error\":\"x\",\"error_description\":\"AADSTS90002: Tenant 'x' not found.\"}", EC_AUTH,
          "AADSTS90002", "check tenant" },
        { 400, "{\"error\":\"x\",\"error_description\":\"AADSTS500011: The resource principal\"}", EC_AUTH,
          "AADSTS500011", "check url" },
        { 400, "<html>proxy</html>", EC_AUTH, "HTTP 400", "check tenant" },
        { 302, "", EC_AUTH, "HTTP 302", "check tenant" },
        { 200, "{\"token_type\":\"Bearer\"}", EC_AUTH, "without a token", "" },
        { 200, "{\"access_token\":\"\"}", EC_AUTH, "without a token", "" },
        { 200, "not json", EC_NET, "is not JSON", "" }, /* a proxy's page: says nothing about the secret */
        { 503, "", EC_BUSY, "HTTP 503", "" },
        { 429, "", EC_BUSY, "HTTP 429", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct env v;
        const char *t = "untouched";
        enum ec rc;

        env_open(&v, NULL);
        status = CASES[i].status;
        answer = CASES[i].body;
        rc = auth_token(v.a, false, &t, &v.e);
        CHECK(rc == CASES[i].rc, "case %zu: %d %s", i, rc, v.e.msg);
        CHECK(strstr(v.e.msg, CASES[i].text), "case %zu: %s", i, v.e.msg);
        CHECK(strstr(v.e.hint, CASES[i].hint), "case %zu: %s", i, v.e.hint);
        CHECK(!strstr(v.e.msg, "s&=+"), "the secret shows");
        assert_string_equal(t, "untouched");
        CHECK_OK(
            (status = 200, answer = "{\"access_token\":\"b\",\"expires_in\":99}", auth_token(v.a, false, &t, &v.e)),
            &v.e);
        env_close(&v);
    }
}

static void patience(void **state)
{
    struct env v;
    const char *t = NULL;
    int64_t before;

    (void)state;
    env_open(&v, NULL);
    times = 3;
    before = clock_mono_ms();
    CHECK_OK(auth_token(v.a, false, &t, &v.e), &v.e);
    assert_int_equal(v.f.n, 4);
    CHECK(clock_mono_ms() - before >= 6000, "Retry-After is obeyed");
    env_close(&v);
}

static void secrets(void **state)
{
    static const struct {
        const char *file, *command, *want; /* want NULL = EC_CONFIG */
    } CASES[] = {
        { "abc\n", NULL, "abc" }, { "a b\r\n\n", NULL, "a b" },       { "\n", NULL, NULL },
        { "", NULL, NULL },       { NULL, "echo hello", "hello" },    { NULL, "printf 'x\\n'", "x" },
        { NULL, "cat", NULL }, /* its standard input is empty, not ours */
        { NULL, "exit 3", NULL }, { NULL, "echo half; false", NULL }, { NULL, "/no/such/program 2>/dev/null", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct auth_config c = { .client_id = "id", .secret_command = CASES[i].command };
        struct strbuf out = STRBUF(16384);
        struct err e = { 0 };
        enum ec rc;

        if (CASES[i].file) {
            CHECK_OK(file_write_atomic("secret", CASES[i].file, strlen(CASES[i].file), 0600, &e), &e);
            c.secret_file = "secret";
        }
        rc = secret_read(&c, &out, &e);
        CHECK(rc == (CASES[i].want ? EC_OK : EC_CONFIG), "case %zu: %d %s", i, rc, e.msg);
        if (CASES[i].want)
            CHECK_STR(strbuf_str(&out), CASES[i].want, "case %zu", i);
        CHECK(!strstr(e.msg, "half"), "output of a command that failed shows");
        strbuf_release(&out);
    }
    struct strbuf out = STRBUF(16384);
    struct err e = { 0 };

    assert_int_equal(secret_read(&(struct auth_config){ .client_id = "id", .secret_file = "none" }, &out, &e),
                     EC_CONFIG);
    strbuf_release(&out);
}

static void write_certificate(const char *path, EVP_PKEY **ret_key, unsigned char thumb[32])
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *c = X509_new();
    FILE *f = fopen(path, "w");
    unsigned n = 32;

    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
    X509_gmtime_adj(X509_getm_notBefore(c), 0);
    X509_gmtime_adj(X509_getm_notAfter(c), 86400);
    X509_set_pubkey(c, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1,
                               0);
    X509_set_issuer_name(c, X509_get_subject_name(c));
    assert_true(X509_sign(c, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(PEM_write_X509(f, c), 1);
    fclose(f);
    X509_digest(c, EVP_sha256(), thumb, &n);
    X509_free(c);
    *ret_key = key;
}

static size_t unbase64url(const char *p, size_t n, unsigned char *out)
{
    uint32_t v = 0;
    size_t bits = 0, len = 0;

    for (size_t i = 0; i < n; i++) {
        static const char D[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        const char *d = strchr(D, p[i]);

        assert_non_null(d);
        v = v << 6 | (uint32_t)(d - D);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[len++] = (unsigned char)(v >> bits);
        }
    }
    out[len] = 0;
    return len;
}

static void assertion(void **state)
{
    struct env v;
    EVP_PKEY *key = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    unsigned char thumb[32], x5t[64], text[2000], sig[600];
    const char *t = NULL, *jwt, *dot1, *dot2, *hash;
    size_t n, n_sig;

    (void)state;
    write_certificate("cert.pem", &key, thumb);
    env_open(&v, &(struct auth_config){ .certificate_file = "cert.pem" });
    CHECK_OK(auth_token(v.a, false, &t, &v.e), &v.e);
    jwt = strstr(v.f.seen[0].body, "client_assertion=");
    assert_non_null(jwt);
    assert_non_null(strstr(v.f.seen[0].body,
                           "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A"
                           "jwt-bearer"));
    assert_null(strstr(v.f.seen[0].body, "client_secret"));
    jwt += strlen("client_assertion=");
    dot1 = strchr(jwt, '.');
    dot2 = strchr(dot1 + 1, '.');
    unbase64url(jwt, (size_t)(dot1 - jwt), text);
    assert_non_null(strstr((char *)text, "\"alg\":\"PS256\""));
    hash = strstr((char *)text, "\"x5t#S256\":\"") + 12;
    assert_int_equal(unbase64url(hash, strcspn(hash, "\""), x5t), 32);
    assert_memory_equal(x5t, thumb, 32);
    unbase64url(dot1 + 1, (size_t)(dot2 - dot1 - 1), text);
    assert_non_null(strstr((char *)text, "\"iss\":\"id-1\""));
    assert_non_null(strstr((char *)text, "/contoso.com/oauth2/v2.0/token\""));
    n_sig = unbase64url(dot2 + 1, strlen(dot2 + 1), sig);
    n = (size_t)(dot2 - jwt);
    assert_int_equal(EVP_DigestVerifyInit(ctx, &pctx, EVP_sha256(), NULL, key), 1);
    EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST);
    assert_int_equal(EVP_DigestVerify(ctx, sig, n_sig, (const unsigned char *)jwt, n), 1);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    env_close(&v);
    /* Files that are no certificate. */
    CHECK_OK(file_write_atomic("cert.pem", "nonsense", 8, 0600, &v.e), &v.e);
    env_open(&v, &(struct auth_config){ .certificate_file = "cert.pem" });
    assert_int_equal(auth_token(v.a, false, &t, &v.e), EC_CONFIG);
    assert_int_equal(v.f.n, 0);
    env_close(&v);
    env_open(&v, &(struct auth_config){ .certificate_file = "no.pem" });
    assert_int_equal(auth_token(v.a, false, &t, &v.e), EC_CONFIG);
    env_close(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request),  cmocka_unit_test(cache),   cmocka_unit_test(refusals),
        cmocka_unit_test(patience), cmocka_unit_test(secrets), cmocka_unit_test(assertion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
