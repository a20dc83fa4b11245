/* The governor under a clock of the test's own. */
#include "check.h"
#include "net/governor.h"

static int64_t now;

static int64_t read_now(void *arg)
{
    (void)arg;
    return now;
}

/* An answer that says nothing of budgets, to a call that took no time. */
static void done(struct governor *g, const struct governor_call *c, int status, int64_t retry_after_ms, int dop_hint)
{
    struct governor_answer a = { .status = status,
                                 .retry_after_ms = retry_after_ms,
                                 .dop_hint = dop_hint,
                                 .time_left_ms = -1,
                                 .requests_left = -1 };

    governor_done(g, c, &a);
}

static struct governor_call last;

static int64_t ask(struct governor *g)
{
    return governor_ask(g, 0, &last);
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
    governor_init(&g, GOVERNOR_FNO, 3, 8);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(&g), 0);
    assert_true(ask(&g) > 0);
    assert_int_equal(g.in_flight, 3);
    done(&g, &last, 200, -1, 0);
    assert_int_equal(ask(&g), 0);
    assert_int_equal(g.calls, 4);
    governor_init(&g, GOVERNOR_FNO, 9, 4);
    assert_int_equal(g.concurrency, 4);
    governor_init(&g, GOVERNOR_FNO, 0, 0);
    assert_int_equal(g.concurrency, 1);
}

/* Obeyed to the millisecond, however long: asking earlier makes the service's interval grow. */
static void retry_after(void **state)
{
    static const int64_t WAITS[] = { 0, 1, 999, 30000, 300000, 301000, 3600000 };

    (void)state;
    for (size_t i = 0; i < COUNT(WAITS); i++) {
        struct governor g;
        char why[100];
        int64_t until;

        governor_init(&g, GOVERNOR_DATAVERSE, 4, 4);
        assert_int_equal(ask(&g), 0);
        done(&g, &last, 429, WAITS[i], 0);
        if (!WAITS[i]) {
            assert_int_equal(ask(&g), 0);
            continue;
        }
        CHECK(ask(&g) == WAITS[i], "wait %lld", (long long)WAITS[i]);
        governor_reason(&g, why, sizeof(why), &until);
        CHECK(strstr(why, "throttled") && until == now + WAITS[i], "'%s' until %lld", why, (long long)until);
        CHECK(g.waited_ms[WAIT_THROTTLED] == (uint64_t)WAITS[i], "counted %llu",
              (unsigned long long)g.waited_ms[WAIT_THROTTLED]);
        now += WAITS[i] - 1;
        CHECK(ask(&g) == 1, "one millisecond before %lld", (long long)WAITS[i]);
        now++;
        CHECK(ask(&g) == 0, "after %lld", (long long)WAITS[i]);
        governor_reason(&g, why, sizeof(why), &until);
        CHECK(!why[0], "a reason although it goes: %s", why);
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

        governor_init(&g, CASES[c].kind, 2, 2);
        for (size_t i = 0; i < 7; i++) {
            assert_int_equal(ask(&g), 0);
            done(&g, &last, 429, -1, 0);
            CHECK(ask(&g) == CASES[c].waits[i], "case %zu, refusal %zu: %lld", c, i, (long long)ask(&g));
            now += CASES[c].waits[i] + 1001;
        }
        assert_int_equal(ask(&g), 0);
        done(&g, &last, 200, -1, 0); /* served: the next refusal begins anew */
        assert_int_equal(ask(&g), 0);
        done(&g, &last, 429, -1, 0);
        CHECK(ask(&g) == CASES[c].waits[0], "case %zu after a success", c);
    }
}

/* Calls refused together are one refusal; the longest wait of them counts. */
static void together(void **state)
{
    struct governor g;

    (void)state;
    governor_init(&g, GOVERNOR_DATAVERSE, 12, 12);
    for (int i = 0; i < 12; i++)
        assert_int_equal(ask(&g), 0);
    done(&g, &last, 429, 5000, 0);
    for (int i = 1; i < 12; i++)
        done(&g, &last, 429, i == 5 ? 7000 : 2000, 0);
    assert_int_equal(g.concurrency, 8); /* a third less, once */
    assert_int_equal(g.throttled, 12);
    assert_int_equal(ask(&g), 7000);
    assert_int_equal(g.waited_ms[WAIT_THROTTLED], 7000);
    governor_init(&g, GOVERNOR_DATAVERSE, 12, 12);
    assert_int_equal(ask(&g), 0);
    done(&g, &last, 429, 60000, 0); /* the request or time window: one less is enough */
    assert_int_equal(g.concurrency, 11);
    for (int i = 0; i < 40; i++) {
        now += 100000;
        assert_int_equal(ask(&g), 0);
        done(&g, &last, 429, 1000, 0);
    }
    assert_int_equal(g.concurrency, 1);
}

/* Fills what may be in flight, then all of it is answered. */
static void full_house(struct governor *g, int status, int dop_hint)
{
    struct governor_call calls[64];
    int n = 0;

    while (n < 64 && governor_ask(g, 0, &calls[n]) == 0)
        n++;
    for (int i = 0; i < n; i++)
        done(g, &calls[i], status, -1, dop_hint);
}

static void growth(void **state)
{
    struct governor g;

    (void)state;
    governor_init(&g, GOVERNOR_FNO, 2, 4);
    for (int i = 0; i < 200; i++) {
        now += 40;
        assert_int_equal(ask(&g), 0);
        done(&g, &last, 200, -1, 0);
    }
    assert_int_equal(g.concurrency, 2); /* never full: there is nothing to grow for */
    full_house(&g, 200, 0);
    assert_int_equal(g.concurrency, 3);
    full_house(&g, 200, 0);
    now += 4000;
    full_house(&g, 200, 0);
    assert_int_equal(g.concurrency, 3); /* 4 s: not yet */
    for (int i = 0; i < 10; i++) {
        now += 5000;
        full_house(&g, i % 2 ? 404 : 200, 0);
    }
    assert_int_equal(g.concurrency, 4);
    full_house(&g, 200, 2); /* the server's hint bars more, at once */
    assert_int_equal(g.concurrency, 2);
    now += 50000;
    full_house(&g, 200, 0);
    assert_int_equal(g.concurrency, 2);
    now += 1000;
    assert_int_equal(ask(&g), 0);
    g.full = false;
    done(&g, &last, 200, -1, 9);
    now += 5000;
    full_house(&g, 0, 0); /* no answer: nothing to grow on */
    assert_int_equal(g.concurrency, 2);
    full_house(&g, 200, 0);
    assert_int_equal(g.concurrency, 3);
    assert_int_equal(g.in_flight, 0);
}

/* ---- against services with limits ---- */

enum { FLYING_MAX = 64, LOG_MAX = 200000 };

/* A service: web servers, each with a sliding window of its own, that calls reach in turn. */
struct service {
    const char *name;
    int servers;
    double limit_ms; /* execution time in 300 s, of each server */
    int limit_requests;
    bool at_end; /* execution counts from the call's end on, not from its begin */
    bool headers, retry_after;
    int64_t cost_ms, network_ms;
    double foreign_ms; /* spent by somebody else on each server in the first 20 s */
    bool stalls;
    int hint;
    double ratio; /* of the ceiling that must be reached after the first window */
    double rejected; /* at most, per 1,000 calls */
};
struct sim {
    const struct service *s;
    struct {
        int64_t at;
        double ms;
        int server;
    } log[LOG_MAX];
    size_t n, first;
    double used[8];
    int requests[8];
    int64_t penalty[8], told[8]; /* refuses until then; what the client has heard of it */
    size_t calls, rejected, early, served;
    double spent_after;
};

static void forget(struct sim *m)
{
    while (m->first < m->n && m->log[m->first].at <= now - 300000) {
        m->used[m->log[m->first].server] -= m->log[m->first].ms;
        m->requests[m->log[m->first].server]--;
        m->first++;
    }
}

static void spend(struct sim *m, int server, double ms)
{
    BUG_IF(m->n == LOG_MAX, "the log is full");
    m->log[m->n].at = now;
    m->log[m->n].ms = ms;
    m->log[m->n++].server = server;
    m->used[server] += ms;
    m->requests[server]++;
}

/* The answer to a call that arrives now; *ret_took how long it takes. */
static struct governor_answer serve(struct sim *m, int64_t began, int64_t *ret_took)
{
    const struct service *s = m->s;
    int server = (int)(m->calls++ % (size_t)s->servers);
    struct governor_answer a = {
        .status = 200, .retry_after_ms = -1, .dop_hint = s->hint, .time_left_ms = -1, .requests_left = -1
    };
    bool time = m->used[server] >= s->limit_ms, requests = m->requests[server] >= s->limit_requests;

    (void)began;
    *ret_took = s->cost_ms + s->network_ms;
    if (now < m->told[server])
        m->early++;
    if (time || requests || now < m->penalty[server]) {
        int64_t wait = 1000;

        for (size_t i = m->first; i < m->n; i++)
            if (m->log[i].server == server) {
                wait = m->log[i].at + 300000 - now;
                break;
            }
        wait = (wait + 999) / 1000 * 1000;
        m->rejected++;
        m->penalty[server] = now + wait;
        *ret_took = s->network_ms;
        a.status = 429;
        a.retry_after_ms = s->retry_after ? wait : -1;
        a.text = requests
                     ? "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
                     : "Combined execution time of incoming requests exceeded limit of 1,200,000 milliseconds over "
                       "time window of 300 seconds. Decrease number of concurrent requests or reduce ...";
        return a;
    }
    m->served++;
    spend(m, server, s->at_end ? 0 : (double)s->cost_ms);
    if (s->headers) {
        a.time_left_ms = s->limit_ms - m->used[server];
        a.requests_left = s->limit_requests - m->requests[server];
        a.time_left_ms = a.time_left_ms > 0 ? a.time_left_ms : 0;
        a.requests_left = a.requests_left > 0 ? a.requests_left : 0;
    }
    return a;
}

struct sim_call {
    bool busy;
    int64_t ends;
    struct governor_call c;
    struct governor_answer a;
    int server;
};

/* One user's calls for so many windows; share of the execution ceiling that was used after the first one. */
static double simulate(struct sim *m, int windows)
{
    static struct sim_call flying[FLYING_MAX];
    const struct service *s = m->s;
    struct governor g;
    int64_t from = now, end = now + windows * 300000LL;
    double got = 0, ceiling;
    bool others = false;

    memset(flying, 0, sizeof(flying));
    governor_init(&g, GOVERNOR_DATAVERSE, 4, 48);
    for (; now < end; now += 10) {
        forget(m);
        if (!others && s->foreign_ms > 0 && now - from > 20000) {
            others = true;
            for (int k = 0; k < s->servers; k++)
                spend(m, k, s->foreign_ms);
        }
        for (size_t i = 0; i < FLYING_MAX; i++)
            if (flying[i].busy && flying[i].ends <= now) {
                flying[i].busy = false;
                flying[i].a.elapsed_ms = flying[i].ends - flying[i].c.began_ms;
                if (flying[i].a.status == 200) {
                    if (s->at_end) {
                        spend(m, flying[i].server, (double)s->cost_ms);
                        m->requests[flying[i].server]--;
                    }
                    if (now - from > 300000)
                        got += (double)s->cost_ms;
                }
                if (flying[i].a.status == 429)
                    m->told[flying[i].server] = now + flying[i].a.retry_after_ms;
                governor_done(&g, &flying[i].c, &flying[i].a);
            }
        if (s->stalls && (now - from) % 40000 < 2500) /* the client's machine stands still */
            continue;
        for (size_t i = 0; i < FLYING_MAX; i++) {
            int64_t took;

            if (flying[i].busy)
                continue;
            if (governor_ask(&g, 0, &flying[i].c))
                break;
            flying[i].server = (int)(m->calls % (size_t)s->servers);
            flying[i].a = serve(m, now, &took);
            flying[i].ends = now + took;
            flying[i].busy = true;
        }
    }
    /* what holds: execution time, or requests of that cost */
    ceiling = s->limit_ms < (double)s->limit_requests * (double)s->cost_ms
                  ? s->limit_ms
                  : (double)s->limit_requests * (double)s->cost_ms;
    return got / (ceiling * s->servers * (windows - 1));
}

static void limits(void **state)
{
    static const struct service SERVICES[] = {
        { "one server", 1, 1200000, 6000, false, true, true, 4100, 0, 0, false, 8, 0.95, 2 },
        { "one server, long calls", 1, 1200000, 6000, false, true, true, 10100, 0, 0, false, 8, 0.95, 2 },
        { "one server, counted at the end", 1, 1200000, 6000, true, true, true, 4100, 0, 0, false, 8, 0.95, 2 },
        { "far away", 1, 1200000, 6000, false, true, true, 4100, 400, 0, false, 16, 0.95, 2 },
        { "many threads", 1, 1200000, 6000, false, true, true, 4100, 30, 0, false, 48, 0.95, 2 },
        { "small calls: requests hold", 1, 1200000, 6000, false, true, true, 120, 0, 0, false, 16, 0.95, 2 },
        { "four servers", 4, 1200000, 6000, false, true, true, 4100, 0, 0, false, 48, 0.93, 2 },
        { "no quota headers", 1, 1200000, 6000, false, false, true, 4100, 0, 0, false, 8, 0.85, 20 },
        { "no quota headers, no Retry-After", 1, 1200000, 6000, false, false, false, 4100, 0, 0, false, 8, 0.8, 60 },
        { "one server, standstills", 1, 1200000, 6000, false, true, true, 4100, 0, 0, true, 16, 0.95, 2 },
        { "somebody else as well", 1, 1200000, 6000, false, true, true, 4100, 0, 500000, false, 8, 0.94, 2 },
    };
    static struct sim m;

    (void)state;
    for (size_t i = 0; i < COUNT(SERVICES); i++) {
        const struct service *s = &SERVICES[i];
        double ratio, rejected;

        memset(&m, 0, sizeof(m));
        m.s = s;
        ratio = simulate(&m, 6);
        rejected = 1000.0 * (double)m.rejected / (double)m.calls;
        print_message("%s: %.3f of the ceiling, %zu calls, %.2f in 1,000 refused, %zu early\n", s->name, ratio,
                      m.calls, rejected, m.early);
        CHECK(ratio >= s->ratio, "%s: %.3f of the ceiling", s->name, ratio);
        CHECK(rejected <= s->rejected, "%s: %.2f of 1,000 calls refused", s->name, rejected);
        if (s->retry_after)
            CHECK(!m.early, "%s: %zu calls before their time", s->name, m.early);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_flight, setup, teardown),
        cmocka_unit_test_setup_teardown(retry_after, setup, teardown),
        cmocka_unit_test_setup_teardown(unhinted, setup, teardown),
        cmocka_unit_test_setup_teardown(together, setup, teardown),
        cmocka_unit_test_setup_teardown(growth, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
