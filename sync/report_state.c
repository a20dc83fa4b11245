/* report_state.c -- what one map's state.db adds to the report: what waits, how fast it went, the rows that a person looks at. */
#include "sync/report.h"

static enum ec waiting(struct report_map *m, struct store *s, struct err *reterr)
{
    struct query *q = store_query(
        s,
        "select count(*) filter (where state in ('new', 'sending')), count(*) filter (where state = 'parked'), "
        "count(*) "
        "filter (where state = 'conflict'), count(*) filter (where state = 'poison'), min(at) filter (where state in "
        "('new', 'sending')) from pending");
    enum ec rc;

    if (query_step(q)) {
        m->pending = query_get_int(q, 0);
        m->parked = query_get_int(q, 1);
        m->conflicts = query_get_int(q, 2);
        m->poison = query_get_int(q, 3);
        m->oldest_pending_ms = report_time(query_get_cell(q, 4));
    }
    rc = query_done(q, reterr);
    if (rc)
        return rc;
    q = store_query(s, "select max(moved_at) from cursor");
    if (query_step(q))
        m->cursor_ms = report_time(query_get_cell(q, 0));
    return query_done(q, reterr);
}

static enum ec speed(struct report_map *m, struct store *s, struct err *reterr)
{
    struct query *q =
        store_query(s, "select sum(rows), min(sent_at), max(ended_at) from package where run_id = (select "
                       "max(run_id) from package where ended_at is not null)");
    enum ec rc;

    if (query_step(q)) {
        m->load_rows = query_get_int(q, 0);
        m->load_ms = report_time(query_get_cell(q, 2)) - report_time(query_get_cell(q, 1));
    }
    rc = query_done(q, reterr);
    if (rc)
        return rc;
    /* Bare columns beside max() are those of that row. */
    q = store_query(s, "select rows, began_at, ended_at, max(id) from snapshot where side <> 'source' group by side");
    while (query_step(q)) {
        m->read_rows += query_get_int(q, 0);
        m->read_ms += report_time(query_get_cell(q, 2)) - report_time(query_get_cell(q, 1));
    }
    return query_done(q, reterr);
}

/* Rows of a list: at most `share` of one map, so that a sick map does not push the others off the page. */
static enum ec take(struct report *r, struct report_map *m, struct report_list *l, struct query *q,
                    struct err *reterr)
{
    size_t share = REPORT_ITEMS / 2, mine = 0;

    if (!l->v)
        l->v = arena_zalloc(&r->arena, REPORT_ITEMS * sizeof(*l->v));
    while (query_step(q)) {
        struct report_item *x;

        l->total++;
        if (mine >= share || l->n >= REPORT_ITEMS)
            continue;
        mine++;
        x = &l->v[l->n++];
        x->alias = m->alias;
        x->key = arena_strdup(&r->arena, query_get_str(q, 0));
        x->a = arena_strdup(&r->arena, query_get_str(q, 1));
        x->b = arena_strdup(&r->arena, query_get_str(q, 2));
        x->c = arena_strdup(&r->arena, query_get_str(q, 3));
        x->at = arena_strdup(&r->arena, query_get_str(q, 4));
    }
    return query_done(q, reterr);
}

enum ec report_state(struct report *r, struct report_map *m, struct store *s, struct err *reterr)
{
    enum ec rc = waiting(m, s, reterr);

    if (!rc)
        rc = speed(m, s, reterr);
    if (!rc)
        rc = take(r, m, &r->conflicts,
                  store_query(s, "select substr(key, 1, 200), field, "
                                 "substr(fno, 1, 200), substr(dataverse, 1, 200), at from "
                                 "conflict where outcome = 'open' order by id desc"),
                  reterr);
    if (!rc)
        rc = take(
            r, m, &r->parked,
            store_query(s, "select substr(key, 1, 200), state, substr(reason, 1, 400), tries, at from pending where "
                           "state in ('parked', 'poison') order by at"),
            reterr);
    if (!rc && report_has_table(s, "waiver"))
        rc = take(r, m, &r->waivers,
                  store_query(s, "select substr(case when key = '' then filter else key end, 1, 200), field, "
                                 "substr(reason || case by when '' then '' else ' (' || by || ')' end, 1, 400), "
                                 "until, '' from waiver order by "
                                 "until"),
                  reterr);
    if (!rc)
        rc = take(
            r, m, &r->drift,
            store_query(s, "select substr(d.key, 1, 200), d.class, substr(coalesce((select group_concat(field, ', ') "
                           "from delta_field f where f.key_digest = d.key_digest), ''), 1, 200), substr(d.note, 1, "
                           "200), d.company from delta d where d.class in ('differ', 'only_fno', 'only_dataverse', "
                           "'error') order by d.company, d.key"),
            reterr);
    return rc;
}
