/*
 * emu_dv.h -- Dataverse: its tables as the emulator keeps them, and what the files emu_dv*.c share.
 *
 * Every Dataverse table is one SQLite table "dv_<logical name>" with one column per Dataverse column. Values are texts
 * in one canonical form per type: numbers as plain decimals without superfluous zeros, booleans "0"/"1", ids in lower
 * case, date-times "yyyy-MM-ddTHH:mm:ssZ", dates "yyyy-MM-dd", "" never occurs (it is stored as null). Texts compare as
 * the service's collation does: without case, without accents, without trailing blanks.
 *
 * Row versions come from one counter for the whole organization; the ETag of a row is W/"version".
 */
#ifndef EMU_DV_H
#define EMU_DV_H

#include "emu.h"

/* ---- for the other parts (admin port, dual-write) ---- */
/*
 * The whole Dataverse side, one line per row: table|company|key|column=value|... sorted, writable columns only, lookups
 * by the target's business key. Equal contents give equal octets.
 */
void emu_dv_dump(struct emu *e, struct strbuf *out);
/*
 * "A user edits a row": key and values by logical name; lookups by the target's business key (the company is added where
 * the target is company-striped), "" or NULL clears, options by number or label. `company` is a company code or NULL.
 */
bool emu_dv_admin_upsert(struct emu *e, const struct emu_table *t, const char *company, const struct emu_value *key,
                         size_t n_key, const struct emu_value *values, size_t n_values, bool *ret_created, char *msg,
                         size_t msg_size);
bool emu_dv_admin_delete(struct emu *e, const struct emu_table *t, const char *company, const struct emu_value *key,
                         size_t n_key, char *msg, size_t msg_size);
/* One row as a JSON object of texts as in the dump, with id and version; false = there is none. */
bool emu_dv_admin_row(struct emu *e, const struct emu_table *t, const char *company, const struct emu_value *key,
                      size_t n_key, struct strbuf *out, char *msg, size_t msg_size);

/* ---- the model (emu_dv_model.c) ---- */
/* Counting of row versions goes on from the largest one that is there (after a restore: a smaller one). */
void dv_find_version(struct emu *e);
/* Continues enum emu_ctype: types that only the platform's own columns have. */
enum { C_STATE = C_UNIQUEIDENTIFIER + 1, C_STATUS, C_OWNER, C_MANAGED, C_ENTITYNAME };

enum dv_role {
    DV_PLAIN,
    DV_PK,
    DV_VERSION,
    DV_READONLY, /* kept by the service; ignored in bodies */
    DV_STATECODE,
    DV_STATUSCODE,
    DV_OWNERID,
    DV_BACKDATE, /* overriddencreatedon */
    DV_HIDDEN /* not visible: which table the id in a lookup with several targets belongs to */
};
struct dv_col {
    const char *name, *schema;
    int type;
    enum dv_role role;
    size_t length;
    int source_type; /* 0 simple, 1 calculated, 2 rollup, 3 formula: kept by the service */
    int precision; /* -1 = not a decimal */
    bool has_min, has_max, unique;
    double min, max;
    const char *behavior, *required, *default_value;
    const struct emu_optionset *options;
    const struct emu_nav *navs;
    size_t n_navs;
    int target_col; /* lookups with several targets: index of the hidden column; -1 = one target, or no lookup */
};
struct dv_key {
    const char *name;
    int *cols;
    size_t n;
};
struct dv_table {
    const struct emu_table *def;
    const char *logical, *set, *display;
    struct dv_col *cols; /* cols[0] is the primary key; the last n - n_visible are hidden */
    size_t n, n_visible;
    struct dv_key *keys;
    size_t n_keys;
    int primary_name; /* -1 = none */
    int version, createdon, modifiedon, createdby, modifiedby, owner, owningteam, owninguser, owningbusinessunit;
    int state, status, company, currency, rate, importseq, backdate; /* -1 = the table has no such column */
    bool bulk, change_tracking, writable;
    char *sql_load, *sql_insert, *sql_update, *sql_delete, *sql_exists;
};
struct dv { /* everything the Dataverse part keeps in memory */
    struct arena arena;
    struct dv_table *tables;
    size_t n;
    int64_t version; /* the last one given out */
    char root_bu[37];
    struct dv_user *users; /* emu_dv_limits.c */
    int64_t first_write_ms, last_write_ms; /* 0 = none yet */
    struct dw *dw; /* emu_dualwrite.c */
};
const struct dv_table *dv_table_by_set(const struct emu *e, const char *set, size_t n);
const struct dv_table *dv_table_by_logical(const struct emu *e, const char *logical, size_t n);
const struct dv_table *dv_table_of(const struct emu *e, const struct emu_table *t);
int dv_col_by_name(const struct dv_table *t, const char *name, size_t n); /* exact; -1 = none, hidden ones included */
/* "_x_value" -> index of lookup x; -1 = not one. */
int dv_col_by_value_name(const struct dv_table *t, const char *name, size_t n);
/* Index of the lookup with this navigation property (case-sensitive); which target it goes to. -1 = none. */
int dv_col_by_nav(const struct dv_table *t, const char *nav, size_t n, const char **ret_target);
bool dv_is_lookup(const struct dv_col *c);
const char *dv_edm_type(const struct dv_col *c); /* its name in the service's messages */
void dv_model_init(struct emu *e); /* builds the model, the SQL tables, the collations */
void dv_seed(struct emu *e); /* rows of a new organization (emu_dv_seed.c) */

/* ---- SQL helpers ---- */
sqlite3_stmt *dv_prepare(struct emu *e, const char *sql); /* not cached: finalize it; ends the emulator on an error */
bool dv_step(struct emu *e, sqlite3_stmt *s); /* true = a row; ends the emulator on an error */
void dv_bind(sqlite3_stmt *s, int at, const char *text); /* NULL = null */
void dv_exec(struct emu *e, const char *sql); /* one statement without parameters */
int64_t dv_int(struct emu *e, const char *sql,
               const char *text); /* one text parameter, or NULL for none; first column */
const char *dv_column(sqlite3_stmt *s, int at, struct arena *a); /* NULL = null; with an arena: copied */

/* ---- failures ---- */
struct dv_fail {
    int status;
    char code[16];
    char msg[1400];
    const char *trace; /* what the plug-in that threw had traced; static, NULL = none */
};
bool dv_refuse(struct dv_fail *f, int status, const char *code, const char *fmt, ...) PRINTF_LIKE(4, 5); /* false */
/* 400 0x80048d19 with the wrapping text that payload errors come in. `t` may be NULL. */
bool dv_payload(struct dv_fail *f, const struct dv_table *t, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool dv_not_there(struct dv_fail *f, const struct dv_table *t, const char *id);
bool dv_no_segment(struct dv_fail *f, const char *segment, size_t n);
bool dv_bad_syntax(struct dv_fail *f);

/* ---- one operation: a request, or one part of a $batch ---- */
struct dv_ref { /* Content-ID -> what it created or changed */
    const char *content_id, *address; /* "accounts(guid)" */
};
struct dv_op {
    struct emu *e;
    struct emu_request *q; /* NULL for writes from inside */
    struct emu_response *r;
    struct arena *a;
    const char *user_id; /* systemuser of the caller */
    const char *tag; /* NULL = none */
    bool bypass_sync; /* custom synchronous logic is skipped */
    bool inside; /* a write of the service itself: no plug-ins, no dual-write */
    bool in_batch;
    bool wants_representation;
    const char *prefer; /* "" = none */
    const char *annotations; /* pattern list, NULL = none asked for */
    int64_t page_size; /* 0 = not given */
    bool track;
    struct dv_ref *refs; /* of the batch */
    size_t n_refs;
    int64_t rows; /* rows that cost execution time */
    int64_t created, updated, unchanged, deleted, same_columns;
    struct dv_fail fail;
};
void dv_op_init(struct dv_op *op, struct emu *e, struct emu_request *q, struct emu_response *r, struct arena *a);
void dv_op_count(struct dv_op *op); /* adds its rows to the counters: after the savepoint is released */
/* Answers, headers included, without regard to limits: routes by path below the service root (emu_dv.c). */
void dv_dispatch(struct dv_op *op, const char *target /* raw path and query below the root */);
void dv_answer_fail(struct dv_op *op);
void dv_answer_none(struct dv_op *op); /* 204 */
void dv_begin_json(struct dv_op *op); /* 200, content type */
const char *dv_root(const struct dv_op *op); /* "http://host/api/data/v9.2" */
bool dv_annotation_wanted(const struct dv_op *op, const char *name);
/* Reads the body: JSON content type, an object. Caller frees. */
bool dv_read_body(struct dv_op *op, const struct dv_table *t, yajl_val *ret);

/* ---- values (emu_dv_value.c) ---- */
bool dv_decimal(const char *text, size_t n, int digits, char *ret,
                size_t size); /* canonical, rounded; false = not one */
bool dv_guid(const char *text, size_t n, char ret[static 37]); /* lower case; false = not one */
size_t dv_utf16_length(const char *s);
/* JSON value -> text. *ret NULL = null. Not for lookups. */
bool dv_value_from_json(struct dv_op *op, const struct dv_table *t, int col, yajl_val v, const char **ret);
/* Text -> text, with the same limits; what a user or a map writes. Options by number or label. Not for lookups. */
bool dv_value_from_text(struct dv_op *op, const struct dv_table *t, int col, const char *text, const char **ret);
void dv_value_json(struct strbuf *out, const struct dv_col *c, const char *text);
void dv_value_formatted(struct strbuf *out, const struct dv_col *c, const char *text); /* FormattedValue, no quotes */
const char *dv_option_label(const struct dv_col *c, const char *text); /* NULL = not an option column or unknown */
/* Folded copy for comparing as the collation does. */
void dv_fold(struct strbuf *out, const char *s, size_t n);
int dv_collate(void *arg, int na, const void *a, int nb, const void *b);
int dv_collate_guid(void *arg, int na, const void *a, int nb, const void *b);

/* ---- addresses: set(key) in a URL or in a body (emu_dv_uri.c) ---- */
enum dv_place { DV_IN_URL, DV_IN_BIND, DV_IN_ODATA_ID };
struct dv_address {
    const struct dv_table *t;
    const struct dv_key *key; /* NULL = by primary key */
    char id[37];
    const char **values; /* in the key's order */
    const char *text; /* "accounts(accountnumber='C-1')" as given, percent-encoded */
};
/* `text` raw: "set(...)", "/set(...)" or an absolute URL of this service; in a batch "$n". */
bool dv_address_parse(struct dv_op *op, const char *text, size_t n, enum dv_place place, struct dv_address *ret);
/* The row's id; false = there is none (op->fail tells so). */
bool dv_address_find(struct dv_op *op, const struct dv_address *ad, char ret_id[static 37]);
char *dv_percent_decode(struct arena *a, const char *s, size_t n, size_t *ret_n); /* NULL = malformed */
/* Id by key values (NULL never matches). */
bool dv_key_find(struct emu *e, const struct dv_table *t, const struct dv_key *k, const char *const *values,
                 char ret_id[static 37]);

/* ---- rows (emu_dv_rows.c) ---- */
struct dv_change {
    const char **v; /* by column; NULL = null */
    bool *set; /* named in the change */
    const char *id; /* primary key named in the body, NULL = none */
};
void dv_change_init(struct dv_op *op, const struct dv_table *t, struct dv_change *ch);
/* emu_dv_body.c. Body -> change: names, types, limits, lookups resolved. Keys of annotations other than @odata.bind are skipped. */
bool dv_change_read(struct dv_op *op, const struct dv_table *t, yajl_val body, bool create, struct dv_change *ret);
bool dv_set_lookup(struct dv_op *op, const struct dv_table *t, int col, const struct dv_table *target, const char *id,
                   struct dv_change *ch);
/* All columns of a row, copied; NULL = there is none. */
const char **dv_load(struct emu *e, const struct dv_table *t, const char *id, struct arena *a);
bool dv_exists(struct emu *e, const struct dv_table *t, const char *id);
/* Writes in the caller's savepoint. `id` NULL = made here. False: op->fail; the caller rolls back. */
bool dv_create(struct dv_op *op, const struct dv_table *t, const char *id, struct dv_change *ch,
               char ret_id[static 37]);
bool dv_update(struct dv_op *op, const struct dv_table *t, const char *id, struct dv_change *ch);
bool dv_delete(struct dv_op *op, const struct dv_table *t, const char *id);
void dv_savepoint(struct emu *e, const char *name);
void dv_release(struct emu *e, const char *name);
void dv_rollback(struct emu *e, const char *name);
void dv_tick(struct emu *e); /* what is due: owning teams of new companies */

/* ---- one row (emu_dv_crud.c), selections (emu_dv_read.c), queries (emu_dv_query.c), filters (emu_dv_filter.c) ---- */
void dv_crud(struct dv_op *op, const char *address, size_t n, const char *rest);
struct dv_expand {
    const char *nav;
    int col; /* lookup */
    const struct dv_table *target;
    int *cols;
    size_t n;
};
struct dv_select {
    int *cols; /* visible columns, the primary key among them */
    size_t n;
    struct dv_expand *expand;
    size_t n_expand;
    bool processing_steps; /* the one collection that can be expanded: steps of an sdkmessagefilter */
    const char *steps_filter;
    const char *context; /* "accounts(name,accountid)" */
};
bool dv_select_parse(struct dv_op *op, const struct dv_table *t, const char *select, const char *expand,
                     struct dv_select *ret);
/* values[i] belongs to column cols[i] of the selection; hidden target columns by dv_load-like full rows only. */
void dv_row_json(struct dv_op *op, struct strbuf *out, const struct dv_table *t, const struct dv_select *s,
                 const char *const *row /* all columns */, const char *context /* NULL = none */);
void dv_query(struct dv_op *op, const struct dv_table *t);
void dv_count_segment(struct dv_op *op, const struct dv_table *t);
/* $filter -> SQL condition on alias t0 with parameters. */
struct dv_sql {
    struct strbuf text;
    const char **params;
    size_t n, cap;
};
void dv_sql_param(struct dv_sql *s, struct arena *a, const char *text); /* adds "?" and the value */
void dv_sql_bind(const struct dv_sql *s, sqlite3_stmt *st);
bool dv_filter_sql(struct dv_op *op, const struct dv_table *t, const char *filter, struct dv_sql *out);
bool dv_hidden_rows(const struct emu *e, const struct dv_table *t, struct strbuf *sql); /* rows a knob takes away */
const char *dv_option(const struct dv_op *op, const char *name); /* query option; NULL = absent */
bool dv_check_options(struct dv_op *op, const char *const *allowed, size_t n);

/* ---- the rest ---- */
void dv_bulk(struct dv_op *op, const struct dv_table *t, const char *message, size_t n);
bool dv_bulk_supported(const struct emu *e, const struct dv_table *t);
void dv_batch(struct dv_op *op);
void dv_metadata(struct dv_op *op, const char *rest); /* behind "EntityDefinitions" */
void dv_track_first(struct dv_op *op, const struct dv_table *t, const struct dv_select *s);
void dv_track_delta(struct dv_op *op, const struct dv_table *t, const struct dv_select *s, const char *token);
void dv_track_count(struct dv_op *op, const struct dv_table *t, const char *token);
void dv_total_counts(struct dv_op *op); /* RetrieveTotalRecordCount */

/* Service protection (emu_dv_limits.c). False: answered with 429. */
bool dv_limits_enter(struct dv_op *op);
void dv_limits_leave(struct dv_op *op); /* accounts the cost, adds the headers */
void dv_limits_json(struct emu *e, struct strbuf *out);
const char *dv_user_id(struct emu *e, const char *client); /* systemuser of an application, made when needed */

#endif
