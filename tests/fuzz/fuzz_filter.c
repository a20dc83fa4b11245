/*
 * fuzz_filter.c -- any text as a filter of either side. What is accepted names only fields that stand in the text, means the
 * same each time, and obeys not, and, or. What is printed in either language is read again and printed as the same text.
 * Octet 0 chooses the language and the row's values, the rest is the filter.
 */
#include "fuzz_must.h"

#include "map/filter.h"

#include <string.h>

struct row {
    struct cell text;
    unsigned kind;
};

/* Every field has a value: nothing, empty, a number, or a piece of the filter itself. */
static bool get(void *arg, struct cell field, struct cell *ret)
{
    const struct row *r = arg;

    switch ((r->kind + field.len) % 5) {
    case 0: *ret = CELL_ABSENT; break;
    case 1: *ret = CELL_LIT(""); break;
    case 2: *ret = CELL_LIT("-12.50"); break;
    case 3: *ret = (struct cell){ r->text.ptr, r->text.len / 2 }; break;
    default: return false;
    }
    return true;
}

static void check_field(void *arg, struct cell field)
{
    const struct row *r = arg;

    MUST(field.len && field.ptr >= r->text.ptr && field.ptr + field.len <= r->text.ptr + r->text.len);
}

static void check(const struct filter *f, struct row *r)
{
    bool m = filter_match(f, get, r);

    MUST(m == filter_match(f, get, r));
    switch (f->op) {
    case FILTER_NOT: MUST(m != filter_match(f->a, get, r)); break;
    case FILTER_AND: MUST(m == (filter_match(f->a, get, r) && filter_match(f->b, get, r))); break;
    case FILTER_OR: MUST(m == (filter_match(f->a, get, r) || filter_match(f->b, get, r))); break;
    default: MUST(!f->a && !f->b && f->field.len); break;
    }
}

static void print_and_read(const struct filter *f, bool xpp, struct arena *a)
{
    struct strbuf once = STRBUF(0), twice = STRBUF(0), normal = STRBUF(0);
    struct filter *g = NULL;
    struct err e = { 0 };

    filter_normal(f, &normal);
    if (!(xpp ? filter_to_xpp : filter_to_odata)(f, NULL, NULL, &once, &e)) {
        enum ec rc = (xpp ? filter_parse_xpp : filter_parse_odata)((struct cell){ once.buf, once.len }, a, &g, &e);

        /* More parentheses and escapes than there were can pass the limits. */
        MUST(rc == EC_OK || strstr(e.msg, "too deeply") || strstr(e.msg, "longer than"));
        if (!rc) {
            MUST((xpp ? filter_to_xpp : filter_to_odata)(g, NULL, NULL, &twice, &e) == EC_OK);
            MUST(once.len == twice.len && !memcmp(once.buf, twice.buf, once.len));
        }
    } else {
        MUST(!once.len && e.msg[0]);
    }
    strbuf_release(&once);
    strbuf_release(&twice);
    strbuf_release(&normal);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = { 0 };
    struct filter *f = NULL;
    struct row r;
    struct err e = { 0 };
    enum ec rc;

    if (!n)
        return 0;
    r.kind = p[0] >> 1;
    r.text = (struct cell){ arena_dup(&a, p + 1, n - 1), n - 1 };
    rc = p[0] & 1 ? filter_parse_xpp(r.text, &a, &f, &e) : filter_parse_odata(r.text, &a, &f, &e);
    MUST(rc == EC_OK || (rc == EC_FORMAT && !f && e.msg[0]));
    filter_fields(f, check_field, &r);
    if (f) {
        check(f, &r);
        print_and_read(f, true, &a);
        print_and_read(f, false, &a);
    } else {
        MUST(rc || filter_match(f, get, &r));
    }
    arena_release(&a);
    return 0;
}
