/* test_workers.c -- every piece of work is done once, by however many threads; the owner waits for the one that it asks for. */
#include "check.h"

#include "base/workers.h"

struct sum {
    struct work work;
    int from, times, done;
    long total;
};

static void add(struct work *w, int thread)
{
    struct sum *s = (struct sum *)w;

    assert_true(thread >= 0);
    s->total = 0;
    for (int i = 0; i < 1000; i++)
        s->total += s->from + i;
    s->done++;
}

static void each_once(void **state)
{
    static const int THREADS[] = { 0, 1, 5 };
    enum { PIECES = 7, ROUNDS = 500 };
    struct sum sums[PIECES];

    (void)state;
    for (size_t t = 0; t < COUNT(THREADS); t++) {
        struct workers *ws = workers_new(THREADS[t]);

        assert_int_equal(workers_threads(ws), THREADS[t]);
        memset(sums, 0, sizeof(sums));
        for (int round = 0; round < ROUNDS; round++) { /* a ring, as those who use it have */
            struct sum *s = &sums[round % PIECES];

            if (s->times) {
                workers_finish(ws, &s->work);
                assert_int_equal(s->done, s->times);
                assert_int_equal(s->total, 1000L * s->from + 499500);
            }
            s->from = round;
            s->times++;
            s->work.run = add;
            workers_give(ws, &s->work);
        }
        for (int i = PIECES - 1; i >= 0; i--) /* in any order */
            workers_finish(ws, &sums[i].work);
        for (int i = 0; i < PIECES; i++)
            assert_int_equal(sums[i].done, sums[i].times);
        workers_free(ws);
    }
    workers_free(workers_new(3)); /* nothing given */
    workers_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_once) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
