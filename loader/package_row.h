/*
 * package_row.h -- one line of the table package, and the keys of its rows. Layer: loader, private to it.
 */
#ifndef LOADER_PACKAGE_ROW_H
#define LOADER_PACKAGE_ROW_H

#include "loader/load_state.h"
#include "store/leaf.h"

struct package_row {
    int64_t id, run_id;
    int pass, attempt;
    char company[16], state[16], project[64], execution_id[120], file[200], digest[65];
    int64_t slice, first_row, last_row, first_offset, first_line, rows, octets;
    bool picked; /* only the rows of its mask; package_rows.h */
    int64_t version, retry; /* as in the table */
};
/* The oldest package of a pass and company that is not settled, empty or failed; *ret_found false = none is left. */
enum ec package_next(struct map_ctx *m, int64_t run_id, int pass, const char *company, struct package_row *ret,
                     bool *ret_found, struct err *reterr);
/* Companies that have packages in this run and pass. Texts in `a`. */
enum ec package_companies(struct map_ctx *m, int64_t run_id, int pass, struct arena *a, char ***ret, size_t *ret_n,
                          struct err *reterr);

/* pack.c: builds the zip; afterwards state packed (or empty). Rows that the format cannot carry become exceptions. */
enum ec package_pack(struct map_ctx *m, struct package_row *p, struct err *reterr);
char *package_path(struct map_ctx *m, const struct package_row *p, struct arena *a);

/*
 * settle.c: counters, row errors, read-back. Afterwards state settled; rows that the service never reached are planned once
 * more, in a package of their own. EC_FNO when the service took nothing although it says it did.
 */
enum ec package_settle(struct map_ctx *m, struct package_row *p, const char *status_word, struct err *reterr);

/* Canonical row with only company and key filled, from key parts in the order of F&O's key; false = a part is not of its type. */
bool key_cells(struct map_ctx *m, struct cell company, const struct cell *parts, size_t n, struct arena *a,
               struct cell *ret_row);
/* Staging names of F&O's key fields, in F&O's order. */
size_t key_names(struct map_ctx *m, struct cell *ret, size_t max);

#endif
