/*
 * fno_rows.h -- some rows to F&O by a data package, for entities that OData cannot write: created or updated by key.
 * Layer: loader/public. Errors: EC_FNO (the whole package was refused), EC_LIMIT (a job without end), EC_STOPPED, EC_NET, EC_DISK. A row
 * that F&O does not take is no error: it says so itself. Threads: one.
 *
 * One package at a time and map. Its execution id is stored in the map's state before it is sent and forgotten once its outcome is
 * known, so whatever ends the process in between, the next one knows that a package is under way (fno_rows_under_way) and leaves
 * F&O's rows alone until it has ended; then they are read again, and what did not arrive is sent anew. A job that is not there
 * after lost_answer_wait was never begun.
 */
#ifndef LOADER_PUBLIC_FNO_ROWS_H
#define LOADER_PUBLIC_FNO_ROWS_H

#include "loader/public/pair.h"

struct fno_row_out {
    const struct cell *cells; /* the canonical row */
    struct digest key;
    /* outcome */
    bool taken;
    char why[400]; /* of a row that was not: F&O's words */
};
/* Can the map's entity be written by packages only? */
bool fno_rows_needed(const struct map_ctx *m);
/* One look at what an earlier call left under way. */
enum ec fno_rows_under_way(struct map_ctx *m, bool *ret, struct err *reterr);
/*
 * Rows of one company ("" = shared entity), all with the same fields: fields[i] says whether field i of the binding is in the package;
 * the key always is. *ret_left: the answer was lost and no job is to be seen; it stays under way, and nothing is known of the rows.
 */
enum ec fno_rows_write(struct map_ctx *m, const char *company, const bool *fields, struct fno_row_out *rows, size_t n,
                       bool *ret_left, struct err *reterr);

#endif
