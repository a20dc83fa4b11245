/*
 * csv_fast.h -- rows of well-formed UTF-8 CSV, split by an index of delimiters and line ends; what csv_read.c tries first.
 * Layer: data, private to csv. It answers only where libcsv would give the same cells: a stray or unbalanced quote, a control
 * character, invalid UTF-8, a lone CR, an unended last line or a very long row is left to libcsv.
 */
#ifndef DATA_CSV_FAST_H
#define DATA_CSV_FAST_H

#include "data/csv_input.h"

struct csv_masks { /* of 64 octets, a bit each */
    uint64_t quote, high, wide; /* high: from 0x80 on; wide: from 0xCC on */
};
struct csv_fast {
    char delimiter, quote;
    uint64_t from; /* offset in the file of the window's first octet: a row's beginning */
    size_t octets; /* of the window */
    size_t limit; /* of the next window's octets: small behind an irregular row, then growing */
    uint32_t *at; /* where delimiters and line ends are in the window; IN_QUOTES marks line ends inside of quotes */
    size_t n, cap, next;
    struct csv_masks *masks;
    size_t masks_cap;
    size_t spoiled; /* first octet from which on the window is not trusted (a control character), octets = none */
    struct cell *cells;
    const char **begin; /* per cell, and one more: where it begins in the window, quotes included */
    size_t cells_cap;
    struct strbuf scratch; /* cells with doubled quotes */
};
struct csv_fast_row {
    struct cell *cells; /* into the input's buffer or the scratch: until the next call on either */
    size_t n; /* 0 = a blank line */
    size_t octets; /* with the line end */
    uint32_t lines; /* physical lines that it takes */
    const char *const *begin; /* n + 1: octets of cell i as they stand are [begin[i], begin[i + 1] - 1) */
    uint64_t quoted,
        needed; /* of the first 64 cells, a bit each: it stood in quotes; and had to, for what it holds */
    bool high, wide; /* some octet is from 0x80, 0xCC on */
};
/* The row at offset `at`, of at most max octets. False: not for us (no error), or *ret_rc is an error. */
bool csv_fast_row(struct csv_fast *f, struct csv_input *in, uint64_t at, size_t max, struct csv_fast_row *ret,
                  enum ec *ret_rc, struct err *reterr);
void csv_fast_release(struct csv_fast *f);

#endif
