/*
 * feed_keys.c -- which keys F&O has: what the base has beyond them was deleted there. Its exports never tell ("Recurring data
 * exports", "Enable change tracking for entities": deletes are not in file exports). Only key fields are read.
 */
#include "base/clock.h"
#include "base/log.h"
#include "loader/public/fno_read.h"
#include "sync/feed_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct keys {
    struct taking t;
    struct leaf_builder *seen;
    struct cell *cells;
    bool *wanted;
    const struct json *rec;
    struct arena a;
};

static struct cell value_of(void *arg, const struct fno_field *f)
{
    struct keys *k = arg;

    return f ? json_member(k->rec, cell_cstr(&k->a, f->property))
             : cell_lower(&k->a, json_member(k->rec, "dataAreaId"));
}

static enum ec take_key(void *arg, const struct json *rec, struct err *reterr)
{
    struct keys *k = arg;
    struct cell none = CELL_ABSENT;
    struct bind_fault faults[2];

    arena_reset(&k->a);
    k->rec = rec;
    (void)bind_some_from_fno(k->t.m->b, k->wanted, value_of, k, &k->a, k->cells, faults, COUNT(faults));
    if (stop_requested())
        return err_set(reterr, EC_STOPPED, "stopped while reading F&O's keys");
    return leaf_add(k->seen, &(struct leaf_row){ .key = bind_key_digest(k->t.m->b, k->cells, &k->a), .cells = &none },
                    reterr);
}

static enum ec is_missing(void *arg, struct digest key, const struct base_row *row, struct err *reterr)
{
    struct keys *k = arg;

    arena_reset(&k->t.a);
    k->t.c->deleted++;
    return feed_put(&k->t, FEED_FNO, key, bind_key_text(k->t.m->b, row->cells, &k->t.a), NULL, row->dv_id, reterr);
}

static char *key_select(const struct keys *k, struct arena *a)
{
    const struct binding *b = k->t.m->b;
    struct strbuf s = STRBUF(0);
    char *ret;

    if (!b->entity->shared)
        strbuf_adds(&s, "dataAreaId");
    for (size_t i = 0; i < b->n_key; i++) {
        const struct fno_field *f = b->fields[b->key[i]].f;

        if (f)
            strbuf_addf(&s, "%s" CELL_FMT, s.len ? "," : "", CELL_ARG(f->property));
    }
    ret = arena_strdup(a, strbuf_str(&s));
    strbuf_release(&s);
    return ret;
}

static enum ec scan(struct keys *k, const char *path, struct err *reterr)
{
    struct map_ctx *m = k->t.m;
    struct arena a = { 0 };
    struct cell companies[1024];
    size_t n = map_companies(m, companies, COUNT(companies));
    struct leaf_totals totals;
    enum ec rc = leaf_build(path, workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp"), -1, 1, &k->seen, reterr);

    for (size_t i = 0; i < n && !rc; i++)
        rc = erp_scan(m->pair->app->erp, m->b->entity, key_select(k, &a), NULL,
                      cell_blank(companies[i]) ? CELL_ABSENT : companies[i], take_key, k, reterr);
    if (!rc) {
        rc = leaf_finish(k->seen, NULL, &totals, reterr);
        k->seen = NULL;
    }
    if (k->seen)
        leaf_abandon(k->seen);
    arena_release(&a);
    return rc;
}

static enum ec due(struct map_ctx *m, bool *ret, struct err *reterr)
{
    int64_t every = m->pair->app->cfg.sync_key_scan_ms, at = 0;
    struct arena a = { 0 };
    char *last = NULL;
    enum ec rc = every ? state_get(m, "key_scan_at", &a, &last, reterr) : EC_OK;

    *ret = every && !rc && (!last || !clock_parse_utc(last, strlen(last), &at) || clock_utc_ms() - at >= every);
    arena_release(&a);
    return rc;
}

enum ec feed_fno_keys(struct map_ctx *m, struct baseline *base, struct feed_counts *ret, struct err *reterr)
{
    struct keys k = { .t = { .m = m, .base = base, .c = ret } };
    struct arena a = { 0 };
    const char *path = workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp/keys-fno-%s.db", m->cfg->alias);
    struct leaf_file *seen = NULL;
    char now[32];
    bool yes = false;
    enum ec rc = due(m, &yes, reterr);

    if (rc || !yes)
        goto out;
    clock_format_utc(clock_utc_ms(), now);
    k.cells = arena_zalloc(&a, (m->b->n + 1) * sizeof(*k.cells));
    k.wanted = arena_zalloc(&a, m->b->n + 1);
    for (size_t i = 0; i < m->b->n_key; i++)
        k.wanted[m->b->key[i]] = true;
    rc = scan(&k, path, reterr);
    if (!rc)
        rc = leaf_open(path, &seen, reterr);
    if (!rc)
        rc = store_begin(m->state, reterr);
    if (rc)
        goto out;
    rc = baseline_missing(base, seen, is_missing, &k, reterr);
    if (!rc)
        rc = state_put(m, "key_scan_at", now, reterr);
    rc = store_end(m->state, rc, reterr);
out:
    leaf_close(seen);
    (void)unlink(path);
    arena_release(&k.a);
    arena_release(&k.t.a);
    arena_release(&a);
    return rc;
}
