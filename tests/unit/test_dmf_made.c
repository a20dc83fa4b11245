/* test_dmf_made.c -- rows that were made elsewhere give the same package as rows that are added one by one; UTF-16 of UTF-8. */
#include "base/arena.h"
#include "base/file.h"
#include "dmf/pkgwrite.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Characters of one to four octets; the first ones come more often. */
static const struct {
    const char *utf8;
    uint32_t cp;
} CHARACTERS[] = { { "a", 'a' },
                   { "b", 'b' },
                   { ",", ',' },
                   { "\xC3\xA9", 0xE9 },
                   { "\xC2\x80", 0x80 },
                   { "\xDF\xBF", 0x7FF },
                   { "\xE0\xA0\x80", 0x800 },
                   { "\xE6\x9D\xB1", 0x6771 },
                   { "\xEF\xBF\xBD", 0xFFFD },
                   { "\xF0\x90\x80\x80", 0x10000 },
                   { "\xF4\x8F\xBF\xBF", 0x10FFFF } };

static unsigned next(unsigned *x)
{
    *x = *x * 1664525U + 1013904223U;
    return *x >> 8;
}

static void put_unit(struct strbuf *out, uint32_t unit)
{
    strbuf_addc(out, (char)unit);
    strbuf_addc(out, (char)(unit >> 8));
}

static void add_character(struct strbuf *text, struct strbuf *want, size_t i)
{
    uint32_t cp = CHARACTERS[i].cp;

    strbuf_adds(text, CHARACTERS[i].utf8);
    if (cp >= 0x10000) {
        put_unit(want, 0xD800 + ((cp - 0x10000) >> 10));
        cp = 0xDC00 + (cp & 0x3FF);
    }
    put_unit(want, cp);
}

/* Texts of every length and mixture, in a buffer that ends right behind them, behind something that is there already. */
static void widened(void **state)
{
    unsigned x = 7;

    (void)state;
    for (size_t round = 0; round < 4000; round++) {
        struct strbuf text = STRBUF(0), want = STRBUF(0), got = STRBUF(0);
        size_t n = round % 200, rare = round % 7 * 8;
        char *exact;

        strbuf_adds(&want, "xy");
        strbuf_adds(&got, "xy");
        for (size_t i = 0; i < n; i++)
            add_character(&text, &want,
                          rare && next(&x) % rare ? next(&x) % 3
                                                  : next(&x) % (sizeof(CHARACTERS) / sizeof(*CHARACTERS)));
        exact = xmalloc(text.len + 1);
        memcpy(exact, strbuf_str(&text), text.len);
        exact = xrealloc(exact, text.len ? text.len : 1);
        dmf_widen(&got, exact, text.len);
        CHECK(got.len == want.len && !memcmp(got.buf, want.buf, want.len), "round %zu: %zu octets for %zu", round,
              got.len, want.len);
        assert_int_equal(got.buf[got.len], 0);
        free(exact);
        strbuf_release(&text);
        strbuf_release(&want);
        strbuf_release(&got);
    }
}

enum { ROWS = 9000, A_RUN = 700 };
static struct dmf_field FIELDS[] = { { .staging = CELL_LIT("ID"), .file = CELL_LIT("ID") },
                                     { .staging = CELL_LIT("NAME"), .file = CELL_LIT("NAME") } };
static struct dmf_entity ENTITY = { .label = CELL_LIT("Things"),
                                    .aot = CELL_LIT("ThingEntity"),
                                    .input_file = CELL_LIT("Things.csv"),
                                    .source_format = CELL_LIT("CSV"),
                                    .fields = FIELDS,
                                    .n = 2,
                                    .unit = 1,
                                    .level = 1,
                                    .sequence = 1 };
static const struct dmf_package PACKAGE = {
    .project = CELL_LIT("P"), .description = CELL_LIT("P"), .entities = &ENTITY, .n = 1
};

/* Row i; some of them are long, so that blocks end at different places. */
static void row(size_t i, struct strbuf *name, char id[24], struct cell ret[2])
{
    struct strbuf ignored = STRBUF(0);
    unsigned x = (unsigned)i * 2654435761U + 1;

    strbuf_reset(name);
    for (size_t n = i % 50 == 3 ? 900 : next(&x) % 60; n; n--)
        add_character(name, &ignored, next(&x) % 5 ? next(&x) % 3 : next(&x) % 11);
    strbuf_release(&ignored);
    snprintf(id, 24, "%zu", i);
    ret[0] = cell_of(id);
    ret[1] = (struct cell){ name->len ? strbuf_str(name) : NULL, name->len };
}

static struct dmf_writer *begin(const struct dmf_format *f)
{
    struct dmf_writer *w = NULL;
    struct err e = { 0 };

    CHECK_OK(dir_make("tmp", 0700, &e), &e);
    CHECK_OK(dmf_writer_new(&PACKAGE, f, "tmp", &w, &e), &e);
    return w;
}

static void one_by_one(const struct dmf_format *f, const char *path, struct dmf_result *ret)
{
    struct dmf_writer *w = begin(f);
    struct strbuf name = STRBUF(0);
    struct cell cells[2];
    struct err e = { 0 };
    size_t field;
    char id[24];

    for (size_t i = 0; i < ROWS; i++) {
        row(i, &name, id, cells);
        CHECK_OK(dmf_writer_row(w, 0, cells, NULL, &field, &e), &e);
    }
    CHECK_OK(dmf_writer_finish(w, path, ret, &e), &e);
    strbuf_release(&name);
}

static void in_runs(const struct dmf_format *f, const char *path, struct dmf_result *ret)
{
    struct dmf_format in_utf8 = *f;
    struct dmf_writer *w = begin(f);
    struct dmf_made made[A_RUN];
    struct dmf_data *d = NULL;
    struct strbuf name = STRBUF(0);
    struct cell cells[2];
    struct err e = { 0 };
    size_t field;
    char id[24];

    in_utf8.utf16 = false;
    CHECK_OK(dmf_data_new(&ENTITY, &in_utf8, &d, &e), &e);
    for (size_t i = 0; i < ROWS;) {
        size_t n = 0, from = 5; /* rows of somebody else may stand before them */

        strbuf_reset(&d->out);
        strbuf_adds(&d->out, "else\n");
        for (; n < A_RUN && i < ROWS; i++, n++) {
            row(i, &name, id, cells);
            CHECK_OK(dmf_data_add(d, cells, NULL, &field, &e), &e);
            made[n] = (struct dmf_made){ d->out.len, d->qualified };
        }
        CHECK_OK(dmf_writer_made(w, 0, d->out.buf, from, made, n, &e), &e);
    }
    CHECK_OK(dmf_writer_finish(w, path, ret, &e), &e);
    dmf_data_free(d);
    strbuf_release(&name);
}

static void made_elsewhere(void **state)
{
    static const char *const NAMES[] = { "CSV-Unicode", "CSV-UTF8" };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct strbuf one = STRBUF(0), two = STRBUF(0);
        struct dmf_result r[2];
        struct dmf_format f;
        struct err e = { 0 };

        assert_true(dmf_format_named(NAMES[i], &f));
        one_by_one(&f, "one.zip", &r[0]);
        in_runs(&f, "two.zip", &r[1]);
        assert_int_equal(r[0].rows, ROWS);
        assert_int_equal(r[1].rows, ROWS);
        assert_string_equal(r[0].digest, r[1].digest);
        CHECK_OK(file_read("one.zip", 1 << 24, &one, &e), &e);
        CHECK_OK(file_read("two.zip", 1 << 24, &two, &e), &e);
        CHECK(one.len == two.len && !memcmp(one.buf, two.buf, one.len), "%s: other octets", NAMES[i]);
        strbuf_release(&one);
        strbuf_release(&two);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(widened), cmocka_unit_test(made_elsewhere) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
