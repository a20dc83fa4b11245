/* csv_pair.h -- one text through both ways of reading CSV, for the fuzz target and the unit test. */
#ifndef FUZZ_CSV_PAIR_H
#define FUZZ_CSV_PAIR_H

#include "data/canon.h"
#include "data/csv.h"
#include "fuzz/feed.h"

static bool csv_same_row(const struct csv_row *a, const struct csv_row *b)
{
    if (a->n != b->n || a->offset != b->offset || a->line != b->line || a->number != b->number ||
        a->fault != b->fault || !cell_eq(a->raw, b->raw))
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!a->cells[i].ptr != !b->cells[i].ptr || !cell_eq(a->cells[i], b->cells[i]))
            return false;
    return true;
}

/* The canonical text of a cell is the cell, but for blanks at its end when it stands in quotes. */
static bool csv_pair_easy(struct cell c, bool quoted)
{
    const struct canon_rule rule = { .type = CANON_TEXT };
    struct arena a = { 0 };
    struct cell canonical;
    const char *why;
    bool same = canon_cell(&rule, NULL, c, &a, &canonical, &why) == CANON_FINE && cell_eq(canonical, cell_rtrim(c)) &&
                (quoted || !c.len || c.ptr[c.len - 1] != ' ');

    arena_release(&a);
    return same;
}

/* What a regular row says about its octets must be so. */
static bool csv_traits_hold(const struct csv_row *row, char delimiter, char quote)
{
    if (!row->regular)
        return true;
    for (size_t i = 0; i < row->n && i < 64; i++) {
        const struct cell c = row->cells[i];
        bool quoted = row->quoted >> i & 1, needed = row->needed >> i & 1,
             special = c.len && (memchr(c.ptr, quote, c.len) || memchr(c.ptr, delimiter, c.len) ||
                                 memchr(c.ptr, '\n', c.len) || memchr(c.ptr, '\r', c.len));

        if (needed != special || (needed && !quoted) || (c.ptr && !c.len && !quoted))
            return false;
        if (row->plain) { /* as it stands in the file */
            const char *p = row->plain->w + csv_plain_begin(row->plain, i);
            size_t n = (size_t)(row->plain->w + row->plain->end[i] - p);

            if (quoted ? n < c.len + 2 || *p != quote : n != c.len || (n && memcmp(p, c.ptr, n) != 0))
                return false;
            if (!(row->plain->odd >> i & 1) && !csv_pair_easy(c, quoted))
                return false;
        }
    }
    for (size_t i = 0; i < row->n; i++)
        for (size_t k = 0; k < row->cells[i].len; k++) {
            unsigned char c = (unsigned char)row->cells[i].ptr[k];

            if ((c >= 0x80 && !row->high) || (c >= 0xCC && !row->wide) ||
                (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
                return false;
        }
    return true;
}

static bool csv_pair_same(const char *p, size_t n, const struct csv_dialect *dialect, size_t step)
{
    struct csv_dialect plain = *dialect;
    struct feed fa = { p, n, step }, fb = fa;
    struct csv_reader *a = NULL, *b = NULL;
    struct arena ma = { 0 }, mb = { 0 };
    bool same, more_a = true, more_b = true, borrowed = false;
    enum ec rc;

    plain.only_libcsv = true;
    rc = csv_open_stream("a", feed_fill, &fa, dialect, &a, NULL);
    same = rc == csv_open_stream("b", feed_fill, &fb, &plain, &b, NULL);
    while (same && !rc && more_a) {
        struct csv_row ra, rb;

        arena_reset(&ma);
        arena_reset(&mb);
        borrowed = !borrowed;
        rc = borrowed ? csv_next_borrowed(a, &ma, &ra, &more_a, NULL) : csv_next(a, &ma, &ra, &more_a, NULL);
        same = rc == csv_next(b, &mb, &rb, &more_b, NULL) && (rc || more_a == more_b);
        if (same && !rc && more_a)
            same = csv_same_row(&ra, &rb) && csv_traits_hold(&ra, dialect->delimiter ? dialect->delimiter : ',',
                                                             dialect->quote ? dialect->quote : '"');
    }
    csv_close(a);
    csv_close(b);
    arena_release(&ma);
    arena_release(&mb);
    return same;
}

#endif
