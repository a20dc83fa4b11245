/* The bulk writer against a small Dataverse in this process. */
#include "dv_fake.h"

#include "base/clock.h"
#include "dv/dv.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ROWS_MAX = 4000 };

struct bench {
    struct fake f;
    struct http *http;
    struct dv *d;
    struct dv_table t;
    /* the source */
    struct dv_bulk_row rows[ROWS_MAX];
    char bodies[ROWS_MAX][200];
    size_t n, at;
    /* what came back */
    int results[ROWS_MAX];
    struct dv_bulk_result got[ROWS_MAX];
    char why[ROWS_MAX][200];
    int sent[ROWS_MAX];
    size_t n_results;
    bool fail_results, stop_in_results;
};

static void fill(struct bench *b, size_t n, bool create)
{
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        snprintf(b->bodies[i], sizeof(b->bodies[i]),
                 "\"name\":\"row %zu\",\"x@odata.bind\":\"/xs(aaaaaaaa-0000-4000-8000-%012zu)\"", i, i);
        b->rows[i] = (struct dv_bulk_row){ .tag = i, .create = create };
        snprintf(b->rows[i].id, 40, "11111111-0000-4000-8000-%012zx", i);
        b->rows[i].body = cell_of(b->bodies[i]);
        if (!create) {
            pthread_mutex_lock(&b->f.l.lock);
            fake_put(&b->f, b->rows[i].id, "{}");
            pthread_mutex_unlock(&b->f.l.lock);
        }
    }
}

static void rename_row(struct bench *b, size_t i, const char *name)
{
    snprintf(b->bodies[i], sizeof(b->bodies[i]),
             "\"name\":\"%s %zu\",\"x@odata.bind\":\"/xs(aaaaaaaa-0000-4000-8000-%012zu)\"", name, i, i);
    b->rows[i].body = cell_of(b->bodies[i]);
}

static bool next_row(void *ctx, struct dv_bulk_row *ret, struct err *reterr)
{
    struct bench *b = ctx;

    (void)reterr;
    if (b->at == b->n)
        return false;
    *ret = b->rows[b->at++];
    return true;
}

static enum ec take_results(void *ctx, const struct dv_bulk_result *r, size_t n, struct err *reterr)
{
    struct bench *b = ctx;

    if (b->fail_results)
        return err_set(reterr, EC_DISK, "no space for results");
    for (size_t i = 0; i < n; i++) {
        b->results[r[i].tag]++;
        b->got[r[i].tag] = r[i];
        if (r[i].why)
            snprintf(b->why[r[i].tag], 200, "%.199s", r[i].why->msg);
        b->n_results++;
    }
    if (b->stop_in_results)
        stop_request(SIGTERM);
    return EC_OK;
}

static enum ec note_sending(void *ctx, const struct dv_bulk_row *rows, size_t n, struct err *reterr)
{
    struct bench *b = ctx;

    (void)reterr;
    for (size_t i = 0; i < n; i++)
        b->sent[rows[i].tag]++;
    return EC_OK;
}

static struct bench *bench_new(void)
{
    static char url[60];
    static struct auth_config user;
    struct bench *b = xcalloc(1, sizeof(*b));
    struct http_config hc = { .user_agent = "test" };
    struct dv_config dc = { .users = &user, .n_users = 1, .tag = "T&T", .retry_deadline_ms = 20000 };

    fake_start(&b->f);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", b->f.l.port);
    user = (struct auth_config){ .authority = url, .tenant = "t", .client_id = "c", .secret = "s", .resource = url };
    dc.url = url;
    assert_int_equal(http_new(&hc, &b->http, NULL), EC_OK);
    assert_int_equal(dv_open(&dc, b->http, &b->d, NULL), EC_OK);
    b->t = (struct dv_table){ .logical = CELL_LIT("account"),
                              .set = CELL_LIT("accounts"),
                              .pk = CELL_LIT("accountid"),
                              .create_multiple = true,
                              .update_multiple = true };
    return b;
}

static void bench_free(struct bench *b)
{
    dv_close(b->d);
    http_free(b->http);
    fake_stop(&b->f);
    free(b);
}

static enum ec run(struct bench *b, struct dv_bulk_stats *stats, struct err *e)
{
    struct dv_bulk bulk = { .next = next_row, .results = take_results, .sending = note_sending, .ctx = b };

    *e = (struct err){ 0 };
    return dv_bulk_write(b->d, &b->t, &bulk, stats, e);
}

/* Every row has one result; `refused` of them are refused, the others written and in the table exactly once. */
static void check_all(struct bench *b, size_t refused)
{
    size_t n_refused = 0;

    assert_int_equal(b->n_results, b->n);
    for (size_t i = 0; i < b->n; i++) {
        struct fake_row *row = fake_find(&b->f, b->rows[i].id);

        if (b->results[i] != 1)
            fail_msg("row %zu has %d results", i, b->results[i]);
        if (!b->sent[i])
            fail_msg("row %zu was never announced", i);
        if (b->got[i].outcome == DV_REFUSED)
            n_refused++;
        else if (b->got[i].outcome != DV_WRITTEN)
            fail_msg("row %zu: outcome %d: %s", i, b->got[i].outcome, b->why[i]);
        else if (!row)
            fail_msg("row %zu is not in the table", i);
    }
    assert_int_equal(n_refused, refused);
    assert_int_equal(b->f.twice_in_call, 0);
    assert_int_equal(b->f.writes_untagged, 0);
}

static void check_once(struct bench *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct fake_row *row = fake_find(&b->f, b->rows[i].id);

        if (row && row->written != 1)
            fail_msg("row %zu was written %d times", i, row->written);
    }
}

static void plain(void **state)
{
    (void)state;
    for (int create = 0; create < 2; create++) {
        struct bench *b = bench_new();
        struct dv_bulk_stats s = { 0 };
        struct err e;

        fill(b, 2500, create);
        if (run(b, &s, &e))
            fail_msg("%s", e.msg);
        check_all(b, 0);
        assert_int_equal(s.rows, 2500);
        assert_int_equal(b->f.batch_calls, 0);
        assert_int_equal(b->got[7].created, create);
        assert_true(s.batch_rows > 100); /* quick calls grow */
        assert_true(s.calls < 25);
        assert_string_equal(s.message, create ? "CreateMultiple" : "UpdateMultiple");
        bench_free(b);
    }
}

/* Calls that one bad row among 1,000 may cost beyond those of a clean run. */
static void one_bad_row(void **state)
{
    static const size_t WHERE[] = { 0, 37, 500, 999 };
    struct dv_bulk_stats clean = { 0 };
    struct err e;
    struct bench *b = bench_new();

    (void)state;
    fill(b, 1000, true);
    assert_int_equal(run(b, &clean, &e), EC_OK);
    bench_free(b);
    for (size_t k = 0; k < COUNT(WHERE); k++)
        for (int create = 0; create < 2; create++) {
            struct dv_bulk_stats s = { 0 };
            size_t size, halves = 0;

            b = bench_new();
            fill(b, 1000, create);
            rename_row(b, WHERE[k], "BAD");
            if (run(b, &s, &e))
                fail_msg("%s", e.msg);
            check_all(b, 1);
            assert_int_equal(b->got[WHERE[k]].outcome, DV_REFUSED);
            assert_int_equal(b->got[WHERE[k]].klass, DV_CLASS_DATA);
            assert_non_null(strstr(b->why[WHERE[k]], "validation error"));
            /* two calls a level down to 8 rows, then one $batch; the first call was 1,000 rows at most */
            for (size = (size_t)s.batch_rows; size > 8; size = (size + 1) / 2)
                halves++;
            if (s.calls > clean.calls + 2 * halves + 1 + 2)
                fail_msg("%llu calls instead of %llu, size %d", (unsigned long long)s.calls,
                         (unsigned long long)clean.calls, s.batch_rows);
            assert_int_equal(b->f.batch_calls, 1);
            assert_true(b->f.batch_ops <= 8);
            bench_free(b);
        }
}

static void named_row(void **state)
{
    struct bench *b = bench_new();
    struct dv_bulk_stats s = { 0 };
    struct err e;

    (void)state;
    fill(b, 100, true);
    rename_row(b, 63, "NOWHERE");
    assert_int_equal(run(b, &s, &e), EC_OK);
    check_all(b, 1);
    assert_int_equal(b->got[63].klass, DV_CLASS_REFERENCE);
    assert_int_equal(s.calls, 3); /* the refused one, the rest, the named row */
    assert_int_equal(s.single_calls, 1);
    bench_free(b);
}

static void many_bad_rows(void **state)
{
    struct bench *b = bench_new();
    struct dv_bulk_stats s = { 0 };
    struct err e;

    (void)state;
    fill(b, 2000, true);
    for (size_t i = 0; i < 2000; i += 7)
        rename_row(b, i, i % 2 ? "BAD" : "PLUG");
    assert_int_equal(run(b, &s, &e), EC_OK);
    check_all(b, 286);
    assert_true(s.calls < 286 * 2); /* far below two calls per bad row and level */
    bench_free(b);
}

static void lost_answers(void **state)
{
    static const struct {
        const char *name;
        bool create, bulk;
        int after, before;
        size_t page;
    } CASES[] = {
        { "creation, answer lost", true, true, 2, 0, 0 },
        { "creation, answer lost, look-up in pages", true, true, 1, 0, 30 },
        { "creation, call lost", true, true, 0, 2, 0 },
        { "update, answer lost", false, true, 2, 0, 0 },
        { "$batch creation, answer lost", true, false, 2, 0, 0 },
        { "$batch update, answer lost", false, false, 1, 1, 0 },
    };

    (void)state;
    for (size_t k = 0; k < COUNT(CASES); k++) {
        struct bench *b = bench_new();
        struct dv_bulk_stats s = { 0 };
        struct err e;

        b->t.create_multiple = b->t.update_multiple = CASES[k].bulk;
        fill(b, 300, CASES[k].create);
        b->f.drop_after = CASES[k].after;
        b->f.drop_before = CASES[k].before;
        b->f.page = CASES[k].page;
        if (run(b, &s, &e))
            fail_msg("%s: %s", CASES[k].name, e.msg);
        check_all(b, 0);
        if (CASES[k].create) {
            check_once(b);
            /* what was sent again although it was in: at most what was on its way */
            assert_true(b->f.creates_of_existing <= CASES[k].after * (CASES[k].bulk ? 1 : 100));
            assert_true(b->f.looks >= (CASES[k].after > 0));
        }
        bench_free(b);
    }
}

/*
 * The service acts on a call after its answer was lost and after the look for its rows: they go out as an upsert, not into a
 * refusal of their whole call.
 */
static void acted_late(void **state)
{
    (void)state;
    for (int no_upsert = 0; no_upsert < 2; no_upsert++) {
        struct bench *b = bench_new();
        struct dv_bulk_stats s = { 0 };
        struct err e;

        b->t.create_multiple = b->t.update_multiple = true;
        fill(b, 80, true); /* one call */
        b->f.act_late = 1;
        b->f.no_upsert = no_upsert;
        if (run(b, &s, &e))
            fail_msg("%s", e.msg);
        check_all(b, 0);
        assert_int_equal(b->f.upsert_calls, 1);
        assert_int_equal(b->f.upserts_refused, no_upsert);
        if (!no_upsert)
            assert_int_equal(b->f.creates_of_existing, 0);
        bench_free(b);
    }
}

static void passing_troubles(void **state)
{
    static const struct {
        const char *name;
        int deadlocks, unavailable, throttle;
        size_t max_rows;
        bool unsupported;
    } CASES[] = {
        { "deadlocks", 3, 0, 0, 0, false },
        { "unavailable", 0, 3, 0, 0, false },
        { "throttled", 0, 0, 4, 0, false },
        { "too large", 0, 0, 0, 30, false },
        { "no bulk messages after all", 0, 0, 0, 0, true },
    };

    (void)state;
    for (size_t k = 0; k < COUNT(CASES); k++)
        for (int create = 0; create < 2; create++) {
            struct bench *b = bench_new();
            struct dv_bulk_stats s = { 0 };
            struct err e;

            fill(b, 350, create);
            b->f.deadlocks = CASES[k].deadlocks;
            b->f.unavailable = CASES[k].unavailable;
            b->f.throttle = CASES[k].throttle;
            b->f.max_rows = CASES[k].max_rows;
            b->f.unsupported = CASES[k].unsupported;
            if (run(b, &s, &e))
                fail_msg("%s: %s", CASES[k].name, e.msg);
            check_all(b, 0);
            if (create)
                check_once(b);
            if (CASES[k].max_rows)
                assert_true(s.batch_rows <= 90);
            bench_free(b);
        }
}

static void batches(void **state)
{
    static const struct {
        const char *name;
        bool create, stop_at_first;
        int throttle_op;
    } CASES[] = {
        { "update", false, false, 0 },
        { "create", true, false, 0 },
        { "stops at the first failure", true, true, 0 },
        { "operations throttled", false, false, 20 },
    };

    (void)state;
    for (size_t k = 0; k < COUNT(CASES); k++) {
        struct bench *b = bench_new();
        struct dv_bulk_stats s = { 0 };
        struct err e;

        b->t.create_multiple = b->t.update_multiple = false;
        fill(b, 220, CASES[k].create);
        rename_row(b, 11, "BAD");
        rename_row(b, 150, "PLUG");
        rename_row(b, 151, "TWIN");
        b->f.stop_at_first = CASES[k].stop_at_first;
        b->f.throttle_op = CASES[k].throttle_op;
        if (run(b, &s, &e))
            fail_msg("%s: %s", CASES[k].name, e.msg);
        check_all(b, 3);
        assert_int_equal(b->got[11].klass, DV_CLASS_DATA);
        assert_int_equal(b->got[150].klass, DV_CLASS_PLUGIN);
        assert_int_equal(b->got[151].klass, DV_CLASS_DUPLICATE);
        assert_int_equal(b->f.multi_calls, 0);
        assert_string_equal(s.message, "$batch");
        bench_free(b);
    }
}

static void duplicates(void **state)
{
    struct bench *b = bench_new();
    struct dv_bulk_stats s = { 0 };
    struct err e;

    (void)state;
    fill(b, 120, true);
    rename_row(b, 5, "TWIN");
    fake_put(&b->f, b->rows[70].id, "{}"); /* ours, of a run that was cut off */
    fake_put(&b->f, b->rows[119].id, "{}");
    assert_int_equal(run(b, &s, &e), EC_OK);
    check_all(b, 1);
    check_once(b);
    assert_int_equal(b->got[5].klass, DV_CLASS_DUPLICATE);
    assert_int_equal(b->got[70].outcome, DV_WRITTEN);
    bench_free(b);
}

/* The same id again and again, and a creation followed by an update of it: in order, never two in one call. */
static void repeated_ids(void **state)
{
    struct bench *b = bench_new();
    struct dv_bulk_stats s = { 0 };
    struct err e;
    char want[40];

    (void)state;
    fill(b, 600, true);
    for (size_t i = 0; i < 600; i++) {
        snprintf(b->rows[i].id, 40, "11111111-0000-4000-8000-%012zx", i % 50);
        b->rows[i].create = i < 50;
    }
    assert_int_equal(run(b, &s, &e), EC_OK);
    check_all(b, 0);
    for (size_t i = 550; i < 600; i++) {
        snprintf(want, sizeof(want), "row %zu\"", i);
        if (!strstr(fake_find(&b->f, b->rows[i].id)->json, want))
            fail_msg("row %zu is not the last one: %s", i, fake_find(&b->f, b->rows[i].id)->json);
    }
    bench_free(b);
}

static void breaker(void **state)
{
    struct bench *b = bench_new();
    struct dv_bulk bulk = {
        .next = next_row, .results = take_results, .sending = note_sending, .ctx = b, .breaker = 25
    };
    struct dv_bulk_stats s = { 0 };
    struct err e = { 0 };

    (void)state;
    fill(b, 3000, true);
    for (size_t i = 0; i < 3000; i++)
        rename_row(b, i, "PLUG");
    assert_int_equal(dv_bulk_write(b->d, &b->t, &bulk, &s, &e), EC_DATAVERSE);
    assert_non_null(strstr(e.msg, "25 equal refusals"));
    assert_non_null(strstr(e.msg, "no such customers here"));
    assert_true(b->n_results >= 25 && b->n_results < 1000);
    bench_free(b);

    /* bad values are no reason to stop */
    b = bench_new();
    bulk.ctx = b;
    fill(b, 300, true);
    for (size_t i = 0; i < 300; i++)
        rename_row(b, i, "BAD");
    assert_int_equal(dv_bulk_write(b->d, &b->t, &bulk, &s, &e), EC_OK);
    check_all(b, 300);
    bench_free(b);
}

static void failing_caller(void **state)
{
    struct bench *b = bench_new();
    struct dv_bulk_stats s = { 0 };
    struct err e;

    (void)state;
    fill(b, 1500, true);
    b->fail_results = true;
    assert_int_equal(run(b, &s, &e), EC_DISK);
    assert_non_null(strstr(e.msg, "no space for results"));
    assert_true(b->f.multi_calls < 15);
    bench_free(b);
}

static void odd_service(void **state)
{
    struct bench *b = bench_new();
    struct dv_bulk_stats s = { 0 };
    struct err e;

    (void)state;
    fill(b, 10, true);
    b->f.other_ids = true;
    assert_int_equal(run(b, &s, &e), EC_DATAVERSE);
    assert_int_equal(b->n_results, 10);
    assert_int_equal(b->got[3].outcome, DV_UNKNOWN);
    bench_free(b);

    b = bench_new();
    fill(b, 3, true);
    snprintf(b->rows[1].id, 40, "not an id");
    assert_int_equal(run(b, &s, &e), EC_FORMAT);
    bench_free(b);
}

/* Nothing listens: the run ends after the retry deadline, with the reason, and no row is called written. */
static void unreachable(void **state)
{
    struct bench *b = bench_new();
    struct dv_bulk_stats s = { 0 };
    struct err e;

    (void)state;
    fill(b, 10, true);
    b->f.unavailable = 1000000;
    struct dv_config dc = { 0 };
    struct auth_config user = { .tenant = "t", .client_id = "c", .secret = "s" };
    char url[60];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d", b->f.l.port);
    user.authority = user.resource = url;
    dc.url = url;
    dc.users = &user;
    dc.n_users = 1;
    dc.retry_deadline_ms = 1500;
    dv_close(b->d);
    assert_int_equal(dv_open(&dc, b->http, &b->d, NULL), EC_OK);
    enum ec rc = run(b, &s, &e);

    if (rc != EC_BUSY && rc != EC_NET)
        fail_msg("%d: %s", rc, e.msg);
    for (size_t i = 0; i < 10; i++)
        assert_true(!b->results[i] || b->got[i].outcome == DV_UNKNOWN);
    bench_free(b);
}

static void stopping(void **state)
{
    struct bench *b = bench_new();
    struct dv_bulk_stats s = { 0 };
    struct err e;
    size_t written = 0;

    (void)state;
    fill(b, 3000, true);
    b->stop_in_results = true;
    assert_int_equal(run(b, &s, &e), EC_STOPPED);
    assert_true(b->n_results > 0 && b->n_results < 3000);
    for (size_t i = 0; i < b->n; i++) /* what is in the table was told */
        if (fake_find(&b->f, b->rows[i].id)) {
            assert_int_equal(b->results[i], 1);
            written++;
        }
    assert_int_equal(written, b->n_results);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(one_bad_row),
        cmocka_unit_test(named_row),
        cmocka_unit_test(many_bad_rows),
        cmocka_unit_test(lost_answers),
        cmocka_unit_test(acted_late),
        cmocka_unit_test(passing_troubles),
        cmocka_unit_test(batches),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(repeated_ids),
        cmocka_unit_test(breaker),
        cmocka_unit_test(failing_caller),
        cmocka_unit_test(odd_service),
        cmocka_unit_test(unreachable),
        cmocka_unit_test(stopping), /* last: a stop request cannot be taken back */
    };

    return cmocka_run_group_tests_name("dv_bulk", tests, NULL, NULL);
}
