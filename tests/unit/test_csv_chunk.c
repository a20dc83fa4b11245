/* test_csv_chunk.c -- a file in pieces: together they are the file, and their rows are the file's wherever no quote is left open. */
#include "check.h"

#include "base/file.h"
#include "data/csv.h"
#include "data/csv_chunk.h"

enum { MAX_ROW = 64 * 1024 };

/* Rows with line ends, commas and doubled quotes in cells; every `stray`-th with a quote where none may be (0 = none). */
static void make_file(const char *path, int rows, int stray)
{
    struct strbuf text = STRBUF(0);
    struct err e = { 0 };
    unsigned x = 7;

    strbuf_adds(&text, "a,b,c\n");
    for (int i = 0; i < rows; i++) {
        x = x * 1664525U + 1013904223U;
        strbuf_addf(&text, "%d,", i);
        if (stray && i % stray == stray - 1)
            strbuf_adds(&text, "5\" pipe,");
        else if (x >> 30 == 0)
            strbuf_addf(&text, "\"one, \"\"two\"\"\r\n%*s\",", (int)(x >> 16 & 255), "x");
        else
            strbuf_addf(&text, "%*s,", (int)(x >> 16 & 127) + 1, "plain");
        strbuf_adds(&text, x & 4096 ? "last\r\n" : "\n");
        if (x >> 20 == 5)
            strbuf_adds(&text, "\n"); /* blank */
    }
    strbuf_adds(&text, "no,end,here");
    CHECK_OK(file_write_atomic(path, text.buf, text.len, 0600, &e), &e);
    strbuf_release(&text);
}

static void same_row(const struct csv_row *a, const struct csv_row *b)
{
    CHECK(a->offset == b->offset && a->line == b->line && a->number == b->number && a->fault == b->fault &&
              a->n == b->n,
          "row %llu", (unsigned long long)a->number);
    for (size_t i = 0; i < a->n; i++)
        CHECK(cell_eq(a->cells[i], b->cells[i]) && cell_absent(a->cells[i]) == cell_absent(b->cells[i]), "row %llu",
              (unsigned long long)a->number);
}

/* Rows of the pieces of `path`, each against that of the file. Returns how many pieces there were; stops at an open end. */
static int compare(const char *path, bool *ret_open_end)
{
    struct csv_dialect d = { .max_row_octets = MAX_ROW };
    struct csv_reader *whole = NULL, *part;
    struct csv_chunks *chunks = NULL;
    struct strbuf text = STRBUF(0);
    struct arena a = { 0 }, b = { 0 };
    struct csv_place at;
    struct err e = { 0 };
    bool last = false, more = true;
    int pieces = 0;

    *ret_open_end = false;
    CHECK_OK(csv_open(path, &d, &whole, &e), &e);
    assert_true(csv_divisible(whole));
    part = csv_part_reader(whole);
    at = csv_here(whole);
    CHECK_OK(csv_chunks_open(path, at.offset, csv_quote(whole), csv_max_row(whole), &chunks, &e), &e);
    while (!last && !*ret_open_end) {
        uint64_t offset;

        CHECK_OK(csv_chunks_next(chunks, &text, &offset, &last, &e), &e);
        assert_int_equal(offset, at.offset);
        assert_true(last || text.len);
        csv_part(part, text.buf, text.len, at);
        for (;;) {
            const struct csv_plain *plain;
            struct csv_row x, y;

            arena_reset(&a);
            arena_reset(&b);
            plain = csv_next_plain(part);
            if (plain)
                csv_plain_row(part, plain, &x);
            else
                CHECK_OK(csv_next_borrowed(part, &a, &x, &more, &e), &e);
            if (!plain && !more)
                break;
            if (x.fault == CSV_OPEN_QUOTE && !last) {
                *ret_open_end = true;
                break;
            }
            CHECK_OK(csv_next(whole, &b, &y, &more, &e), &e);
            assert_true(more);
            same_row(&x, &y);
        }
        at = csv_here(part);
        pieces++;
    }
    if (!*ret_open_end) {
        struct csv_row y;

        CHECK_OK(csv_next(whole, &b, &y, &more, &e), &e);
        assert_false(more);
        assert_int_equal(csv_here(whole).line, at.line);
        assert_int_equal(csv_here(whole).number, at.number);
    }
    csv_chunks_close(chunks);
    csv_close(part);
    csv_close(whole);
    strbuf_release(&text);
    arena_release(&a);
    arena_release(&b);
    return pieces;
}

static void well_formed(void **state)
{
    bool open_end;

    (void)state;
    make_file("fine.csv", 20000, 0);
    assert_true(compare("fine.csv", &open_end) > 4);
    assert_false(open_end);
    make_file("short.csv", 1, 0);
    assert_int_equal(compare("short.csv", &open_end), 1);
    assert_false(open_end);
}

/* Up to where a piece says that its end is open, its rows are right; here some do. */
static void stray_quotes(void **state)
{
    int open_ends = 0;

    (void)state;
    for (int stray = 3; stray < 40000; stray = stray * 3 + 1) {
        bool open_end;

        make_file("stray.csv", 20000, stray);
        compare("stray.csv", &open_end);
        open_ends += open_end;
    }
    assert_true(open_ends > 0);
}

/* No row ends within reach: an empty piece that is not the last. */
static void too_long(void **state)
{
    struct csv_chunks *c = NULL;
    struct strbuf text = STRBUF(0);
    struct err e = { 0 };
    uint64_t offset;
    bool last;

    (void)state;
    strbuf_adds(&text, "a\n\"");
    for (int i = 0; i < 200000; i++)
        strbuf_adds(&text, "line\n");
    CHECK_OK(file_write_atomic("open.csv", text.buf, text.len, 0600, &e), &e);
    CHECK_OK(csv_chunks_open("open.csv", 2, '"', MAX_ROW, &c, &e), &e);
    CHECK_OK(csv_chunks_next(c, &text, &offset, &last, &e), &e);
    assert_int_equal(text.len, 0);
    assert_false(last);
    csv_chunks_close(c);
    assert_int_equal(csv_chunks_open("missing.csv", 0, '"', MAX_ROW, &c, &e), EC_IO);
    strbuf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(well_formed), cmocka_unit_test(stray_quotes),
                                        cmocka_unit_test(too_long) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
