/* leaf_sql_delta.c -- delta(A, B): the merge of two leaf files, one row per key that is not equal on both. */
#include "store/leaf_sql_parts.h"

#include <stdlib.h>

enum column { KEY_DIGEST, KEY, COMPANY, CLASS, SIGN, DV_ID, FNO, DATAVERSE, NOTE, FIELDS, ARG_A, ARG_B };
static const char SCHEMA[] =
    "create table delta(key_digest blob, key text, company text, class text, sign text, dv_id "
    "text, fno text, dataverse text, note text, fields text, a hidden, b hidden)";
struct delta_table {
    sqlite3_vtab base;
    sqlite3 *db;
    struct arena a;
    char *stored, *resolve; /* statements; NULL = none */
};
struct delta_cursor {
    sqlite3_vtab_cursor base;
    sqlite3_stmt *st; /* rows of `stored` */
    struct leaf_file *f[2];
    struct leaf_fields fields[2];
    struct leaf_walk *w;
    struct leaf_pair pair;
    bool sides; /* A is F&O's and B Dataverse's: their classes have these names */
    bool more;
    const char **names[2];
    struct strbuf differ; /* names of the fields that do, "A,B" */
    struct strbuf json;
    struct arena a, row;
    sqlite3_int64 n;
};

static int delta_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret, char **reterr)
{
    struct delta_table *t;
    int rc;

    (void)aux;
    if (argc != 3 && argc != 5) {
        *reterr = sqlite3_mprintf("delta takes no argument, or two statements");
        return SQLITE_ERROR;
    }
    rc = sqlite3_declare_vtab(db, SCHEMA);
    if (rc)
        return rc;
    t = xcalloc(1, sizeof(*t));
    t->db = db;
    if (argc == 5) {
        t->stored = leaf_sql_text(argv[3], &t->a);
        t->resolve = leaf_sql_text(argv[4], &t->a);
    }
    *ret = &t->base;
    return SQLITE_OK;
}

static int delta_disconnect(sqlite3_vtab *v)
{
    struct delta_table *t = (struct delta_table *)v;

    arena_release(&t->a);
    free(t);
    return SQLITE_OK;
}

static int delta_best(sqlite3_vtab *v, sqlite3_index_info *info)
{
    int args = 0;

    (void)v;
    for (int i = 0; i < info->nConstraint; i++) {
        int at = info->aConstraint[i].iColumn - ARG_A;

        if (at < 0 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT;
        if (args & 1 << at)
            continue;
        info->aConstraintUsage[i].argvIndex = at + 1;
        info->aConstraintUsage[i].omit = 1;
        args |= 1 << at;
    }
    if (args == 2) /* SQLite numbers arguments without gaps: B alone is argument 1 */
        for (int i = 0; i < info->nConstraint; i++)
            if (info->aConstraintUsage[i].argvIndex == 2)
                info->aConstraintUsage[i].argvIndex = 1;
    info->idxNum = args;
    info->estimatedCost = args ? 1e6 : 1e4;
    info->estimatedRows = 10000;
    return SQLITE_OK;
}

static int delta_open(sqlite3_vtab *v, sqlite3_vtab_cursor **ret)
{
    struct delta_cursor *c = xcalloc(1, sizeof(*c));

    (void)v;
    *ret = &c->base;
    return SQLITE_OK;
}

static void end_walk(struct delta_cursor *c)
{
    sqlite3_finalize(c->st);
    c->st = NULL;
    leaf_walk_free(c->w);
    c->w = NULL;
    for (int i = 0; i < 2; i++) {
        leaf_close(c->f[i]);
        c->f[i] = NULL;
    }
    arena_reset(&c->a);
    c->more = false;
}

static int delta_close(sqlite3_vtab_cursor *v)
{
    struct delta_cursor *c = (struct delta_cursor *)v;

    end_walk(c);
    strbuf_release(&c->differ);
    strbuf_release(&c->json);
    arena_release(&c->a);
    arena_release(&c->row);
    free(c);
    return SQLITE_OK;
}

static int fail(struct delta_cursor *c, const struct err *e)
{
    c->more = false;
    return leaf_sql_fail(&c->base.pVtab->zErrMsg, e);
}

static int fail_db(struct delta_cursor *c)
{
    struct delta_table *t = (struct delta_table *)c->base.pVtab;
    struct err e = { 0 };

    err_set(&e, EC_DB, "delta: %s", sqlite3_errmsg(t->db));
    return fail(c, &e);
}

static int step_stored(struct delta_cursor *c)
{
    int rc = sqlite3_step(c->st);

    c->more = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : fail_db(c);
}

/* Which compared fields differ; false: none does, the digests differ by a rule alone. */
static bool compare(struct delta_cursor *c)
{
    const struct leaf_fields *f = &c->fields[0];

    strbuf_reset(&c->differ);
    for (size_t k = 0; k < f->n_compared; k++) {
        size_t i = f->compared[k];

        if (!canon_equal(&f->rules[i], c->pair.a.cells[i], c->pair.b.cells[i], NULL)) {
            if (c->differ.len)
                strbuf_addc(&c->differ, ',');
            strbuf_adds(&c->differ, c->names[0][i]);
        }
    }
    return c->differ.len > 0;
}

static int delta_next(sqlite3_vtab_cursor *v)
{
    struct delta_cursor *c = (struct delta_cursor *)v;
    struct err e = { 0 };

    c->n++;
    if (c->st)
        return step_stored(c);
    do {
        arena_reset(&c->row);
        strbuf_reset(&c->differ);
        if (leaf_walk_next(c->w, false, &c->pair, &c->more, &e))
            return fail(c, &e);
    } while (c->more && c->pair.in_a && c->pair.in_b && (digest_eq(c->pair.a.row, c->pair.b.row) || !compare(c)));
    return SQLITE_OK;
}

/* What A or B names: by the statement that knows names, else a path. */
static char *path_of(struct delta_cursor *c, sqlite3_value *v)
{
    struct delta_table *t = (struct delta_table *)c->base.pVtab;
    const char *text = (const char *)sqlite3_value_text(v);
    char *path = text ? arena_strdup(&c->a, text) : NULL;
    sqlite3_stmt *st = NULL;

    if (!path || !t->resolve || sqlite3_prepare_v2(t->db, t->resolve, -1, &st, NULL) != SQLITE_OK)
        return path;
    sqlite3_bind_value(st, 1, v);
    if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0))
        path = arena_strdup(&c->a, (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    return path;
}

static enum ec open_side(struct delta_cursor *c, int i, sqlite3_value *v, struct err *reterr)
{
    const char *path = path_of(c, v);
    enum ec rc;

    if (!path)
        return err_set(reterr, EC_USAGE, "delta: a snapshot is named by a text");
    rc = leaf_open(path, &c->f[i], reterr);
    if (!rc)
        rc = leaf_fields_of(c->f[i], path, &c->a, &c->fields[i], reterr);
    if (!rc)
        c->names[i] = leaf_fields_columns(&c->fields[i], NULL, 0, &c->a);
    return rc;
}

/* F&O's files have load-only fields behind those of the map. */
static bool comparable(const struct leaf_fields *a, const struct leaf_fields *b)
{
    size_t n = a->n < b->n ? a->n : b->n;

    if (a->canon != b->canon || a->n_compared != b->n_compared)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!cell_eq(a->f[i].name, b->f[i].name) || a->rules[i].type != b->rules[i].type ||
            a->f[i].compared != b->f[i].compared)
            return false;
    for (size_t i = n; i < a->n || i < b->n; i++)
        if ((i < a->n && a->f[i].compared) || (i < b->n && b->f[i].compared))
            return false;
    return true;
}

static bool side_is(struct leaf_file *f, const char *side, struct arena *a)
{
    const char *text = leaf_get_meta(f, "side", a);

    return text && !strcmp(text, side);
}

static int delta_filter(sqlite3_vtab_cursor *v, int plan, const char *text, int argc, sqlite3_value **argv)
{
    struct delta_cursor *c = (struct delta_cursor *)v;
    struct delta_table *t = (struct delta_table *)v->pVtab;
    struct err e = { 0 };
    enum ec rc = EC_OK;

    (void)text;
    end_walk(c);
    c->n = 0;
    if (!plan && t->stored) {
        if (sqlite3_prepare_v2(t->db, t->stored, -1, &c->st, NULL) != SQLITE_OK)
            return fail_db(c);
        return delta_next(v);
    }
    if (plan != 3 || argc != 2) {
        err_set(&e, EC_USAGE, "delta compares two snapshots: delta('A.db', 'B.db')");
        return fail(c, &e);
    }
    for (int i = 0; i < 2 && !rc; i++)
        rc = open_side(c, i, argv[i], &e);
    if (!rc && !comparable(&c->fields[0], &c->fields[1])) {
        rc = err_set(&e, EC_STATE, "delta: the two snapshots are of different fields or rules");
        err_hint(&e, "compare snapshots of one map, taken under the same settings");
    }
    if (!rc)
        rc = leaf_walk_new(c->f[0], c->f[1], true, &c->w, &e);
    if (rc)
        return fail(c, &e);
    c->sides = side_is(c->f[0], "fno", &c->a) && side_is(c->f[1], "dataverse", &c->a);
    return delta_next(v);
}

static int delta_eof(sqlite3_vtab_cursor *v)
{
    return !((struct delta_cursor *)v)->more;
}

static const char *class_of(const struct delta_cursor *c)
{
    if (c->pair.in_a && c->pair.in_b)
        return "differ";
    if (c->sides)
        return c->pair.in_a ? "only_fno" : "only_dataverse";
    return c->pair.in_a ? "only_a" : "only_b";
}

static void row_json(struct delta_cursor *c, sqlite3_context *ctx, int i)
{
    const struct leaf_row *r = i ? &c->pair.b : &c->pair.a;

    if (!(i ? c->pair.in_b : c->pair.in_a))
        return;
    strbuf_reset(&c->json);
    leaf_sql_json(&c->json, c->names[i], r->cells, c->fields[i].n);
    sqlite3_result_text64(ctx, c->json.buf, c->json.len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static int delta_column(sqlite3_vtab_cursor *v, sqlite3_context *ctx, int i)
{
    struct delta_cursor *c = (struct delta_cursor *)v;
    const struct leaf_row *r = c->pair.in_a ? &c->pair.a : &c->pair.b;
    struct cell id = CELL_ABSENT, version;

    if (c->st) {
        if (i < sqlite3_column_count(c->st))
            sqlite3_result_value(ctx, sqlite3_column_value(c->st, i));
        return SQLITE_OK;
    }
    switch ((enum column)i) {
    case KEY_DIGEST: leaf_sql_key(ctx, c->pair.key); break;
    case KEY: leaf_sql_result(ctx, leaf_fields_key(&c->fields[c->pair.in_a ? 0 : 1], r->cells, &c->row)); break;
    case COMPANY: leaf_sql_result(ctx, r->company); break;
    case CLASS: sqlite3_result_text(ctx, class_of(c), -1, SQLITE_STATIC); break;
    case SIGN:
        sqlite3_result_text(ctx, c->pair.in_a && c->pair.in_b ? "*" : c->pair.in_a ? "+" : "-", 1, SQLITE_STATIC);
        break;
    case DV_ID:
        leaf_sql_extra(c->pair.in_b ? c->pair.b.extra : c->pair.a.extra, &id, &version);
        leaf_sql_result(ctx, id);
        break;
    case FNO:
    case DATAVERSE: row_json(c, ctx, i == DATAVERSE); break;
    case NOTE: sqlite3_result_text(ctx, "", 0, SQLITE_STATIC); break;
    case FIELDS: leaf_sql_result(ctx, (struct cell){ strbuf_str(&c->differ), c->differ.len }); break;
    case ARG_A:
    case ARG_B: break;
    }
    return SQLITE_OK;
}

static int delta_rowid(sqlite3_vtab_cursor *v, sqlite3_int64 *ret)
{
    *ret = ((struct delta_cursor *)v)->n;
    return SQLITE_OK;
}

/* xCreate is xConnect: the module is a function of its own, and can be made a table under another name. */
const sqlite3_module LEAF_DELTA_MODULE = { .xCreate = delta_connect,
                                           .xConnect = delta_connect,
                                           .xBestIndex = delta_best,
                                           .xDisconnect = delta_disconnect,
                                           .xDestroy = delta_disconnect,
                                           .xOpen = delta_open,
                                           .xClose = delta_close,
                                           .xFilter = delta_filter,
                                           .xNext = delta_next,
                                           .xEof = delta_eof,
                                           .xColumn = delta_column,
                                           .xRowid = delta_rowid };
