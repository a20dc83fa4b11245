/*
 * dv.h -- the Dataverse client: who we are, metadata, reads, change tracking, single and bulk writes.
 * Layer: dv (net, map/schema). Errors: EC_DATAVERSE with err.service_code, EC_AUTH, EC_NET, EC_BUSY, EC_CONFLICT (412 on a
 * version), EC_NOTFOUND. Sources: Dataverse Web API ("Compose HTTP requests", "Create/Update/Upsert", "Use alternate keys",
 * "Bulk operations", "Execute batch operations", "Use change tracking", "Service protection API limits"). Threads: one.
 */
#ifndef DV_DV_H
#define DV_DV_H

#include "map/bind.h"
#include "net/session.h"

struct dv_config {
    const char *url; /* https://contoso.crm4.dynamics.com */
    const struct auth_config *users;
    size_t n_users;
    const char *tag; /* ?tag= on every write; NULL or "" = none */
    const char *bypass; /* "sync,async,flows" or NULL */
    double tps_limit;
    const char *tps_file; /* holds the rate and may change; NULL = none */
    const char *pause_file;
    int page_rows; /* odata.maxpagesize of reads, 0 = 5000 */
    int64_t retry_deadline_ms;
};
struct dv;
enum ec dv_open(const struct dv_config *cfg, struct http *http, struct dv **ret, struct err *reterr);
void dv_close(struct dv *d);
struct session *dv_session(struct dv *d);
/* Reads ask for the table behind each lookup id (polymorphic lookups). Off at first: it can cost the delta link. */
void dv_ask_annotations(struct dv *d, bool on);

struct dv_whoami {
    char user_id[40], organization_id[40], business_unit_id[40];
};
enum ec dv_whoami(struct dv *d, struct dv_whoami *ret, struct err *reterr);

/* Loads the table of an entity set into the schema: columns, options, keys, N:1 navigation names, bulk messages. */
enum ec dv_load_table(struct dv *d, struct cell set, struct schema *s, struct err *reterr);
enum ec dv_load_table_logical(struct dv *d, struct cell logical, struct schema *s, struct err *reterr);

/* ---- reads ---- */
/*
 * Every row of a set, page by page (links followed verbatim, same Prefer). filter NULL = all. `track` starts change
 * tracking: filter must be NULL, and *ret_delta_link (malloc'd, caller frees) is the link of the last page; EC_DATAVERSE
 * when the last page has none. annotations: ask for lookuplogicalname (polymorphic lookups). row gets each record.
 */
enum ec dv_scan(struct dv *d, const char *set, const char *select, const char *filter, bool track, json_row_fn *row,
                void *arg, char **ret_delta_link, struct err *reterr);
/*
 * One round of changes: upserts come to `row`, deletions to `gone` (id). *ret_next is the new delta link. An expired token
 * (0x80044352) is EC_NOTFOUND: the caller compares key sets instead.
 */
enum ec dv_delta(struct dv *d, const char *delta_link, json_row_fn *row,
                 enum ec (*gone)(void *arg, struct cell id, struct err *reterr), void *arg, char **ret_next,
                 struct err *reterr);
enum ec dv_get(struct dv *d, const char *set, struct cell id, const char *select, struct arena *a, struct json **ret,
               bool *ret_found, struct err *reterr); /* with @odata.etag */
/*
 * Ids by business key: rows whose `column` is one of values[0..n) (Microsoft.Dynamics.CRM.In, in slices that fit the URL),
 * optionally within one company (company_column = _x_value eq id). row gets id and the selected columns.
 */
enum ec dv_find(struct dv *d, const struct dv_table *t, struct cell column, const struct cell *values, size_t n,
                struct cell company_column, struct cell company_id, const char *select, json_row_fn *row, void *arg,
                struct err *reterr);
enum ec dv_count(struct dv *d, const char *set, const char *filter, int64_t *ret,
                 struct err *reterr); /* exact: pages keys */

/* ---- single writes: body is a JSON object text. etag NULL = no condition, "*" = must exist. ---- */
enum ec dv_update(struct dv *d, const char *set, struct cell id, struct cell body, const char *etag,
                  char ret_etag[static 80], struct err *reterr); /* If-Match; ret_etag "" when the answer had none */
/* POST with the id in the body chosen by us, so that repeating is harmless (a duplicate of our own id counts as done). */
enum ec dv_create(struct dv *d, const struct dv_table *t, struct cell id, struct cell body_without_id,
                  char ret_etag[static 80], struct err *reterr);
enum ec dv_delete(struct dv *d, const char *set, struct cell id, const char *etag, struct err *reterr);

/* ---- bulk ---- */
/*
 * A stream of rows into one table. Each row: id (known row: update; NEW_ID: create under this id, chosen by us) and a body
 * (members without braces, without key columns for known rows' alternate key). The writer groups rows into calls
 * (UpdateMultiple/CreateMultiple by id where the table has them, else $batch with one operation each; UpsertMultiple by id for
 * creations after a lost answer), sizes them by time
 * per call (start 100, target 10 s, cap 1000), runs them side by side, and on a refused call halves it until the bad rows
 * stand alone, so the good ones are committed. Throttling is waited out, never counted as a failure. Rows of one call are
 * unique by id. Every row gets exactly one result.
 */
struct dv_bulk_row {
    uint64_t tag; /* the caller's number, given back */
    bool create;
    char id[40];
    struct cell body; /* "\"name\":\"x\",\"msdyn_company@odata.bind\":\"/cdm_companies(...)\"" */
};
enum dv_outcome { DV_WRITTEN, DV_REFUSED, DV_UNKNOWN /* the answer was lost and a later look could not settle it */ };
struct dv_bulk_result {
    uint64_t tag;
    enum dv_outcome outcome;
    bool created;
    const struct err *why; /* DV_REFUSED and DV_UNKNOWN */
    enum {
        DV_CLASS_NONE,
        DV_CLASS_DATA,
        DV_CLASS_REFERENCE,
        DV_CLASS_PLUGIN,
        DV_CLASS_PERMISSION,
        DV_CLASS_CONFIG,
        DV_CLASS_DUPLICATE
    } klass;
};
struct dv_bulk {
    /* next row, false at the end; body must live until its result was delivered, or until `release` if set */
    bool (*next)(void *ctx, struct dv_bulk_row *ret, struct err *reterr);
    /* results of one finished call together, so that the caller can store them in one transaction */
    enum ec (*results)(void *ctx, const struct dv_bulk_result *r, size_t n, struct err *reterr);
    /* called just before a call goes out with the rows in it: the caller stores what it must know after a crash */
    enum ec (*sending)(void *ctx, const struct dv_bulk_row *rows, size_t n, struct err *reterr);
    void (*idle)(void *ctx);
    void *ctx;
    int breaker; /* stop after that many equal plug-in errors in a row; 0 = never */
};
struct dv_bulk_stats {
    uint64_t calls, rows, halvings, single_calls;
    uint64_t first_calls; /* calls whose rows went out for the first time; the others repeat, isolate and look up */
    int batch_rows;
    const char *message;
};
enum ec dv_bulk_write(struct dv *d, const struct dv_table *t, const struct dv_bulk *b,
                      struct dv_bulk_stats *ret_stats, struct err *reterr);

/* A random (version 4) id. */
void dv_new_id(char ret[static 40]);
/* Deterministic id from a text (namespace + key), version 8 shape: the same row gets the same id when sent again. */
void dv_id_from(const char *text, size_t n, char ret[static 40]);

/* ---- dual-write's own tables (dv_maps.c) ---- */
/* A saved version of a map, without its document. */
struct dv_map_row {
    struct cell id, name, version,
        created; /* name: "contoso_[accounts - Customers V3]"; created as the service writes it */
    bool active;
};
/* A map whose plug-in is armed: an active row of msdyn_dualwriteruntimeconfig. Only maps with Dataverse as a source. */
struct dv_running_map {
    struct cell logical, label; /* table and F&O entity */
    struct cell set, version; /* out of msdyn_unsecure; absent = it does not say */
};
struct dv_maps {
    struct arena arena;
    struct dv_map_row *rows;
    size_t n, cap;
    struct dv_running_map *running;
    size_t n_running, cap_running;
};
/* Every saved version of every map, and what runs. EC_NOTFOUND: the environment has no such tables. */
enum ec dv_maps_read(struct dv *d, struct dv_maps *ret, struct err *reterr);
void dv_maps_release(struct dv_maps *m);
/* The rows with their documents (msdyn_mapping and all other columns named in "Dual Write entity map"), in any order. */
enum ec dv_map_documents(struct dv *d, const struct cell *ids, size_t n, json_row_fn *row, void *arg,
                         struct err *reterr);
/* Dual-write runtime rows of this table: running or not. Absent row = unknown for one-way F&O -> Dataverse maps. */
enum ec dv_dualwrite_running(struct dv *d, struct cell logical, struct cell fno_label, bool *ret_running,
                             struct err *reterr);

#endif
