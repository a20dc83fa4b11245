/* leaf_sql_rows.c -- `create virtual table temp.T using dmfsync_rows('FILE')`: the rows of one leaf file, a column per field. */
#include "store/leaf_sql_parts.h"

#include <stdlib.h>

static const char *const FIXED[] = { "key_digest", "key", "company", "dv_id", "version" };
struct rows_table {
    sqlite3_vtab base;
    struct arena a;
    char *path;
    struct leaf_fields fields;
};
struct rows_cursor {
    sqlite3_vtab_cursor base;
    struct leaf_file *f;
    struct leaf_walk *w;
    struct leaf_row row;
    struct arena a; /* of the row that leaf_find() gave, and of its key's text */
    sqlite3_int64 n;
    bool more, one; /* one: a single key was asked for */
};

static void free_table(struct rows_table *t)
{
    arena_release(&t->a);
    free(t);
}

static int declare(sqlite3 *db, struct rows_table *t)
{
    const char **names = leaf_fields_columns(&t->fields, FIXED, COUNT(FIXED), &t->a);
    struct strbuf sql = STRBUF(0);
    int rc;

    strbuf_adds(&sql, "create table rows(key_digest blob, key text, company text, dv_id text, version text");
    for (size_t i = 0; i < t->fields.n; i++) {
        strbuf_adds(&sql, ", \"");
        for (const char *p = names[i]; *p; p++) {
            if (*p == '"')
                strbuf_addc(&sql, '"');
            strbuf_addc(&sql, *p);
        }
        strbuf_adds(&sql, "\" text");
    }
    strbuf_adds(&sql, ")");
    rc = sqlite3_declare_vtab(db, sql.buf);
    strbuf_release(&sql);
    return rc;
}

static int rows_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret, char **reterr)
{
    struct rows_table *t;
    struct leaf_file *f = NULL;
    struct err e = { 0 };
    enum ec ec;
    int rc;

    (void)aux;
    if (argc != 4) {
        *reterr = sqlite3_mprintf("dmfsync_rows takes one snapshot file: using dmfsync_rows('FILE')");
        return SQLITE_ERROR;
    }
    t = xcalloc(1, sizeof(*t));
    t->path = leaf_sql_text(argv[3], &t->a);
    ec = leaf_open(t->path, &f, &e);
    if (!ec)
        ec = leaf_fields_of(f, t->path, &t->a, &t->fields, &e);
    leaf_close(f);
    rc = ec ? leaf_sql_fail(reterr, &e) : declare(db, t);
    if (rc) {
        free_table(t);
        return rc;
    }
    *ret = &t->base;
    return SQLITE_OK;
}

static int rows_disconnect(sqlite3_vtab *v)
{
    free_table((struct rows_table *)v);
    return SQLITE_OK;
}

/* A key's digest finds its row in one leaf; everything else is a walk. */
static int rows_best(sqlite3_vtab *v, sqlite3_index_info *info)
{
    (void)v;
    info->estimatedCost = 1e6;
    info->estimatedRows = 1000000;
    for (int i = 0; i < info->nConstraint; i++)
        if (info->aConstraint[i].usable && info->aConstraint[i].iColumn == 0 &&
            info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ) {
            info->aConstraintUsage[i].argvIndex = 1;
            info->idxNum = 1;
            info->estimatedCost = 10;
            info->estimatedRows = 1;
            info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
            break;
        }
    return SQLITE_OK;
}

static int rows_open(sqlite3_vtab *v, sqlite3_vtab_cursor **ret)
{
    struct rows_cursor *c = xcalloc(1, sizeof(*c));

    (void)v;
    *ret = &c->base;
    return SQLITE_OK;
}

static void end_walk(struct rows_cursor *c)
{
    leaf_walk_free(c->w);
    leaf_close(c->f);
    c->w = NULL;
    c->f = NULL;
    c->more = false;
}

static int rows_close(sqlite3_vtab_cursor *v)
{
    struct rows_cursor *c = (struct rows_cursor *)v;

    end_walk(c);
    arena_release(&c->a);
    free(c);
    return SQLITE_OK;
}

static int rows_next(sqlite3_vtab_cursor *v)
{
    struct rows_cursor *c = (struct rows_cursor *)v;
    struct leaf_pair p;
    struct err e = { 0 };

    c->n++;
    if (c->one) {
        c->more = false;
        return SQLITE_OK;
    }
    arena_reset(&c->a);
    if (leaf_walk_next(c->w, true, &p, &c->more, &e)) {
        c->more = false;
        return leaf_sql_fail(&v->pVtab->zErrMsg, &e);
    }
    c->row = p.a;
    return SQLITE_OK;
}

static int rows_filter(sqlite3_vtab_cursor *v, int plan, const char *text, int argc, sqlite3_value **argv)
{
    struct rows_cursor *c = (struct rows_cursor *)v;
    struct rows_table *t = (struct rows_table *)v->pVtab;
    struct digest key = { 0, 0 };
    const unsigned char *p;
    struct err e = { 0 };
    enum ec rc;

    (void)text;
    end_walk(c);
    arena_reset(&c->a);
    c->n = 0;
    c->one = plan == 1 && argc == 1;
    rc = leaf_open(t->path, &c->f, &e);
    if (!rc && !c->one) {
        rc = leaf_walk_new(c->f, NULL, false, &c->w, &e);
        return rc ? leaf_sql_fail(&v->pVtab->zErrMsg, &e) : rows_next(v);
    }
    p = rc ? NULL : sqlite3_value_blob(argv[0]);
    if (!p || sqlite3_value_bytes(argv[0]) != 16)
        return rc ? leaf_sql_fail(&v->pVtab->zErrMsg, &e) : SQLITE_OK;
    for (int i = 0; i < 8; i++) {
        key.hi = key.hi << 8 | p[i];
        key.lo = key.lo << 8 | p[8 + i];
    }
    rc = leaf_find(c->f, key, &c->a, &c->row, &c->more, &e);
    return rc ? leaf_sql_fail(&v->pVtab->zErrMsg, &e) : SQLITE_OK;
}

static int rows_eof(sqlite3_vtab_cursor *v)
{
    return !((struct rows_cursor *)v)->more;
}

static int rows_column(sqlite3_vtab_cursor *v, sqlite3_context *ctx, int i)
{
    struct rows_cursor *c = (struct rows_cursor *)v;
    struct rows_table *t = (struct rows_table *)v->pVtab;
    struct cell id, version;

    leaf_sql_extra(c->row.extra, &id, &version);
    switch (i) {
    case 0: leaf_sql_key(ctx, c->row.key); break;
    case 1: leaf_sql_result(ctx, leaf_fields_key(&t->fields, c->row.cells, &c->a)); break;
    case 2: leaf_sql_result(ctx, c->row.company); break;
    case 3: leaf_sql_result(ctx, id); break;
    case 4: leaf_sql_result(ctx, version); break;
    default:
        if ((size_t)i - COUNT(FIXED) < t->fields.n)
            leaf_sql_result(ctx, c->row.cells[(size_t)i - COUNT(FIXED)]);
    }
    return SQLITE_OK;
}

static int rows_rowid(sqlite3_vtab_cursor *v, sqlite3_int64 *ret)
{
    *ret = ((struct rows_cursor *)v)->n;
    return SQLITE_OK;
}

const sqlite3_module LEAF_ROWS_MODULE = { .xCreate = rows_connect,
                                          .xConnect = rows_connect,
                                          .xBestIndex = rows_best,
                                          .xDisconnect = rows_disconnect,
                                          .xDestroy = rows_disconnect,
                                          .xOpen = rows_open,
                                          .xClose = rows_close,
                                          .xFilter = rows_filter,
                                          .xNext = rows_next,
                                          .xEof = rows_eof,
                                          .xColumn = rows_column,
                                          .xRowid = rows_rowid };
