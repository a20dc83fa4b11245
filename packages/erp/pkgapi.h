/*
 * pkgapi.h -- the data management package API: a place for a package, import, status, errors, export.
 * Layer: erp. Source: "Data management package REST API" (actions and their parameters), "Error descriptions for data
 * management". Signed URLs are secrets: they are returned to the caller, never stored, never shown with their query.
 */
#ifndef ERP_PKGAPI_H
#define ERP_PKGAPI_H

#include "erp/erp.h"

/* ---- upload ---- */
struct erp_place {
    char *blob_id, *url;
    int64_t expires_ms; /* UTC, by the service's clock; 0 = not told */
};
enum ec erp_write_url(struct erp *e, const char *file_name, struct arena *a, struct erp_place *ret,
                      struct err *reterr);
/* Octets `path` to the place: one PUT up to 64 MiB, else blocks side by side and a block list. EC_STATE = the URL expired. */
enum ec erp_blob_put(struct erp *e, const struct erp_place *place, const char *path, struct err *reterr);
/*
 * A file from a signed URL, resumed where it broke off. `path` appears complete or not at all. A file that does not begin
 * with `magic` ("PK" for a package, NULL = any) is not the service's: asked for again, then EC_NET.
 */
enum ec erp_blob_get(struct erp *e, const char *url, const char *magic, const char *path, struct err *reterr);

/* ---- import ---- */
struct erp_import {
    const char *package_url, *project, *execution_id, *company;
    bool execute, overwrite;
};
/*
 * Sent once: a lost answer is EC_NET with err.transient false; the job may run all the same, look it up by its id. An id used
 * before is EC_STATE.
 */
enum ec erp_import(struct erp *e, const struct erp_import *i, struct err *reterr);
enum erp_status {
    ERP_PENDING,
    ERP_UNKNOWN,
    ERP_NOT_RUN,
    ERP_EXECUTING,
    ERP_SUCCEEDED,
    ERP_PARTIAL,
    ERP_FAILED,
    ERP_CANCELED
};
const char *erp_status_word(enum erp_status s);
bool erp_status_final(enum erp_status s);
enum ec erp_status(struct erp *e, const char *execution_id, enum erp_status *ret,
                   struct err *reterr); /* PENDING: no job row yet */
/* Is there a job of this id? (DataManagementExecutionJobDetails) */
enum ec erp_job_exists(struct erp *e, const char *execution_id, bool *ret, struct err *reterr);
struct erp_counters {
    char entity[128];
    int64_t staging_total, staging_created, target_created, target_updated;
    char staging_status[32], target_status[32];
};
enum ec erp_job_details(struct erp *e, const char *execution_id, struct erp_counters *ret, size_t max, size_t *ret_n,
                        struct err *reterr);

/* ---- row errors ---- */
/* GetExecutionErrors: text that looks like JSON but has unescaped quotes and line breaks inside; parsed tolerantly. */
typedef enum ec erp_error_fn(void *arg, struct cell record_id, struct cell field, struct cell message,
                             struct err *reterr);
enum ec erp_execution_errors(struct erp *e, const char *execution_id, erp_error_fn *fn, void *arg,
                             struct err *reterr);
size_t erp_errors_parse(const char *text, size_t n, erp_error_fn *fn, void *arg, enum ec *ret_rc, struct err *reterr);
/* The staging error file, or the target error keys file, into `path`; *ret_found false when the service has none. */
enum ec erp_error_file(struct erp *e, const char *execution_id, const char *entity, bool staging, const char *path,
                       bool *ret_found, struct err *reterr);
/*
 * Rows of such a file. Nobody has documented their layout, so three are understood: CSV with a header naming fields, one key
 * per line joined by '|', tab-separated without header; UTF-8 or UTF-16. fields = staging names of the key in key order;
 * fn gets the key cells (and a message where a column of that name is there).
 */
typedef enum ec erp_key_fn(void *arg, const struct cell *key, size_t n, struct cell message, struct err *reterr);
enum ec erp_key_file(const char *path, const struct cell *fields, size_t n_fields, erp_key_fn *fn, void *arg,
                     struct err *reterr);

/* ---- export ---- */
struct erp_project {
    const char *name, *entity_label, *source_format;
    bool incremental;
    const char *description; /* at most 60 characters */
};
enum ec erp_project_exists(struct erp *e, const char *name, bool *ret, struct err *reterr);
/*
 * Creates the export project with its one entity when it is missing. Safe to repeat. One of that name which imports, or
 * exports another entity, or with another refresh type, is EC_GUARD and stays as it is.
 */
enum ec erp_project_ensure(struct erp *e, const struct erp_project *p, struct err *reterr);
/* The description of a project (at most 60 characters), in `a`; NULL = there is no such project. */
enum ec erp_project_description(struct erp *e, const char *name, struct arena *a, char **ret, struct err *reterr);
enum ec erp_project_describe(struct erp *e, const char *name, const char *text, struct err *reterr);
/* ExportToPackage; as erp_import(), sent once. */
enum ec erp_export(struct erp *e, const char *project, const char *package_name, const char *execution_id,
                   const char *company, struct err *reterr);
enum ec erp_exported_url(struct erp *e, const char *execution_id, struct arena *a, char **ret,
                         struct err *reterr); /* "" = not yet */
enum ec erp_reset_position(struct erp *e, const char *project, const char *entity, struct err *reterr);

#endif
