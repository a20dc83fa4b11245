/* test_csv_scan.c -- the quick reader of rows and the quick look at cells against the careful ones. */
#include "check.h"
#include "data/canon_quick.h"
#include "data/csv_scan.h"

#include <stdlib.h>

struct feed {
    const char *p;
    size_t n, step;
};

static int64_t fill(void *arg, void *buf, size_t n, struct err *reterr)
{
    struct feed *f = arg;
    size_t give = f->n < f->step ? f->n : f->step;

    (void)reterr;
    give = give < n ? give : n;
    memcpy(buf, f->p, give);
    f->p += give;
    f->n -= give;
    return (int64_t)give;
}

static uint64_t seed;
static unsigned roll(unsigned n)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(seed >> 33) % n;
}

/* Pieces from which texts are put together: every second one regular, now and then one that spoils a row. */
static void random_text(struct strbuf *out, unsigned pieces)
{
    static const char *const PIECES[] = { "a",
                                          "bc def",
                                          ",",
                                          ",",
                                          ",",
                                          "\n",
                                          "\r\n",
                                          "\"\"",
                                          "\"x\"",
                                          "\"a,b\"",
                                          "\"l\nm\"",
                                          "1.50",
                                          "\xC3\xA9",
                                          "e\xCC\x81",
                                          "\"q\"\"r\"",
                                          " ",
                                          "\xE6\x9D\xB1",
                                          "2024-01-31",
                                          "\"\r\n\"",
                                          "\t",
                                          "longer than sixteen octets" };
    static const char *const ODD[] = { "\"", "\r", "\x01", "\xFF", "\x7F", "\"a\"b", "\xC3" };

    for (unsigned i = 0; i < pieces; i++)
        strbuf_adds(out, roll(400) ? PIECES[roll(COUNT(PIECES))] : ODD[roll(COUNT(ODD))]);
}

static bool has_odd(struct cell c)
{
    for (size_t i = 0; i < c.len; i++)
        if ((unsigned char)c.ptr[i] >= 0xCC || c.ptr[i] == '\n' || c.ptr[i] == '\r')
            return true;
    return false;
}

/* Row by row the same as csv.h, until the quick reader stops: only where the careful one has no regular row, or none. */
static void same_rows(const char *text, size_t n, size_t step)
{
    struct strbuf whole = STRBUF(0);
    struct feed f = { text, n, step };
    struct csv_scan *s = csv_scan_new(fill, &f, 2);
    struct csv_dialect d = { 0 };
    struct csv_reader *r = NULL;
    struct arena a = { 0 };

    strbuf_adds(&whole, "h\n");
    strbuf_add(&whole, text, n);
    assert_int_equal(csv_open_memory("text", whole.buf, whole.len, &d, &r, NULL), EC_OK);
    for (;;) {
        struct csv_scan_row q;
        struct csv_row row;
        bool more;
        enum csv_scanned found = csv_scan_next(s, &q, NULL);

        arena_reset(&a);
        assert_int_equal(csv_next(r, &a, &row, &more, NULL), EC_OK);
        if (found == CSV_SCAN_END) {
            assert_false(more);
            break;
        }
        if (found == CSV_SCAN_IRREGULAR) {
            bool irregular = false;

            /* Some row of what is left must be one that it may not read. */
            for (; more && !irregular; irregular = irregular || (more && (!row.regular || row.fault)))
                if ((irregular = !row.regular || row.fault) == false)
                    assert_int_equal(csv_next(r, &a, &row, &more, NULL), EC_OK);
            assert_true(irregular);
            break;
        }
        assert_int_equal(found, CSV_SCAN_ROW);
        assert_true(more && !row.fault);
        assert_int_equal(q.n, row.n);
        assert_int_equal(q.offset, row.offset);
        if (row.regular) /* a last line without an end is not */
            assert_int_equal(q.plain, !row.wide && !row.several_lines);
        for (size_t i = 0; i < q.n; i++) {
            assert_true(cell_eq(q.cells[i], row.cells[i]));
            if (i < 64 && (q.plain || !(q.odd >> i & 1)))
                assert_false(has_odd(q.cells[i]));
        }
    }
    csv_scan_free(s);
    csv_close(r);
    arena_release(&a);
    strbuf_release(&whole);
}

static void reads_as_the_careful_reader(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        struct strbuf t = STRBUF(0);

        seed = i + 1;
        random_text(&t, 1 + roll(i % 20 ? 60 : 3000));
        same_rows(strbuf_str(&t), t.len, i % 3 ? 1 + roll(200) : 1 << 20);
        strbuf_release(&t);
    }
}

/* Rows over the ends of windows, and one longer than a window. */
static void windows(void **state)
{
    struct strbuf t = STRBUF(0);

    (void)state;
    for (unsigned i = 0; i < 30000; i++)
        strbuf_addf(&t, "C-%u,\"na\"\"me %u\",%u.5\xC3\xA9,\r\n", i, i * 7, i);
    strbuf_adds(&t, "x,\"");
    for (unsigned i = 0; i < 40000; i++)
        strbuf_adds(&t, "long text ");
    strbuf_adds(&t, "\",y\nlast,row,without end");
    same_rows(t.buf, t.len, 1 << 20);
    same_rows(t.buf, t.len, 4093);
    strbuf_release(&t);
}

static void cells_are_what_canon_makes(void **state)
{
    static const char *const CELLS[] = {
        "",
        "0",
        "-0",
        "00",
        "1",
        "-1",
        "+1",
        "1.0",
        "1.50",
        "1.25",
        "0.00",
        "-0.00",
        ".5",
        "5.",
        "1e3",
        "12.345",
        "9999999999999999999",
        "123456789012345678",
        "0.5",
        "-0.5",
        "00.5",
        "1,5",
        " 1",
        "1 ",
        "true",
        "false",
        "True",
        "yes",
        "No",
        "1900-01-01",
        "1900-01-01T00:00:00Z",
        "2024-02-29",
        "2023-02-29",
        "2024-02-30",
        "2024-13-01",
        "0000-01-01",
        "9999-12-31",
        "2024-01-31T24:00:00Z",
        "2024-01-31T12:00:00Z",
        "2024-01-31T12:00:00.0000000Z",
        "2024-01-31T12:00:00.Z",
        "2024-01-31T12:00:00+02:00",
        "2024-01-31 12:00:00",
        "2024-01-31T12:00",
        "2024-01-31T12:00:60Z",
        "2024-1-31",
        "usmf",
        "USMF",
        "us mf",
        "us mf ",
        "trailing  ",
        " lead",
        "caf\xC3\xA9",
        "cafe\xCC\x81",
        "two\nlines",
        "two\r\nlines",
        "\ttab",
        "tab\t",
        "a1b2c3d4-0000-1111-2222-333344445555",
        "A1B2C3D4-0000-1111-2222-333344445555",
        "00000000-0000-0000-0000-000000000000",
        "a1b2c3d4000011112222333344445555",
        "{a1b2c3d4-0000-1111-2222-333344445555}",
    };
    struct arena a = { 0 };
    size_t taken = 0;

    (void)state;
    for (int type = CANON_TEXT; type <= CANON_GUID; type++)
        for (int scale = -1; scale < 4; scale++)
            for (int how = 0; how < 4; how++)
                for (size_t i = 0; i < COUNT(CELLS); i++) {
                    struct canon_rule rule = { .type = (enum canon_type)type,
                                               .scale = scale,
                                               .strict = how == 1,
                                               .blanks = how == 2,
                                               .exact = how == 3 };
                    struct cell in = cell_of(CELLS[i]), quick, full;
                    bool plain = !has_odd(in);
                    const char *why;

                    if (!canon_quick(&rule, in, plain, &quick))
                        continue;
                    taken++;
                    assert_int_equal(canon_cell(&rule, NULL, in, &a, &full, &why), CANON_FINE);
                    if (!cell_eq(quick, full))
                        fail_msg("type %d scale %d way %d: '%s' is '" CELL_FMT "', not '" CELL_FMT "'", type, scale,
                                 how, CELLS[i], CELL_ARG(quick), CELL_ARG(full));
                }
    assert_true(taken > 500);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_as_the_careful_reader),
        cmocka_unit_test(windows),
        cmocka_unit_test(cells_are_what_canon_makes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
