#include "loader/earlier.h"
#include "base/file.h"
#include "loader/mask.h"
#include "loader/public/load.h"
#include "store/leaf.h"

#include <stdlib.h>

struct one_load {
    int64_t run_id;
    struct leaf_file *rows;
    struct mask left_out; /* existing = keep */
};
struct earlier {
    struct map_ctx *m;
    struct one_load loads[EARLIER_MAX];
    size_t n;
};

static enum ec add_load(struct earlier *e, int64_t run_id, const char *path, struct err *reterr)
{
    struct one_load *l = &e->loads[e->n];
    enum ec rc;

    if (!file_exists(path))
        return EC_OK; /* its run was tidied away */
    rc = leaf_open(path, &l->rows, reterr);
    if (rc)
        return rc;
    l->run_id = run_id;
    e->n++;
    return mask_load(e->m, run_id, "excluded", &l->left_out, reterr);
}

enum ec earlier_open(struct map_ctx *m, int64_t run_id, struct earlier **ret, struct err *reterr)
{
    struct earlier *e = xcalloc(1, sizeof(*e));
    struct arena a = { 0 };
    struct {
        int64_t id;
        const char *path;
    } found[EARLIER_MAX];
    struct query *q =
        store_query(m->state, "select run_id, source_file from load where run_id < ?1 and source_file <> '' and "
                              "exists (select 1 from package p where p.run_id = load.run_id and p.sent_at is "
                              "not null) order by run_id desc limit ?2");
    size_t n = 0;
    enum ec rc;

    *ret = NULL;
    e->m = m;
    query_int(q, 1, run_id);
    query_int(q, 2, EARLIER_MAX);
    while (query_step(q) && n < EARLIER_MAX) {
        found[n].id = query_get_int(q, 0);
        found[n++].path = arena_printf(&a, "%s/%s", m->dir, query_get_str(q, 1));
    }
    rc = query_done(q, reterr);
    for (size_t i = 0; i < n && !rc; i++)
        rc = add_load(e, found[i].id, found[i].path, reterr);
    arena_release(&a);
    if (rc || !e->n) {
        earlier_close(e);
        return rc;
    }
    *ret = e;
    return EC_OK;
}

void earlier_close(struct earlier *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->n; i++) {
        leaf_close(e->loads[i].rows);
        mask_release(&e->loads[i].left_out);
    }
    free(e);
}

/* Was the row refused because F&O held it already? */
static enum ec refused(struct earlier *e, const struct one_load *l, uint64_t row_no, bool *ret, struct err *reterr)
{
    struct query *q =
        store_query(e->m->state, "select 1 from row_exception where run_id = ?1 and side = 'fno' and row_no = ?2 and "
                                 "stage = 'existing'");

    query_int(q, 1, l->run_id);
    query_int(q, 2, (int64_t)row_no);
    *ret = query_step(q);
    return query_done(q, reterr);
}

enum ec earlier_has(struct earlier *e, struct digest key, bool *ret, struct err *reterr)
{
    struct arena a = { 0 };
    enum ec rc = EC_OK;

    *ret = false;
    for (size_t i = 0; e && i < e->n && !rc && !*ret; i++) {
        struct source_place place;
        struct leaf_row row;
        bool there = false, no = false;

        arena_reset(&a);
        rc = leaf_find(e->loads[i].rows, key, &a, &row, &there, reterr);
        if (rc || !there || !source_place_read(row.extra, &place))
            continue;
        if (!mask_has(&e->loads[i].left_out, place.row_no))
            rc = refused(e, &e->loads[i], place.row_no, &no, reterr);
        else
            no = true;
        *ret = !rc && !no;
    }
    arena_release(&a);
    return rc;
}
