/* leaf_sql.c -- registers the modules; packed rows as cells and as JSON. */
#include "store/leaf_sql_parts.h"
#include "store/leaf_sql.h"
#include "data/json.h"

#include <stdlib.h>

#ifdef DMFSYNC_EXTENSION
const sqlite3_api_routines *dmfsync_sqlite_api;
#endif

char *leaf_sql_text(const char *arg, struct arena *a)
{
    size_t n = strlen(arg), to = 0;
    char *t;

    while (n && (arg[n - 1] == ' ' || arg[n - 1] == '\n'))
        n--;
    for (; n && (*arg == ' ' || *arg == '\n'); n--)
        arg++;
    t = arena_dup(a, arg, n);
    if (n < 2 || t[0] != '\'' || t[n - 1] != '\'')
        return t;
    for (size_t i = 1; i + 1 < n; i++) {
        t[to++] = t[i];
        i += t[i] == '\'' && i + 2 < n && t[i + 1] == '\'';
    }
    t[to] = 0;
    return t;
}

int leaf_sql_fail(char **err, const struct err *e)
{
    sqlite3_free(*err);
    *err = sqlite3_mprintf("%s%s%s", e->msg, e->hint[0] ? "; " : "", e->hint);
    return SQLITE_ERROR;
}

void leaf_sql_result(sqlite3_context *ctx, struct cell c)
{
    if (cell_absent(c))
        sqlite3_result_null(ctx);
    else
        sqlite3_result_text64(ctx, c.ptr, c.len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

void leaf_sql_key(sqlite3_context *ctx, struct digest key)
{
    char octets[16];

    for (int i = 0; i < 8; i++) {
        octets[i] = (char)(key.hi >> (56 - 8 * i));
        octets[8 + i] = (char)(key.lo >> (56 - 8 * i));
    }
    sqlite3_result_blob(ctx, octets, sizeof(octets), SQLITE_TRANSIENT);
}

void leaf_sql_extra(struct cell extra, struct cell *ret_id, struct cell *ret_version)
{
    const char *sp = extra.len ? memchr(extra.ptr, ' ', extra.len) : NULL;

    *ret_id = extra;
    *ret_version = CELL_ABSENT;
    if (!sp)
        return;
    ret_id->len = (size_t)(sp - extra.ptr);
    *ret_version = (struct cell){ sp + 1, extra.len - ret_id->len - 1 };
}

void leaf_sql_json(struct strbuf *out, const char *const *names, const struct cell *cells, size_t n)
{
    struct jsonw w = { .out = out };

    jw_begin(&w, '{');
    for (size_t i = 0; i < n; i++)
        jw_pstr(&w, names[i], cells[i]);
    jw_end(&w, '}');
}

/* How many cells a packed row has; SIZE_MAX = damaged. */
static size_t packed_cells(const char *p, size_t len)
{
    size_t n = 0, at = 0;

    while (at < len) {
        size_t m = row_packed_size(p + at, len - at, 1);

        if (m == SIZE_MAX)
            return SIZE_MAX;
        at += m;
        n++;
    }
    return n;
}

static bool unpack(sqlite3_context *ctx, sqlite3_value *v, struct arena *a, struct cell **ret, size_t *ret_n)
{
    const char *p = sqlite3_value_blob(v);
    size_t len = (size_t)sqlite3_value_bytes(v), n = p ? packed_cells(p, len) : 0;

    if (n == SIZE_MAX) {
        sqlite3_result_error(ctx, "this is no packed row", -1);
        return false;
    }
    *ret = arena_zalloc(a, (n + 1) * sizeof(**ret));
    *ret_n = n;
    return !n || row_unpack(p, len, *ret, n);
}

static void one_cell(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct arena a = { 0 };
    struct cell *cells = NULL;
    sqlite3_int64 at = sqlite3_value_int64(argv[1]);
    size_t n = 0;

    (void)argc;
    if (unpack(ctx, argv[0], &a, &cells, &n) && at >= 0 && (size_t)at < n)
        leaf_sql_result(ctx, cells[at]);
    arena_release(&a);
}

struct named {
    struct arena a;
    const char **names;
    size_t n;
};

static void free_named(void *p)
{
    struct named *n = p;

    arena_release(&n->a);
    free(n);
}

static struct named *names_of(sqlite3_context *ctx, const char *path, struct err *reterr)
{
    struct named *n = xcalloc(1, sizeof(*n));
    struct leaf_file *f = NULL;
    struct leaf_fields fields;
    enum ec rc = leaf_open(path, &f, reterr);

    (void)ctx;
    if (!rc)
        rc = leaf_fields_of(f, path, &n->a, &fields, reterr);
    leaf_close(f);
    if (rc) {
        free_named(n);
        return NULL;
    }
    n->names = leaf_fields_columns(&fields, NULL, 0, &n->a);
    n->n = fields.n;
    return n;
}

static void row_json(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct named *names = sqlite3_get_auxdata(ctx, 1);
    const char *path = (const char *)sqlite3_value_text(argv[1]);
    struct arena a = { 0 };
    struct strbuf out = STRBUF(0);
    struct cell *cells = NULL;
    struct err e = { 0 };
    size_t n = 0;

    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL || !path)
        return;
    if (!names) {
        names = names_of(ctx, path, &e);
        if (!names) {
            sqlite3_result_error(ctx, e.msg, -1);
            return;
        }
        sqlite3_set_auxdata(ctx, 1, names, free_named);
        names = sqlite3_get_auxdata(ctx, 1);
    }
    if (names && unpack(ctx, argv[0], &a, &cells, &n)) {
        leaf_sql_json(&out, names->names, cells, n < names->n ? n : names->n);
        sqlite3_result_text64(ctx, out.buf, out.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    strbuf_release(&out);
    arena_release(&a);
}

int leaf_sql_register(sqlite3 *db)
{
    int rc = sqlite3_create_module_v2(db, "delta", &LEAF_DELTA_MODULE, db, NULL);

    if (!rc)
        rc = sqlite3_create_module_v2(db, "dmfsync_rows", &LEAF_ROWS_MODULE, db, NULL);
    if (!rc)
        rc = sqlite3_create_function_v2(db, "dmfsync_cell", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, one_cell,
                                        NULL, NULL, NULL);
    if (!rc)
        rc = sqlite3_create_function_v2(db, "dmfsync_json", 2, SQLITE_UTF8, NULL, row_json, NULL, NULL, NULL);
    return rc;
}
