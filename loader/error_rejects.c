/* error_rejects.c -- the failed rows of a load in the form of lint's reject files: the row, its place, rule and reason. */
#include "base/clock.h"
#include "loader/error_groups.h"
#include "loader/lint_profile.h"
#include "loader/package_rows.h"

#include <stdlib.h>

static enum ec rows_of_version(struct map_ctx *m, struct package_row *from, struct mask *ret, struct err *reterr)
{
    struct query *q = store_query(
        m->state,
        "select distinct row_no, line, coalesce(offset, 0) from row_exception where run_id = ?1 and version = "
        "?2 and side = 'fno' and row_no is not null order by row_no");

    query_int(q, 1, from->run_id);
    query_int(q, 2, from->version);
    return package_rows_pick(q, from, ret, reterr);
}

struct putting {
    struct lint_profile *p;
    const struct source *s;
    int64_t run_id;
};

static enum ec put_row(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct putting *u = arg;
    struct lint_profile *p = u->p;
    struct query *q = store_query(
        p->m->state,
        "select coalesce(code, stage), field, message from row_exception where run_id = ?1 and side = 'fno' "
        "and row_no = ?2 order by id");
    size_t n = 0;
    enum ec rc;

    if (stop_requested())
        return err_set(reterr, EC_STOPPED, "stopped while writing the rejected rows of '%s'", p->m->cfg->alias);
    query_int(q, 1, u->run_id);
    query_int(q, 2, (int64_t)r->number);
    while (query_step(q) && n < LINT_MAX_FAULTS) {
        p->faults[n++] = (struct lint_fault){ .severity = LINT_ERROR,
                                              .code = arena_strdup(a, query_get_str(q, 0)),
                                              .field = cell_dup(a, query_get_cell(q, 1)),
                                              .why = arena_strdup(a, query_get_str(q, 2)) };
    }
    rc = query_done(q, reterr);
    return rc ? rc : lint_reject_row(p, u->s, r, p->faults, n, reterr);
}

static enum ec put_version(struct lint_profile *p, int64_t run_id, int64_t version, struct err *reterr)
{
    struct package_row from = { .run_id = run_id, .picked = true, .version = version };
    struct package_rows rows = { 0 };
    struct putting u = { .p = p, .run_id = run_id };
    enum ec rc = package_rows_open(p->m, &from, &rows, reterr);

    if (!rc)
        rc = rows_of_version(p->m, &from, &rows.pick, reterr);
    u.s = rows.src;
    if (!rc && rows.pick.set)
        rc = package_rows_each(&rows, put_row, &u, reterr);
    package_rows_close(&rows);
    return rc;
}

enum ec error_rejects(struct map_ctx *m, int64_t run_id, struct arena *a, char **ret_path, uint64_t *ret_rows,
                      struct err *reterr)
{
    struct lint_profile *p = xcalloc(1, sizeof(*p));
    int64_t *versions = NULL;
    size_t n = 0;
    enum ec rc = package_versions(m, run_id, &versions, &n, reterr);

    p->m = m;
    p->file = m->cfg->source;
    for (size_t i = 0; i < n && !rc; i++)
        rc = put_version(p, run_id, versions[i], reterr);
    rc = lint_reject_finish(p, rc, reterr);
    *ret_path = p->reject_path ? arena_strdup(a, p->reject_path) : NULL;
    *ret_rows = p->reject_rows;
    free(p->reject_path);
    free(p);
    free(versions);
    return rc;
}
