/* Calls as an application user: token, pace, retries, errors. Waits are jumped over. */
#include "check.h"

#include "net/session.h"
#include "net_fake.h"

#include "base/file.h"

struct env {
    struct fake_http f;
    struct http *h;
    struct session *s;
    struct http_response r;
    struct err e;
};

static const struct http_header ALWAYS[] = { { "OData-Version", "4.0" } };

static void env_open(struct env *v, fake_handle *handle, size_t users, int64_t deadline_ms)
{
    struct auth_config u[3] = { { 0 } };
    struct session_config c = { .name = "F&O",
                                .service_error = EC_FNO,
                                .governor = GOVERNOR_FNO,
                                .users = u,
                                .n_users = users,
                                .headers = ALWAYS,
                                .n_headers = 1,
                                .retry_deadline_ms = deadline_ms,
                                .pause_file = "pause" };

    memset(v, 0, sizeof(*v));
    fake_start(&v->f, handle);
    c.base_url = v->f.url;
    for (size_t i = 0; i < users; i++)
        u[i] = (struct auth_config){
            .authority = v->f.url, .tenant = "t", .client_id = "c", .secret = "s", .resource = v->f.url
        };
    jump_clock();
    http_response_init(&v->r);
    CHECK_OK(http_new(&(struct http_config){ 0 }, &v->h, &v->e), &v->e);
    CHECK_OK(session_new(&c, v->h, &v->s, &v->e), &v->e);
}

static void env_close(struct env *v)
{
    session_free(v->s);
    http_free(v->h);
    http_response_release(&v->r);
    fake_stop(&v->f);
    clock_replace(NULL);
    stop_request(0);
}

static enum ec call(struct env *v, const char *method, const char *url, enum call_repeat repeat)
{
    struct call c = { .http = { .method = method, .url = url, .what = "TestCall" }, .repeat = repeat, .user = -1 };

    memset(&v->e, 0, sizeof(v->e));
    return session_do(v->s, &c, &v->r, &v->e);
}

/* ---- what a call looks like ---- */

static void fine(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    (void)f;
    (void)q;
    fake_text(a, 200, "{}");
}

static void token_and_headers(void **state)
{
    struct env v;
    char url[200];

    (void)state;
    env_open(&v, fine, 1, 0);
    CHECK_OK(call(&v, "GET", "/data/x", CALL_REPEATABLE), &v.e);
    CHECK_STR(v.f.seen[0].target, "/data/x", "relative to the base");
    CHECK_STR(fake_header(&v.f.seen[0], "Authorization"), "Bearer t1", "token");
    CHECK_STR(fake_header(&v.f.seen[0], "OData-Version"), "4.0", "header of every call");
    snprintf(url, sizeof(url), "%s/data/y?$skiptoken=1", v.f.url);
    CHECK_OK(call(&v, "GET", url, CALL_REPEATABLE), &v.e);
    CHECK_STR(v.f.seen[1].target, "/data/y?$skiptoken=1", "absolute, same origin");
    assert_int_equal(v.f.tokens, 1);
    env_close(&v);
}

static void token_stays_home(void **state)
{
    struct env v;
    struct fake_http other;
    char url[200];

    (void)state;
    env_open(&v, fine, 1, 0);
    fake_start(&other, fine);
    snprintf(url, sizeof(url), "%s/data/x", other.url);
    assert_int_equal(call(&v, "GET", url, CALL_REPEATABLE), EC_FORMAT);
    assert_int_equal(call(&v, "GET", "data/x", CALL_REPEATABLE), EC_FORMAT);
    assert_int_equal(call(&v, "GET", "", CALL_REPEATABLE), EC_FORMAT);
    assert_int_equal(call(&v, "GET", "http://user@127.0.0.1:1/", CALL_REPEATABLE), EC_FORMAT);
    CHECK_OK(call(&v, "GET", "//evil.example/x", CALL_REPEATABLE), &v.e); /* a path of ours, not a host */
    assert_int_equal(v.f.n_seen, 1);
    assert_int_equal(other.n_seen, 0);
    struct call c = { .http = { .method = "GET", .url = url, .what = "x" }, .anonymous = true, .user = -1 };

    CHECK_OK(session_do(v.s, &c, &v.r, &v.e), &v.e);
    assert_int_equal(other.n_seen, 1);
    CHECK_STR(fake_header(&other.seen[0], "Authorization"), "", "no token on an anonymous call");
    CHECK_STR(fake_header(&other.seen[0], "OData-Version"), "", "none of the service's headers either");
    env_close(&v);
    fake_stop(&other);
}

/* ---- answers that come in order; the last one again and again ---- */

struct step {
    int status;
    const char *head, *body;
    bool drop;
};
static const struct step *steps;
static size_t n_steps;

static void in_order(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    const struct step *s = &steps[(size_t)f->n < n_steps ? (size_t)f->n : n_steps - 1];

    (void)q;
    f->n++;
    fake_text(a, s->status, s->body ? s->body : "");
    strbuf_adds(&a->head, s->head ? s->head : "");
    a->drop = s->drop;
}
#define STEPS(...)                                   \
    static const struct step S_[] = { __VA_ARGS__ }; \
    steps = S_;                                      \
    n_steps = COUNT(S_)

static void renewal(void **state)
{
    struct env v;

    (void)state;
    STEPS({ .status = 401 }, { .status = 200 }, { .status = 401 }, { .status = 401 });
    env_open(&v, in_order, 1, 0);
    CHECK_OK(call(&v, "POST", "/a", CALL_ONCE), &v.e); /* refused before any work: once is still once */
    assert_int_equal(v.f.tokens, 2);
    CHECK_STR(fake_header(&v.f.seen[1], "Authorization"), "Bearer t2", "the new token");
    assert_int_equal(call(&v, "GET", "/b", CALL_REPEATABLE), EC_AUTH);
    assert_int_equal(v.f.tokens, 3);
    assert_int_equal(v.f.n_seen, 4);
    assert_int_equal(v.e.http_status, 401);
    assert_true(v.e.hint[0]);
    env_close(&v);
}

static void forbidden(void **state)
{
    struct env v;
    struct call c = { .http = { .method = "GET", .url = "/x", .what = "x" }, .statuses_are_mine = true, .user = -1 };

    (void)state;
    STEPS({ .status = 403, .body = "{\"error\":{\"message\":\"no role\"}}" });
    env_open(&v, in_order, 1, 0);
    assert_int_equal(call(&v, "GET", "/x", CALL_REPEATABLE), EC_AUTH);
    assert_int_equal(v.f.n_seen, 1);
    assert_int_equal(v.e.http_status, 403);
    CHECK(strstr(v.e.msg, "no role"), "%s", v.e.msg);
    CHECK_OK(session_do(v.s, &c, &v.r, &v.e), &v.e);
    assert_int_equal(v.r.status, 403);
    env_close(&v);
}

static void throttled(void **state)
{
    struct env v;
    struct session_stats st;
    int64_t t;

    (void)state;
    STEPS({ .status = 429, .head = "Retry-After: 600\r\n" }, { .status = 429, .head = "Retry-After: 600\r\n" },
          { .status = 503 }, { .status = 429, .head = "Retry-After: 1000\r\n" }, { .status = 200 });
    env_open(&v, in_order, 1, 20000);
    t = clock_mono_ms();
    CHECK_OK(call(&v, "GET", "/x", CALL_REPEATABLE),
             &v.e); /* waits far beyond the deadline: throttling is no failure */
    CHECK(clock_mono_ms() - t >= 2200000, "waited %lld ms only", (long long)(clock_mono_ms() - t));
    CHECK(clock_mono_ms() - t < 2230000, "waited %lld ms", (long long)(clock_mono_ms() - t));
    assert_int_equal(v.f.n_seen, 5);
    session_stats(v.s, &st);
    assert_int_equal(st.throttled, 3);
    assert_int_equal(st.retries, 4);
    v.f.n = 0;
    assert_int_equal(call(&v, "POST", "/x", CALL_ONCE), EC_BUSY); /* 429 twice is waited out; then a 503, once */
    assert_int_equal(v.f.n_seen, 8);
    assert_int_equal(v.e.http_status, 503);
    assert_false(v.e.transient);
    env_close(&v);
}

static void faults(void **state)
{
    static const struct {
        struct step s;
        enum call_repeat repeat;
        size_t calls; /* 0 = until the deadline */
        enum ec rc;
    } CASES[] = {
        { { .status = 500, .body = "" }, CALL_REPEATABLE, 4, EC_FNO },
        { { .status = 500, .body = "" }, CALL_ONCE, 1, EC_FNO },
        { { .status = 500, .body = "{\"error\":{\"code\":\"0x80040265\",\"message\":\"plug-in\"}}" },
          CALL_REPEATABLE,
          1,
          EC_FNO },
        { { .status = 500, .body = "{\"error\":{\"code\":\"0x80044150\",\"message\":\"sql\"}}" },
          CALL_REPEATABLE,
          4,
          EC_FNO },
        { { .status = 502, .body = "" }, CALL_REPEATABLE, 0, EC_BUSY },
        { { .status = 503, .body = "" }, CALL_ONCE, 1, EC_BUSY },
        { { .status = 504, .body = "" }, CALL_REPEATABLE, 0, EC_BUSY },
        { { .status = 408, .body = "" }, CALL_REPEATABLE, 0, EC_BUSY },
        { { .status = 400, .body = "" }, CALL_REPEATABLE, 1, EC_FNO },
        { { .status = 404, .body = "" }, CALL_REPEATABLE, 1, EC_FNO },
        { { .status = 412, .body = "" }, CALL_REPEATABLE, 1, EC_FNO },
        { { .status = 302, .head = "Location: /elsewhere\r\n" }, CALL_REPEATABLE, 1, EC_FNO },
        { { .status = 501, .body = "" }, CALL_ONCE, 1, EC_FNO },
        { { .status = 200, .body = "", .drop = true }, CALL_ONCE, 1, EC_NET },
        { { .status = 200, .body = "", .drop = true }, CALL_REPEATABLE, 0, EC_NET },
    };
    struct step fine_then[2] = { { .status = 200 } };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct env v;
        int64_t t;
        enum ec rc;

        fine_then[1] = CASES[i].s;
        steps = fine_then;
        n_steps = 2;
        env_open(&v, in_order, 1, 60000);
        CHECK_OK(call(&v, "GET", "/reached", CALL_REPEATABLE), &v.e);
        t = clock_mono_ms();
        rc = call(&v, "GET", "/x", CASES[i].repeat);
        t = clock_mono_ms() - t;
        CHECK(rc == CASES[i].rc, "case %zu: %d %s", i, rc, v.e.msg);
        if (CASES[i].calls)
            CHECK(v.f.n_seen - 1 == CASES[i].calls, "case %zu: %zu calls", i, v.f.n_seen - 1);
        else
            CHECK(v.f.n_seen > 6 && v.f.n_seen < 20 && t >= 60000 && t < 120000, "case %zu: %zu calls in %lld ms", i,
                  v.f.n_seen, (long long)t);
        if (CASES[i].s.drop && CASES[i].repeat == CALL_ONCE)
            CHECK(!v.e.transient && v.r.request_sent, "case %zu: the caller has to look", i);
        else if (!CASES[i].s.drop)
            CHECK(v.e.http_status == CASES[i].s.status, "case %zu: %d", i, v.e.http_status);
        env_close(&v);
    }
}

/* An address that never answered is reported soon, not after the whole deadline. */
static void unreachable(void **state)
{
    struct auth_config u = { .authority = "http://127.0.0.1:1",
                             .tenant = "t",
                             .client_id = "c",
                             .secret = "s",
                             .resource = "http://127.0.0.1:1" };
    struct session_config c = { .name = "F&O",
                                .base_url = "http://127.0.0.1:1",
                                .service_error = EC_FNO,
                                .governor = GOVERNOR_FNO,
                                .users = &u,
                                .n_users = 1 };
    struct env v = { 0 };
    int64_t t;

    (void)state;
    jump_clock();
    http_response_init(&v.r);
    CHECK_OK(http_new(&(struct http_config){ 0 }, &v.h, &v.e), &v.e);
    CHECK_OK(session_new(&c, v.h, &v.s, &v.e), &v.e);
    t = clock_mono_ms();
    assert_int_equal(call(&v, "GET", "/x", CALL_REPEATABLE), EC_NET);
    CHECK(clock_mono_ms() - t < 40000, "after %lld ms", (long long)(clock_mono_ms() - t));
    assert_true(v.e.hint[0]);
    struct call anonymous = { .http = { .method = "GET", .url = "http://127.0.0.1:1/b?sig=secret", .what = "x" },
                              .anonymous = true,
                              .user = -1 };

    t = clock_mono_ms();
    assert_int_equal(session_do(v.s, &anonymous, &v.r, &v.e), EC_NET);
    CHECK(clock_mono_ms() - t < 40000, "after %lld ms", (long long)(clock_mono_ms() - t));
    CHECK(!strstr(v.e.msg, "secret"), "%s", v.e.msg);
    session_free(v.s);
    http_free(v.h);
    http_response_release(&v.r);
    clock_replace(NULL);
}

static void base_of_session(void **state)
{
    struct auth_config u = { .authority = "a", .tenant = "t", .client_id = "c", .secret = "s", .resource = "r" };
    struct session_config c = { .name = "F&O", .base_url = "contoso", .users = &u, .n_users = 1 };
    struct session *s = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(session_new(&c, NULL, &s, &e), EC_CONFIG);
    c.base_url = "https://contoso.com///";
    CHECK_OK(session_new(&c, NULL, &s, &e), &e);
    assert_string_equal(session_base(s), "https://contoso.com");
    session_free(s);
    c.n_users = 0;
    assert_int_equal(session_new(&c, NULL, &s, &e), EC_CONFIG);
    u.secret = NULL;
    c.n_users = 1;
    assert_int_equal(session_new(&c, NULL, &s, &e), EC_CONFIG);
}

static void server_clock(void **state)
{
    struct env v;
    char now[40], head[80];
    struct step s[1] = { { .status = 200, .head = head } };

    (void)state;
    clock_format_http(clock_utc_ms() - 3600000, now);
    snprintf(head, sizeof(head), "Date: %s\r\n", now);
    steps = s;
    n_steps = 1;
    env_open(&v, in_order, 1, 0);
    CHECK_OK(call(&v, "GET", "/x", CALL_REPEATABLE), &v.e);
    CHECK(llabs(session_server_now_ms(v.s) - (clock_utc_ms() - 3600000)) < 3000, "off by %lld",
          (long long)(session_server_now_ms(v.s) - clock_utc_ms()));
    env_close(&v);
}

static int64_t pause_mono(void *arg)
{
    (void)arg;
    return jump_real(CLOCK_MONOTONIC);
}
static int sleeps;
static void pause_sleep(void *arg, int64_t ms)
{
    (void)arg;
    jump_ms += ms;
    if (++sleeps == 5)
        remove("pause");
}

static void paused_by_file(void **state)
{
    static const struct clock_source S = { .mono_ms = pause_mono, .sleep_ms = pause_sleep };
    struct env v;
    struct session_stats st;

    (void)state;
    env_open(&v, fine, 1, 0);
    clock_replace(&S);
    jump_ms = sleeps = 0;
    CHECK_OK(file_write_atomic("pause", "", 0, 0600, &v.e), &v.e);
    CHECK_OK(call(&v, "GET", "/x", CALL_REPEATABLE), &v.e);
    assert_true(sleeps >= 5);
    assert_int_equal(v.f.n_seen, 1);
    session_stats(v.s, &st);
    assert_string_equal(st.reason, "");
    env_close(&v);
}

/* ---- the pace that a person sets ---- */

static void rates_read(void **state)
{
    static const struct {
        const char *text;
        bool good;
        double rate;
    } CASES[] = {
        { "", true, 0 },      { "\n", true, 0 },          { "0", true, 0 },
        { "20\n", true, 20 }, { " 0.5 \r\n", true, 0.5 }, { "many", false, 0 },
        { "-1", false, 0 },   { "5 a second", false, 0 }, { "inf", false, 0 },
        { "1e9", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        double rate = -1;
        bool good = pace_rate(CASES[i].text, &rate);

        CHECK(good == CASES[i].good && (!good || !(rate < CASES[i].rate || rate > CASES[i].rate)), "case %zu: %d %g",
              i, good, rate);
    }
}

/* Calls that a pace lets go in so many seconds of the jumping clock. */
static int calls_in(struct pace *p, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    int n = 0;

    while (clock_mono_ms() < until) {
        int64_t wait = pace_ask(p, true);

        if (!wait) {
            pace_take(p);
            n++;
        }
        jump_ms += wait ? wait : 1;
    }
    return n;
}

static void rate_of_a_file(void **state)
{
    struct pace p;
    struct err e = { 0 };
    char why[80];
    int n;

    (void)state;
    jump_clock();
    pace_init(&p, 10, NULL, NULL);
    n = calls_in(&p, 2000);
    CHECK(n >= 19 && n <= 22, "%d calls in 2 s at 10 a second", n);
    CHECK(p.waited_ms[WAIT_RATE] > 1000, "%llu ms waited", (unsigned long long)p.waited_ms[WAIT_RATE]);
    pace_release(&p);
    CHECK_OK(file_write_atomic("rate", "4\n", 2, 0600, &e), &e);
    pace_init(&p, 0, "rate", NULL);
    n = calls_in(&p, 5000);
    CHECK(n >= 19 && n <= 22, "%d calls in 5 s at 4 a second", n);
    pace_reason(&p, why, sizeof(why));
    CHECK_STR(why, "--tpslimit 4", "what is shown");
    CHECK_OK(file_write_atomic("rate", "0.1", 3, 0600, &e), &e);
    n = calls_in(&p, 20000);
    CHECK(n >= 1 && n <= 5, "%d calls in 20 s at 0.1 a second", n);
    CHECK_OK(file_write_atomic("rate", "20", 2, 0600, &e), &e); /* not only when the ten seconds are over */
    n = calls_in(&p, 2000);
    CHECK(n >= 25 && n <= 45, "%d calls in 2 s after the rate rose to 20", n);
    CHECK_OK(file_write_atomic("rate", "x", 1, 0600, &e), &e); /* half written, say: the old one stays */
    n = calls_in(&p, 2000);
    CHECK(n >= 38 && n <= 42, "%d calls in 2 s at 20 a second", n);
    remove("rate");
    n = calls_in(&p, 2000);
    CHECK(n > 1000, "%d calls in 2 s without a limit", n);
    pace_release(&p);
    clock_replace(NULL);
}

/* ---- side by side ---- */

struct work {
    size_t next, n, done, failed;
    enum ec fail_with; /* done() fails from the third result on */
    size_t stop_at; /* a stop is requested at that result */
    int idles;
    char url[40];
};

static bool next_call(void *ctx, struct session_job *job, struct err *reterr)
{
    struct work *w = ctx;

    (void)reterr;
    if (w->next == w->n)
        return false;
    w->next++;
    job->call = (struct call){ .http = { .method = "GET", .url = "/x", .what = "x" }, .user = -1 };
    job->arg = w;
    return true;
}

static enum ec call_done(void *ctx, struct session_job *job, enum ec rc, struct err *call_err, struct err *reterr)
{
    struct work *w = ctx;

    (void)call_err;
    BUG_IF(job->arg != w, "another job's argument");
    w->done++;
    w->failed += rc != EC_OK;
    if (w->stop_at && w->done == w->stop_at)
        stop_request(2);
    if (w->fail_with && w->done >= 3)
        return err_set(reterr, w->fail_with, "no more");
    return EC_OK;
}

static void idle(void *ctx)
{
    ((struct work *)ctx)->idles++;
}

static void slow(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    (void)f;
    (void)q;
    a->delay_ms = 40;
}

static void many(void **state)
{
    struct env v;
    struct work w = { .n = 60 };
    struct session_pool p = { .next = next_call, .done = call_done, .idle = idle, .ctx = &w };
    struct session_stats st;

    (void)state;
    env_open(&v, slow, 1, 0);
    clock_replace(NULL);
    CHECK_OK(session_run(v.s, &p, &v.e), &v.e);
    assert_int_equal(w.done, 60);
    assert_int_equal(w.failed, 0);
    assert_int_equal(v.f.n_seen, 60);
    CHECK(v.f.most > 1 && v.f.most <= 5, "%d at one time", v.f.most);
    assert_true(w.idles > 0);
    session_stats(v.s, &st);
    assert_int_equal(st.in_flight, 0);
    assert_int_equal(st.calls, 60);
    v.f.most = 0;
    w = (struct work){ .n = 10 };
    p.max_in_flight = 1;
    CHECK_OK(session_run(v.s, &p, &v.e), &v.e);
    assert_int_equal(v.f.most, 1);
    w = (struct work){ 0 };
    CHECK_OK(session_run(v.s, &p, &v.e), &v.e); /* nothing to do */
    env_close(&v);
}

static void several_users(void **state)
{
    struct env v;
    struct work w = { .n = 60 };
    struct session_pool p = { .next = next_call, .done = call_done, .ctx = &w };

    (void)state;
    env_open(&v, slow, 3, 0);
    CHECK_OK(session_run(v.s, &p, &v.e), &v.e);
    assert_int_equal(w.done, 60);
    assert_int_equal(v.f.tokens, 3);
    CHECK(v.f.most > 4 && v.f.most <= 13, "%d at one time", v.f.most);
    env_close(&v);
}

/* Every token is too old: of many calls one renews it. */
static void refuse_first_token(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    (void)f;
    a->delay_ms = 40;
    a->status = strcmp(fake_header(q, "Authorization"), "Bearer t1") ? 200 : 401;
}

static void one_renews_for_all(void **state)
{
    struct env v;
    struct work w = { .n = 30 };
    struct session_pool p = { .next = next_call, .done = call_done, .ctx = &w };

    (void)state;
    env_open(&v, refuse_first_token, 1, 0);
    CHECK_OK(session_run(v.s, &p, &v.e), &v.e);
    assert_int_equal(w.done, 30);
    assert_int_equal(w.failed, 0);
    assert_int_equal(v.f.tokens, 2);
    env_close(&v);
}

static void every_third_429(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    (void)q;
    if (++f->n % 3 == 0) {
        a->status = 429;
        strbuf_adds(&a->head, "Retry-After: 60\r\n");
    }
}

static void many_throttled(void **state)
{
    struct env v;
    struct work w = { .n = 40 };
    struct session_pool p = { .next = next_call, .done = call_done, .ctx = &w };

    (void)state;
    env_open(&v, every_third_429, 2, 1000);
    CHECK_OK(session_run(v.s, &p, &v.e), &v.e);
    assert_int_equal(w.done, 40);
    assert_int_equal(w.failed, 0);
    assert_int_equal(v.f.n_seen, 59); /* 40 served, and every third refused */
    env_close(&v);
}

static void stops(void **state)
{
    struct env v;
    struct work w = { .n = 1000, .fail_with = EC_DISK };
    struct session_pool p = { .next = next_call, .done = call_done, .ctx = &w };

    (void)state;
    env_open(&v, slow, 1, 0);
    assert_int_equal(session_run(v.s, &p, &v.e), EC_DISK);
    assert_string_equal(v.e.msg, "no more");
    assert_int_equal(w.done, w.next); /* what was begun was finished and told */
    CHECK(w.next < 30, "%zu calls after the error", w.next);
    w = (struct work){ .n = 1000, .stop_at = 5 };
    assert_int_equal(session_run(v.s, &p, &v.e), EC_STOPPED);
    assert_int_equal(w.done, w.next);
    CHECK(w.next < 30, "%zu calls after the stop", w.next);
    assert_int_equal(call(&v, "GET", "/x", CALL_REPEATABLE), EC_STOPPED);
    env_close(&v);
}

/* ---- texts ---- */

static void error_texts(void **state)
{
    static const struct {
        const char *body, *text, *code;
        int status;
    } CASES[] = {
        { "{\"error\":{\"code\":\"\",\"message\":\"An error has occurred.\",\"innererror\":{\"message\":\"Exception "
          "occurred "
          "while executing action ImportFromPackage on Entity DataManagementDefinitionGroup: The data project 'X' "
          "exists "
          "and overwrite has not been specified.\",\"type\":\"T\",\"stacktrace\":\"at X\"}}}",
          "The data project 'X' exists and overwrite has not been specified.", "", 400 },
        { "{\"Message\":\"other\\r\\nform\"}", "other form", "", 400 },
        { "{\"error\":{\"code\":\"-2147220969\",\"message\":\"account With Id\"}}", "account With Id", "0x80040217",
          404 },
        { "{\"error\":{\"code\":\"0x80060892\",\"message\":\"dup\"}}", "dup", "0x80060892", 412 },
        { "\xEF\xBB\xBF{\"error\":{\"code\":\"x\",\"message\":\"with BOM\"}}", "with BOM", "x", 400 },
        { "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: bad\"}", "AADSTS7000215: bad", "",
          401 },
        { "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed</Message></Error>",
          "Server failed", "AuthenticationFailed", 403 },
        { "<html><body>Runtime error</body></html>", "HTTP 500 with a page instead of a message", "", 500 },
        { "", "HTTP 502 without a text", "", 502 },
        { "plain   words\n", "plain words", "", 500 },
        { "{\"error\":", "{\"error\":", "", 500 },
        { "[1,2]", "[1,2]", "", 500 },
    };
    struct arena a = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct http_response r;
        char code[40];

        http_response_init(&r);
        strbuf_adds(&r.body, CASES[i].body);
        r.status = CASES[i].status;
        CHECK_STR(service_error_text(&r, &a, code), CASES[i].text, "case %zu", i);
        CHECK_STR(code, CASES[i].code, "case %zu", i);
        http_response_release(&r);
    }
    /* A long text is cut between characters. */
    for (size_t lead = 0; lead < 4; lead++) {
        struct http_response r;
        char code[40];
        const char *text;

        http_response_init(&r);
        strbuf_adds(&r.body, "{\"Message\":\"");
        strbuf_add(&r.body, "xxxx", lead);
        for (int k = 0; k < 500; k++)
            strbuf_adds(&r.body, "\xE2\x82\xAC");
        strbuf_adds(&r.body, "\"}");
        text = service_error_text(&r, &a, code);
        CHECK(strlen(text) >= 890 && strlen(text) <= 900, "%zu octets", strlen(text));
        CHECK(utf8_valid_prefix(text, strlen(text)) == strlen(text), "cut inside a character");
        http_response_release(&r);
    }
    arena_release(&a);
}

/* The first token's user is throttled for an hour; the other one does all the work. */
static void refuse_one_user(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    (void)f;
    if (!strcmp(fake_header(q, "Authorization"), "Bearer t1")) {
        fake_text(a, 429, "");
        strbuf_adds(&a->head, "Retry-After: 3600\r\n");
        return;
    }
    a->delay_ms = 5;
}

static const char *told;
static int64_t told_until;

static void hear(void *arg, const char *reason, int64_t until)
{
    (void)arg;
    if (reason[0]) {
        free((char *)told);
        told = xstrdup(reason);
        told_until = until;
    }
}

/* The reason is told a few times a second: there is work until it was. */
static bool next_until_told(void *ctx, struct session_job *job, struct err *reterr)
{
    struct work *w = ctx;

    return !(w->next >= 40 && told) && next_call(ctx, job, reterr);
}

static void others_go_on(void **state)
{
    struct env v;
    struct work w = { .n = 20000 };
    struct session_pool p = { .next = next_until_told, .done = call_done, .ctx = &w };
    struct session_stats st;
    int64_t t;

    (void)state;
    env_open(&v, refuse_one_user, 2, 0);
    session_on_wait(v.s, hear, NULL);
    t = clock_mono_ms();
    CHECK_OK(session_run(v.s, &p, &v.e), &v.e);
    CHECK(w.done >= 40 && w.done == w.next, "%d of %d", (int)w.done, (int)w.next);
    assert_int_equal(w.failed, 0);
    CHECK(clock_mono_ms() - t < 600000, "it took %lld ms", (long long)(clock_mono_ms() - t));
    session_stats(v.s, &st);
    CHECK(st.throttled >= 1 && st.throttled <= 4, "%llu refused", (unsigned long long)st.throttled);
    CHECK(strstr(st.reason, "user 1 of 2: throttled"), "'%s'", st.reason);
    CHECK(st.until_utc_ms > clock_utc_ms() + 3000000, "until %lld", (long long)st.until_utc_ms);
    CHECK(told && strstr(told, "user 1 of 2") && told_until, "'%s'", told ? told : "");
    free((char *)told);
    told = NULL;
    env_close(&v);
}

/* After an error, calls that wait for their turn to go again are not sent any more. */
static void refuse_all_but_one(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    (void)q;
    if (++f->n == 1) {
        fake_text(a, 200, "{}");
        a->delay_ms = 30;
        return;
    }
    fake_text(a, 429, "");
    strbuf_adds(&a->head, "Retry-After: 600\r\n");
}

static enum ec done_fails(void *ctx, struct session_job *job, enum ec rc, struct err *call_err, struct err *reterr)
{
    struct work *w = ctx;

    (void)job;
    (void)call_err;
    w->done++;
    w->failed += rc == EC_STOPPED;
    return rc ? EC_OK : err_set(reterr, EC_DISK, "full");
}

static void error_ends_waiting(void **state)
{
    struct env v;
    struct work w = { .n = 4 };
    struct session_pool p = { .next = next_call, .done = done_fails, .ctx = &w };
    int64_t t;

    (void)state;
    env_open(&v, refuse_all_but_one, 1, 0);
    t = clock_mono_ms();
    assert_int_equal(session_run(v.s, &p, &v.e), EC_DISK);
    assert_int_equal(w.done, 4);
    assert_int_equal(w.failed, 3);
    assert_int_equal(v.f.n_seen, 4); /* none of them a second time */
    CHECK(clock_mono_ms() - t < 500000, "it waited %lld ms", (long long)(clock_mono_ms() - t));
    env_close(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_and_headers),
        cmocka_unit_test(token_stays_home),
        cmocka_unit_test(renewal),
        cmocka_unit_test(forbidden),
        cmocka_unit_test(throttled),
        cmocka_unit_test(faults),
        cmocka_unit_test(unreachable),
        cmocka_unit_test(base_of_session),
        cmocka_unit_test(server_clock),
        cmocka_unit_test(paused_by_file),
        cmocka_unit_test(rates_read),
        cmocka_unit_test(rate_of_a_file),
        cmocka_unit_test(others_go_on),
        cmocka_unit_test(error_ends_waiting),
        cmocka_unit_test(many),
        cmocka_unit_test(several_users),
        cmocka_unit_test(one_renews_for_all),
        cmocka_unit_test(many_throttled),
        cmocka_unit_test(stops),
        cmocka_unit_test(error_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
