/*
 * json.h -- JSON texts into trees that keep every number literal, and large answers row by row.
 * Layer: data (yajl). Errors: EC_FORMAT with offset, EC_LIMIT. Threads: no shared state.
 *
 * yajl 2.1 does the lexing; on top: a BOM is skipped, lone surrogates and duplicate keys are refused, depth, octets and
 * token length have ceilings. Numbers stay text: 12345678901234567.10 never passes through a double.
 */
#ifndef DATA_JSON_H
#define DATA_JSON_H

#include "data/cell.h"

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
struct json {
    enum json_type type;
    struct cell text; /* number literal verbatim, or decoded string; absent otherwise */
    struct cell name; /* key, when this is a member of an object */
    struct json *child; /* first element or member */
    struct json *next; /* next sibling */
    struct json *last; /* last child, for appending */
    size_t n; /* number of children */
};
struct json_limits {
    size_t octets; /* 0 = 64 MiB */
    size_t depth; /* 0 = 64 */
    size_t token; /* 0 = 16 MiB */
};
/* The whole tree lives in `a`. `what` names the source in messages ("map file 'x.json'", "answer of WhoAmI"). */
enum ec json_parse(const char *what, const char *p, size_t n, const struct json_limits *lim, struct arena *a,
                   struct json **ret, struct err *reterr);
const struct json *json_get(const struct json *obj, const char *name); /* NULL = no object or no member; exact case */
const struct json *json_iget(const struct json *obj, const char *name); /* ASCII case ignored */
const struct json *json_at(const struct json *arr, size_t i);
/* Text of a member: strings decoded, numbers verbatim, true/false as words; absent for null, missing, array, object. */
struct cell json_text(const struct json *v);
struct cell json_member(const struct json *obj, const char *name);
bool json_bool(const struct json *v, bool otherwise);
int64_t json_i64(const struct json *v, int64_t otherwise);
/* Build and print. Output order is member order; json_write_pretty indents by two and ends in LF. */
struct json *json_new(struct arena *a, enum json_type t, struct cell text);
void json_append(struct json *parent, struct json *child); /* child->name set by the caller for objects */
struct json *json_set(struct arena *a, struct json *obj, const char *name, struct json *v); /* replace or append */
void json_write(struct strbuf *out, const struct json *v);
void json_write_pretty(struct strbuf *out, const struct json *v);

/*
 * Row by row: an answer {..., "value":[ROW, ROW, ...], ...} fed in pieces. Each ROW is built in `row_arena`, given to
 * `row` and released again, so memory is one row plus the envelope (everything beside `value`, e.g. @odata.nextLink).
 */
typedef enum ec json_row_fn(void *arg, const struct json *row, struct err *reterr);
struct json_rows;
struct json_rows *json_rows_new(const char *what, const struct json_limits *lim, json_row_fn *row, void *arg);
enum ec json_rows_feed(struct json_rows *r, const char *p, size_t n, struct err *reterr);
/* After the last octet: the envelope (owned by `r`). An incomplete text is EC_FORMAT. The array handed out row by row
 * stays in it as an empty one, so that an answer without `value` can be told; a `value` that is no array is kept. */
enum ec json_rows_end(struct json_rows *r, const struct json **ret_envelope, struct err *reterr);
void json_rows_free(struct json_rows *r);

/* Writing bodies: one serializer into a reused strbuf. Commas are its business. */
struct jsonw {
    struct strbuf *out;
    bool comma;
};
void jw_begin(struct jsonw *w, char bracket); /* '{' or '[' */
void jw_end(struct jsonw *w, char bracket); /* '}' or ']' */
void jw_name(struct jsonw *w, const char *name);
void jw_namec(struct jsonw *w, struct cell name);
void jw_str(struct jsonw *w, struct cell c); /* absent = null */
void jw_raw(struct jsonw *w, struct cell literal); /* number literal, true, false, null: the caller vouches for it */
void jw_i64(struct jsonw *w, int64_t v);
void jw_bool(struct jsonw *w, bool v);
void jw_null(struct jsonw *w);
void jw_tree(struct jsonw *w, const struct json *v);
/* name and value in one call */
void jw_pstr(struct jsonw *w, const char *name, struct cell c);
void jw_ps(struct jsonw *w, const char *name, const char *s);
void jw_pi64(struct jsonw *w, const char *name, int64_t v);
void jw_pbool(struct jsonw *w, const char *name, bool v);

#endif
