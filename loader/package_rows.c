#include "loader/package_rows.h"
#include "loader/retry.h"

#include <stdlib.h>

enum ec package_rows_pick(struct query *q, struct package_row *from, struct mask *pick, struct err *reterr)
{
    while (query_step(q)) {
        if (!pick->set) {
            from->first_row = query_get_int(q, 0);
            from->first_line = query_get_int(q, 1);
            from->first_offset = query_get_int(q, 2);
        }
        from->last_row = query_get_int(q, 0);
        mask_add(pick, (uint64_t)query_get_int(q, 0));
    }
    return query_done(q, reterr);
}

enum ec package_versions(struct map_ctx *m, int64_t run_id, int64_t **ret, size_t *ret_n, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "select distinct version from row_exception where run_id = ?1 and side = 'fno' order by version");

    *ret = NULL;
    *ret_n = 0;
    query_int(q, 1, run_id);
    while (query_step(q)) {
        *ret = xrealloc(*ret, (*ret_n + 1) * sizeof(**ret));
        (*ret)[(*ret_n)++] = query_get_int(q, 0);
    }
    return query_done(q, reterr);
}

char *package_pick_name(int64_t package_id, struct arena *a)
{
    return arena_printf(a, "pick:%lld", (long long)package_id);
}

static enum ec load_places(struct map_ctx *m, struct package_rows *k, struct err *reterr)
{
    struct query *q = store_query(
        m->state,
        "select number, row_no, source_line, source_offset, (select max(number) from retry_row where run_id "
        "= ?1) from retry_row where run_id = ?1");

    query_int(q, 1, k->p->version);
    while (query_step(q)) {
        size_t at = (size_t)query_get_int(q, 0);

        if (!k->places) {
            k->n_places = (size_t)query_get_int(q, 4) + 1;
            k->places = xcalloc(k->n_places, sizeof(*k->places));
        }
        k->places[at] = (struct row_place){ (uint64_t)query_get_int(q, 1), (uint64_t)query_get_int(q, 2),
                                            (uint64_t)query_get_int(q, 3) };
    }
    return query_done(q, reterr);
}

enum ec package_rows_open(struct map_ctx *m, const struct package_row *p, struct package_rows *ret,
                          struct err *reterr)
{
    struct arena a = { 0 };
    enum ec rc;

    *ret = (struct package_rows){ .p = p };
    if (p->version) {
        char *path = retry_file(m, p->version, &a);

        rc = source_open_file(m, path, &ret->src, reterr);
        if (!rc)
            rc = load_places(m, ret, reterr);
    } else {
        rc = source_open(m, &ret->src, reterr);
    }
    if (!rc && p->picked)
        rc = mask_load(m, p->run_id, package_pick_name(p->id, &a), &ret->pick, reterr);
    arena_release(&a);
    return rc;
}

void package_rows_close(struct package_rows *k)
{
    source_close(k->src);
    mask_release(&k->pick);
    free(k->places);
    *k = (struct package_rows){ 0 };
}

bool package_rows_has(const struct package_rows *k, uint64_t row_no)
{
    if (k->p->picked)
        return mask_has(&k->pick, row_no);
    return (int64_t)row_no >= k->p->first_row && (int64_t)row_no <= k->p->last_row;
}

static bool seekable(const struct source *s)
{
    size_t n = strlen(s->path);

    return n < 4 || strcmp(s->path + n - 4, ".zst");
}

enum ec package_rows_begin(struct package_rows *k, struct err *reterr)
{
    k->over = false;
    if (k->places || !seekable(k->src))
        return EC_OK; /* rows before the first one are passed over */
    return source_seek(k->src, (uint64_t)k->p->first_row, (uint64_t)k->p->first_line, (uint64_t)k->p->first_offset,
                       reterr);
}

enum ec package_rows_next(struct package_rows *k, struct arena *a, struct source_row *ret, bool *ret_more,
                          struct err *reterr)
{
    *ret_more = false;
    while (!k->over) {
        bool more = false;
        enum ec rc;

        arena_reset(a);
        rc = source_next(k->src, a, ret, &more, reterr);
        if (rc)
            return rc;
        k->over = !more;
        if (!more)
            break;
        if (k->places) {
            struct row_place at = ret->number < k->n_places ? k->places[ret->number] : (struct row_place){ 0 };

            if (!at.row_no)
                continue;
            ret->number = at.row_no;
            ret->line = at.line;
            ret->offset = at.offset;
        } else if (ret->number > (uint64_t)k->p->last_row) {
            k->over = true;
            break;
        }
        if (!package_rows_has(k, ret->number))
            continue;
        *ret_more = true;
        return EC_OK;
    }
    return EC_OK;
}

enum ec package_rows_each(struct package_rows *k, source_row_fn *fn, void *arg, struct err *reterr)
{
    struct arena a = { 0 };
    enum ec rc = package_rows_begin(k, reterr);

    while (!rc) {
        struct source_row r;
        bool more = false;

        rc = package_rows_next(k, &a, &r, &more, reterr);
        if (rc || !more)
            break;
        rc = fn(arg, &r, &a, reterr);
    }
    arena_release(&a);
    return rc;
}

static enum ec next_slice(struct map_ctx *m, const struct package_row *like, int64_t *ret, struct err *reterr)
{
    struct query *q =
        store_query(m->state, "select coalesce(max(slice), 0) + 1 from package where run_id = ?1 and company = ?2");

    query_int(q, 1, like->run_id);
    query_str(q, 2, like->company);
    if (query_step(q))
        *ret = query_get_int(q, 0);
    return query_done(q, reterr);
}

enum ec package_plan_picked(struct map_ctx *m, struct package_row *like, const struct mask *pick, int64_t *ret_id,
                            struct err *reterr)
{
    struct arena a = { 0 };
    struct query *q;
    enum ec rc = like->slice ? EC_OK : next_slice(m, like, &like->slice, reterr);

    if (rc)
        return rc;
    q = store_query(
        m->state, "insert into package(run_id, pass, company, slice, first_row, last_row, first_offset, first_line, "
                  "state, parent, picked, version, retry) values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'planned', ?9, 1, "
                  "?10, ?11)");
    query_int(q, 1, like->run_id);
    query_int(q, 2, like->pass);
    query_str(q, 3, like->company);
    query_int(q, 4, like->slice);
    query_int(q, 5, like->first_row);
    query_int(q, 6, like->last_row);
    query_int(q, 7, like->first_offset);
    query_int(q, 8, like->first_line);
    query_int(q, 9, like->id);
    query_int(q, 10, like->version);
    query_int(q, 11, like->retry);
    rc = query_run(q, reterr);
    *ret_id = store_last_id(m->state);
    if (!rc)
        rc = mask_store(m, like->run_id, package_pick_name(*ret_id, &a), pick, reterr);
    arena_release(&a);
    return rc;
}
