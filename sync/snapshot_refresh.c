/* snapshot_refresh.c -- Dataverse's newest snapshot and the changes since, as a new one: what a nightly check reads. */
#include "base/clock.h"
#include "base/log.h"
#include "sync/row_batch.h"
#include "sync/snapshot_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_CHANGES = 200000, ID = 37 };

struct refreshing {
    struct map_ctx *m;
    struct dict *d;
    struct leaf_builder *b;
    char (*ids)[ID]; /* changed or gone, lower case; sorted once all are known */
    size_t n, cap;
    struct row_batch batch;
    struct arena a;
    uint64_t changed, gone, outside;
    bool too_many;
};

static void note_id(struct refreshing *r, struct cell id)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->ids = xrealloc(r->ids, r->cap * sizeof(*r->ids));
    }
    for (size_t i = 0; i < ID; i++) {
        char c = i < id.len && i < ID - 1 ? id.ptr[i] : 0;

        r->ids[r->n][i] = (char)(c >= 'A' && c <= 'F' ? c | 0x20 : c);
    }
    r->n++;
    r->too_many = r->too_many || r->n > MAX_CHANGES;
}

static enum ec add_row(void *arg, const struct json *rec, struct err *reterr)
{
    struct refreshing *r = arg;
    const struct binding *b = r->m->b;
    struct leaf_row row = { 0 };
    struct live_row live = { 0 };
    enum ec rc;

    arena_reset(&r->a);
    dv_record(r->m, r->d, rec, &r->a, &live);
    rc = dict_failed(r->d, reterr);
    if (rc)
        return rc;
    note_id(r, live.id);
    r->changed++;
    if (!live.cells || !binding_row_wanted(b, live.cells)) {
        r->outside++;
        return EC_OK;
    }
    row.cells = live.cells;
    row.company = b->striped ? live.cells[0] : CELL_ABSENT;
    row.key = bind_key_digest(b, live.cells, &r->a);
    row.row = bind_row_digest(b, live.cells, &r->a);
    row.extra = cell_printf(&r->a, "%.*s %.*s", (int)live.id.len, live.id.ptr, (int)live.etag.len,
                            live.etag.ptr ? live.etag.ptr : "");
    return leaf_add(r->b, &row, reterr);
}

static enum ec changed(void *arg, const struct json *rec, struct err *reterr)
{
    struct refreshing *r = arg;

    if (stop_requested())
        return err_set(reterr, EC_STOPPED, "stopped while reading Dataverse's changes");
    if (r->too_many)
        return EC_OK;
    return row_batch_add(&r->batch, rec, reterr);
}

static enum ec gone(void *arg, struct cell id, struct err *reterr)
{
    struct refreshing *r = arg;

    (void)reterr;
    note_id(r, id);
    r->gone++;
    return EC_OK;
}

static int by_id(const void *x, const void *y)
{
    return memcmp(x, y, ID - 1);
}

static bool has_id(const struct refreshing *r, struct cell id)
{
    char key[ID] = "";

    for (size_t i = 0; i < id.len && i < ID - 1; i++)
        key[i] = (char)(id.ptr[i] >= 'A' && id.ptr[i] <= 'F' ? id.ptr[i] | 0x20 : id.ptr[i]);
    return r->n && bsearch(key, r->ids, r->n, sizeof(*r->ids), by_id) != NULL;
}

/* The same record told of twice: the last word counts, and which one that is cannot be told here. */
static bool twice(struct refreshing *r)
{
    if (r->n)
        qsort(r->ids, r->n, sizeof(*r->ids), by_id);
    for (size_t i = 1; i < r->n; i++)
        if (!by_id(r->ids[i - 1], r->ids[i]))
            return true;
    return false;
}

/* Every row of the old file that nobody touched. */
static enum ec carry_over(struct refreshing *r, struct leaf_file *old, uint64_t *ret_replaced, struct err *reterr)
{
    struct leaf_walk *w = NULL;
    bool more = true;
    enum ec rc = leaf_walk_new(old, NULL, false, &w, reterr);

    *ret_replaced = 0;
    while (!rc && more) {
        struct leaf_pair p;
        struct cell id, etag;

        rc = leaf_walk_next(w, true, &p, &more, reterr);
        if (rc || !more)
            break;
        (void)dv_extra_split(p.a.extra, &id, &etag);
        if (has_id(r, id))
            ++*ret_replaced;
        else
            rc = leaf_add(r->b, &p.a, reterr);
    }
    leaf_walk_free(w);
    return rc;
}

/* When this chain of snapshots was last read whole. */
static int64_t full_at(struct map_ctx *m, const struct snapshot *s)
{
    struct query *q = store_query(m->state, "select s.origin, coalesce((select value from setting where name = "
                                            "'dataverse_full_at'), '') from snapshot s where s.id = ?1");
    int64_t at = 0;

    query_int(q, 1, s->id);
    if (query_step(q)) {
        const char *text = cell_is(query_get_cell(q, 0), "webapi") ? s->began_at : query_get_str(q, 1);

        (void)clock_parse_utc(text, strlen(text), &at);
    }
    return query_done(q, NULL) ? 0 : at;
}

static enum ec note_full(struct map_ctx *m, int64_t at, struct err *reterr)
{
    struct query *q =
        store_query(m->state, "insert or replace into setting(name, value) values('dataverse_full_at', ?1)");
    char text[32];

    clock_format_utc(at, text);
    query_str(q, 1, text);
    return query_run(q, reterr);
}

/* Why the snapshot before cannot be gone on with; NULL = it can. */
static const char *unfit(struct map_ctx *m, const struct snapshot *s, struct leaf_file *old, int64_t full)
{
    struct arena a = { 0 };
    char hash[65];
    const char *was = leaf_get_meta(old, "map_hash", &a);
    bool same;

    bind_hash(m->b, hash);
    same = was && !strcmp(was, hash) && leaf_cells(old) == m->b->n;
    arena_release(&a);
    if (!s->cursor[0])
        return "the table has no change tracking";
    if (!same)
        return "the map or its settings changed";
    if (clock_utc_ms() - full > m->pair->app->cfg.full_every_ms)
        return "full_every has passed";
    return NULL;
}

/* EC_NOTFOUND: it has to be read whole. */
static enum ec refresh(struct refreshing *r, const struct snapshot *was, struct leaf_file *old, struct arena *a,
                       struct snapshot *s, struct err *reterr)
{
    struct map_ctx *m = r->m;
    char *file = arena_printf(a, "snap-%lld-dataverse.db", (long long)snapshot_next_no(m)), *link = NULL, hash[65];
    struct leaf_totals t;
    uint64_t replaced = 0;
    enum ec rc;

    s->path = arena_printf(a, "%s/%s", m->dir, file);
    clock_format_utc(clock_utc_ms(), s->began_at);
    dict_lazy(r->d); /* few rows: each lookup that is not known yet is asked for, in batches */
    rc = leaf_build(s->path, workspace_path(&m->pair->app->ws, a, ".dmfsync/tmp"), snapshot_bits(m), m->b->n, &r->b,
                    reterr);
    if (!rc)
        rc = dv_delta(m->pair->app->dv, was->cursor, changed, gone, r, &link, reterr);
    if (!rc)
        rc = row_batch_flush(&r->batch, reterr);
    if (!rc && (r->too_many || twice(r)))
        rc = err_set(reterr, EC_NOTFOUND, "too much changed");
    if (!rc)
        rc = carry_over(r, old, &replaced, reterr);
    progress_clear(&m->pair->app->out);
    if (rc) {
        leaf_abandon(r->b);
        free(link);
        return rc;
    }
    bind_hash(m->b, hash);
    snapshot_describe(m, r->b, NULL);
    leaf_meta(r->b, "side", "dataverse");
    leaf_meta(r->b, "began_at", s->began_at);
    leaf_meta(r->b, "map_hash", hash);
    rc = leaf_finish(r->b, NULL, &t, reterr);
    s->cursor = link ? arena_strdup(a, link) : "";
    s->excluded = was->excluded;
    free(link);
    if (!rc)
        rc = snapshot_name(m, "dataverse", "changes", file, &t, s, reterr);
    if (!rc)
        log_info("snapshot",
                 "%s: Dataverse by changes: %llu changed, %llu gone, %llu outside of filters, %llu rows replaced",
                 m->cfg->alias, (unsigned long long)r->changed, (unsigned long long)r->gone,
                 (unsigned long long)r->outside, (unsigned long long)replaced);
    return rc;
}

enum ec snapshot_dv_refresh(struct map_ctx *m, struct dict *d, struct arena *a, struct snapshot *ret,
                            struct err *reterr)
{
    struct refreshing r = { .m = m, .d = d };
    struct snapshot was, s = { .cursor = "" };
    struct leaf_file *old = NULL;
    const char *why = "there is no snapshot yet";
    int64_t full = 0;
    enum ec rc = snapshot_latest(m, "dataverse", a, &was, reterr);

    r.batch = (struct row_batch){ .m = m, .d = d, .fn = add_row, .arg = &r };
    if (!rc)
        rc = file_exists(was.path) ? leaf_open(was.path, &old, reterr) : EC_NOTFOUND;
    if (!rc) {
        full = full_at(m, &was);
        why = unfit(m, &was, old, full);
    }
    if (!rc && !why) {
        rc = refresh(&r, &was, old, a, &s, reterr);
        why = "its change token has expired, or too much changed";
    } else if (!rc) {
        rc = EC_NOTFOUND;
    }
    leaf_close(old);
    free(r.ids);
    row_batch_release(&r.batch);
    arena_release(&r.a);
    if (rc == EC_NOTFOUND) {
        log_info("snapshot", "%s: Dataverse is read whole: %s", m->cfg->alias, why);
        dict_eager(d);
        return snapshot_dv(m, d, a, ret, reterr);
    }
    if (!rc)
        rc = note_full(m, full, reterr);
    if (!rc)
        *ret = s;
    return rc ? err_ctx(reterr, rc, "Dataverse's changes for map '%s'", m->cfg->alias) : EC_OK;
}
