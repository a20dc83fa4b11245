/*
 * package_import.h -- what everybody needs who sends a package: its upload, advice on refusals, and the rows that F&O names.
 * Layer: loader, private to it. Errors: those of the package API. Threads: one.
 */
#ifndef LOADER_PACKAGE_IMPORT_H
#define LOADER_PACKAGE_IMPORT_H

#include "erp/pkgapi.h"
#include "loader/package_row.h"

/* The file to a place under this name; a URL that is about to expire, or has, is asked for again. */
enum ec package_upload(struct map_ctx *m, const char *path, const char *name, struct arena *a, struct erp_place *ret,
                       struct err *reterr);
/* A hint for known texts of refused packages. */
void package_advise(struct err *e);
/*
 * The keys in the staging error file, or in the target error keys file, of an execution. None is no error, nor is one that cannot be
 * read: it is logged, since counters and rows read back tell the same.
 */
enum ec package_error_keys(struct map_ctx *m, const char *execution_id, struct cell entity_label, bool staging,
                           erp_key_fn *fn, void *arg, struct err *reterr);
/* How parts of a RecordId are joined is not documented: every way that may be, until fn knows the key. */
typedef bool record_known(void *arg, const struct cell *parts, size_t n);
bool record_parts(size_t n_key, struct cell id, record_known *fn, void *arg);

#endif
