#include "loader/retry_parts.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "loader/package_form.h"

#include <stdio.h>
#include <unistd.h>

/* Failed rows that go again as they are: what F&O refused, or did not tell. What was refused before sending needs correction. */
#define AS_THEY_ARE                                                                                               \
    " side = 'fno' and row_no is not null and state in ('rejected', 'unknown', 'parked') and (package_id is not " \
    "null "                                                                                                       \
    "or (stage = 'existing' and ?2))"
#define NEED_CORRECTION                                                                                           \
    " side = 'fno' and row_no is not null and state in ('rejected', 'unknown', 'parked') and package_id is null " \
    "and not "                                                                                                    \
    "(stage = 'existing' and ?2)"

/* Rows that `existing = refuse` kept back go again once the policy is another one. */
static bool takes_existing(const struct map_ctx *m)
{
    return (m->cfg->has_existing ? m->cfg->existing : m->pair->app->cfg.existing) == EXISTING_UPDATE;
}

char *retry_file(const struct map_ctx *m, int64_t retry, struct arena *a)
{
    return arena_printf(a, "%s/retry-%lld.csv", m->dir, (long long)retry);
}

enum ec retry_get(struct map_ctx *m, int64_t retry, struct retry_row *ret, struct err *reterr)
{
    struct query *q = store_query(m->state, "select load_run, taken, again, waiting from retry where run_id = ?1");

    *ret = (struct retry_row){ 0 };
    query_int(q, 1, retry);
    if (query_step(q))
        *ret = (struct retry_row){ true, query_get_int(q, 0), (uint64_t)query_get_int(q, 1),
                                   (uint64_t)query_get_int(q, 2), (uint64_t)query_get_int(q, 3) };
    return query_done(q, reterr);
}

static enum ec count(struct map_ctx *m, int64_t load_run, const char *sql, uint64_t *ret, struct err *reterr)
{
    struct query *q = store_query(m->state, sql);

    query_int(q, 1, load_run);
    query_int(q, 2, takes_existing(m));
    if (query_step(q))
        *ret = (uint64_t)query_get_int(q, 0);
    return query_done(q, reterr);
}

enum ec retry_offer(struct map_ctx *m, int64_t load_run, struct retry_offer *ret, struct err *reterr)
{
    enum ec rc;

    *ret = (struct retry_offer){ 0 };
    rc = count(m, load_run, "select count(distinct row_no) from row_exception where run_id = ?1 and" AS_THEY_ARE,
               &ret->rows, reterr);
    if (!rc)
        rc = count(m, load_run,
                   "select count(distinct row_no) from row_exception where run_id = ?1 and" NEED_CORRECTION,
                   &ret->need_correction, reterr);
    if (!rc)
        rc = count(m, load_run, "select count(*) from package where run_id = ?1 and state = 'failed' and ?2 >= 0",
                   &ret->packages, reterr);
    return rc;
}

/* ---- which package counted a row ---- */

struct holder {
    int64_t id, first, last;
    char company[16];
    bool picked;
    struct mask pick;
    int64_t moved;
};

static enum ec load_holders(struct retry_planning *g, struct err *reterr)
{
    struct query *q = store_query(
        g->m->state,
        "select id, first_row, last_row, company, picked, count(*) over () from package where run_id = ?1 "
        "and pass = 1 and state = 'settled' order by id desc");
    struct arena a = { 0 };
    enum ec rc;

    query_int(q, 1, g->load_run);
    while (query_step(q)) {
        struct holder *h;

        if (!g->holders)
            g->holders = xcalloc((size_t)query_get_int(q, 5), sizeof(*g->holders));
        h = &g->holders[g->n_holders++];
        *h = (struct holder){ .id = query_get_int(q, 0),
                              .first = query_get_int(q, 1),
                              .last = query_get_int(q, 2),
                              .picked = query_get_int(q, 4) != 0 };
        snprintf(h->company, sizeof(h->company), "%s", query_get_str(q, 3));
    }
    rc = query_done(q, reterr);
    for (size_t i = 0; i < g->n_holders && !rc; i++)
        if (g->holders[i].picked)
            rc = mask_load(g->m, g->load_run, package_pick_name(g->holders[i].id, &a), &g->holders[i].pick, reterr);
    arena_release(&a);
    return rc;
}

static struct holder *holder_of(struct retry_planning *g, uint64_t row_no, const char *company)
{
    for (size_t i = 0; i < g->n_holders; i++) {
        struct holder *h = &g->holders[i];

        if (!strcmp(h->company, company) &&
            (h->picked ? mask_has(&h->pick, row_no) : (int64_t)row_no >= h->first && (int64_t)row_no <= h->last))
            return h;
    }
    return NULL;
}

static enum ec store_moved(struct retry_planning *g, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < g->n_holders && !rc; i++) {
        struct query *q;

        if (!g->holders[i].moved)
            continue;
        q = store_query(g->m->state, "update package set moved = moved + ?2 where id = ?1");
        query_int(q, 1, g->holders[i].id);
        query_int(q, 2, g->holders[i].moved);
        rc = query_run(q, reterr);
    }
    return rc;
}

/* Company of the package in which the row failed; false = it was in none. */
static bool failed_in(struct retry_planning *g, uint64_t row_no, char ret_company[static 16])
{
    struct query *q =
        store_query(g->m->state,
                    "select p.company from row_exception e join package p on p.id = e.package_id where e.run_id = ?1 "
                    "and e.side = 'fno' and e.row_no = ?2");
    bool yes;

    query_int(q, 1, g->load_run);
    query_int(q, 2, (int64_t)row_no);
    yes = query_step(q);
    if (yes)
        snprintf(ret_company, 16, "%s", query_get_str(q, 0));
    return query_done(q, NULL) == EC_OK && yes;
}

enum ec retry_take_up(struct retry_planning *g, uint64_t row_no, struct err *reterr)
{
    struct query *q;
    char company[16];
    enum ec rc;

    if (failed_in(g, row_no, company)) {
        struct holder *h = holder_of(g, row_no, company);

        BUG_IF(!h, "a row that failed in no package");
        h->moved++;
    }
    q = store_query(g->m->state,
                    "insert into exception_past(retry, found_by, run_id, row_no, key, state, stage, field, code, "
                    "message, package_id, at) select ?3, retry, run_id, row_no, key, state, stage, field, code, "
                    "message, package_id, at from row_exception where run_id = ?1 and side = 'fno' and row_no = ?2");
    query_int(q, 1, g->load_run);
    query_int(q, 2, (int64_t)row_no);
    query_int(q, 3, g->retry);
    rc = query_run(q, reterr);
    if (rc)
        return rc;
    q = store_query(g->m->state, "delete from row_exception where run_id = ?1 and side = 'fno' and row_no = ?2");
    query_int(q, 1, g->load_run);
    query_int(q, 2, (int64_t)row_no);
    rc = query_run(q, reterr);
    mask_add(&g->taken, row_no);
    return rc;
}

/* ---- packages ---- */

static enum ec close_group(struct retry_planning *g, struct retry_group *p, struct err *reterr)
{
    struct package_row like = { .run_id = g->load_run,
                                .pass = 1,
                                .first_row = (int64_t)p->first.row_no,
                                .last_row = (int64_t)p->last_row,
                                .first_offset = (int64_t)p->first.offset,
                                .first_line = (int64_t)p->first.line,
                                .version = g->version,
                                .retry = g->retry };
    int64_t id;
    enum ec rc;

    if (!p->pick.set)
        return EC_OK;
    snprintf(like.company, sizeof(like.company), "%s", p->company);
    rc = package_plan_picked(g->m, &like, &p->pick, &id, reterr);
    like.pass = 2;
    if (!rc && p->later_rows) /* of the same slice */
        rc = package_plan_picked(g->m, &like, &p->pick, &id, reterr);
    mask_release(&p->pick);
    p->later_rows = p->octets = p->last_row = 0;
    return rc;
}

static struct retry_group *group_of(struct retry_planning *g, struct cell company)
{
    struct retry_group *p;

    for (size_t i = 0; i < g->n_groups; i++)
        if (cell_is(company, g->groups[i].company))
            return &g->groups[i];
    g->groups = xrealloc(g->groups, (g->n_groups + 1) * sizeof(*g->groups));
    p = &g->groups[g->n_groups++];
    *p = (struct retry_group){ 0 };
    snprintf(p->company, sizeof(p->company), CELL_FMT, CELL_ARG(company));
    return p;
}

enum ec retry_add(struct retry_planning *g, const struct source *s, const struct source_row *r, struct err *reterr)
{
    struct retry_group *p = group_of(g, r->company);

    if (!p->pick.set || r->number < p->first.row_no)
        p->first = (struct row_place){ r->number, r->line, r->offset };
    if (r->number > p->last_row)
        p->last_row = r->number;
    mask_add(&p->pick, r->number);
    p->later_rows += package_second_pass(s, r);
    p->octets += 2;
    for (size_t i = 0; i < s->n; i++) {
        p->octets += r->values[i].len + 1;
        if (g->or_xml && !g->unfit && dmf_cell_refused(&g->format, r->values[i]))
            g->unfit = true;
    }
    return package_full(&g->m->pair->app->cfg, p->pick.set, p->octets * (g->format.utf16 ? 2 : 1))
               ? close_group(g, p, reterr)
               : EC_OK;
}

enum ec retry_flush(struct retry_planning *g, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < g->n_groups && !rc; i++)
        rc = close_group(g, &g->groups[i], reterr);
    return rc;
}

/* ---- rows as they were ---- */

static enum ec wanted_rows(struct retry_planning *g, struct package_row *from, struct mask *ret, struct err *reterr)
{
    struct query *q = store_query(
        g->m->state,
        "select distinct row_no, line, offset from row_exception where run_id = ?1 and version = ?3 and" AS_THEY_ARE
        " order by row_no");

    query_int(q, 1, g->load_run);
    query_int(q, 2, takes_existing(g->m));
    query_int(q, 3, g->version);
    return package_rows_pick(q, from, ret, reterr);
}

struct again {
    struct retry_planning *g;
    const struct source *s;
};

static enum ec take_row(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct again *t = arg;
    enum ec rc;

    (void)a;
    if (stop_requested())
        return err_set(reterr, EC_STOPPED, "stopped while reading the failed rows of '%s'", t->g->m->cfg->alias);
    if (r->verdict != SOURCE_GOOD)
        return EC_OK; /* by settings that changed meanwhile; its exception stays */
    rc = retry_take_up(t->g, r->number, reterr);
    return rc ? rc : retry_add(t->g, t->s, r, reterr);
}

static enum ec take_version(struct retry_planning *g, struct err *reterr)
{
    struct package_row from = { .run_id = g->load_run, .picked = true, .version = g->version };
    struct package_rows rows = { 0 };
    struct again t = { .g = g };
    enum ec rc = package_rows_open(g->m, &from, &rows, reterr);

    if (!rc)
        rc = wanted_rows(g, &from, &rows.pick, reterr);
    t.s = rows.src;
    if (!rc && rows.pick.set)
        rc = package_rows_each(&rows, take_row, &t, reterr);
    if (!rc)
        rc = retry_flush(g, reterr);
    package_rows_close(&rows);
    return rc;
}

static enum ec take_as_they_were(struct retry_planning *g, struct err *reterr)
{
    int64_t *versions = NULL;
    size_t n = 0;
    enum ec rc = package_versions(g->m, g->load_run, &versions, &n, reterr);

    for (size_t i = 0; i < n && !rc; i++) {
        g->version = versions[i];
        rc = take_version(g, reterr);
    }
    free(versions);
    return rc;
}

/* ---- the whole ---- */

static enum ec store(struct retry_planning *g, bool file, struct err *reterr)
{
    struct retry_offer left = { 0 };
    struct query *q;
    struct arena a = { 0 };
    enum ec rc = retry_offer(g->m, g->load_run, &left, reterr);

    if (!rc)
        rc = store_moved(g, reterr);
    if (!rc && g->unfit) {
        q = store_query(g->m->state, "update load set unfit = 1 where run_id = ?1");
        query_int(q, 1, g->load_run);
        rc = query_run(q, reterr);
    }
    if (!rc) {
        q = store_query(g->m->state,
                        "insert into retry(run_id, load_run, path, taken, again, waiting) values(?1, ?2, "
                        "?3, ?4, ?5, ?6)");
        query_int(q, 1, g->retry);
        query_int(q, 2, g->load_run);
        query_str(q, 3, file ? strrchr(retry_file(g->m, g->retry, &a), '/') + 1 : "");
        query_int(q, 4, (int64_t)g->taken.set);
        query_int(q, 5, (int64_t)g->again);
        query_int(q, 6,
                  (int64_t)(left.rows + left.need_correction - (left.need_correction > g->again ? g->again : 0)));
        rc = query_run(q, reterr);
    }
    arena_release(&a);
    return rc ? rc : load_phase_set(g->m, g->load_run, "send", reterr);
}

static enum ec forget_old_leaf(struct map_ctx *m, int64_t load_run, const char *before)
{
    struct arena a = { 0 };
    const char *now = load_source_file(m, load_run, &a);

    if (before && now && strcmp(before, now))
        (void)unlink(before);
    arena_release(&a);
    return EC_OK;
}

enum ec retry_plan(struct map_ctx *m, const struct run *run, int64_t load_run, const char *file, struct err *reterr)
{
    struct retry_planning g = { .m = m, .retry = run->id, .load_run = load_run };
    const struct config *cfg = &m->pair->app->cfg;
    struct arena a = { 0 };
    struct retry_row have;
    struct load_row load;
    const char *leaf = load_source_file(m, load_run, &a);
    enum ec rc = retry_get(m, run->id, &have, reterr);

    if (!rc && !have.found)
        rc = load_row(m, load_run, &load, reterr);
    if (rc || have.found)
        goto out;
    rc = load_check_source(m, &load, reterr);
    if (!rc)
        rc = package_format(cfg, &g.format, reterr);
    g.or_xml = !rc && g.format.kind == DMF_CSV && !load.unfit && !strcmp(cfg->unfit, "xml");
    if (rc)
        goto out;
    STEP(retry_store);
    rc = store_begin(m->state, reterr);
    if (rc)
        goto out;
    rc = load_holders(&g, reterr);
    if (!rc)
        rc = file ? retry_take_file(&g, file, reterr) : take_as_they_were(&g, reterr);
    if (!rc)
        rc = store(&g, file != NULL, reterr);
    rc = store_end(m->state, rc, reterr);
    STEP(retry_stored);
    if (!rc)
        rc = forget_old_leaf(m, load_run, leaf);
    if (!rc)
        log_info("retry", "%s: %llu rows taken up%s%s", m->cfg->alias, (unsigned long long)g.taken.set,
                 file ? " from " : "", file ? file : "");
out:
    for (size_t i = 0; i < g.n_groups; i++)
        mask_release(&g.groups[i].pick);
    for (size_t i = 0; i < g.n_holders; i++)
        mask_release(&g.holders[i].pick);
    free(g.groups);
    free(g.holders);
    mask_release(&g.taken);
    arena_release(&a);
    return rc;
}
