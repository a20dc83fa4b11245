/*
 * csv_scan.h -- rows of well-formed CSV (UTF-8, comma, double quote) at the speed of memory; for comparing files.
 * Layer: data. It answers only where csv.h would give the same cells with `regular` set, and stops at anything else: a quote that stands
 * alone, a control character, a lone CR, octets that are not UTF-8, a row of over 1 MiB, a last line without end is fine. The caller
 * then reads with csv.h, which tells what is wrong and where. tests/unit/test_csv_scan.c shows that both give the same.
 * Errors: those of `fill`. Threads: one owner.
 */
#ifndef DATA_CSV_SCAN_H
#define DATA_CSV_SCAN_H

#include "data/csv.h"

struct csv_scan;
/* `fill` as in csv.h; `offset`: of the first octet that it gives, where a row begins. */
struct csv_scan *csv_scan_new(csv_fill *fill, void *arg, uint64_t offset);
void csv_scan_free(struct csv_scan *s);
struct csv_scan_row {
    /* Until the next call; an empty unquoted field is absent, "" is empty. Behind each cell 64 octets may be read, whatever they are. */
    const struct cell *cells;
    size_t n;
    uint64_t offset;
    size_t octets; /* with the line end */
    bool plain; /* no octet from 0xCC on, no line end in a cell */
    uint64_t odd; /* not plain: a bit per cell of the first 64 that is not; further cells may not be */
};
enum csv_scanned { CSV_SCAN_ROW, CSV_SCAN_END, CSV_SCAN_IRREGULAR, CSV_SCAN_ERROR };
enum csv_scanned csv_scan_next(struct csv_scan *s, struct csv_scan_row *ret, struct err *reterr);

#endif
