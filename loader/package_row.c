#include "loader/package_row.h"

#include <stdio.h>

static void text(char *to, size_t n, struct query *q, int col)
{
    snprintf(to, n, "%s", query_get_str(q, col));
}

enum ec package_next(struct map_ctx *m, int64_t run_id, int pass, const char *company, struct package_row *ret,
                     bool *ret_found, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "select id, run_id, pass, attempt, company, state, project, execution_id, file, digest, slice, "
                  "first_row, last_row, first_offset, first_line, rows, octets, picked, version, retry from package "
                  "where run_id = ?1 and pass "
                  "= ?2 and company = ?3 and state not in ('settled', 'empty', 'failed') order by id limit 1");
    struct package_row p = { 0 };

    *ret_found = false;
    query_int(q, 1, run_id);
    query_int(q, 2, pass);
    query_str(q, 3, company);
    if (query_step(q)) {
        *ret_found = true;
        p.id = query_get_int(q, 0);
        p.run_id = query_get_int(q, 1);
        p.pass = (int)query_get_int(q, 2);
        p.attempt = (int)query_get_int(q, 3);
        text(p.company, sizeof(p.company), q, 4);
        text(p.state, sizeof(p.state), q, 5);
        text(p.project, sizeof(p.project), q, 6);
        text(p.execution_id, sizeof(p.execution_id), q, 7);
        text(p.file, sizeof(p.file), q, 8);
        text(p.digest, sizeof(p.digest), q, 9);
        p.slice = query_get_int(q, 10);
        p.first_row = query_get_int(q, 11);
        p.last_row = query_get_int(q, 12);
        p.first_offset = query_get_int(q, 13);
        p.first_line = query_get_int(q, 14);
        p.rows = query_get_int(q, 15);
        p.octets = query_get_int(q, 16);
        p.picked = query_get_int(q, 17) != 0;
        p.version = query_get_int(q, 18);
        p.retry = query_get_int(q, 19);
        *ret = p;
    }
    return query_done(q, reterr);
}

enum ec package_companies(struct map_ctx *m, int64_t run_id, int pass, struct arena *a, char ***ret, size_t *ret_n,
                          struct err *reterr)
{
    struct query *q = store_query(
        m->state, "select company, count(*) over () from (select distinct company from package where run_id = "
                  "?1 and pass = ?2) order by company");
    char **list = NULL;
    size_t n = 0;
    enum ec rc;

    query_int(q, 1, run_id);
    query_int(q, 2, pass);
    while (query_step(q)) {
        if (!list)
            list = arena_zalloc(a, (size_t)query_get_int(q, 1) * sizeof(*list));
        list[n++] = arena_strdup(a, query_get_str(q, 0));
    }
    rc = query_done(q, reterr);
    *ret = list;
    *ret_n = n;
    return rc;
}

size_t key_names(struct map_ctx *m, struct cell *ret, size_t max)
{
    const struct fno_entity *e = m->b->entity;
    size_t n = 0;

    for (size_t i = 0; i < e->n && n < max; i++)
        if (e->fields[i].key)
            ret[n++] = e->fields[i].staging;
    return n;
}

bool key_cells(struct map_ctx *m, struct cell company, const struct cell *parts, size_t n, struct arena *a,
               struct cell *ret_row)
{
    const struct binding *b = m->b;
    struct cell names[32];
    size_t want = key_names(m, names, COUNT(names));

    if (n != want)
        return false;
    for (size_t i = 0; i < b->n; i++)
        ret_row[i] = CELL_ABSENT;
    if (b->striped)
        ret_row[0] = cell_lower(a, company);
    for (size_t k = 0; k < n; k++) {
        int at = -1;
        const char *why;

        for (size_t i = 0; i < b->n; i++)
            if (b->fields[i].f && b->fields[i].key && cell_ieq(b->fields[i].f->staging, names[k]))
                at = (int)i;
        if (at < 0 || canon_cell(&b->fields[at].rule, NULL, parts[k], a, &ret_row[at], &why) != CANON_FINE ||
            cell_blank(ret_row[at]))
            return false;
    }
    return true;
}
