/*
 * odata.h -- records of F&O entity sets: scan, read, create, update, delete, count.
 * Layer: erp. Source: Finance & Operations "Open Data Protocol (OData)", "Cross-company behavior". Errors: erp.h's, and
 * EC_CONFLICT (412 or "update conflict"), EC_NOTFOUND (no such row to change). Threads: one.
 *
 * Every call carries cross-company=true. `company` is absent for shared entities (and for all companies in a scan). `key`
 * holds the texts of the entity's key fields in the entity's order, company apart. Bodies are complete JSON objects.
 */
#ifndef ERP_ODATA_H
#define ERP_ODATA_H

#include "erp/erp.h"

/* Every row, ordered by company and key. select and filter NULL = all; filter is plain OData text, not encoded. */
enum ec erp_scan(struct erp *e, const struct fno_entity *en, const char *select, const char *filter,
                 struct cell company, json_row_fn *row, void *arg, struct err *reterr);
/* One record, in `a`; *ret_found false = not there. Keys with enums go by filter. */
enum ec erp_get(struct erp *e, const struct fno_entity *en, struct cell company, const struct cell *key,
                const char *select, struct arena *a, struct json **ret, bool *ret_found, struct err *reterr);
/* POST, sent once: a lost answer is EC_NET with err.transient false, and erp_get() tells what happened. */
enum ec erp_create(struct erp *e, const struct fno_entity *en, struct cell body, struct err *reterr);
/* PATCH; etag absent = whatever is there. */
enum ec erp_update(struct erp *e, const struct fno_entity *en, struct cell company, const struct cell *key,
                   struct cell body, struct cell etag, struct err *reterr);
enum ec erp_delete(struct erp *e, const struct fno_entity *en, struct cell company, const struct cell *key,
                   struct cell etag, struct err *reterr);
enum ec erp_count(struct erp *e, const struct fno_entity *en, struct cell company, int64_t *ret, struct err *reterr);

#endif
