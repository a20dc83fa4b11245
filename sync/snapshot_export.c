#include "sync/snapshot_export.h"
#include "base/file.h"
#include "store/leaf_fields.h"

#include <stdlib.h>
#include <unistd.h>

static const struct store_schema EXPORT_SCHEMA = {
    .application_id = 0x646d6678, /* "dmfx" */
    .version = 1,
    .steps =
        (const char *const[]){
            "create table snapshot(side text primary key, map text not null, rows integer not null, "
            "excluded integer not null, digest text not null, began_at text not null, ended_at "
            "text not null)" },
};
static const char *const FIXED[] = { "key", "company", "dv_id", "version" };

/* What is at the path may go when it is an export, or nothing. */
static enum ec may_replace(const char *path, struct err *reterr)
{
    struct store *s = NULL;
    enum ec rc;

    if (!file_exists(path))
        return EC_OK;
    rc = store_open(path, STORE_SEALED, &EXPORT_SCHEMA, &s, reterr);
    store_close(s);
    if (rc) {
        err_set(reterr, EC_STATE, "'%s' exists, and is no export of dmfsync", path);
        return err_hint(reterr, "name another file, or move that one away");
    }
    return EC_OK;
}

static void table_sql(const char *table, const char **names, size_t n, struct strbuf *create, struct strbuf *insert)
{
    strbuf_addf(create, "create table %s(key text not null, company text, dv_id text, version text", table);
    strbuf_addf(insert, "insert into %s values(?1, ?2, ?3, ?4", table);
    for (size_t i = 0; i < n; i++) {
        strbuf_adds(create, ", \"");
        for (const char *p = names[i]; *p; p++) {
            if (*p == '"')
                strbuf_addc(create, '"');
            strbuf_addc(create, *p);
        }
        strbuf_adds(create, "\" text");
        strbuf_addf(insert, ", ?%zu", i + 5);
    }
    strbuf_adds(create, ")");
    strbuf_adds(insert, ")");
}

static enum ec copy_rows(struct map_ctx *m, struct leaf_file *f, const struct leaf_fields *fields, struct store *to,
                         const char *insert, struct err *reterr)
{
    struct leaf_walk *w = NULL;
    struct arena a = { 0 };
    uint64_t seen = 0;
    bool more = true;
    enum ec rc = leaf_walk_new(f, NULL, false, &w, reterr);

    while (!rc) {
        struct leaf_pair p;
        struct cell id, version;
        struct query *q;

        rc = leaf_walk_next(w, true, &p, &more, reterr);
        if (rc || !more)
            break;
        arena_reset(&a);
        (void)dv_extra_split(p.a.extra, &id, &version);
        q = store_query(to, insert);
        query_cell(q, 1, leaf_fields_key(fields, p.a.cells, &a));
        query_cell(q, 2, p.a.company);
        query_cell(q, 3, id);
        query_cell(q, 4, version);
        for (size_t i = 0; i < fields->n; i++)
            query_cell(q, (int)i + 5, p.a.cells[i]);
        rc = query_run(q, reterr);
        if (!rc && !(++seen & 4095)) {
            progress_update(&m->pair->app->out, m->cfg->alias, "export", (int64_t)seen, (int64_t)leaf_totals(f)->rows,
                            "");
            if (stop_requested())
                rc = err_set(reterr, EC_STOPPED, "stopped while exporting");
        }
    }
    leaf_walk_free(w);
    arena_release(&a);
    return rc;
}

static enum ec describe(struct map_ctx *m, const struct export_side *e, struct leaf_file *f, struct store *to,
                        struct err *reterr)
{
    struct query *q = store_query(to, "insert into snapshot values(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    char sum[64];

    digest_format_sum(leaf_totals(f)->sum, sum);
    query_str(q, 1, e->side);
    query_cell(q, 2, m->map->name);
    query_int(q, 3, (int64_t)leaf_totals(f)->rows);
    query_int(q, 4, (int64_t)e->s.excluded);
    query_str(q, 5, sum);
    query_str(q, 6, e->s.began_at);
    query_str(q, 7, e->s.ended_at);
    return query_run(q, reterr);
}

static enum ec one_side(struct map_ctx *m, const struct export_side *e, struct store *to, struct err *reterr)
{
    struct strbuf create = STRBUF(0), insert = STRBUF(0), index = STRBUF(0);
    struct leaf_file *f = NULL;
    struct leaf_fields fields;
    struct arena a = { 0 };
    enum ec rc = leaf_open(e->s.path, &f, reterr);

    if (!rc)
        rc = leaf_fields_of(f, e->s.path, &a, &fields, reterr);
    if (!rc) {
        table_sql(e->side, leaf_fields_columns(&fields, FIXED, COUNT(FIXED), &a), fields.n, &create, &insert);
        rc = store_exec(to, create.buf, reterr);
    }
    if (!rc)
        rc = copy_rows(m, f, &fields, to, insert.buf, reterr);
    if (!rc) {
        strbuf_addf(&index, "create unique index %s_key on %s(key)", e->side, e->side);
        rc = store_exec(to, index.buf, reterr);
    }
    if (!rc)
        rc = describe(m, e, f, to, reterr);
    leaf_close(f);
    strbuf_release(&create);
    strbuf_release(&insert);
    strbuf_release(&index);
    arena_release(&a);
    return rc;
}

enum ec snapshot_export(struct map_ctx *m, const char *path, const char *const *sides, size_t n, struct arena *a,
                        struct export_side *ret, size_t *ret_n, struct err *reterr)
{
    char *part = arena_printf(a, "%s.part", path);
    struct store *to = NULL;
    size_t have = 0;
    enum ec rc = may_replace(path, reterr);

    for (size_t i = 0; i < n && !rc; i++) {
        ret[have].side = sides[i];
        rc = snapshot_latest_any(m, sides[i], a, &ret[have].s, reterr);
        have += !rc;
        if (rc == EC_NOTFOUND && (n > 1 && (have || i + 1 < n)))
            rc = EC_OK; /* the one side that there is */
    }
    if (rc)
        return rc;
    rc = store_open(part, STORE_BUILD, &EXPORT_SCHEMA, &to, reterr);
    if (rc)
        return rc;
    rc = store_begin(to, reterr);
    for (size_t i = 0; i < have && !rc; i++)
        rc = one_side(m, &ret[i], to, reterr);
    if (store_in_transaction(to))
        rc = store_end(to, rc, reterr);
    progress_clear(&m->pair->app->out);
    if (rc)
        store_close(to);
    else
        rc = store_finish(to, reterr);
    if (!rc)
        rc = file_publish(part, path, reterr);
    if (rc)
        (void)unlink(part);
    else
        *ret_n = have;
    return rc ? err_ctx(reterr, rc, "export of map '%s'", m->cfg->alias) : EC_OK;
}
