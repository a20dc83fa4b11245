/* The governor under a clock of the test's own. */
#include "check.h"
#include "net/governor.h"

static int64_t now;

static int64_t read_now(void *arg)
{
    (void)arg;
    return now;
}

static int setup(void **state)
{
    static const struct clock_source S = { .mono_ms = read_now };

    (void)state;
    now = 1000000;
    clock_replace(&S);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_replace(NULL);
    return 0;
}

static void in_flight(void **state)
{
    struct governor g;

    (void)state;
    governor_init(&g, GOVERNOR_FNO, 3, 8, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(governor_ask(&g), 0);
    assert_true(governor_ask(&g) > 0);
    assert_int_equal(g.in_flight, 3);
    governor_done(&g, 200, -1, 0);
    assert_int_equal(governor_ask(&g), 0);
    assert_int_equal(g.calls, 4);
    governor_init(&g, GOVERNOR_FNO, 9, 4, 0);
    assert_int_equal(g.concurrency, 4);
    governor_init(&g, GOVERNOR_FNO, 0, 0, 0);
    assert_int_equal(g.concurrency, 1);
}

/* Obeyed to the millisecond, however long: asking earlier makes the service's interval grow. */
static void retry_after(void **state)
{
    static const int64_t WAITS[] = { 0, 1, 999, 30000, 300000, 301000, 3600000 };

    (void)state;
    for (size_t i = 0; i < COUNT(WAITS); i++) {
        struct governor g;

        governor_init(&g, GOVERNOR_DATAVERSE, 4, 4, 0);
        assert_int_equal(governor_ask(&g), 0);
        governor_done(&g, 429, WAITS[i], 0);
        if (!WAITS[i]) {
            assert_int_equal(governor_ask(&g), 0);
            continue;
        }
        CHECK(governor_ask(&g) == WAITS[i], "wait %lld", (long long)WAITS[i]);
        CHECK(g.reason[0], "no reason while it waits");
        CHECK(g.waited_ms == (uint64_t)WAITS[i], "counted %llu", (unsigned long long)g.waited_ms);
        now += WAITS[i] - 1;
        CHECK(governor_ask(&g) == 1, "one millisecond before %lld", (long long)WAITS[i]);
        now++;
        CHECK(governor_ask(&g) == 0, "after %lld", (long long)WAITS[i]);
        CHECK(!g.reason[0], "a reason although it goes");
    }
}

static void unhinted(void **state)
{
    static const struct {
        enum governor_kind kind;
        int64_t waits[7];
    } CASES[] = {
        { GOVERNOR_FNO, { 10000, 20000, 40000, 80000, 160000, 300000, 300000 } },
        { GOVERNOR_DATAVERSE, { 1000, 2000, 4000, 8000, 16000, 32000, 64000 } },
    };

    (void)state;
    for (size_t c = 0; c < COUNT(CASES); c++) {
        struct governor g;

        governor_init(&g, CASES[c].kind, 2, 2, 0);
        for (size_t i = 0; i < 7; i++) {
            assert_int_equal(governor_ask(&g), 0);
            governor_done(&g, 429, -1, 0);
            CHECK(governor_ask(&g) == CASES[c].waits[i], "case %zu, refusal %zu: %lld", c, i,
                  (long long)governor_ask(&g));
            now += CASES[c].waits[i] + 1001;
        }
        assert_int_equal(governor_ask(&g), 0);
        governor_done(&g, 200, -1, 0); /* served: the next refusal begins anew */
        assert_int_equal(governor_ask(&g), 0);
        governor_done(&g, 429, -1, 0);
        CHECK(governor_ask(&g) == CASES[c].waits[0], "case %zu after a success", c);
    }
}

/* Calls refused together are one refusal; the longest wait of them counts. */
static void together(void **state)
{
    struct governor g;

    (void)state;
    governor_init(&g, GOVERNOR_DATAVERSE, 12, 12, 0);
    for (int i = 0; i < 12; i++)
        assert_int_equal(governor_ask(&g), 0);
    governor_done(&g, 429, 5000, 0);
    for (int i = 1; i < 12; i++)
        governor_done(&g, 429, i == 5 ? 7000 : 2000, 0);
    assert_int_equal(g.concurrency, 8); /* a third less, once */
    assert_int_equal(g.throttled, 12);
    assert_int_equal(governor_ask(&g), 7000);
    assert_int_equal(g.waited_ms, 7000);
    governor_init(&g, GOVERNOR_DATAVERSE, 12, 12, 0);
    assert_int_equal(governor_ask(&g), 0);
    governor_done(&g, 429, 60000, 0); /* the request or time window: one less is enough */
    assert_int_equal(g.concurrency, 11);
    for (int i = 0; i < 40; i++) {
        now += 100000;
        assert_int_equal(governor_ask(&g), 0);
        governor_done(&g, 429, 1000, 0);
    }
    assert_int_equal(g.concurrency, 1);
}

static void growth(void **state)
{
    struct governor g;

    (void)state;
    governor_init(&g, GOVERNOR_FNO, 2, 4, 0);
    for (int i = 0; i < 100; i++) {
        now += 40;
        assert_int_equal(governor_ask(&g), 0);
        governor_done(&g, 200, -1, 0);
    }
    assert_int_equal(g.concurrency, 2); /* 4 s: not yet */
    now += 1000;
    assert_int_equal(governor_ask(&g), 0);
    governor_done(&g, 200, -1, 0);
    assert_int_equal(g.concurrency, 3);
    for (int i = 0; i < 10; i++) {
        now += 5000;
        assert_int_equal(governor_ask(&g), 0);
        governor_done(&g, i % 2 ? 404 : 200, -1, 0);
    }
    assert_int_equal(g.concurrency, 4);
    assert_int_equal(governor_ask(&g), 0);
    governor_done(&g, 200, -1, 2); /* the server's hint bars more, at once */
    assert_int_equal(g.concurrency, 2);
    now += 50000;
    assert_int_equal(governor_ask(&g), 0);
    governor_done(&g, 200, -1, 0);
    assert_int_equal(g.concurrency, 2);
    assert_int_equal(governor_ask(&g), 0);
    governor_done(&g, 200, -1, 9);
    now += 5000;
    assert_int_equal(governor_ask(&g), 0);
    governor_done(&g, 0, -1, 0); /* no answer: nothing to grow on */
    assert_int_equal(g.concurrency, 3);
    assert_int_equal(g.in_flight, 0);
    governor_done(&g, 200, -1, 0);
    assert_int_equal(g.in_flight, 0);
}

static void tps(void **state)
{
    struct governor g;
    int64_t from = now;
    int calls = 0;

    (void)state;
    governor_init(&g, GOVERNOR_FNO, 4, 4, 10);
    while (now - from < 2000) {
        int64_t wait = governor_ask(&g);

        if (wait == 0) {
            calls++;
            governor_done(&g, 200, -1, 0);
        }
        now += wait ? wait : 1;
    }
    CHECK(calls >= 19 && calls <= 22, "%d calls in 2 s at 10 a second", calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_flight, setup, teardown),
        cmocka_unit_test_setup_teardown(retry_after, setup, teardown),
        cmocka_unit_test_setup_teardown(unhinted, setup, teardown),
        cmocka_unit_test_setup_teardown(together, setup, teardown),
        cmocka_unit_test_setup_teardown(growth, setup, teardown),
        cmocka_unit_test_setup_teardown(tps, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
