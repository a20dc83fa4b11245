/* http.h against a server of the test's own. */
#include "check.h"

#include "net/http.h"
#include "net_fake.h"

#include "base/file.h"

static struct http *client(int64_t connect_ms)
{
    struct http *h = NULL;
    struct err e = { 0 };

    CHECK_OK(http_new(&(struct http_config){ .connect_timeout_ms = connect_ms }, &h, &e), &e);
    return h;
}

/* Answers by the target's name. */
static void answers(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    (void)f;
    if (!strncmp(q->target, "/echo", 5)) {
        strbuf_add(&a->body, q->body, q->body_len);
        strbuf_adds(&a->head, "X-Thing:  some value \r\nx-MS-dop-hint: 7\r\n");
    } else if (!strcmp(q->target, "/error")) {
        fake_text(a, 400, "{\"error\":{\"message\":\"no\"}}");
    } else if (!strcmp(q->target, "/huge-error")) {
        a->status = 500;
        for (int i = 0; i < 300000; i++)
            strbuf_adds(&a->body, "12345678");
    } else if (!strcmp(q->target, "/big")) {
        for (int i = 0; i < 100000; i++)
            strbuf_adds(&a->body, "0123456789");
    } else if (!strcmp(q->target, "/cut")) {
        strbuf_adds(&a->body, "0123456789");
        a->cut_at = 4;
    } else if (!strcmp(q->target, "/drop")) {
        a->drop = true;
    } else if (!strcmp(q->target, "/redirect")) {
        fake_text(a, 302, "");
        strbuf_adds(&a->head, "Location: http://127.0.0.1:1/stolen\r\n");
    } else if (!strcmp(q->target, "/empty")) {
        a->status = 204;
    } else if (!strcmp(q->target, "/slow")) {
        a->delay_ms = 700;
    } else if (!strcmp(q->target, "/cookie")) {
        strbuf_adds(&a->head, "Set-Cookie: ARRAffinity=one\r\n");
    } else if (!strncmp(q->target, "/wait/", 6)) {
        static const char *const HEADS[] = { "",
                                             "Retry-After: 17\r\n",
                                             "retry-after: 0\r\n",
                                             "Retry-After: Tue, 06 Jan 2099 09:00:30 GMT\r\n",
                                             "Retry-After: soon\r\n",
                                             "x-ms-retry-after-ms: 1500\r\n",
                                             "x-ms-retry-after-ms: 1500\r\nRetry-After: 2\r\n",
                                             "Retry-After: -5\r\n",
                                             "Retry-After: Tue, 06 Jan 2009 09:00:30 GMT\r\n",
                                             "Retry-After: 1e99\r\n" };

        fake_text(a, 429, "");
        strbuf_adds(&a->head, HEADS[atoi(q->target + 6)]);
        strbuf_adds(&a->head, "Date: Mon, 05 Jan 2026 09:00:00 GMT\r\n");
    } else if (!strcmp(q->target, "/many-headers")) {
        for (int i = 0; i < 20000; i++)
            strbuf_addf(&a->head, "X-%d: 0123456789\r\n", i);
    }
}

static enum ec get(struct http *h, struct fake_http *f, const char *target, struct http_request *q,
                   struct http_response *r, struct err *e)
{
    char url[200];

    snprintf(url, sizeof(url), "%s%s", f->url, target);
    q->url = url;
    if (!q->method)
        q->method = "GET";
    q->what = "test call";
    return http_do(h, q, r, e);
}

static void bodies(void **state)
{
    struct fake_http f;
    struct http_response r;
    struct err e = { 0 };
    struct http *h = client(0);
    struct arena a = { 0 };
    struct http_header head[] = { { "Content-Type", "application/json" }, { "X-Extra", "1" } };

    (void)state;
    fake_start(&f, answers);
    http_response_init(&r);
    CHECK_OK(get(h, &f, "/echo", &(struct http_request){ 0 }, &r, &e), &e);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, 0);
    assert_string_equal(http_header_get(&r, "x-thing", &a), "some value");
    assert_string_equal(http_header_get(&r, "X-MS-DOP-HINT", &a), "7");
    assert_null(http_header_get(&r, "X-Thin", &a));
    for (int i = 0; i < 3; i++) {
        static const char *const METHODS[] = { "POST", "PATCH", "PUT" };
        struct http_request q = {
            .method = METHODS[i], .body = "{\"a\":1}", .body_len = 7, .headers = head, .n_headers = 2
        };

        CHECK_OK(get(h, &f, "/echo", &q, &r, &e), &e);
        CHECK_STR(strbuf_str(&r.body), "{\"a\":1}", "%s", METHODS[i]);
        CHECK_STR(f.seen[f.n_seen - 1].method, METHODS[i], "method");
        CHECK_STR(fake_header(&f.seen[f.n_seen - 1], "Content-Type"), "application/json", "%s", METHODS[i]);
        CHECK_STR(fake_header(&f.seen[f.n_seen - 1], "X-Extra"), "1", "%s", METHODS[i]);
        CHECK_STR(fake_header(&f.seen[f.n_seen - 1], "Expect"), "", "%s", METHODS[i]);
    }
    CHECK_OK(get(h, &f, "/echo", &(struct http_request){ .method = "POST" }, &r, &e), &e);
    CHECK_STR(fake_header(&f.seen[f.n_seen - 1], "Content-Length"), "0", "a POST without a body has a length");
    CHECK_STR(fake_header(&f.seen[f.n_seen - 1], "Content-Type"), "", "no content type of libcurl's own");
    CHECK_OK(get(h, &f, "/empty", &(struct http_request){ .method = "DELETE" }, &r, &e), &e);
    assert_int_equal(r.status, 204);
    assert_string_equal(f.seen[f.n_seen - 1].method, "DELETE");
    assert_int_equal(f.l.connections, 1); /* kept alive through all of it */
    CHECK_OK(get(h, &f, "/cookie", &(struct http_request){ 0 }, &r, &e), &e);
    CHECK_OK(get(h, &f, "/echo", &(struct http_request){ 0 }, &r, &e), &e);
    CHECK_STR(fake_header(&f.seen[f.n_seen - 1], "Cookie"), "", "cookies are not kept");
    CHECK_OK(get(h, &f, "/redirect", &(struct http_request){ 0 }, &r, &e), &e);
    assert_int_equal(r.status, 302);
    http_response_release(&r);
    arena_release(&a);
    http_free(h);
    fake_stop(&f);
}

static void file_ranges(void **state)
{
    static const struct {
        uint64_t from, n;
        const char *want;
    } CASES[] = { { 0, 10, "0123456789" }, { 3, 4, "3456" }, { 9, 1, "9" }, { 0, 0, "" } };
    struct fake_http f;
    struct http_response r;
    struct err e = { 0 };
    struct http *h = client(0);

    (void)state;
    fake_start(&f, answers);
    http_response_init(&r);
    CHECK_OK(file_write_atomic("in", "0123456789", 10, 0600, &e), &e);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct http_request q = {
            .method = "PUT", .file = "in", .file_offset = CASES[i].from, .body_len = CASES[i].n
        };

        CHECK_OK(get(h, &f, "/echo", &q, &r, &e), &e);
        CHECK_STR(strbuf_str(&r.body), CASES[i].want, "case %zu", i);
    }
    assert_int_equal(
        get(h, &f, "/echo", &(struct http_request){ .method = "PUT", .file = "none", .body_len = 1 }, &r, &e), EC_IO);
    /* A file that is shorter than said, because somebody cut it meanwhile. */
    assert_int_equal(
        get(h, &f, "/echo", &(struct http_request){ .method = "PUT", .file = "in", .body_len = 11 }, &r, &e), EC_IO);
    http_response_release(&r);
    http_free(h);
    fake_stop(&f);
}

static enum ec count_octets(void *arg, const char *p, size_t n, struct err *reterr)
{
    size_t *sum = arg;

    (void)p;
    *sum += n;
    return *sum > 500000 ? err_set(reterr, EC_DISK, "enough") : EC_OK;
}

static void destinations(void **state)
{
    struct fake_http f;
    struct http_response r;
    struct err e = { 0 };
    struct http *h = client(0);
    size_t sum = 0;

    (void)state;
    fake_start(&f, answers);
    http_response_init(&r);
    CHECK_OK(get(h, &f, "/big", &(struct http_request){ 0 }, &r, &e), &e);
    assert_int_equal(r.body.len, 1000000);
    assert_int_equal(r.got_octets, 1000000);
    assert_int_equal(get(h, &f, "/big", &(struct http_request){ .max_answer = 999999 }, &r, &e), EC_LIMIT);
    CHECK_OK(get(h, &f, "/big", &(struct http_request){ .max_answer = 1000000 }, &r, &e), &e);
    assert_int_equal(get(h, &f, "/big", &(struct http_request){ .sink = count_octets, .sink_arg = &sum }, &r, &e),
                     EC_DISK);
    assert_string_equal(e.msg, "enough");
    CHECK_OK(get(h, &f, "/big", &(struct http_request){ .download = "got" }, &r, &e), &e);
    assert_int_equal(file_size("got"), 1000000);
    CHECK_OK(get(h, &f, "/echo", &(struct http_request){ .download = "got" }, &r, &e), &e);
    assert_int_equal(file_size("got"), 0); /* an empty answer is a file too */
    remove("got");
    CHECK_OK(get(h, &f, "/error", &(struct http_request){ .download = "got" }, &r, &e), &e);
    assert_int_equal(r.status, 400);
    CHECK(strstr(strbuf_str(&r.body), "\"no\""), "an error's text goes to memory");
    CHECK(!file_exists("got"), "an error is not a download");
    CHECK_OK(get(h, &f, "/huge-error", &(struct http_request){ 0 }, &r, &e), &e);
    assert_int_equal(r.status, 500);
    assert_int_equal(r.body.len, 1 << 20);
    assert_int_equal(get(h, &f, "/big", &(struct http_request){ .download = "no/such/folder" }, &r, &e), EC_IO);
    assert_int_equal(get(h, &f, "/many-headers", &(struct http_request){ 0 }, &r, &e), EC_LIMIT);
    http_response_release(&r);
    http_free(h);
    fake_stop(&f);
}

static void failures(void **state)
{
    struct fake_http f;
    struct http_response r;
    struct err e = { 0 };
    struct http *h = client(2000);
    static const struct http_header EVIL[] = { { "If-Match", "W/\"1\"\r\nAuthorization: Bearer stolen" } };

    (void)state;
    fake_start(&f, answers);
    http_response_init(&r);
    assert_int_equal(get(h, &f, "/cut", &(struct http_request){ 0 }, &r, &e), EC_NET);
    assert_true(e.transient);
    assert_true(r.request_sent);
    assert_int_equal(r.status, 0);
    assert_int_equal(
        get(h, &f, "/drop", &(struct http_request){ .method = "POST", .body = "x", .body_len = 1 }, &r, &e), EC_NET);
    assert_true(r.request_sent);
    assert_int_equal(get(h, &f, "/slow", &(struct http_request){ .timeout_ms = 200 }, &r, &e), EC_NET);
    assert_true(e.transient);
    assert_true(r.request_sent);
    e = (struct err){ 0 };
    assert_int_equal(
        http_do(h, &(struct http_request){ .method = "GET", .url = "http://127.0.0.1:1/", .what = "x" }, &r, &e),
        EC_NET);
    assert_false(r.request_sent);
    assert_true(e.transient);
    assert_true(e.hint[0]);
    assert_int_equal(
        http_do(h,
                &(struct http_request){ .method = "GET", .url = "https://no-such-host.invalid/?sig=1", .what = "x" },
                &r, &e),
        EC_NET);
    assert_false(r.request_sent);
    CHECK(!strstr(e.msg, "sig="), "%s", e.msg);
    assert_int_equal(
        http_do(h, &(struct http_request){ .method = "GET", .url = "http://example.com/", .what = "x" }, &r, &e),
        EC_CONFIG);
    assert_int_equal(
        http_do(h, &(struct http_request){ .method = "GET", .url = "file:///etc/passwd", .what = "x" }, &r, &e),
        EC_CONFIG);
    f.n = (int)f.n_seen;
    assert_int_equal(get(h, &f, "/echo", &(struct http_request){ .headers = EVIL, .n_headers = 1 }, &r, &e),
                     EC_FORMAT);
    assert_int_equal(f.n_seen, f.n);
    assert_int_equal(http_in_flight(h), 0);
    CHECK_OK(get(h, &f, "/echo", &(struct http_request){ 0 }, &r, &e), &e); /* and still usable */
    http_response_release(&r);
    http_free(h);
    fake_stop(&f);
}

static void hints(void **state)
{
    static const int64_t WANT[] = { -1, 17000, 0, 1, -1, 1500, 2000, -1, 0, -1 }; /* 1 = a date far ahead */
    struct fake_http f;
    struct http_response r;
    struct err e = { 0 };
    struct http *h = client(0);
    int64_t date;

    (void)state;
    fake_start(&f, answers);
    http_response_init(&r);
    assert_true(clock_parse_http("Mon, 05 Jan 2026 09:00:00 GMT", &date));
    for (size_t i = 0; i < COUNT(WANT); i++) {
        char target[20];

        snprintf(target, sizeof(target), "/wait/%zu", i);
        CHECK_OK(get(h, &f, target, &(struct http_request){ 0 }, &r, &e), &e);
        CHECK(r.status == 429, "case %zu", i);
        CHECK(r.server_date_ms == date, "case %zu", i);
        CHECK(WANT[i] == 1 ? r.retry_after_ms > 1000000 : r.retry_after_ms == WANT[i], "case %zu: %lld", i,
              (long long)r.retry_after_ms);
    }
    http_response_release(&r);
    http_free(h);
    fake_stop(&f);
}

static void note_done(void *arg, enum ec rc, struct err *err)
{
    int *n = arg;

    (void)err;
    *n += rc ? 100 : 1;
}

static void side_by_side(void **state)
{
    enum { N = 6 };
    struct fake_http f;
    struct http_response r[N];
    struct http_request q = { .method = "GET", .what = "slow" };
    struct err e = { 0 };
    struct http *h = client(0);
    char url[100];
    int over = 0;
    int64_t t = clock_mono_ms();

    (void)state;
    fake_start(&f, answers);
    snprintf(url, sizeof(url), "%s/slow", f.url);
    q.url = url;
    for (int i = 0; i < N; i++) {
        http_response_init(&r[i]);
        CHECK_OK(http_start(h, &q, &r[i], note_done, &over, &e), &e);
    }
    assert_int_equal(http_in_flight(h), N);
    while (http_in_flight(h))
        CHECK_OK(http_pump(h, 100, &e), &e);
    assert_int_equal(over, N);
    CHECK(clock_mono_ms() - t < 2500, "took %lld ms", (long long)(clock_mono_ms() - t));
    over = 0;
    CHECK_OK(http_start(h, &q, &r[0], note_done, &over, &e), &e);
    CHECK_OK(http_pump(h, 50, &e), &e);
    http_cancel_all(h);
    assert_int_equal(over, 100);
    assert_int_equal(http_in_flight(h), 0);
    for (int i = 0; i < N; i++)
        http_response_release(&r[i]);
    http_free(h);
    fake_stop(&f);
}

static void urls(void **state)
{
    static const struct {
        const char *url, *origin;
        bool allowed;
    } CASES[] = {
        { "https://Contoso.Operations.Dynamics.com/data/x?y#z", "https://contoso.operations.dynamics.com:443", true },
        { "https://contoso.com:443", "https://contoso.com:443", true },
        { "https://contoso.com:8443/", "https://contoso.com:8443", true },
        { "https://contoso.com@evil.example/", "https://evil.example:443", true },
        { "http://contoso.com/", "http://contoso.com:80", false },
        { "http://127.0.0.1:10000/devstoreaccount1/x", "http://127.0.0.1:10000", true },
        { "http://127.9.8.7/", "http://127.9.8.7:80", true },
        { "http://127.evil.example/", "http://127.evil.example:80", false },
        { "http://localhost:80/", "http://localhost:80", true },
        { "http://localhost.evil.example/", "http://localhost.evil.example:80", false },
        { "http://[::1]:8080/x", "http://[::1]:8080", true },
        { "ftp://127.0.0.1/", "", false },
        { "file:///etc/passwd", "", false },
        { "/data/x", "", false },
        { "", "", false },
    };
    struct arena a = { 0 };
    char origin[300];

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        url_origin(CASES[i].url, origin);
        CHECK_STR(origin, CASES[i].origin, "%s", CASES[i].url);
        CHECK(url_allowed(CASES[i].url) == CASES[i].allowed, "%s", CASES[i].url);
    }
    assert_string_equal(url_shown("https://x/y?sv=1&sig=abc", &a), "https://x/y");
    assert_string_equal(url_shown("https://x/y", &a), "https://x/y");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies),   cmocka_unit_test(file_ranges), cmocka_unit_test(destinations),
        cmocka_unit_test(failures), cmocka_unit_test(hints),       cmocka_unit_test(side_by_side),
        cmocka_unit_test(urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
