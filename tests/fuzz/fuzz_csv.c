/*
 * fuzz_csv.c -- any octets as a CSV file. However they are fed the rows are the same, each row's place leads back to the
 * same rest, cells are UTF-8, and what could be read is the same after csv_add() and reading again.
 * Octet 0 chooses encoding and delimiter, octet 1 the row ceiling, the rest is the file.
 */
#include "fuzz/feed.h"
#include "fuzz_must.h"

#include "data/csv.h"

static void print_cells(const struct cell *cells, size_t n, struct strbuf *out)
{
    strbuf_addf(out, "%zu:", n);
    for (size_t i = 0; i < n; i++) {
        MUST(!cells[i].len || utf8_valid_prefix(cells[i].ptr, cells[i].len) == cells[i].len);
        strbuf_addf(out, cells[i].ptr ? "%zu," : "~%zu,", cells[i].len);
        strbuf_add(out, cells[i].ptr, cells[i].len);
    }
}

static void print_row(const struct csv_row *row, struct strbuf *out)
{
    strbuf_addf(out, "#%llu@%llu:%llu!%d ", (unsigned long long)row->number, (unsigned long long)row->offset,
                (unsigned long long)row->line, (int)row->fault);
    print_cells(row->cells, row->n, out);
    strbuf_add(out, row->raw.ptr, row->raw.len);
    strbuf_addc(out, '\n');
}

/* Prints every row that is left; with `copy`, also writes the good ones as CSV. */
static void print_rest(struct csv_reader *r, struct strbuf *out, struct strbuf *copy, struct strbuf *good)
{
    struct arena a = { 0 };
    struct csv_row row;
    bool more;

    for (;;) {
        MUST(csv_next(r, &a, &row, &more, NULL) == EC_OK);
        if (!more)
            break;
        MUST((row.fault != CSV_OK) == (row.raw.ptr != NULL));
        print_row(&row, out);
        if (copy && !row.fault) {
            for (size_t i = 0; i < row.n; i++) {
                if (i)
                    strbuf_addc(copy, ',');
                csv_add(copy, row.cells[i], ',');
            }
            if (row.n == 1 && !row.cells[0].ptr)
                MUST(false); /* a blank line is no row */
            strbuf_addc(copy, '\n');
            print_cells(row.cells, row.n, good);
        }
        arena_reset(&a);
    }
    arena_release(&a);
}

static void check_places(const char *p, size_t n, const struct csv_dialect *d, const struct strbuf *all)
{
    struct csv_reader *r = NULL, *other = NULL;
    struct arena a = { 0 };
    struct csv_row row;
    bool more;

    MUST(csv_open_memory("x", p, n, d, &r, NULL) == EC_OK && csv_open_memory("x", p, n, d, &other, NULL) == EC_OK);
    for (int i = 0; i < 20; i++) {
        struct strbuf rest = { 0 };

        MUST(csv_next(r, &a, &row, &more, NULL) == EC_OK);
        if (!more)
            break;
        MUST(csv_seek(other, row.offset, row.line, row.number, NULL) == EC_OK);
        print_rest(other, &rest, NULL, NULL);
        MUST(rest.len && rest.len <= all->len && !memcmp(all->buf + all->len - rest.len, rest.buf, rest.len));
        strbuf_release(&rest);
    }
    csv_close(r);
    csv_close(other);
    arena_release(&a);
}

static void read_copy(const struct strbuf *copy, const struct strbuf *good)
{
    struct csv_reader *r = NULL;
    struct arena a = { 0 };
    struct strbuf again = { 0 };
    struct csv_row row;
    bool more;

    MUST(csv_open_memory("copy", copy->buf, copy->len, NULL, &r, NULL) == EC_OK);
    for (;;) {
        MUST(csv_next(r, &a, &row, &more, NULL) == EC_OK);
        if (!more)
            break;
        MUST(!row.fault);
        print_cells(row.cells, row.n, &again);
    }
    MUST(again.len == good->len && (!good->len || !memcmp(again.buf, good->buf, good->len)));
    csv_close(r);
    arena_release(&a);
    strbuf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum text_encoding ENCODINGS[] = { ENC_AUTO, ENC_UTF8, ENC_UTF16LE, ENC_UTF16BE, ENC_CP1252 };
    struct csv_dialect d = { 0 };
    struct strbuf all = { 0 }, copy = { 0 }, good = { 0 };
    struct csv_reader *r = NULL;
    const char *p;
    size_t n;

    if (size < 2 || size > 4000)
        return 0;
    d.encoding = ENCODINGS[(data[0] & 7) % 5];
    d.delimiter = data[0] & 8 ? ';' : 0;
    d.max_row_octets = data[1] < 128 ? 8 + data[1] : 0;
    n = size - 2;
    p = (const char *)data + 2;
    strbuf_adds(&copy, "header\n");
    if (csv_open_memory("x", p, n, &d, &r, NULL) == EC_OK) {
        print_rest(r, &all, &copy, &good);
        csv_close(r);
        check_places(p, n, &d, &all);
        read_copy(&copy, &good);
        for (size_t step = 1; step <= 3; step++) {
            struct feed s = { p, n, step };
            struct strbuf pieces = { 0 };

            r = NULL;
            MUST(csv_open_stream("x", feed_fill, &s, &d, &r, NULL) == EC_OK);
            print_rest(r, &pieces, NULL, NULL);
            MUST(pieces.len == all.len && (!all.len || !memcmp(pieces.buf, all.buf, all.len)));
            csv_close(r);
            strbuf_release(&pieces);
        }
    }
    strbuf_release(&all);
    strbuf_release(&copy);
    strbuf_release(&good);
    return 0;
}
