/*
 * erp_records.h -- many single records of one F&O entity set side by side: each read or written by itself, each with its own outcome.
 * Layer: erp. As odata.h; the governor of the session decides how many are under way. A key occurs once among the operations of
 * one call: nothing is said about their order. Errors: per operation in `err`; erp_records() itself fails only when it was
 * stopped (operations not started then have rc EC_STOPPED). Threads: one.
 */
#ifndef ERP_ERP_RECORDS_H
#define ERP_ERP_RECORDS_H

#include "erp/odata.h"

enum erp_verb { ERP_READ, ERP_CREATE, ERP_UPDATE, ERP_DELETE };
struct erp_op {
    enum erp_verb verb;
    struct cell company; /* absent = shared entity */
    const struct cell *key; /* as for erp_get(); not used by ERP_CREATE */
    struct cell body; /* ERP_CREATE and ERP_UPDATE: a JSON object */
    struct cell etag; /* absent = no condition */
    struct arena *a; /* ERP_READ: where the record lives */
    /* outcome */
    enum ec rc;
    struct err err;
    struct json *rec; /* ERP_READ: NULL = not there */
};
/* select: of the reads, NULL = all. */
enum ec erp_records(struct erp *e, const struct fno_entity *en, const char *select, struct erp_op *ops, size_t n,
                    struct err *reterr);

#endif
