/*
 * pkgverify.h -- what F&O would refuse, or silently not do, about a data package, found before it is uploaded.
 * Layer: dmf. Errors: EC_IO, EC_NOTFOUND, EC_STOPPED; what is wrong with the package is a finding, never an error. Threads: one.
 *
 * Codes are those that F&O gives ("Error descriptions for data management"), where it gives one:
 *   FF004    no header row, or a blank line before it          DMF2050  rows with more or fewer cells, blank lines
 *   DMF2022  a column of the file that is not mapped            DMF2053  no data row
 *   DMF2060  a mapped column that the file does not have        DMF2055  a character that XML does not have
 *   DMF1830  XML that is not well formed                        MAP011   a mapped field that no row of the XML has
 *   DMF2009  a sheet with more than 255 columns                 DMF2039  (notice) Excel is imported one file at a time
 * and our own where it gives none, or a text without a code:
 *   ZIP, HEADER, MANIFEST, PROJECT, ENTITY, NO_ENTITY, NO_MAP, FIELD_TWICE, NO_FILE, EXTRA_FILE, ORDER, NOT_UNICODE, ROW_END,
 *   ROW (a row that cannot be read)
 * Checks that need the entity's metadata (keys, enums, lengths, dates) are the caller's, who sees every row.
 */
#ifndef DMF_PKGVERIFY_H
#define DMF_PKGVERIFY_H

#include "dmf/dmf.h"

struct dmf_finding {
    const char *code;
    bool warning; /* F&O takes it, but hardly as it was meant */
    struct cell entity; /* label, absent = the package itself */
    uint64_t row; /* data row, from 1; 0 = none */
    const char *text, *remedy;
};
typedef void dmf_finding_fn(void *arg, const struct dmf_finding *f);
struct dmf_verify {
    const char *tmp_dir;
    const struct dmf_format
        *csv; /* dialect of CSV formats that are not known by name; NULL = comma and double quotes */
    dmf_finding_fn *found;
    /* Each row that could be read; columns by staging name, -1 = not there. May be NULL. */
    enum ec (*begin)(void *arg, const struct dmf_entity *e, struct err *reterr);
    enum ec (*row)(void *arg, const struct dmf_entity *e, const int *columns, const struct cell *cells, uint64_t row,
                   struct err *reterr);
    enum ec (*end)(void *arg, const struct dmf_entity *e, struct err *reterr);
    void *arg;
};
enum ec dmf_verify(const char *path, const struct dmf_verify *v, struct err *reterr);

#endif
