/*
 * dv_records.h -- many single rows of one Dataverse table written side by side, each under its own condition and with its own outcome.
 * Layer: dv. Few rows go as one request each; DV_IN_BATCHES puts up to 100 conditional requests into a $batch with
 * continue-on-error ("Execute batch operations using the Web API"): bulk messages know no If-Match. An id occurs once among
 * the operations of one call. Errors: per operation; dv_records() itself fails only when it was stopped (operations not
 * started then have rc EC_STOPPED). A batch whose answer was lost: its operations have rc EC_NET. Threads: one.
 */
#ifndef DV_DV_RECORDS_H
#define DV_DV_RECORDS_H

#include "dv/dv.h"

enum dv_verb { DV_CREATE, DV_UPDATE, DV_DELETE };
struct dv_op {
    enum dv_verb verb;
    struct cell id;
    struct cell body; /* members without braces */
    const char *etag; /* If-Match; NULL = none, "*" = must exist */
    /* outcome: EC_CONFLICT = changed meanwhile, or somebody else's row has the key; EC_NOTFOUND = the row is gone */
    enum ec rc;
    struct err err;
    char new_etag[80];
};
enum { DV_ONE_BY_ONE, DV_IN_BATCHES };
enum ec dv_records(struct dv *d, const struct dv_table *t, int how, struct dv_op *ops, size_t n, struct err *reterr);
/* Rows by id, in as few requests as fit; select must name what the caller needs. */
enum ec dv_rows_by_id(struct dv *d, const struct dv_table *t, const struct cell *ids, size_t n, const char *select,
                      json_row_fn *row, void *arg, struct err *reterr);

#endif
