/*
 * Uploads and downloads against Azurite, the storage vendor's own emulator. scripts/integration starts it twice, over http and
 * over https with a certificate of a private CA, and says where in the environment.
 */
#include "check.h"

#include "bad_proxy.h"
#include "signed_url.h"

#include "base/file.h"
#include "erp/erp_parts.h"
#include "erp/pkgapi.h"

#include <fcntl.h>
#include <sys/stat.h>

static const char SMALL[] = "small.zip", BIG[] = "big.zip";
enum { SMALL_OCTETS = 5 << 20 };
static const uint64_t BIG_OCTETS = 300ULL << 20;

struct side {
    struct storage at;
    struct http *h;
    struct erp *e;
    struct err err;
};

static const char *need(const char *name)
{
    const char *v = getenv(name);

    CHECK(v && *v, "%s is not set: run `make integration`", name);
    return v;
}

static void side_open(struct side *s, const char *url, const char *ca_file)
{
    struct auth_config u = { .tenant = "t", .client_id = "c", .secret = "never asked for" };
    struct erp_config c = { .users = &u, .n_users = 1, .retry_deadline_ms = 60000 };

    memset(s, 0, sizeof(*s));
    s->at = (struct storage){ url, need("AZURITE_ACCOUNT"), need("AZURITE_KEY") };
    u.authority = u.resource = c.url = url;
    CHECK_OK(http_new(&(struct http_config){ .ca_file = ca_file }, &s->h, &s->err), &s->err);
    CHECK_OK(erp_open(&c, s->h, &s->e, &s->err), &s->err);
}

static void side_close(struct side *s)
{
    erp_close(s->e);
    http_free(s->h);
}

/* Octets that do not repeat, "PK" in front; the same in each run. */
static void make_file(const char *path, uint64_t octets)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    uint64_t x = 88172645463325252ULL, buf[8192];
    struct err err;

    for (uint64_t at = 0; at < octets; at += sizeof(buf)) {
        for (size_t i = 0; i < COUNT(buf); i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            buf[i] = x;
        }
        if (!at)
            memcpy(buf, "PK\3\4", 4);
        CHECK_OK(file_write_all(fd, buf, octets - at < sizeof(buf) ? (size_t)(octets - at) : sizeof(buf), path, &err),
                 &err);
    }
    close(fd);
}

static void same_files(const char *a, const char *b)
{
    int fa = open(a, O_RDONLY), fb = open(b, O_RDONLY);
    static char pa[1 << 20], pb[1 << 20];
    ssize_t na, nb;

    CHECK(fa >= 0 && fb >= 0, "open %s, %s", a, b);
    do {
        na = read(fa, pa, sizeof(pa));
        nb = read(fb, pb, sizeof(pb));
        CHECK(na == nb && !memcmp(pa, pb, (size_t)na), "%s and %s differ", a, b);
    } while (na > 0);
    close(fa);
    close(fb);
}

static enum ec put(struct side *s, const char *name, const char *sp, int64_t minutes, const char *file)
{
    struct erp_place p = { .url = blob_url(&s->at, name, sp, minutes) };
    enum ec rc = erp_blob_put(s->e, &p, file, &s->err);

    free(p.url);
    return rc;
}

static void fetch_and_compare(struct side *s, const char *name, const char *file)
{
    char *url = blob_url(&s->at, name, "r", 30);

    CHECK_OK(erp_blob_get(s->e, url, "PK", "back.zip", &s->err), &s->err);
    same_files("back.zip", file);
    unlink("back.zip");
    free(url);
}

static bool there(struct side *s, const char *name)
{
    char *url = blob_url(&s->at, name, "r", 30);
    struct err err = { 0 };
    enum ec rc = erp_blob_get(s->e, url, NULL, "there", &err);

    free(url);
    unlink("there");
    CHECK(!rc || err.http_status == 404, "%s", err.msg);
    return !rc;
}

static void make_container(struct side *s)
{
    char *url = container_url(&s->at);
    struct http_response r;

    http_response_init(&r);
    CHECK_OK(http_do(s->h, &(struct http_request){ .method = "PUT", .url = url, .what = "container" }, &r, &s->err),
             &s->err);
    CHECK(r.status == 201 || r.status == 409, "container: status %d %s", r.status, strbuf_str(&r.body));
    http_response_release(&r);
    free(url);
}

static void round_trips(struct side *s)
{
    make_container(s);
    CHECK_OK(put(s, "one.zip", "rw", 30, SMALL), &s->err);
    fetch_and_compare(s, "one.zip", SMALL);
    /* the same place again, as after a lost answer */
    CHECK_OK(put(s, "one.zip", "rw", 30, SMALL), &s->err);
    fetch_and_compare(s, "one.zip", SMALL);
    CHECK_OK(put(s, "big.zip", "rw", 30, BIG), &s->err);
    fetch_and_compare(s, "big.zip", BIG);
}

static void over_http(void **state)
{
    struct side s;

    (void)state;
    side_open(&s, need("AZURITE_HTTP"), NULL);
    round_trips(&s);
    side_close(&s);
}

static void over_https(void **state)
{
    struct side s;

    (void)state;
    side_open(&s, need("AZURITE_HTTPS"), need("AZURITE_CA"));
    round_trips(&s);
    side_close(&s);
}

/* A certificate that nobody we know has issued: not one octet is sent, and the message says what to set. */
static void unknown_issuer(void **state)
{
    struct side s;

    (void)state;
    side_open(&s, need("AZURITE_HTTPS"), NULL);
    assert_int_equal(put(&s, "one.zip", "rw", 30, SMALL), EC_NET);
    CHECK(strstr(s.err.hint, "ca_file") != NULL, "%s: %s", s.err.msg, s.err.hint);
    CHECK(!strstr(s.err.msg, "sig="), "%s", s.err.msg);
    side_close(&s);
}

static void signatures(void **state)
{
    static const struct {
        const char *file, *name;
    } SIZES[] = { { SMALL, "late.zip" }, { BIG, "late-big.zip" } };
    struct side s;

    (void)state;
    side_open(&s, need("AZURITE_HTTP"), NULL);
    for (size_t i = 0; i < COUNT(SIZES); i++) {
        struct erp_place p;

        /* expired: the caller asks for a new place */
        assert_int_equal(put(&s, SIZES[i].name, "rw", -1, SIZES[i].file), EC_STATE);
        assert_int_equal(s.err.http_status, 403);
        CHECK(!strstr(s.err.msg, "sig="), "%s", s.err.msg);
        /* may only read: a new place would not be better */
        assert_int_equal(put(&s, SIZES[i].name, "r", 30, SIZES[i].file), EC_FNO);
        CHECK(strstr(s.err.hint, "no right to write") != NULL, "%s: %s", s.err.msg, s.err.hint);
        /* tampered with */
        p = (struct erp_place){ .url = blob_url(&s.at, "other.zip", "rw", 30) };
        memcpy(strstr(p.url, "other.zip"), "again.zip", 9);
        assert_int_equal(erp_blob_put(s.e, &p, SIZES[i].file, &s.err), EC_STATE);
        free(p.url);
        CHECK(!there(&s, SIZES[i].name) && !there(&s, "again.zip"), "%s: something was stored", SIZES[i].name);
    }
    side_close(&s);
}

/* The service refuses octets that do not have the MD5 they should. */
static void wrong_md5(void **state)
{
    struct http_header h[] = { { "x-ms-version", "2019-12-12" },
                               { "x-ms-blob-type", "BlockBlob" },
                               { "Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==" } };
    struct http_response r;
    struct side s;
    char code[40], *url;
    struct arena a = { 0 };

    (void)state;
    side_open(&s, need("AZURITE_HTTP"), NULL);
    url = blob_url(&s.at, "wrong.zip", "rw", 30);
    http_response_init(&r);
    CHECK_OK(http_do(s.h,
                     &(struct http_request){
                         .method = "PUT", .url = url, .headers = h, .n_headers = 3, .body = "PK", .body_len = 2 },
                     &r, &s.err),
             &s.err);
    assert_int_equal(r.status, 400);
    CHECK(strstr(service_error_text(&r, &a, code), "MD5") != NULL, "%s", strbuf_str(&r.body));
    http_response_release(&r);
    arena_release(&a);
    free(url);
    side_close(&s);
}

/* The same on its way through something that changes an octet: sent again, and right in the end. */
static void damaged_on_the_way(void **state)
{
    static const struct {
        const char *file, *name;
        uint64_t every;
        int times;
        enum ec want;
    } CASES[] = { { SMALL, "hurt.zip", 2000000, 1, EC_OK },
                  { BIG, "hurt-big.zip", 5000000, 2, EC_OK },
                  { SMALL, "lost.zip", 2000000, 1000, EC_FNO } };
    struct bad_proxy proxy;
    struct side direct;
    const char *http = need("AZURITE_HTTP"), *port = strrchr(http, ':');

    (void)state;
    side_open(&direct, http, NULL);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct side s;
        char url[100];

        bad_proxy_start(&proxy, atoi(port + 1));
        proxy.every = CASES[i].every;
        atomic_store(&proxy.left, CASES[i].times);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/%s", proxy.port, need("AZURITE_ACCOUNT"));
        side_open(&s, url, NULL);
        assert_int_equal(put(&s, CASES[i].name, "rw", 30, CASES[i].file), CASES[i].want);
        CHECK(atomic_load(&proxy.damaged) > 0, "%s: nothing was damaged", CASES[i].name);
        if (CASES[i].want)
            CHECK(strstr(s.err.msg, "arrived damaged") != NULL, "%s", s.err.msg);
        else
            fetch_and_compare(&direct, CASES[i].name, CASES[i].file);
        side_close(&s);
        bad_proxy_stop(&proxy);
    }
    CHECK(!there(&direct, "lost.zip"), "damaged octets were stored");
    side_close(&direct);
}

static int files(void **state)
{
    (void)state;
    make_file(SMALL, SMALL_OCTETS + 7);
    make_file(BIG, BIG_OCTETS + 11);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_http),  cmocka_unit_test(over_https), cmocka_unit_test(unknown_issuer),
        cmocka_unit_test(signatures), cmocka_unit_test(wrong_md5),  cmocka_unit_test(damaged_on_the_way),
    };

    return cmocka_run_group_tests(tests, files, NULL);
}
