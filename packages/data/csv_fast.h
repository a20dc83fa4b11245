/*
 * csv_fast.h -- rows of well-formed UTF-8 CSV, split by an index of delimiters and line ends; what csv_read.c tries first.
 * Layer: data, private to csv. It answers only where libcsv would give the same cells: a stray or unbalanced quote, a control
 * character, invalid UTF-8, a lone CR, an unended last line or a very long row is left to libcsv. All of this is looked for in 64
 * octets at a time, not cell by cell.
 */
#ifndef DATA_CSV_FAST_H
#define DATA_CSV_FAST_H

#include "data/csv.h"
#include "data/csv_input.h"

struct csv_masks { /* of 64 octets, a bit each */
    uint64_t high; /* from 0x80 on */
    uint64_t needs; /* stands in quotes and would need them: a delimiter, a line end, the second of two quotes */
};
struct csv_end { /* of a row in the window */
    uint32_t cells; /* index in `at` behind its last cell */
    uint32_t lf;
};
struct csv_fast {
    char delimiter, quote;
    uint64_t from; /* offset in the file of the window's first octet: a row's beginning */
    size_t octets; /* of the window */
    size_t limit; /* of the next window's octets: small behind an irregular row, then growing */
    /* what is in the window */
    uint32_t *at; /* where cells end */
    uint32_t *opens; /* where cells in quotes begin */
    uint32_t *inner; /* line ends inside of quotes */
    uint32_t *odd; /* octets from 0xCC on; ends of cells behind a blank */
    struct csv_end *ends;
    size_t n, n_opens, n_inner, n_odd, n_ends, cap;
    struct csv_masks *masks;
    size_t spoiled; /* first octet from which on the window is not trusted, octets = none */
    size_t next, next_open, next_inner, next_odd; /* of the next row */
    struct strbuf scratch; /* cells with doubled quotes */
    struct cell *cells;
    size_t cells_cap;
};
struct csv_fast_row {
    struct csv_plain plain; /* n 0 = a blank line; offset, line and number are the caller's */
    uint32_t lines; /* physical lines that it takes */
};
/* The row at offset `at`, of at most max octets. False: not for us (no error), or *ret_rc is an error. */
bool csv_fast_row(struct csv_fast *f, struct csv_input *in, uint64_t at, size_t max, struct csv_fast_row *ret,
                  enum ec *ret_rc, struct err *reterr);
/* Its cells without quotes, in f->cells, until the next call. */
void csv_fast_cells(struct csv_fast *f, const struct csv_plain *row);
/* Is some octet of the row not ASCII? */
bool csv_fast_high(const struct csv_fast *f, const struct csv_plain *row);
void csv_fast_release(struct csv_fast *f);

#endif
