/* test_reconcile_rates.c -- what a step will take with other rows and another latency, from what it took. */
#include "check.h"
#include "sync/reconcile.h"

#define SAME_MS(got, want) \
    CHECK((got) >= (want)-1 && (got) <= (want) + 1, "%lld ms, not %lld", (long long)(got), (long long)(want))

/* A step whose every call costs the latency, whose every row a time of its own, beside what it takes when it brings nothing. */
static struct rec_time took(int64_t calls, int64_t latency, int64_t rows, int64_t us_per_row, int64_t times)
{
    return (struct rec_time){ calls * latency + rows * us_per_row / 1000, rows, calls, times };
}

static void rows_and_latency(void **state)
{
    struct rec_rates had = { .known = true, .fno_ms = 20, .dv_ms = 30 }, now = { .fno_ms = 100, .dv_ms = 10 };

    (void)state;
    had.t[TIME_SCAN] = took(10, 20, 10000, 500, 1);
    SAME_MS(rates_predict(&had, &had, TIME_SCAN, 10000), had.t[TIME_SCAN].ms);
    SAME_MS(rates_predict(&had, &now, TIME_SCAN, 10000), took(10, 100, 10000, 500, 1).ms);
    SAME_MS(rates_predict(&had, &now, TIME_SCAN, 50000), took(50, 100, 50000, 500, 1).ms);
    had.t[TIME_BULK] = took(4, 30, 1000, 2000, 1);
    SAME_MS(rates_predict(&had, &now, TIME_BULK, 3000), took(12, 10, 3000, 2000, 1).ms);
}

/* What an empty export takes is in each export once, however many rows it brings. */
static void empty_ones(void **state)
{
    struct rec_rates had = { .known = true, .fno_ms = 20, .dv_ms = 30 }, now = { .fno_ms = 20, .dv_ms = 60 };

    (void)state;
    had.t[TIME_DRAIN] = took(3 * 20, 20, 0, 0, 3);
    had.t[TIME_EXPORT] = took(20, 20, 1000, 1000, 1);
    SAME_MS(rates_predict(&had, &now, TIME_EXPORT, 1000), 400 + 1000);
    SAME_MS(rates_predict(&had, &now, TIME_EXPORT, 50000), 400 + 50000);
    SAME_MS(rates_predict(&had, &now, TIME_DRAIN, 0), 400);
    had.t[TIME_IDLE] = took(4 * 1, 30, 0, 0, 4);
    had.t[TIME_CHANGES] = took(1 + 5, 30, 500, 1000, 1);
    SAME_MS(rates_predict(&had, &now, TIME_IDLE, 0), 60);
    SAME_MS(rates_predict(&had, &now, TIME_CHANGES, 5000), 60 + 50 * 60 + 5000);
}

static void nothing_known(void **state)
{
    struct rec_rates had = { .known = true, .dv_ms = 500 }, now = { .dv_ms = 10 };

    (void)state;
    SAME_MS(rates_predict(&had, &now, TIME_BULK, 1000000), 0);
    /* Measured calls that were faster than the latency then: never less than nothing. */
    had.t[TIME_BULK] = (struct rec_time){ .ms = 100, .rows = 100, .calls = 10, .times = 1 };
    SAME_MS(rates_predict(&had, &now, TIME_BULK, 100), 100);
    SAME_MS(rates_predict(&had, &now, TIME_BULK, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_latency),
        cmocka_unit_test(empty_ones),
        cmocka_unit_test(nothing_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
