/*
 * fno_read.h -- F&O's rows of one map as canonical rows, from OData or from an export package, into a leaf file or one by one.
 * Layer: loader/public. Rows outside the map's filter or companies are counted, not given. Threads: one.
 */
#ifndef LOADER_PUBLIC_FNO_READ_H
#define LOADER_PUBLIC_FNO_READ_H

#include "erp/odata.h"
#include "loader/public/source.h"

/* cells: shape->n of them, alive during the call. */
typedef enum ec fno_row_fn(void *arg, const struct cell *cells, struct cell company, struct err *reterr);
struct fno_counts {
    uint64_t rows, excluded, faults;
    fno_row_fn *left; /* given by the caller, or NULL: gets rows outside of the filter or companies as well */
};
enum ec fno_scan_rows(struct map_ctx *m, const struct fno_shape *shape, struct cell company, fno_row_fn *fn,
                      void *arg, struct fno_counts *counts, struct err *reterr);
enum ec fno_package_rows(struct map_ctx *m, const struct fno_shape *shape, const char *path, struct cell company,
                         fno_row_fn *fn, void *arg, struct fno_counts *counts, struct err *reterr);
/* One OData record to canonical cells (n of the shape); *ret_in_filter false = outside filter or companies. */
enum ec fno_record(struct map_ctx *m, const struct fno_shape *shape, const struct json *rec, struct arena *a,
                   struct cell *ret_cells, bool *ret_in_filter, size_t *ret_faults);
/* $select list of a shape: what the binding needs and the load-only fields. */
char *fno_shape_select(struct map_ctx *m, const struct fno_shape *shape, struct arena *a);

/* "ModifiedDateTime" of the entity, where whoever made it exposed it; NULL = it does not tell. */
const struct fno_field *fno_modified_field(const struct map_ctx *m);

/* conflict = newest needs to know when either side's record was changed: EC_CONFIG where one does not tell. */
enum ec pair_check_rules(const struct map_ctx *m, struct err *reterr);

#endif
