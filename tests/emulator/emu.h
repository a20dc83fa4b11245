/*
 * emu.h -- what every part of dmfsync-emulator shares: the tenant, its clock, requests, answers, knobs, faults, counters.
 *
 * The emulator is a tenant pair on loopback: sign-in (token endpoint), blob storage, Finance & Operations and Dataverse,
 * each on its own port and therefore its own origin. It shares packages/base with dmfsync and nothing else, so that one
 * misreading of a service does not pass on both ends.
 *
 * Threads: libmicrohttpd may call from several threads; emu_main.c takes emu->lock before any handler runs, so handlers
 * are single-threaded and may use the one SQLite connection freely. Simulated latency is waited for outside the lock.
 */
#ifndef EMU_H
#define EMU_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/strbuf.h"

#include <pthread.h>
#include <sqlite3.h>
#include <yajl/yajl_tree.h>

enum emu_service { EMU_LOGIN, EMU_BLOB, EMU_FNO, EMU_DATAVERSE, EMU_ADMIN, EMU_GATEWAY, EMU_SERVICES };

/* ---- tenant definition: tenant.json, read once (emu_tenant.c) ---- */
struct emu_enum_member {
    const char *name, *label;
};
struct emu_enum {
    const char *name;
    struct emu_enum_member *members;
    size_t n;
};
enum emu_ftype { F_STRING, F_ENUM, F_REAL, F_INT, F_INT64, F_DATE, F_UTCDATETIME };
struct emu_field {
    const char *name; /* staging name, upper case: CUSTOMERACCOUNT */
    const char *property; /* public OData name: CustomerAccount */
    enum emu_ftype type;
    size_t length; /* characters, strings only */
    const struct emu_enum *en; /* enums only */
    bool key, mandatory, computed;
    const char *default_value; /* NULL = type default */
    const char *default_from_company, *sequence; /* NULL = none */
    const char *ref_entity, *ref_field; /* NULL = no foreign key */
};
struct emu_entity {
    const char *label, *aot, *public_name, *set;
    bool shared, dmf_import, odata_write, single_threaded;
    struct emu_field *fields;
    size_t n;
};
enum emu_ctype {
    C_STRING,
    C_MEMO,
    C_INTEGER,
    C_BIGINT,
    C_DECIMAL,
    C_DOUBLE,
    C_MONEY,
    C_BOOLEAN,
    C_PICKLIST,
    C_DATETIME,
    C_LOOKUP,
    C_UNIQUEIDENTIFIER
};
struct emu_option {
    int64_t value;
    const char *label;
};
struct emu_optionset {
    const char *name;
    struct emu_option *options;
    size_t n;
};
struct emu_nav {
    const char *target, *nav;
}; /* target = logical name; nav is case-sensitive */
struct emu_column {
    const char *name, *schema; /* logical (lower case) and schema name */
    enum emu_ctype type;
    size_t length;
    int precision; /* decimals; -1 = not given */
    bool has_min, has_max;
    double min, max;
    const char *behavior; /* DateTime: UserLocal, DateOnly, TimeZoneIndependent */
    const char *required; /* None, ApplicationRequired, SystemRequired */
    const char *default_value; /* NULL = none */
    bool unique;
    int source_type; /* 0 simple, 1 calculated, 2 rollup, 3 formula */
    const struct emu_optionset *options;
    struct emu_nav *navs;
    size_t n_navs;
};
struct emu_key {
    const char *name;
    const char **columns;
    size_t n;
};
struct emu_table {
    const char *logical, *set, *pk, *primary_name;
    bool owner, bulk, change_tracking;
    struct emu_column *columns;
    size_t n;
    struct emu_key *keys;
    size_t n_keys;
};
struct emu_format {
    const char *name, *type, *encoding, *delimiter, *qualifier, *row_end;
};
struct emu_tenant {
    struct arena arena; /* owns everything below */
    struct emu_enum *enums;
    size_t n_enums;
    struct emu_entity *entities;
    size_t n_entities;
    struct emu_format *formats;
    size_t n_formats;
    struct emu_optionset *optionsets;
    size_t n_optionsets;
    struct emu_table *tables;
    size_t n_tables;
    yajl_val root; /* the whole document, for companies, seed rows and whatever else a part wants */
    char organization_id[37];
};
enum ec emu_tenant_load(struct emu_tenant *t, const char *json, size_t n, struct err *reterr);
const struct emu_entity *emu_entity_by_label(const struct emu_tenant *t, const char *label); /* exact */
const struct emu_entity *emu_entity_by_set(const struct emu_tenant *t, const char *set); /* exact */
const struct emu_field *emu_field_by_name(const struct emu_entity *e, const char *name); /* any case */
const struct emu_table *emu_table_by_set(const struct emu_tenant *t, const char *set);
const struct emu_table *emu_table_by_logical(const struct emu_tenant *t, const char *logical);
const struct emu_column *emu_column_by_name(const struct emu_table *t, const char *name);

/* ---- knobs: every point that the references mark UNCERTAIN and a client touches (emu_knobs.c) ---- */
/* name, default, what it does when set. Names are used by --knob NAME=VALUE and POST /knobs on the admin port. */
#define EMU_KNOBS(X)                                                                                                 \
    X(fno_if_match_ignored, 0, "F&O ignores If-Match on PATCH and DELETE instead of answering 412")                  \
    X(fno_no_etag_under_select, 0, "no @odata.etag when $select is given")                                           \
    X(fno_etag_missing, 0, "no @odata.etag at all")                                                                  \
    X(fno_value_nested, 0, "action results come as {\"value\":{\"value\":...}}")                                     \
    X(fno_nextlink_other_host, 0, "@odata.nextLink carries another host name")                                       \
    X(fno_count_bom, 1, "a UTF-8 BOM stands before /$count")                                                         \
    X(fno_date_midnight, 0, "dates come as T00:00:00Z instead of T12:00:00Z")                                        \
    X(fno_401_for_unregistered, 0, "an unregistered application gets 401 instead of 403")                            \
    X(fno_key_files_absent, 0, "no staging error file and no target error keys file are ever made")                  \
    X(fno_key_files_layout, 0,                                                                                       \
      "0 CSV with header, 1 one key per line joined by '|', 2 tab-separated without header")                         \
    X(fno_errors_absent, 0, "GetExecutionErrors answers [] although rows failed")                                    \
    X(fno_recordid_separator, 124, "character between the parts of RecordId in GetExecutionErrors")                  \
    X(fno_export_labels, 0, "exports carry enum labels instead of element names")                                    \
    X(fno_csv_doubled_quotes, 0, "CSV import understands doubled qualifiers; off: such a file fails in staging")     \
    X(fno_export_xml_utf8, 0, "exported manifest and header are UTF-8 with declaration instead of UTF-16 without")   \
    X(fno_export_zero_rows_no_file, 0, "an export without rows has no data file instead of a header-only one")       \
    X(fno_missing_key_400, 0, "GET of a missing key answers 400 instead of 404")                                     \
    X(fno_unknown_status_first, 0, "GetExecutionSummaryStatus answers Unknown once before NotRun")                   \
    X(fno_overwrite_name_lenient, 0, "the parameter overWrite is accepted for overwrite")                            \
    X(fno_manifest_order_strict, 1, "out-of-order manifest elements are silently ignored, as DataContract does")     \
    X(fno_datetime_csv_t, 0, "date-times in exported CSV are ISO with T and Z instead of 'yyyy-MM-dd HH:mm:ss'")     \
    X(blob_sas_version_rules, 1, "without x-ms-version the SAS's sv=2014-02-14 limits apply (64 MiB, 4 MiB blocks)") \
    X(dv_no_upsert_account, 0, "account does not support CreateMultiple/UpdateMultiple/UpsertMultiple")              \
    X(dv_no_bulk_any, 0, "no table supports the bulk messages")                                                      \
    X(dv_lookup_in_odata_id_refused, 0, "lookup columns inside @odata.id keys are refused (400 0x80060888)")         \
    X(dv_annotations_drop_deltalink, 0, "asking for annotations drops the @odata.deltaLink")                         \
    X(dv_code_decimal, 0, "429 codes come as signed decimal text instead of hex")                                    \
    X(dv_no_retry_after, 0, "429 answers carry no Retry-After")                                                      \
    X(dv_duplicate_in_call_412, 0,                                                                                   \
      "duplicates in one UpsertMultiple answer 412 0x80060892 instead of 400 0x80040237")                            \
    X(dv_lookup_value_write_ignored, 0, "writing _x_value is ignored instead of refused")                            \
    X(dv_count_bom, 1, "a UTF-8 BOM stands before /$count")                                                          \
    X(dv_company_key_missing, 0,                                                                                     \
      "cdm_company has no alternate key (it never has one here; on = also no unique check)")                         \
    X(dv_key_chars_in_body_ok, 0, "alternate keys with / \\ & % ? # in @odata.id and @odata.bind work")              \
    X(dv_money_annotations, 0, "transactioncurrencyid comes back although it was not selected")                      \
    X(dv_plugin_throws_untagged, 0, "a custom plug-in on account throws unless tag=DualWrite")                       \
    X(dv_batch_needs_extra_crlf, 0, "a $batch body that does not end in CRLF CRLF is refused as unreadable")         \
    X(dv_etag_ignored, 0, "If-Match with a version is ignored")                                                      \
    X(fno_dualwrite_status_number, 0, "Status in DualWriteProjectConfigurations is a number instead of a word")      \
    X(dv_no_quota_headers, 0, "answers do not carry the x-ms-ratelimit-* headers")                                   \
    X(token_expires_s, 3599, "expires_in of tokens, seconds")                                                        \
    X(company_team_delay_ms, 200, "how long after a cdm_company row its owning team appears")                        \
    X(dv_limit_requests, 6000, "service protection: requests per window and user; 0 = off")                          \
    X(dv_limit_execution_ms, 1200000, "service protection: execution time per window and user; 0 = off")             \
    X(dv_limit_concurrent, 52, "service protection: concurrent requests per user; 0 = off")                          \
    X(dv_window_ms, 300000, "length of the service protection window")                                               \
    X(dv_dop_hint, 8, "value of x-ms-dop-hint")                                                                      \
    X(sas_minutes, 30, "usable life of a write URL")                                                                 \
    X(fno_odata_page, 10000, "rows per OData page")                                                                  \
    X(dv_page, 5000, "rows per Dataverse page")                                                                      \
    X(d1_ms, 50, "after ImportFromPackage: time until the job row exists")                                           \
    X(d2_ms, 50, "then: time in NotRun")                                                                             \
    X(entity_ms, 50, "cost of one entity in a job")                                                                  \
    X(row_us, 0, "cost of one row in a job, microseconds")                                                           \
    X(latency_ms, 0, "latency of each call")                                                                         \
    X(dv_row_us, 0,                                                                                                  \
      "execution time per row in Dataverse writes, microseconds (0 = not waited for, counted as 4000)")              \
    X(dv_forget_rows, 0, "rows of CreateMultiple with an id are checked, counted and forgotten")                     \
    X(dw_change_ms, 0, "how long after the request a dual-write map has changed its state")                          \
    X(dw_request_ms, 0, "how long until the gateway says that the request is complete")                              \
    X(dw_replay_us, 0, "replay of one queued row of a paused map, microseconds")                                     \
    X(dw_queue_octets, 1073741824, "queue of a paused map: beyond it, writers are refused")                          \
    X(dw_queue_age_s, 86400, "queue of a paused map: after so many seconds of pause writers are refused")            \
    X(dw_empty_list_every, 0, "every N-th list of maps from the gateway is empty; 0 = none")                         \
    X(clock_skew_ms, 0, "the Date header is off by this")                                                            \
    X(fno_no_privilege, 0, "the calling user may read legal entities of F&O only: anything else is 403")             \
    X(fno_entity_list_stale, 0, "the entity list of data management has no Customers V3: it was not refreshed")      \
    X(fno_odata_read_only, 0, "customers (Customers V3) cannot be written through OData: IsReadOnly, 405")           \
    X(dv_no_privilege, 0, "the calling user may not touch accounts: 403 0x80040220")                                 \
    X(dv_keys_pending, 0, "the index of account's alternate keys is Pending")                                        \
    X(dv_tracking_off, 0, "change tracking is off for account")                                                      \
    X(dv_recompute, 0, "a plug-in rewrites an account's name at each write: 1 = upper case, 2 = one more sign")      \
    X(fno_recompute, 0, "the same in F&O for a customer's name: 1 = lower case, 2 = one more sign")                  \
    X(dv_bypass_privilege, 1, "the calling user has the privileges to bypass custom logic")                          \
    X(time_scale, 1, "simulated time runs this many times faster than the wall clock")

enum emu_knob {
#define X(name, def, what) KNOB_##name,
    EMU_KNOBS(X)
#undef X
        KNOB_COUNT
};

/* ---- one request and its answer ---- */
struct emu_pair {
    const char *name, *value;
};
struct emu_request {
    enum emu_service service;
    const char *method;
    const char *path; /* percent-decoded, from the first '/', without the query */
    const char *raw_target; /* as sent: path and query */
    const char *raw_query; /* as sent, without '?'; "" = none */
    struct emu_pair *query; /* decoded parameters in order */
    size_t n_query;
    struct emu_pair *headers;
    size_t n_headers;
    const char *host; /* Host header; links in answers echo it */
    const char *body; /* NUL-terminated; body_len octets */
    size_t body_len;
    const char
        *body_path; /* blob PUT: the body was streamed into this file (body is "", body_len its size); else NULL */
    const char *user; /* client id that the bearer token belongs to, NULL = no valid token */
    struct arena *arena; /* lives as long as the request */
};
struct emu_response {
    int status;
    struct strbuf body;
    struct emu_pair headers[24];
    size_t n_headers;
    int64_t cost_ms; /* simulated execution time, waited for outside the lock */
    bool drop; /* close the connection instead of answering (the work is done) */
    size_t cut_at; /* 0 = whole; else the connection is cut after this many octets of the body */
};
const char *emu_query(const struct emu_request *q, const char *name); /* NULL = absent */
const char *emu_header(const struct emu_request *q, const char *name); /* any case; NULL = absent */
void emu_add_header(struct emu_response *r, struct emu_request *q, const char *name, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Adds `n` octets as a JSON string, quotes included. */
void emu_json_str(struct strbuf *b, const char *p, size_t n);

/* ---- the emulator ---- */
struct emu_fault; /* emu_fault.c */
struct emu_store; /* emu_store.c: statements, clock */
extern const char *emu_scheme; /* "http", or "https" when there is a certificate */
struct emu_fno; /* emu_fno_rows.c: statements and counters of the row store */
struct emu {
    pthread_mutex_t lock;
    struct emu_tenant tenant;
    sqlite3 *db; /* both sides' rows, jobs, blobs' index; one file under `dir` */
    const char *dir; /* working folder: blobs, packages, exports */
    int64_t knobs[KNOB_COUNT];
    uint64_t seed;
    int ports[EMU_SERVICES];
    int64_t time_offset_ms; /* the admin port's POST /clock moves simulated time forward */
    struct emu_fault *faults;
    struct emu_store *store;
    struct emu_fno *fno;
    const char *maps_dir; /* dual-write map files for the running-map behaviour, NULL = none */
    struct dv *dv; /* emu_dv.h: what the Dataverse part keeps in memory */
};
int64_t emu_now_ms(const struct emu *e); /* simulated UTC */
#define EMU_KNOB(e, name) ((e)->knobs[KNOB_##name])

/* Ids follow from (seed, text), not from the order of arrival: 36 characters, lower case, RFC 4122 version 4 shape. */
void emu_guid(const struct emu *e, const char *text, char ret[static 37]);

/* Counters by name, kept in the database so that a test can read them after any run: GET /counters on the admin port. */
void emu_count(struct emu *e, const char *name, int64_t add);

/* SQL with positional parameters; ends the emulator on an SQL error, which is a bug of the emulator. */
sqlite3_stmt *emu_sql(struct emu *e, const char *sql); /* cached by text, reset, ready to bind */

/* ---- the parts; each answers one service (or false = no such path, a 404 follows) ---- */
void emu_login_handle(struct emu *e, struct emu_request *q, struct emu_response *r);
void emu_blob_handle(struct emu *e, struct emu_request *q, struct emu_response *r);
void emu_fno_handle(struct emu *e, struct emu_request *q, struct emu_response *r);
void emu_dv_handle(struct emu *e, struct emu_request *q, struct emu_response *r);
void emu_admin_handle(struct emu *e, struct emu_request *q, struct emu_response *r);
void emu_fno_init(struct emu *e); /* tables, seed rows */
void emu_dv_init(struct emu *e);

/*
 * Row access across the two sides, for a running dual-write map, for tests and for the admin port ("a user edits a
 * record"). Values are texts; NULL = null. `company` is NULL for shared entities. Both return false with a message when
 * the service would refuse. emu_fno_* is in emu_fno_rows.c, emu_dv_* in emu_dv_rows.c.
 */
struct emu_value {
    const char *name, *value;
};
bool emu_fno_upsert(struct emu *e, const struct emu_entity *en, const char *company, const struct emu_value *v,
                    size_t n, bool *ret_created, char *msg, size_t msg_size);
bool emu_fno_delete(struct emu *e, const struct emu_entity *en, const char *company, const struct emu_value *key,
                    size_t n, char *msg, size_t msg_size);
/* Columns by logical name; lookups as the target row's guid. */
bool emu_dv_upsert_by_id(struct emu *e, const struct emu_table *t, const char *id, const struct emu_value *v,
                         size_t n, char *msg, size_t msg_size);
bool emu_dv_delete_by_id(struct emu *e, const struct emu_table *t, const char *id, char *msg, size_t msg_size);
/*
 * A running map: called after a committed write of either side (never for writes that came through it). A false answer
 * vetoes: the caller rolls its write back and answers with `msg`. Implemented in emu_dualwrite.c.
 */
bool emu_dualwrite_fno_written(struct emu *e, const struct emu_entity *en, const char *company,
                               const struct emu_value *row, size_t n, char *msg, size_t msg_size);
bool emu_dualwrite_dv_written(struct emu *e, const struct emu_table *t, const char *id, char *msg, size_t msg_size);

#endif
