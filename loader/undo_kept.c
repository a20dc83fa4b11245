/* undo_kept.c -- that a side's rows were kept before a run wrote them, and where. Writes the table undo_kept. */
#include "base/clock.h"
#include "loader/mask.h"
#include "loader/public/load.h"

#include <stdlib.h>

bool undo_wanted(const struct map_ctx *m)
{
    return m->cfg->undo == UNDO_YES || (m->cfg->undo == UNDO_DEFAULT && m->pair->app->cfg.undo);
}

/* The names of a shape's cells: kept rows mean nothing under others. */
static void put_names(const struct fno_shape *shape, struct strbuf *out)
{
    for (size_t i = 0; shape && i < shape->n; i++)
        strbuf_addf(out, "%s" CELL_FMT "%s", i ? "," : "", CELL_ARG(shape->names[i]), shape->supplied[i] ? "" : "?");
}

enum ec undo_note(struct map_ctx *m, int64_t run_id, const char *side, const char *file,
                  const struct fno_shape *shape, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "insert or ignore into undo_kept(run_id, side, file, columns, at) values(?1, ?2, ?3, ?4, ?5)");
    struct strbuf names = STRBUF(0);
    char now[32];
    enum ec rc;

    put_names(shape, &names);
    clock_format_utc(clock_utc_ms(), now);
    query_int(q, 1, run_id);
    query_str(q, 2, side);
    query_str(q, 3, file);
    query_str(q, 4, strbuf_str(&names));
    query_str(q, 5, now);
    rc = query_run(q, reterr);
    strbuf_release(&names);
    return rc;
}

enum ec undo_kept(struct map_ctx *m, int64_t run_id, const char *side, const struct fno_shape *shape, struct arena *a,
                  char **ret_path, struct err *reterr)
{
    struct query *q = store_query(m->state, "select file, columns from undo_kept where run_id = ?1 and side = ?2");
    struct strbuf names = STRBUF(0);
    bool found, same = true;
    enum ec rc;

    *ret_path = NULL;
    put_names(shape, &names);
    query_int(q, 1, run_id);
    query_str(q, 2, side);
    found = query_step(q);
    if (found) {
        *ret_path = *query_get_str(q, 0) ? arena_printf(a, "%s/%s", m->dir, query_get_str(q, 0)) : "";
        same = !strcmp(query_get_str(q, 1), strbuf_str(&names));
    }
    rc = query_done(q, reterr);
    if (!rc && !found)
        rc = EC_NOTFOUND;
    if (!rc && !same) {
        rc = err_set(reterr, EC_STATE, "map '%s': the source has other columns now than in run %lld", m->cfg->alias,
                     (long long)run_id);
        err_hint(reterr, "put the source's header and the map's columns back as they were, then run 'undo' again");
    }
    strbuf_release(&names);
    return rc;
}

struct load_left {
    struct map_ctx *m;
    int64_t run_id;
    struct mask unchanged, excluded;
};

enum ec load_left_open(struct map_ctx *m, int64_t run_id, struct load_left **ret, struct err *reterr)
{
    struct load_left *l = xcalloc(1, sizeof(*l));
    enum ec rc = mask_load(m, run_id, "unchanged", &l->unchanged, reterr);

    l->m = m;
    l->run_id = run_id;
    if (!rc)
        rc = mask_load(m, run_id, "excluded", &l->excluded, reterr);
    if (rc)
        load_left_close(l);
    else
        *ret = l;
    return rc;
}

enum ec load_left_has(struct load_left *l, uint64_t row_no, bool *ret, struct err *reterr)
{
    struct query *q;

    *ret = mask_has(&l->unchanged, row_no) || mask_has(&l->excluded, row_no);
    if (*ret)
        return EC_OK;
    q = store_query(l->m->state, "select 1 from row_exception where run_id = ?1 and side = 'fno' and row_no = ?2 and "
                                 "stage in ('read', 'lint', 'existing')");
    query_int(q, 1, l->run_id);
    query_int(q, 2, (int64_t)row_no);
    *ret = query_step(q);
    return query_done(q, reterr);
}

void load_left_close(struct load_left *l)
{
    if (!l)
        return;
    mask_release(&l->unchanged);
    mask_release(&l->excluded);
    free(l);
}
