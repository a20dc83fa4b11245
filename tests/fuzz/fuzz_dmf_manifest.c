/*
 * fuzz_dmf_manifest.c -- any octets as PackageHeader.xml, Manifest.xml, or a data file in XML. A manifest that is read is
 * read again from its own writing with the same meaning; cells of data files are UTF-8, in whatever pieces they come. (In
 * a file that is not well-formed the pieces decide how many rows come before that is found out.)
 * Octet 0 chooses which, the rest is the document.
 */
#include "fuzz/feed.h"
#include "fuzz_must.h"

#include "dmf/dmf_parts.h"

static bool same(struct cell a, struct cell b)
{
    return cell_blank(a) ? cell_blank(b) : cell_eq(a, b); /* absent is written as an empty element */
}

static void check_manifest(const char *p, size_t n)
{
    struct arena a = { 0 };
    struct dmf_package one = { 0 }, two = { 0 };
    struct dmf_written *w;
    struct strbuf text = STRBUF(0);
    struct err e = { 0 };

    if (dmf_manifest_parse("fuzz", p, n, &a, &one, &e)) {
        MUST(e.msg[0] && !one.n);
        goto out;
    }
    w = arena_zalloc(&a, (one.n + 1) * sizeof(*w));
    for (size_t i = 0; i < one.n; i++) {
        w[i].rows = 1;
        w[i].qualified = arena_zalloc(&a, one.entities[i].n + 1);
    }
    MUST(dmf_manifest_text(&one, w, &text, &e) == EC_OK);
    MUST(dmf_manifest_parse("again", text.buf, text.len, &a, &two, &e) == EC_OK);
    MUST(one.n == two.n && same(one.project, two.project) && same(one.description, two.description));
    for (size_t i = 0; i < one.n; i++) {
        const struct dmf_entity *x = &one.entities[i], *y = &two.entities[i];

        MUST(same(x->label, y->label) && same(x->aot, y->aot) && same(x->input_file, y->input_file));
        MUST(x->unit == y->unit && x->level == y->level && x->sequence == y->sequence && x->disabled == y->disabled);
        MUST(x->n == y->n);
        for (size_t k = 0; k < x->n; k++)
            MUST(same(x->fields[k].staging, y->fields[k].staging) &&
                 x->fields[k].auto_generated == y->fields[k].auto_generated);
    }
out:
    strbuf_release(&text);
    arena_release(&a);
}

/* Every row printed. False = the file is not well-formed. */
static bool print_rows(const char *p, size_t n, size_t step, struct strbuf *out)
{
    struct dmf_entity entity = { .label = CELL_LIT("W") };
    struct dmf_columns columns = { .entity = &entity };
    struct feed s = { p, n, step };
    struct dmf_xml_rows *x = NULL;
    struct arena a = { 0 };
    struct err e = { 0 };
    bool good = true;

    if (dmf_xml_rows_open("fuzz", feed_fill, &s, &columns, &x, &e)) {
        good = false;
        MUST(e.msg[0]);
    }
    while (x) {
        struct cell *cells = NULL;
        const char *fault = NULL;
        bool more = false;
        size_t cells_n = 0;

        arena_reset(&a);
        if (dmf_xml_rows_next(x, &a, &cells, &cells_n, &fault, &more, &e)) {
            good = false;
            break;
        }
        if (!more)
            break;
        MUST(cells_n == columns.n);
        for (size_t i = 0; i < cells_n; i++) {
            MUST(!cells[i].len || utf8_valid_prefix(cells[i].ptr, cells[i].len) == cells[i].len);
            strbuf_addf(out, "%s%zu:", cells[i].ptr ? "" : "~", cells[i].len);
            strbuf_add(out, cells[i].ptr, cells[i].len);
        }
        strbuf_adds(out, fault ? "!\n" : "\n");
    }
    dmf_xml_rows_close(x);
    free(columns.staging);
    arena_release(&columns.a);
    arena_release(&a);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct strbuf one = STRBUF(0), two = STRBUF(0);
    struct err e = { 0 };
    const char *text = (const char *)p + 1;

    if (!n)
        return 0;
    switch (p[0] % 3) {
    case 0: MUST(dmf_header_parse("fuzz", text, n - 1, &e) == EC_OK || e.msg[0]); break;
    case 1: check_manifest(text, n - 1); break;
    default:
        if (print_rows(text, n - 1, SIZE_MAX, &one)) {
            MUST(print_rows(text, n - 1, 1 + p[0] / 3, &two));
            MUST(one.len == two.len && (!one.len || !memcmp(one.buf, two.buf, one.len)));
        } else {
            MUST(!print_rows(text, n - 1, 1 + p[0] / 3, &two));
        }
    }
    strbuf_release(&one);
    strbuf_release(&two);
    return 0;
}
