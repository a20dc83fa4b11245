/* baseline_compact.c -- the merge base as one file again: what the overlay gathered goes into it. Writes baseline, base_overlay. */
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/snapshot_parts.h"
#include "sync/verdict.h"

#include <stdlib.h>

enum { SHARE = 20 }; /* one in so many rows changed */

struct compacting {
    struct map_ctx *m;
    struct leaf_builder *out;
    struct arena a; /* of one row */
};

/* "snap-12-dataverse.db" and "snap-12-base-3.db" are of snapshot 12. */
static long snapshot_no(const char *file)
{
    return !strncmp(file, "snap-", 5) ? strtol(file + 5, NULL, 10) : -1;
}

bool baseline_made_of(const char *base_file, const char *snapshot_file)
{
    return !strcmp(base_file, snapshot_file) || (strstr(base_file, "-base-") && snapshot_no(base_file) >= 0 &&
                                                 snapshot_no(base_file) == snapshot_no(snapshot_file));
}

static char *next_file(const char *file, struct arena *a)
{
    const char *k = strstr(file, "-base-");

    return arena_printf(a, "snap-%ld-base-%ld.db", snapshot_no(file), k ? strtol(k + 6, NULL, 10) + 1 : 1);
}

static enum ec is_due(struct map_ctx *m, struct arena *a, char **ret_file, bool *ret, struct err *reterr)
{
    struct query *q = store_query(m->state, "select file, rows, (select count(*) from base_overlay) from baseline");
    int64_t rows = 0, over = 0;

    if (query_step(q)) {
        *ret_file = arena_strdup(a, query_get_str(q, 0));
        rows = query_get_int(q, 1);
        over = query_get_int(q, 2);
    }
    *ret = *ret_file && over >= m->pair->app->cfg.sync_compact_from && over > rows / SHARE;
    return query_done(q, reterr);
}

static enum ec add_row(void *arg, struct digest key, const struct base_row *r, struct err *reterr)
{
    struct compacting *c = arg;
    const struct binding *b = c->m->b;
    struct leaf_row row = { .key = key, .cells = r->cells, .extra = r->dv_id };

    arena_reset(&c->a);
    row.row = bind_row_digest(b, r->cells, &c->a);
    row.company = b->striped ? r->cells[0] : CELL_ABSENT;
    return stop_requested()
               ? err_set(reterr, EC_STOPPED, "stopped while the base of map '%s' was made anew", c->m->cfg->alias)
               : leaf_add(c->out, &row, reterr);
}

static enum ec build(struct compacting *c, const char *path, struct leaf_totals *ret, struct err *reterr)
{
    struct map_ctx *m = c->m;
    struct baseline *base = NULL;
    struct arena a = { 0 };
    char now[32], hash[65];
    enum ec rc = baseline_open(m, &base, reterr);

    if (!rc)
        rc = leaf_build(path, workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp"), snapshot_bits(m), m->b->n,
                        &c->out, reterr);
    if (!rc) {
        clock_format_utc(clock_utc_ms(), now);
        bind_hash(m->b, hash);
        snapshot_describe(m, c->out, NULL);
        leaf_meta(c->out, "side", "base");
        leaf_meta(c->out, "began_at", now);
        leaf_meta(c->out, "map_hash", hash);
        rc = baseline_each(base, add_row, c, reterr);
        if (rc)
            leaf_abandon(c->out);
        else
            rc = leaf_finish(c->out, NULL, ret, reterr);
    }
    baseline_close(base);
    arena_release(&c->a);
    arena_release(&a);
    return rc;
}

/* Nothing was written to the overlay since: this process has the lock, and there is one thread. */
static enum ec point_to(struct map_ctx *m, const char *file, const struct leaf_totals *t, struct err *reterr)
{
    struct query *q;
    enum ec rc;

    STEP(compact_store);
    rc = store_begin(m->state, reterr);
    if (rc)
        return rc;
    q = store_query(m->state, "update baseline set file = ?1, rows = ?2");
    query_str(q, 1, file);
    query_int(q, 2, (int64_t)t->rows);
    rc = query_run(q, reterr);
    if (!rc)
        rc = store_exec(m->state, "delete from base_overlay", reterr);
    rc = store_end(m->state, rc, reterr);
    STEP(compact_stored);
    return rc;
}

enum ec baseline_compact(struct map_ctx *m, struct err *reterr)
{
    struct compacting c = { .m = m };
    struct leaf_totals t = { 0 };
    struct arena a = { 0 };
    char *was = NULL, *file;
    int64_t began = clock_mono_ms();
    bool due = false;
    enum ec rc = is_due(m, &a, &was, &due, reterr);

    if (rc || !due)
        goto out;
    snapshot_sweep(m); /* the one before the present file: readers that had opened it are done by now */
    file = next_file(was, &a);
    rc = build(&c, arena_printf(&a, "%s/%s", m->dir, file), &t, reterr);
    if (!rc)
        rc = point_to(m, file, &t, reterr);
    if (!rc)
        log_info("sync", "%s: the base was made anew: %llu rows, in %lld ms", m->cfg->alias,
                 (unsigned long long)t.rows, (long long)(clock_mono_ms() - began));
out:
    arena_release(&a);
    return rc;
}
