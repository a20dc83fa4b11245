#include "loader/error_groups.h"
#include "data/canon.h"
#include "loader/public/fingerprint.h"

#include <stdlib.h>

static const char OTHERS[] = "(of other kinds)";

enum ec error_past_of(struct map_ctx *m, int64_t run_id, struct error_past *ret, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "select (select max(run_id) from retry where load_run = ?1), (select max(run_id) from load where "
                  "run_id < ?1)");

    *ret = (struct error_past){ .run_id = run_id };
    query_int(q, 1, run_id);
    if (query_step(q)) {
        ret->retry = query_get_int(q, 0);
        ret->before = query_get_int(q, 1);
    }
    return query_done(q, reterr);
}

bool error_past_any(const struct error_past *p)
{
    return p->retry || p->before;
}

enum ec error_was_there(struct map_ctx *m, const struct error_past *p, const struct exception *e, bool *ret,
                        struct err *reterr)
{
    struct query *q;

    *ret = p->retry && e->retry != p->retry;
    if (*ret || !error_past_any(p))
        return EC_OK;
    if (p->retry) {
        q = store_query(m->state, "select 1 from exception_past where run_id = ?1 and row_no = ?2 and retry = ?3");
        query_int(q, 1, p->run_id);
        query_int(q, 2, e->row_no);
        query_int(q, 3, p->retry);
    } else if (!cell_absent(e->key)) {
        q = store_query(m->state, "select 1 from row_exception where run_id = ?1 and side = ?2 and key = ?3");
        query_int(q, 1, p->before);
        query_str(q, 2, e->side);
        query_cell(q, 3, e->key);
    } else {
        q = store_query(m->state,
                        "select 1 from row_exception where run_id = ?1 and side = ?2 and key is null and line = ?3");
        query_int(q, 1, p->before);
        query_str(q, 2, e->side);
        query_int(q, 3, e->line);
    }
    *ret = query_step(q);
    return query_done(q, reterr);
}

static char *copy_of(struct cell c)
{
    char *s = xmalloc(c.len + 1);

    if (c.len)
        memcpy(s, c.ptr, c.len);
    s[c.len] = 0;
    return s;
}

static struct error_group *group_of(struct error_groups *g, struct map_ctx *m, const struct exception *e)
{
    struct error_group *x;
    struct error_row row = { m->cfg->alias, e->side, e->stage, e->code, e->field, e->message, e->key };
    struct cell message = error_kind(&row, &g->text);
    uint64_t hash;

    hash = digest_bytes(strbuf_str(&g->text), g->text.len).lo;
    for (size_t i = 0; i < g->n; i++)
        if (g->list[i].hash == hash)
            return &g->list[i];
    if (g->n == ERROR_GROUPS_MAX)
        return &g->list[g->n - 1];
    if (g->n == ERROR_GROUPS_MAX - 1)
        message = cell_of(OTHERS);
    g->list = xrealloc(g->list, (g->n + 1) * sizeof(*g->list));
    x = &g->list[g->n++];
    *x = (struct error_group){ .m = m,
                               .hash = hash,
                               .side = xstrdup(e->side),
                               .stage = xstrdup(e->stage),
                               .code = copy_of(e->code),
                               .field = copy_of(e->field),
                               .message = copy_of(message),
                               .line = -1 };
    return x;
}

void error_groups_add(struct error_groups *g, struct map_ctx *m, const struct exception *e, bool fresh)
{
    struct error_group *x = group_of(g, m, e);

    x->rows++;
    x->fresh += fresh;
    if (x->line < 0)
        x->line = e->line;
}

enum ec error_groups_gone(struct error_groups *g, struct map_ctx *m, const struct error_past *p, struct err *reterr)
{
    struct query *q;
    enum ec rc;

    if (!error_past_any(p))
        return EC_OK;
    q = p->retry
            ? store_query(m->state,
                          "select 'fno', stage, field, code, message, key from exception_past x where run_id = ?1 "
                          "and retry = ?2 and not exists (select 1 from row_exception e where e.run_id = ?1 and "
                          "e.side = 'fno' and e.row_no = x.row_no)")
            : store_query(m->state,
                          "select side, stage, field, code, message, key from row_exception x where run_id = ?2 "
                          "and not case when x.key is null then exists (select 1 from row_exception e where "
                          "e.run_id = ?1 and e.side = x.side and e.key is null and e.line is x.line) else exists "
                          "(select 1 from row_exception e where e.run_id = ?1 and e.side = x.side and e.key = "
                          "x.key) end");
    query_int(q, 1, p->run_id);
    query_int(q, 2, p->retry ? p->retry : p->before);
    while (query_step(q)) {
        struct exception e = { .side = query_get_str(q, 0),
                               .stage = query_get_str(q, 1),
                               .field = query_get_cell(q, 2),
                               .code = query_get_cell(q, 3),
                               .message = query_get_cell(q, 4),
                               .key = query_get_cell(q, 5) };

        group_of(g, m, &e)->gone++;
    }
    rc = query_done(q, reterr);
    return rc;
}

static int by_rows(const void *x, const void *y)
{
    const struct error_group *a = x, *b = y;

    if (a->rows != b->rows)
        return a->rows > b->rows ? -1 : 1;
    if (a->gone != b->gone)
        return a->gone > b->gone ? -1 : 1;
    return strcmp(a->message, b->message);
}

void error_groups_sort(struct error_groups *g)
{
    if (g->n)
        qsort(g->list, g->n, sizeof(*g->list), by_rows);
}

void error_groups_release(struct error_groups *g)
{
    for (size_t i = 0; i < g->n; i++) {
        free(g->list[i].side);
        free(g->list[i].stage);
        free(g->list[i].code);
        free(g->list[i].field);
        free(g->list[i].message);
    }
    free(g->list);
    strbuf_release(&g->text);
    *g = (struct error_groups){ 0 };
}
