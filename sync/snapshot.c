/* snapshot.c -- read one side whole into a leaf file, and name it in the map's state. */
#include "sync/snapshot.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "loader/public/fno_read.h"
#include "sync/feed.h"
#include "sync/snapshot_parts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool dv_extra_split(struct cell extra, struct cell *ret_id, struct cell *ret_etag)
{
    const char *sp = extra.len ? memchr(extra.ptr, ' ', extra.len) : NULL;

    *ret_id = extra;
    *ret_etag = CELL_ABSENT;
    if (!sp)
        return extra.len > 0;
    ret_id->len = (size_t)(sp - extra.ptr);
    *ret_etag = (struct cell){ sp + 1, extra.len - ret_id->len - 1 };
    return true;
}

/* One `bits` per map is shared by all its files, so that equal leaves are skipped; chosen by the first snapshot. */
int snapshot_bits(struct map_ctx *m)
{
    struct query *q = store_query(m->state, "select value from setting where name = 'leaf_bits'");
    int bits = -1;

    if (query_step(q))
        bits = (int)strtol(query_get_str(q, 0), NULL, 10);
    return query_done(q, NULL) ? -1 : bits;
}

static enum ec keep_bits(struct map_ctx *m, const struct leaf_totals *t, struct err *reterr)
{
    struct query *q = store_query(m->state, "insert or replace into setting(name, value) values('leaf_bits', ?1)");
    char text[16];
    int want = 8, have = snapshot_bits(m);

    while (want < 24 && (t->rows >> want) > 256)
        want++;
    /* Only far-off leaf sizes are worth losing comparability with older files, and too many leaves cost nothing: the empty
     * side before its first load must not make one leaf of all rows. */
    snprintf(text, sizeof(text), "%d", have >= 0 && want - have < 3 ? have : want);
    query_str(q, 1, text);
    return query_run(q, reterr);
}

int64_t snapshot_next_no(struct map_ctx *m)
{
    struct query *q = store_query(m->state, "select coalesce(max(id), 0) + 1 from snapshot");
    int64_t n = 1;

    if (query_step(q))
        n = query_get_int(q, 0);
    (void)query_done(q, NULL);
    return n;
}

char *snapshot_file(struct map_ctx *m, const char *side, struct arena *a)
{
    return arena_printf(a, "snap-%lld-%s.db", (long long)snapshot_next_no(m), side);
}

static enum ec insert(struct map_ctx *m, const char *side, const char *origin, const char *file, struct snapshot *s,
                      struct err *reterr)
{
    struct query *q;
    char sum[64];
    enum ec rc;

    digest_format_sum(s->sum, sum);
    q = store_query(m->state, "insert into snapshot(side, file, origin, rows, excluded, faults, sum, began_at, "
                              "ended_at, cursor) values(?1, "
                              "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
    query_str(q, 1, side);
    query_str(q, 2, file);
    query_str(q, 3, origin);
    query_int(q, 4, (int64_t)s->rows);
    query_int(q, 5, (int64_t)s->excluded);
    query_int(q, 6, (int64_t)s->faults);
    query_str(q, 7, sum);
    query_str(q, 8, s->began_at);
    query_str(q, 9, s->ended_at);
    query_str(q, 10, s->cursor ? s->cursor : "");
    rc = query_run(q, reterr);
    s->id = store_last_id(m->state);
    return rc;
}

enum ec snapshot_name(struct map_ctx *m, const char *side, const char *origin, const char *file,
                      const struct leaf_totals *t, struct snapshot *s, struct err *reterr)
{
    struct snapshot_hold *h = m->hold;
    enum ec rc;

    s->rows = t->rows;
    s->sum = t->sum;
    if (!s->ended_at[0]) /* a restored one has its own */
        clock_format_utc(clock_utc_ms(), s->ended_at);
    if (h) { /* the other side's leaves are to be as large */
        BUG_IF(h->n == COUNT(h->held), "more than two snapshots are held");
        h->held[h->n] = (struct held_snapshot){ side, origin, arena_strdup(&h->a, file), *s };
        h->held[h->n].s.path = arena_strdup(&h->a, s->path);
        h->held[h->n++].s.cursor = arena_strdup(&h->a, s->cursor ? s->cursor : "");
        return keep_bits(m, t, reterr);
    }
    STEP(snapshot_store);
    rc = store_begin(m->state, reterr);
    if (rc)
        return rc;
    rc = insert(m, side, origin, file, s, reterr);
    if (!rc)
        rc = keep_bits(m, t, reterr);
    rc = store_end(m->state, rc, reterr);
    STEP(snapshot_stored);
    return rc;
}

void snapshot_hold_begin(struct map_ctx *m, struct snapshot_hold *h)
{
    *h = (struct snapshot_hold){ 0 };
    m->hold = h;
}

enum ec snapshot_hold_end(struct map_ctx *m, enum ec rc, struct snapshot *ret_fno, struct snapshot *ret_dv,
                          struct err *reterr)
{
    struct snapshot_hold *h = m->hold;

    m->hold = NULL;
    if (!rc && h->n) {
        STEP(snapshot_store);
        rc = store_begin(m->state, reterr);
        for (size_t i = 0; i < h->n && !rc; i++)
            rc = insert(m, h->held[i].side, h->held[i].origin, h->held[i].file, &h->held[i].s, reterr);
        if (store_in_transaction(m->state))
            rc = store_end(m->state, rc, reterr);
        STEP(snapshot_stored);
    }
    for (size_t i = 0; i < h->n; i++)
        if (rc)
            (void)unlink(h->held[i].s.path);
        else
            (strcmp(h->held[i].side, "fno") ? ret_dv : ret_fno)->id = h->held[i].s.id;
    arena_release(&h->a);
    return rc;
}

/* ---- F&O ---- */

struct fno_building {
    struct map_ctx *m;
    struct leaf_builder *b;
    struct arena a;
};

static enum ec add_fno(void *arg, const struct cell *cells, struct cell company, struct err *reterr)
{
    struct fno_building *f = arg;
    struct leaf_row row = { .cells = cells, .company = company };

    arena_reset(&f->a);
    row.key = bind_key_digest(f->m->b, cells, &f->a);
    row.row = bind_row_digest(f->m->b, cells, &f->a);
    return leaf_add(f->b, &row, reterr);
}

enum ec snapshot_warn_duplicate(void *arg, const struct leaf_row *kept, const struct leaf_row *other,
                                struct err *reterr)
{
    struct map_ctx *m = arg;
    struct arena a = { 0 };

    (void)other;
    (void)reterr;
    log_warn("snapshot", "%s: two rows have the key '" CELL_FMT "'", m->cfg->alias,
             CELL_ARG(bind_key_text(m->b, kept->cells, &a)));
    arena_release(&a);
    return EC_OK;
}

enum ec snapshot_fno(struct map_ctx *m, enum snapshot_origin origin, bool feed, struct arena *a, struct snapshot *ret,
                     struct err *reterr)
{
    struct fno_building f = { .m = m };
    struct fno_shape shape;
    struct fno_counts counts = { 0 };
    struct snapshot s = { .cursor = "" };
    struct cell companies[1024];
    size_t n = map_companies(m, companies, COUNT(companies));
    struct leaf_totals t;
    struct leaf_finish_hooks hooks = { .duplicate = snapshot_warn_duplicate, .arg = m };
    char *file = snapshot_file(m, "fno", a);
    enum ec rc = fno_shape_of(m, a, &shape, reterr);

    s.path = arena_printf(a, "%s/%s", m->dir, file);
    clock_format_utc(clock_utc_ms(), s.began_at);
    if (!rc)
        rc = leaf_build(s.path, workspace_path(&m->pair->app->ws, a, ".dmfsync/tmp"), snapshot_bits(m), shape.n, &f.b,
                        reterr);
    for (size_t i = 0; i < n && !rc; i++) {
        char project[64], *path = NULL;

        if (origin == FROM_ODATA) {
            rc = fno_scan_rows(m, &shape, companies[i], add_fno, &f, &counts, reterr);
            continue;
        }
        feed_project(m, feed, companies[i], project);
        if (feed)
            rc = feed_restart(m, project, companies[i], reterr);
        if (!rc)
            rc = feed_export(m, project, companies[i], &path, a, reterr);
        if (!rc)
            rc = fno_package_rows(m, &shape, path, companies[i], add_fno, &f, &counts, reterr);
    }
    progress_clear(&m->pair->app->out);
    s.excluded = counts.excluded;
    s.faults = counts.faults;
    if (rc) {
        leaf_abandon(f.b);
    } else {
        snapshot_describe(m, f.b, &shape);
        leaf_meta(f.b, "side", "fno");
        leaf_meta(f.b, "began_at", s.began_at);
        rc = leaf_finish(f.b, &hooks, &t, reterr);
    }
    if (!rc)
        rc = snapshot_name(m, "fno", origin == FROM_ODATA ? "odata" : "package", file, &t, &s, reterr);
    arena_release(&f.a);
    if (!rc)
        *ret = s;
    return rc ? err_ctx(reterr, rc, "snapshot of F&O for map '%s'", m->cfg->alias) : EC_OK;
}

/* ---- Dataverse ---- */

struct dv_building {
    struct map_ctx *m;
    struct dict *d;
    struct leaf_builder *b;
    struct arena a;
    struct cell *cells;
    uint64_t rows, excluded, faults;
    bool has_self;
};

static bool find_parts(void *arg, const struct bound_lookup *l, struct cell id, struct cell *ret_parts)
{
    struct dv_building *v = arg;

    if (l->self)
        return false; /* when all rows are read, in last_look */
    return dict_by_id(v->d, l->target, l->columns, l->n, id, &v->a, ret_parts);
}

static bool find_company(void *arg, struct cell id, struct cell *ret_code)
{
    struct dv_building *v = arg;
    const struct pair_company *c = pair_company_by_id(v->m->pair, id);

    if (c)
        *ret_code = c->code;
    return c != NULL;
}

struct filtering {
    const struct json *rec;
    struct arena *a;
    const struct dv_table *t;
};

static bool filter_value(void *arg, struct cell field, struct cell *ret)
{
    struct filtering *f = arg;
    const struct dv_column *c = dv_column_find(f->t, field);

    *ret = json_member(f->rec, c && c->n_navs ? arena_printf(f->a, "_%.*s_value", (int)c->name.len, c->name.ptr)
                                              : cell_cstr(f->a, field));
    return true;
}

bool dv_in_filter(struct map_ctx *m, const struct json *rec, struct arena *a)
{
    struct filtering f = { rec, a, m->b->table };

    return filter_match(m->b->dv_filter, filter_value, &f);
}

static enum ec learn_self(struct dv_building *v, const struct json *rec, struct cell id, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < v->m->b->n_lookups && !rc; i++) {
        const struct bound_lookup *l = &v->m->b->lookups[i];
        struct cell parts[16];
        size_t n = 0;

        if (!l->self)
            continue;
        for (; n < l->n && n < COUNT(parts); n++)
            parts[n] = json_member(rec, cell_cstr(&v->a, l->columns[n]));
        rc = dict_add(v->d, l->target, v->m->b->striped ? v->cells[0] : CELL_ABSENT, parts, n, id, reterr);
    }
    return rc;
}

static enum ec add_dv(void *arg, const struct json *rec, struct err *reterr)
{
    struct dv_building *v = arg;
    const struct binding *b = v->m->b;
    struct bind_fault faults[2];
    struct leaf_row row = { .cells = v->cells };
    struct cell id;
    enum ec rc = EC_OK;

    arena_reset(&v->a);
    id = json_member(rec, cell_cstr(&v->a, b->table->pk));
    if (cell_blank(id))
        return err_set(reterr, EC_DATAVERSE, "a row of '" CELL_FMT "' came without its id", CELL_ARG(b->table->set));
    if (bind_from_dv(b, rec, find_parts, find_company, v, &v->a, v->cells, faults, COUNT(faults)))
        v->faults++;
    if (v->has_self)
        rc = learn_self(v, rec, id, reterr);
    if (rc)
        return rc;
    if ((b->striped && (cell_absent(v->cells[0]) || v->cells[0].ptr[0] == '?')) || !binding_row_wanted(b, v->cells) ||
        !dv_in_filter(v->m, rec, &v->a)) {
        v->excluded++;
        return EC_OK;
    }
    if (b->striped)
        row.company = v->cells[0];
    row.key = bind_key_digest(b, v->cells, &v->a);
    row.row = bind_row_digest(b, v->cells, &v->a);
    row.extra = cell_printf(&v->a, "%.*s %.*s", (int)id.len, id.ptr, (int)json_member(rec, "@odata.etag").len,
                            json_member(rec, "@odata.etag").ptr ? json_member(rec, "@odata.etag").ptr : "");
    if (!(++v->rows & 1023)) {
        progress_update(&v->m->pair->app->out, v->m->cfg->alias, "read Dataverse", (int64_t)v->rows, -1, "");
        if (stop_requested())
            return err_set(reterr, EC_STOPPED, "stopped while reading Dataverse");
    }
    return leaf_add(v->b, &row, reterr);
}

/* Self lookups: every row of the table has been read by now. */
static enum ec resolve_self(void *arg, struct cell *cells, struct leaf_row *row, struct arena *scratch,
                            struct err *reterr)
{
    struct dv_building *v = arg;
    const struct binding *b = v->m->b;
    bool changed = false;

    (void)reterr;
    for (size_t i = 0; i < b->n_lookups; i++) {
        const struct bound_lookup *l = &b->lookups[i];
        struct cell parts[16], id;

        if (!l->self || cell_blank(cells[l->fields[0]]) || cells[l->fields[0]].ptr[0] != '?')
            continue;
        id = (struct cell){ cells[l->fields[0]].ptr + 1, cells[l->fields[0]].len - 1 };
        if (!dict_by_id(v->d, l->target, l->columns, l->n, id, scratch, parts))
            continue;
        for (size_t k = 0; k < l->n && k < COUNT(parts); k++) {
            const char *why;
            struct cell out;

            if (canon_cell(&b->fields[l->fields[k]].rule, NULL, parts[k], scratch, &out, &why) == CANON_FINE)
                cells[l->fields[k]] = out;
        }
        changed = true;
    }
    if (changed)
        row->row = bind_row_digest(b, cells, scratch);
    return EC_OK;
}

static enum ec dv_duplicate(void *arg, const struct leaf_row *kept, const struct leaf_row *other, struct err *reterr)
{
    struct dv_building *v = arg;

    return snapshot_warn_duplicate(v->m, kept, other, reterr);
}

enum ec snapshot_dv(struct map_ctx *m, struct dict *d, struct arena *a, struct snapshot *ret, struct err *reterr)
{
    struct dv_building v = { .m = m, .d = d };
    struct snapshot s = { .cursor = "" };
    struct leaf_totals t;
    struct leaf_finish_hooks hooks = { .last_look = resolve_self, .duplicate = dv_duplicate, .arg = &v };
    char *file = snapshot_file(m, "dataverse", a), *link = NULL;
    const struct dict_source *from = dict_source(d);
    enum ec rc;

    for (size_t i = 0; i < m->b->n_lookups; i++)
        v.has_self = v.has_self || m->b->lookups[i].self;
    s.path = arena_printf(a, "%s/%s", m->dir, file);
    v.cells = arena_zalloc(a, (m->b->n + 1) * sizeof(*v.cells));
    clock_format_utc(clock_utc_ms(), s.began_at);
    rc = dict_load(d, m->b, false, reterr);
    if (!rc && v.has_self)
        rc = dict_expect_self(d, m->b, reterr);
    if (!rc)
        rc = leaf_build(s.path, workspace_path(&m->pair->app->ws, a, ".dmfsync/tmp"), snapshot_bits(m), m->b->n, &v.b,
                        reterr);
    if (rc)
        goto out;
    if (from) {
        snprintf(s.began_at, sizeof(s.began_at), "%s", from->as_of);
        snprintf(s.ended_at, sizeof(s.ended_at), "%s", from->as_of);
        rc = from->scan(from->arg, m->b->table, bind_dv_select(m->b, a), add_dv, &v, reterr);
    } else {
        /* Change tracking from the start: the link of the last page replays what changes while we read. */
        rc = dv_scan(m->pair->app->dv, cell_cstr(a, m->b->table->set), bind_dv_select(m->b, a), NULL,
                     m->b->table->change_tracking, add_dv, &v, m->b->table->change_tracking ? &link : NULL, reterr);
    }
    progress_clear(&m->pair->app->out);
    s.excluded = v.excluded;
    s.faults = v.faults;
    s.cursor = link ? arena_strdup(a, link) : "";
    if (rc) {
        leaf_abandon(v.b);
    } else {
        char hash[65];

        bind_hash(m->b, hash);
        snapshot_describe(m, v.b, NULL);
        leaf_meta(v.b, "side", "dataverse");
        leaf_meta(v.b, "map_hash", hash);
        leaf_meta(v.b, "began_at", s.began_at);
        rc = leaf_finish(v.b, &hooks, &t, reterr);
    }
    if (!rc)
        rc = snapshot_name(m, "dataverse", from ? "synapse" : "webapi", file, &t, &s, reterr);
    if (!rc)
        *ret = s;
out:
    free(link);
    arena_release(&v.a);
    return rc ? err_ctx(reterr, rc, "snapshot of Dataverse for map '%s'", m->cfg->alias) : EC_OK;
}

static enum ec latest(struct map_ctx *m, const char *side, bool files_too, struct arena *a, struct snapshot *ret,
                      struct err *reterr)
{
    struct query *q = store_query(
        m->state, "select id, file, rows, excluded, faults, began_at, ended_at, cursor from snapshot where side = ?1 "
                  "and (?2 or origin not in ('csv', 'archive', 'synapse')) order by id desc limit 1");
    struct snapshot s = { 0 };
    bool found;
    enum ec rc;

    query_str(q, 1, side);
    query_int(q, 2, files_too);
    found = query_step(q);
    if (found) {
        s.id = query_get_int(q, 0);
        s.path = arena_printf(a, "%s/%s", m->dir, query_get_str(q, 1));
        s.rows = (uint64_t)query_get_int(q, 2);
        s.excluded = (uint64_t)query_get_int(q, 3);
        s.faults = (uint64_t)query_get_int(q, 4);
        snprintf(s.began_at, sizeof(s.began_at), "%s", query_get_str(q, 5));
        snprintf(s.ended_at, sizeof(s.ended_at), "%s", query_get_str(q, 6));
        s.cursor = arena_strdup(a, query_get_str(q, 7));
    }
    rc = query_done(q, reterr);
    if (!rc && !found)
        rc = err_set(reterr, EC_NOTFOUND, "there is no snapshot of %s for map '%s' yet", side, m->cfg->alias);
    if (!rc)
        *ret = s;
    return rc;
}

enum ec snapshot_latest(struct map_ctx *m, const char *side, struct arena *a, struct snapshot *ret,
                        struct err *reterr)
{
    return latest(m, side, false, a, ret, reterr);
}

enum ec snapshot_latest_any(struct map_ctx *m, const char *side, struct arena *a, struct snapshot *ret,
                            struct err *reterr)
{
    return latest(m, side, true, a, ret, reterr);
}

/* ---- retention ---- */

static bool is_named(struct map_ctx *m, const char *file)
{
    struct query *q = store_query(
        m->state, "select 1 from snapshot where file = ?1 union all select 1 from baseline where file = ?1 union all "
                  "select 1 from load where source_file = ?1");
    bool yes;

    query_str(q, 1, file);
    yes = query_step(q);
    return query_done(q, NULL) != EC_OK || yes; /* an error keeps the file */
}

void snapshot_sweep(struct map_ctx *m)
{
    struct dirent *e;
    DIR *d = opendir(m->dir);

    while (d && (e = readdir(d))) {
        size_t n = strlen(e->d_name);
        struct arena a = { 0 };

        if (!strncmp(e->d_name, "snap-", 5) && n > 3 && !strcmp(e->d_name + n - 3, ".db") && !is_named(m, e->d_name))
            (void)unlink(arena_printf(&a, "%s/%s", m->dir, e->d_name));
        arena_release(&a);
    }
    if (d)
        closedir(d);
}

enum ec snapshot_prune(struct map_ctx *m, int keep, struct err *reterr)
{
    struct query *q = store_query(
        m->state,
        "delete from snapshot where id in (select id from (select id, row_number() over (partition by side, "
        "origin in ('csv', 'archive', 'synapse') order by id desc) as n from snapshot) where n > ?1)");
    enum ec rc;

    query_int(q, 1, keep);
    rc = query_run(q, reterr);
    if (!rc)
        snapshot_sweep(m);
    return rc;
}
