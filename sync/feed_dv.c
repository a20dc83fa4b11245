/* feed_dv.c -- Dataverse's changes by its change tracking; deletions and key changes by id. Writes pending. */
#include "base/log.h"
#include "base/step.h"
#include "sync/delta_row.h"
#include "sync/row_batch.h"
#include "sync/feed_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* An id whose record is gone, or may have had another key before. */
struct odd_id {
    char id[40];
    struct digest now; /* its key as it is; not used for one that is gone */
    bool gone, matched;
};
struct delta {
    struct taking t;
    struct row_batch batch;
    struct odd_id *odd;
    size_t n_odd, cap_odd;
    struct dv_witness witness;
    struct leaf_builder *seen; /* a whole read: every key that is there */
};

static void add_odd(struct delta *d, struct cell id, struct digest now, bool gone)
{
    struct arena a = { 0 };

    if (d->n_odd == d->cap_odd) {
        d->cap_odd = d->cap_odd ? d->cap_odd * 2 : 64;
        d->odd = xrealloc(d->odd, d->cap_odd * sizeof(*d->odd));
    }
    d->odd[d->n_odd] = (struct odd_id){ .now = now, .gone = gone };
    snprintf(d->odd[d->n_odd].id, sizeof(d->odd->id), "%s", cell_cstr(&a, cell_lower(&a, id)));
    d->n_odd++;
    arena_release(&a);
}

static enum ec one_row(void *arg, const struct json *rec, struct err *reterr)
{
    struct delta *d = arg;
    struct taking *t = &d->t;
    struct live_row r = { 0 };
    struct cell none = CELL_ABSENT;
    struct base_row base;
    struct digest key;
    bool known;
    enum ec rc;

    arena_reset(&t->a);
    dv_record(t->m, t->d, rec, &t->a, &r);
    rc = dict_failed(t->d, reterr);
    if (rc)
        return rc;
    guard_dv_saw(&d->witness, r.id, r.etag);
    key = bind_key_digest(t->m->b, r.any, &t->a);
    rc = dict_saw(t->d, t->m->b, r.any, r.id, reterr);
    if (!rc && d->seen)
        rc = leaf_add(d->seen, &(struct leaf_row){ .key = key, .cells = &none }, reterr);
    if (!rc)
        rc = baseline_row(t->base, key, &t->a, &base, reterr);
    if (rc)
        return rc;
    known = base.cells && !base.deleted;
    /* Under this key the base knows no row, or another one: perhaps the base has it under the key that it had before. */
    if (!known || !cell_ieq(base.dv_id, r.id))
        add_odd(d, r.id, key, false);
    if (r.cells)
        return feed_changed(t, FEED_DV, r.cells, r.id, reterr);
    t->c->outside++;
    if (!known)
        return EC_OK;
    t->c->left++;
    return feed_put_left(t, FEED_DV, key, bind_key_text(t->m->b, r.any, &t->a), r.any, r.id, reterr);
}

static enum ec take_row(void *arg, const struct json *rec, struct err *reterr)
{
    struct delta *d = arg;

    d->t.c->read++;
    return row_batch_add(&d->batch, rec, reterr);
}

static enum ec take_gone(void *arg, struct cell id, struct err *reterr)
{
    (void)reterr;
    add_odd(arg, id, (struct digest){ 0, 0 }, true);
    return EC_OK;
}

/* ---- ids back to keys ---- */

static int by_id(const void *x, const void *y)
{
    return strcmp(((const struct odd_id *)x)->id, ((const struct odd_id *)y)->id);
}

static enum ec matched(struct delta *d, struct odd_id *o, struct digest key, const struct base_row *row,
                       struct err *reterr)
{
    struct taking *t = &d->t;

    o->matched = true;
    if (!o->gone && digest_eq(o->now, key))
        return EC_OK;
    t->c->deleted++;
    if (!o->gone)
        log_info("feed", "%s: the key of a Dataverse row was changed: it was '" CELL_FMT "'", t->m->cfg->alias,
                 CELL_ARG(bind_key_text(t->m->b, row->cells, &t->a)));
    return feed_put(t, FEED_DV, key, bind_key_text(t->m->b, row->cells, &t->a), NULL, row->dv_id, reterr);
}

/* Rows made or written since the base was set are found by their index. */
static enum ec match_overlay(struct delta *d, struct odd_id *o, struct err *reterr)
{
    struct query *q = store_query(d->t.m->state,
                                  "select key_digest from base_overlay where dv_id = ?1 and row is not null limit 8");
    char keys[8][16];
    size_t n = 0;
    enum ec rc;

    query_str(q, 1, o->id);
    while (query_step(q) && n < 8) {
        struct cell k = query_get_blob(q, 0);

        if (k.len == 16)
            memcpy(keys[n++], k.ptr, 16);
    }
    rc = query_done(q, reterr);
    for (size_t i = 0; i < n && !rc; i++) {
        struct digest key = delta_key_digest(keys[i]);
        struct base_row row;

        arena_reset(&d->t.a);
        rc = baseline_row(d->t.base, key, &d->t.a, &row, reterr);
        if (!rc && row.cells && !row.deleted)
            rc = matched(d, o, key, &row, reterr);
    }
    return rc;
}

static enum ec match_leaf(void *arg, struct digest key, const struct base_row *row, struct err *reterr)
{
    struct delta *d = arg;
    struct odd_id want, *o;
    struct arena a = { 0 };

    snprintf(want.id, sizeof(want.id), "%s", cell_cstr(&a, cell_lower(&a, row->dv_id)));
    arena_release(&a);
    o = bsearch(&want, d->odd, d->n_odd, sizeof(*d->odd), by_id);
    if (!o)
        return EC_OK;
    arena_reset(&d->t.a);
    return matched(d, o, key, row, reterr);
}

static enum ec match_odd(struct delta *d, struct err *reterr)
{
    size_t k = 0;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < d->n_odd && !rc; i++)
        rc = match_overlay(d, &d->odd[i], reterr);
    /* Only what the overlay does not know is looked for in the whole base. */
    for (size_t i = 0; i < d->n_odd; i++)
        if (!d->odd[i].matched)
            d->odd[k++] = d->odd[i];
    d->n_odd = k;
    if (rc || !k)
        return rc;
    qsort(d->odd, k, sizeof(*d->odd), by_id);
    return baseline_each(d->t.base, match_leaf, d, reterr);
}

/* ---- the two ways to read ---- */

static enum ec is_missing(void *arg, struct digest key, const struct base_row *row, struct err *reterr)
{
    struct delta *d = arg;

    arena_reset(&d->t.a);
    d->t.c->deleted++;
    return feed_put(&d->t, FEED_DV, key, bind_key_text(d->t.m->b, row->cells, &d->t.a), NULL, row->dv_id, reterr);
}

/* The token is too old: the table whole, and what the base has beyond it was deleted. */
static enum ec read_whole(struct delta *d, char **next, struct err *reterr)
{
    struct map_ctx *m = d->t.m;
    struct arena a = { 0 };
    const char *path = workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp/keys-dv-%s.db", m->cfg->alias);
    struct leaf_file *seen = NULL;
    struct leaf_totals totals;
    enum ec rc = leaf_build(path, workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp"), -1, 1, &d->seen, reterr);

    d->t.c->whole = true;
    if (!rc)
        rc = dv_scan(m->pair->app->dv, cell_cstr(&a, m->b->table->set), bind_dv_select(m->b, &a), NULL, true,
                     take_row, d, next, reterr);
    if (!rc)
        rc = row_batch_flush(&d->batch, reterr);
    if (!rc) {
        rc = leaf_finish(d->seen, NULL, &totals, reterr);
        d->seen = NULL;
    }
    if (!rc)
        rc = leaf_open(path, &seen, reterr);
    if (!rc)
        rc = baseline_missing(d->t.base, seen, is_missing, d, reterr);
    if (d->seen)
        leaf_abandon(d->seen);
    leaf_close(seen);
    (void)unlink(path);
    arena_release(&a);
    return rc;
}

static enum ec read_changes(struct delta *d, const char *link, char **next, struct err *reterr)
{
    struct map_ctx *m = d->t.m;
    struct err e = { 0 };
    enum ec rc = dv_delta(m->pair->app->dv, link, take_row, take_gone, d, next, &e);

    if (rc == EC_NOTFOUND) {
        log_warn(
            "feed",
            "%s: Dataverse's change-tracking token has expired; the table is read whole and its keys are compared",
            m->cfg->alias);
        row_batch_forget(&d->batch);
        return read_whole(d, next, reterr);
    }
    if (rc && reterr)
        *reterr = e;
    return rc ? rc : row_batch_flush(&d->batch, reterr);
}

enum ec feed_dv(struct map_ctx *m, struct dict *dict, struct feed_counts *ret, struct err *reterr)
{
    struct delta d = { .t = { .m = m, .d = dict, .c = ret } };
    struct arena a = { 0 };
    char *link = NULL, *next = NULL;
    enum ec rc = cursor_get(m, "dataverse", "", &a, &link, reterr);

    *ret = (struct feed_counts){ 0 };
    d.batch = (struct row_batch){ .m = m, .d = dict, .fn = one_row, .arg = &d };
    if (!rc && !link) {
        rc = err_set(reterr, EC_STATE, "map '%s' has no Dataverse cursor", m->cfg->alias);
        err_hint(reterr, "run 'dmfsync parity %s', then 'dmfsync handoff %s --execute'", m->cfg->alias,
                 m->cfg->alias);
    }
    if (!rc)
        rc = guard_dv(m, dict_organization(dict), reterr);
    if (!rc)
        rc = baseline_open(m, &d.t.base, reterr);
    if (rc)
        goto out;
    STEP(feed_read);
    rc = store_begin(m->state, reterr);
    if (rc)
        goto out;
    rc = read_changes(&d, link, &next, reterr);
    if (!rc && !ret->whole)
        rc = guard_dv_link(m, link, next, reterr);
    if (!rc)
        rc = match_odd(&d, reterr);
    if (!rc)
        rc = guard_dv_keep(m, &d.witness, dict_organization(dict), reterr);
    STEP(cursor_store);
    if (!rc)
        rc = cursor_set(m, "dataverse", "", next, reterr);
    if (store_in_transaction(m->state))
        rc = store_end(m->state, rc, reterr);
    STEP(cursor_stored);
    STEP(feed_done);
out:
    if (rc == EC_GUARD)
        (void)guard_forget(m, NULL);
    free(d.odd);
    free(next);
    baseline_close(d.t.base);
    row_batch_release(&d.batch);
    arena_release(&d.t.a);
    arena_release(&a);
    return rc;
}
