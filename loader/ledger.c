/* ledger.c -- the places of source rows: exceptions, masks, packages; the sums. Writes row_exception. */
#include "base/clock.h"
#include "loader/mask.h"
#include "loader/public/load.h"

#include <stdio.h>

bool source_place_read(struct cell extra, struct source_place *ret)
{
    struct source_place p;

    if (extra.len != sizeof(p))
        return false;
    memcpy(&p, extra.ptr, sizeof(p));
    *ret = p;
    return true;
}

struct leaf_row source_leaf_row(const struct binding *b, const struct source_row *r, struct source_place *place,
                                struct arena *a)
{
    *place = (struct source_place){ r->number, r->line, r->offset };
    return (struct leaf_row){ .key = bind_key_digest(b, r->canon, a),
                              .row = digest_cells(b->rules, r->canon, b->compared, b->n_compared, a),
                              .cells = r->canon,
                              .extra = { (const char *)place, sizeof(*place) },
                              .company = r->company };
}

static void bind_positive(struct query *q, int i, int64_t v)
{
    if (v > 0 || (v == 0 && i == 5)) /* an offset may be 0 */
        query_int(q, i, v);
    else
        query_null(q, i);
}

enum ec exception_add(struct map_ctx *m, int64_t run_id, const struct exception *e, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "insert into row_exception(run_id, side, row_no, line, offset, key, state, stage, field, "
                  "code, message, package_id, at, version, retry) values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
                  "?10, ?11, ?12, ?13, ?14, ?15)");
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    query_int(q, 1, run_id);
    query_str(q, 2, e->side);
    bind_positive(q, 3, e->row_no);
    bind_positive(q, 4, e->line);
    bind_positive(q, 5, e->offset);
    query_cell(q, 6, e->key);
    query_str(q, 7, e->state);
    query_str(q, 8, e->stage);
    query_cell(q, 9, e->field);
    query_cell(q, 10, e->code);
    query_cell(q, 11, cell_absent(e->message) ? CELL_LIT("") : e->message);
    bind_positive(q, 12, e->package_id);
    query_str(q, 13, now);
    query_int(q, 14, e->version);
    query_int(q, 15, e->retry);
    return query_run(q, reterr);
}

enum ec exception_clear(struct map_ctx *m, int64_t run_id, const char *side, struct err *reterr)
{
    struct query *q = store_query(m->state, "delete from row_exception where run_id = ?1 and side = ?2");

    query_int(q, 1, run_id);
    query_str(q, 2, side);
    return query_run(q, reterr);
}

static int64_t int_or(struct query *q, int col)
{
    return query_is_null(q, col) ? -1 : query_get_int(q, col);
}

enum ec exception_list(struct map_ctx *m, int64_t run_id,
                       enum ec (*fn)(void *arg, const struct exception *e, struct err *reterr), void *arg,
                       struct err *reterr)
{
    struct query *q = store_query(
        m->state, "select e.side, e.row_no, e.line, e.offset, e.key, e.state, e.stage, e.field, e.code, e.message, "
                  "e.package_id, e.version, e.retry, p.file, p.execution_id from row_exception e left join package p "
                  "on p.id = e.package_id where e.run_id = ?1 order by e.side desc, e.row_no, e.id");
    enum ec rc = EC_OK, done;

    query_int(q, 1, run_id);
    while (!rc && query_step(q)) {
        struct exception e = {
            .side = query_get_str(q, 0),
            .row_no = int_or(q, 1),
            .line = int_or(q, 2),
            .offset = int_or(q, 3),
            .key = query_get_cell(q, 4),
            .state = query_get_str(q, 5),
            .stage = query_get_str(q, 6),
            .field = query_get_cell(q, 7),
            .code = query_get_cell(q, 8),
            .message = query_get_cell(q, 9),
            .package_id = query_get_int(q, 10),
            .version = query_get_int(q, 11),
            .retry = query_get_int(q, 12),
            .package = query_get_str(q, 13),
            .execution = query_get_str(q, 14),
        };

        rc = fn(arg, &e, reterr);
    }
    done = query_done(q, rc ? NULL : reterr);
    return rc ? rc : done;
}

int64_t load_last_run(struct map_ctx *m)
{
    struct query *q;
    int64_t id = 0;

    if (!m->state)
        return 0;
    q = store_query(m->state, "select max(run_id) from load");
    if (query_step(q))
        id = query_get_int(q, 0);
    return query_done(q, NULL) ? 0 : id;
}

const char *load_file_name(struct map_ctx *m, int64_t run_id, struct arena *a, bool *ret_own)
{
    const struct workspace *ws = &m->pair->app->ws;
    const char *own = m->cfg->source ? workspace_path(ws, a, "%s", m->cfg->source) : "", *name = "", *root;
    struct query *q = store_query(m->state, "select path from load where run_id = ?1");
    size_t n;

    *ret_own = true;
    query_int(q, 1, run_id);
    if (query_step(q))
        name = arena_printf(a, "%s", query_get_str(q, 0));
    if (query_done(q, NULL) || !*name || !strcmp(name, own))
        return m->cfg->source ? m->cfg->source : "";
    root = workspace_path(ws, a, "%s", "");
    n = strlen(root);
    *ret_own = !strstr(name, "/.dmfsync/");
    return strncmp(name, root, n) ? name : name + n;
}

char *load_source_file(struct map_ctx *m, int64_t run_id, struct arena *a)
{
    struct query *q = store_query(m->state, "select source_file from load where run_id = ?1 and source_file <> ''");
    char *path = NULL;

    query_int(q, 1, run_id);
    if (query_step(q))
        path = arena_printf(a, "%s/%s", m->dir, query_get_str(q, 0));
    return query_done(q, NULL) ? NULL : path;
}

static enum ec sum_exceptions(struct map_ctx *m, int64_t run_id, struct load_counts *c, uint64_t *ret_from_landed,
                              struct err *reterr)
{
    /* A row may have two exceptions (second pass after landing): it counts once, by the first by rank. */
    struct query *q = store_query(
        m->state, "select state, count(*), sum(in_package) from (select row_no, min(state) as state, max(package_id "
                  "is not null) as in_package from row_exception where run_id = ?1 and side = 'fno' and row_no is "
                  "not null group by row_no) group by state");

    *ret_from_landed = 0;
    query_int(q, 1, run_id);
    while (query_step(q)) {
        struct cell state = query_get_cell(q, 0);
        uint64_t n = (uint64_t)query_get_int(q, 1);

        if (cell_is(state, "rejected"))
            c->rejected += n;
        else if (cell_is(state, "parked"))
            c->parked += n;
        else if (cell_is(state, "excluded"))
            c->excluded += n;
        else if (cell_is(state, "unknown"))
            c->unknown += n;
        *ret_from_landed += cell_is(state, "unsent") ? 0 : (uint64_t)query_get_int(q, 2);
    }
    return query_done(q, reterr);
}

enum ec load_counts(struct map_ctx *m, int64_t run_id, struct load_counts *ret, struct err *reterr)
{
    struct load_counts c = { 0 };
    uint64_t in_package = 0, mask = 0, settled = 0, accounted;
    struct query *q = store_query(m->state, "select rows from load where run_id = ?1");
    enum ec rc;

    query_int(q, 1, run_id);
    if (query_step(q))
        c.rows = (uint64_t)query_get_int(q, 0);
    rc = query_done(q, reterr);
    if (!rc)
        rc = sum_exceptions(m, run_id, &c, &in_package, reterr);
    if (!rc) {
        rc = mask_count(m, run_id, "unchanged", &mask, reterr);
        c.unchanged = mask;
    }
    if (!rc) {
        rc = mask_count(m, run_id, "excluded", &mask, reterr);
        c.excluded += mask;
    }
    if (!rc) {
        q = store_query(
            m->state,
            "select coalesce(sum(case when pass = 1 and state = 'settled' then rows - moved end), 0), count(*) "
            "filter "
            "(where rows > 0), coalesce(sum(created), 0), coalesce(sum(updated), 0), "
            "coalesce(sum(case when sent_at is not null then octets end), 0) from package where run_id = ?1");
        query_int(q, 1, run_id);
        if (query_step(q)) {
            settled = (uint64_t)query_get_int(q, 0);
            c.packages = (uint64_t)query_get_int(q, 1);
            c.created = (uint64_t)query_get_int(q, 2);
            c.updated = (uint64_t)query_get_int(q, 3);
            c.sent_octets = (uint64_t)query_get_int(q, 4);
        }
        rc = query_done(q, reterr);
    }
    if (rc)
        return rc;
    c.landed = settled > in_package ? settled - in_package : 0;
    accounted = c.landed + c.unchanged + c.rejected + c.parked + c.excluded + c.unknown;
    if (accounted > c.rows)
        return err_set(reterr, EC_BUG,
                       "the ledger of map '%s' does not add up: %llu rows in the source, %llu accounted for",
                       m->cfg->alias, (unsigned long long)c.rows, (unsigned long long)accounted);
    c.unsent = c.rows - accounted;
    *ret = c;
    return EC_OK;
}
