/* test_leaf.c -- leaf files against a plain list: every row comes back, merges classify right, equal leaves are skipped. */
#include "store/leaf.h"
#include "store/spill.h"
#include "check.h"

static const struct canon_rule RULES[2] = { { .type = CANON_KEY }, { .type = CANON_TEXT } };

static struct leaf_row row_of(unsigned key, unsigned value, struct cell cells[2], struct arena *a)
{
    struct leaf_row r = { .cells = cells };
    uint16_t first = 0;

    cells[0] = cell_printf(a, "K%06u", key);
    cells[1] = value ? cell_printf(a, "value %u", value) : CELL_ABSENT;
    r.key = digest_cells(RULES, cells, &first, 1, a);
    r.row = digest_cells(RULES, cells, NULL, 2, a);
    r.extra = cell_printf(a, "x%u", key);
    r.company = key % 3 ? CELL_LIT("usmf") : CELL_LIT("gbmf");
    return r;
}

/* Rows [from, to) with value(key) in a shuffled order. */
static struct leaf_totals build(const char *path, unsigned from, unsigned to, unsigned (*value)(unsigned), int bits)
{
    struct leaf_builder *b = NULL;
    struct leaf_totals t = { 0 };
    struct arena a = { 0 };
    struct err e = { 0 };
    unsigned n = to - from, step = 7919;

    assert_int_equal(leaf_build(path, ".", bits, 2, &b, &e), EC_OK);
    if (n % 7919 == 0)
        step = 7907; /* a prime that does not divide n visits every key once */
    for (unsigned i = 0; i < n; i++) {
        struct cell cells[2];
        unsigned key = from + (unsigned)((uint64_t)i * step % n);
        struct leaf_row r = row_of(key, value(key), cells, &a);

        assert_int_equal(leaf_add(b, &r, &e), EC_OK);
        arena_reset(&a);
    }
    leaf_meta(b, "who", "test");
    assert_int_equal(leaf_finish(b, NULL, &t, &e), EC_OK);
    arena_release(&a);
    return t;
}

static unsigned same(unsigned key)
{
    return key % 11 ? key : 0;
}
static unsigned changed(unsigned key)
{
    return key % 1000 == 17 ? key + 1 : same(key);
}

static void every_row_comes_back(void **state)
{
    static const unsigned SIZES[] = { 0, 1, 2, 255, 256, 257, 5000 };

    (void)state;
    for (size_t i = 0; i < COUNT(SIZES); i++) {
        struct leaf_totals t = build("a.db", 0, SIZES[i], same, -1);
        struct leaf_file *f = NULL;
        struct leaf_walk *w = NULL;
        struct arena a = { 0 };
        struct digest before = { 0, 0 };
        bool more = true, found;
        unsigned n = 0;

        assert_int_equal(t.rows, SIZES[i]);
        assert_int_equal(leaf_open("a.db", &f, NULL), EC_OK);
        assert_int_equal(leaf_totals(f)->rows, SIZES[i]);
        assert_string_equal(leaf_get_meta(f, "who", &a), "test");
        assert_int_equal(leaf_walk_new(f, NULL, false, &w, NULL), EC_OK);
        while (more) {
            struct leaf_pair p;

            assert_int_equal(leaf_walk_next(w, true, &p, &more, NULL), EC_OK);
            if (!more)
                break;
            assert_true(p.in_a && !p.in_b);
            assert_true(!n || digest_cmp(before, p.key) < 0);
            before = p.key;
            n++;
        }
        leaf_walk_free(w);
        assert_int_equal(n, SIZES[i]);
        for (unsigned k = 0; k < SIZES[i]; k += 1 + SIZES[i] / 97) {
            struct cell cells[2];
            struct leaf_row want = row_of(k, same(k), cells, &a), got;

            assert_int_equal(leaf_find(f, want.key, &a, &got, &found, NULL), EC_OK);
            assert_true(found && cell_eq(got.cells[0], cells[0]) && cell_eq(got.cells[1], cells[1]) &&
                        cell_eq(got.extra, want.extra));
        }
        {
            struct cell cells[2];
            struct leaf_row absent = row_of(999999, 1, cells, &a), got;

            assert_int_equal(leaf_find(f, absent.key, &a, &got, &found, NULL), EC_OK);
            assert_false(found);
        }
        leaf_close(f);
        arena_release(&a);
    }
}

static void merge_counts(int bits_b, bool skip, uint64_t *equal, unsigned *differ, unsigned *only_a, unsigned *only_b,
                         uint64_t *skipped)
{
    struct leaf_file *a = NULL, *b = NULL;
    struct leaf_walk *w = NULL;
    bool more = true;

    build("a.db", 0, 20000, same, 7);
    build("b.db", 10, 20005, changed, bits_b);
    assert_int_equal(leaf_open("a.db", &a, NULL), EC_OK);
    assert_int_equal(leaf_open("b.db", &b, NULL), EC_OK);
    assert_int_equal(leaf_walk_new(a, b, skip, &w, NULL), EC_OK);
    *equal = *differ = *only_a = *only_b = 0;
    while (more) {
        struct leaf_pair p;

        assert_int_equal(leaf_walk_next(w, false, &p, &more, NULL), EC_OK);
        if (!more)
            break;
        if (p.in_a && p.in_b) {
            bool same_row = digest_eq(p.a.row, p.b.row);

            *equal += same_row;
            *differ += !same_row;
            if (!same_row) {
                assert_true(cell_eq(p.a.cells[0], p.b.cells[0]));
                assert_false(cell_eq(p.a.cells[1], p.b.cells[1]));
            }
        } else {
            *only_a += p.in_a;
            *only_b += p.in_b;
        }
    }
    *skipped = leaf_walk_skipped(w);
    leaf_walk_free(w);
    leaf_close(a);
    leaf_close(b);
}

static void merge_classifies(void **state)
{
    static const struct {
        const char *name;
        int bits;
        bool skip;
    } CASES[] = {
        { "same bits, no skipping", 7, false },
        { "same bits, skipping", 7, true },
        { "other bits", 5, true },
        { "one leaf", 0, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        uint64_t equal, skipped;
        unsigned differ, only_a, only_b;

        merge_counts(CASES[i].bits, CASES[i].skip, &equal, &differ, &only_a, &only_b, &skipped);
        print_message("%s\n", CASES[i].name);
        assert_int_equal(only_a, 10);
        assert_int_equal(only_b, 5);
        assert_int_equal(differ, 20); /* 17, 1017 ... 19017 */
        assert_int_equal(equal + skipped, 20000 - 10 - 20);
        if (CASES[i].bits == 7 && CASES[i].skip)
            assert_true(skipped > 10000); /* most leaves hold no difference */
        else
            assert_int_equal(skipped, 0);
    }
}

static void sums_do_not_depend_on_order(void **state)
{
    struct leaf_totals x, y;

    (void)state;
    x = build("a.db", 0, 3000, same, -1);
    y = build("b.db", 0, 3000, same, 3);
    assert_true(digest_eq(x.sum, y.sum));
    y = build("b.db", 0, 3000, changed, -1);
    assert_false(digest_eq(x.sum, y.sum));
}

struct seen {
    unsigned n;
    char kept[8], other[8];
};

static enum ec on_duplicate(void *arg, const struct leaf_row *kept, const struct leaf_row *other, struct err *reterr)
{
    struct seen *s = arg;

    (void)reterr;
    s->n++;
    snprintf(s->kept, sizeof(s->kept), CELL_FMT, CELL_ARG(kept->extra));
    snprintf(s->other, sizeof(s->other), CELL_FMT, CELL_ARG(other->extra));
    return EC_OK;
}

static void duplicates_keep_the_first(void **state)
{
    struct leaf_builder *b = NULL;
    struct leaf_totals t;
    struct arena a = { 0 };
    struct seen s = { 0 };
    struct leaf_finish_hooks hooks = { .duplicate = on_duplicate, .arg = &s };

    (void)state;
    assert_int_equal(leaf_build("d.db", ".", -1, 2, &b, NULL), EC_OK);
    for (unsigned i = 0; i < 3; i++) {
        struct cell cells[2];
        struct leaf_row r = row_of(5, i + 1, cells, &a);

        r.extra = cell_printf(&a, "#%u", i);
        assert_int_equal(leaf_add(b, &r, NULL), EC_OK);
    }
    assert_int_equal(leaf_finish(b, &hooks, &t, NULL), EC_OK);
    assert_int_equal(t.rows, 1);
    assert_int_equal(t.duplicates, 2);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.kept, "#0");
    assert_string_equal(s.other, "#2");
    arena_release(&a);
}

static void companies_are_totalled(void **state)
{
    struct leaf_file *f = NULL;
    struct leaf_company *c;
    struct arena a = { 0 };
    size_t n;

    (void)state;
    build("a.db", 0, 300, same, -1);
    assert_int_equal(leaf_open("a.db", &f, NULL), EC_OK);
    assert_int_equal(leaf_companies(f, &a, &c, &n, NULL), EC_OK);
    assert_int_equal(n, 2);
    assert_string_equal(c[0].name, "gbmf");
    assert_int_equal(c[0].rows, 100);
    assert_int_equal(c[1].rows, 200);
    leaf_close(f);
    arena_release(&a);
}

static void damaged_file_is_an_error(void **state)
{
    struct leaf_file *f = NULL;
    struct err e = { 0 };
    FILE *out = fopen("bad.db", "w");

    (void)state;
    assert_non_null(out);
    fputs("this is no database, whatever its name says, and it is long enough to be looked at as one ..............",
          out);
    fclose(out);
    assert_int_not_equal(leaf_open("bad.db", &f, &e), EC_OK);
    assert_true(e.msg[0]);
    assert_int_not_equal(leaf_open("missing.db", &f, &e), EC_OK);
}

static void spill_gives_back_all_records(void **state)
{
    struct spill *s = NULL;
    char big[40000];
    size_t total = 0;

    (void)state;
    memset(big, 'b', sizeof(big));
    assert_int_equal(spill_new(".", &s, NULL), EC_OK);
    for (unsigned i = 0; i < 20000; i++) {
        struct digest d = { (uint64_t)i * 0x9e3779b97f4a7c15u, i };

        assert_int_equal(spill_add(s, d, big, i % 500 ? i % 90 : sizeof(big), NULL), EC_OK);
    }
    for (unsigned part = 0; part < SPILL_PARTITIONS; part++) {
        struct spill_record *r;
        size_t n;

        assert_int_equal(spill_partition(s, part, &r, &n, NULL), EC_OK);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(r[i].d.hi >> 56, part);
            assert_int_equal(r[i].n, r[i].d.lo % 500 ? r[i].d.lo % 90 : sizeof(big));
            assert_true(!i || digest_cmp(r[i - 1].d, r[i].d) < 0);
        }
        total += n;
    }
    assert_int_equal(total, 20000);
    spill_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_comes_back),         cmocka_unit_test(merge_classifies),
        cmocka_unit_test(sums_do_not_depend_on_order),  cmocka_unit_test(duplicates_keep_the_first),
        cmocka_unit_test(companies_are_totalled),       cmocka_unit_test(damaged_file_is_an_error),
        cmocka_unit_test(spill_gives_back_all_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
