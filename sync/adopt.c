/* adopt.c -- the base from what is there already. Writes pending and conflict (rows of adoptions), setting 'adopted'. */
#include "sync/adopt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/delta_row.h"

/* Conflicts of an earlier adoption, which this one finds again where they still are. */
static enum ec forget(struct map_ctx *m, struct err *reterr)
{
    enum ec rc = store_begin(m->state, reterr);

    if (rc)
        return rc;
    rc = store_exec(m->state,
                    "delete from pending where state = 'conflict' and key in (select key from conflict where rule = "
                    "'adopt' and outcome = 'open');"
                    "delete from conflict where rule = 'adopt' and outcome = 'open';",
                    reterr);
    return store_end(m->state, rc, reterr);
}

static enum ec put_conflict(struct map_ctx *m, const struct delta_row *d, struct cell field, struct cell fno,
                            struct cell dv, const char *now, struct err *reterr)
{
    struct query *q =
        store_query(m->state, "insert into conflict(key, field, base, fno, dataverse, rule, outcome, at) "
                              "values(?1, ?2, null, ?3, ?4, 'adopt', 'open', ?5)");

    query_cell(q, 1, d->key);
    query_cell(q, 2, field);
    query_cell(q, 3, fno);
    query_cell(q, 4, dv);
    query_str(q, 5, now);
    return query_run(q, reterr);
}

static enum ec put_pending(struct map_ctx *m, const struct delta_row *d, const char *now, struct err *reterr)
{
    struct query *q = store_query(
        m->state,
        "insert into pending(key_digest, key, fno_row, fno_state, dv_row, dv_state, dv_id, state, reason, at) "
        "values(?1, ?2, ?3, ?4, ?5, ?6, ?7, 'conflict', ?8, ?9) on conflict(key_digest) do nothing");
    struct strbuf fno = STRBUF(0), dv = STRBUF(0);
    enum ec rc;

    query_blob(q, 1, d->key_octets, 16);
    query_cell(q, 2, d->key);
    if (d->fno) {
        row_pack(&fno, d->fno, m->b->n);
        query_blob(q, 3, fno.buf, fno.len);
    }
    query_str(q, 4, d->fno ? "changed" : "");
    if (d->dv) {
        row_pack(&dv, d->dv, m->b->n);
        query_blob(q, 5, dv.buf, dv.len);
    }
    query_str(q, 6, d->dv ? "changed" : "");
    query_cell(q, 7, cell_absent(d->dv_id) ? CELL_LIT("") : d->dv_id);
    query_str(q, 8,
              !d->dv    ? "adopt: only F&O has the record"
              : !d->fno ? "adopt: only Dataverse has the record"
                        : "adopt: the sides differ, and neither is known to be the newer");
    query_str(q, 9, now);
    rc = query_run(q, reterr);
    strbuf_release(&fno);
    strbuf_release(&dv);
    return rc;
}

static enum ec one_row(struct map_ctx *m, const struct delta_row *d, int *fields, const char *now,
                       struct adopt_counts *c, struct err *reterr)
{
    enum ec rc = put_pending(m, d, now, reterr);
    size_t n;

    c->conflicts++;
    if (rc)
        return rc;
    if (!d->fno || !d->dv)
        return put_conflict(m, d, CELL_LIT(""), d->fno ? CELL_LIT("there") : CELL_ABSENT,
                            d->dv ? CELL_LIT("there") : CELL_ABSENT, now, reterr);
    n = diff_fields(m->b, d->fno, d->dv, fields, m->b->n);
    c->fields += n;
    for (size_t i = 0; i < n && !rc; i++)
        rc = put_conflict(m, d, m->b->fields[fields[i]].name, d->fno[fields[i]], d->dv[fields[i]], now, reterr);
    return rc;
}

static enum ec put_conflicts(struct map_ctx *m, struct arena *a, struct adopt_counts *c, struct err *reterr)
{
    struct delta_reader *r = NULL;
    struct delta_row d;
    int *fields = arena_alloc(a, (m->b->n + 1) * sizeof(*fields));
    char now[32];
    bool more = true;
    enum ec rc = delta_reader_new(m, "class in ('differ', 'only_fno', 'only_dataverse')", &r, reterr);

    clock_format_utc(clock_utc_ms(), now);
    while (!rc && more) {
        rc = delta_reader_next(r, &d, &more, reterr);
        if (!rc && more)
            rc = one_row(m, &d, fields, now, c, reterr);
    }
    delta_reader_free(r);
    return rc;
}

/* The keys that wait now are no drift; what the comparison counted is moved. */
static void waiting_now(struct diff_result *r)
{
    for (size_t i = 0; i <= r->n_companies; i++) {
        struct diff_counts *c = i ? &r->companies[i - 1] : &r->all;

        c->waiting += c->differ + c->only_fno + c->only_dataverse;
        c->differ = c->only_fno = c->only_dataverse = 0;
    }
}

static enum ec store(struct map_ctx *m, struct arena *a, struct adopt_counts *c, struct err *reterr)
{
    struct query *q;
    char now[32];
    enum ec rc;

    STEP(delta_store);
    rc = store_begin(m->state, reterr);
    if (rc)
        return rc;
    rc = put_conflicts(m, a, c, reterr);
    if (!rc)
        rc = store_exec(
            m->state,
            "update delta set class = 'waiting', sign = '~', note = 'waits since its adoption' where class in "
            "('differ', 'only_fno', 'only_dataverse')",
            reterr);
    if (!rc) {
        clock_format_utc(clock_utc_ms(), now);
        q = store_query(m->state, "insert or replace into setting(name, value) values('adopted', ?1)");
        query_str(q, 1, now);
        rc = query_run(q, reterr);
    }
    rc = store_end(m->state, rc, reterr);
    STEP(delta_stored);
    return rc;
}

enum ec adopt_map(struct map_ctx *m, struct dict *d, struct arena *a, struct comparison *ret,
                  struct adopt_counts *counts, struct err *reterr)
{
    struct adopt_counts c = { 0 };
    enum ec rc = forget(m, reterr);

    if (!rc)
        rc = compare_map(m, d, 1000, a, ret, reterr);
    /* The base first: without the conflicts behind it, it says nothing wrong, since unequal rows have none. */
    if (!rc)
        rc = baseline_set(m, &ret->dv, reterr);
    if (!rc)
        rc = store(m, a, &c, reterr);
    if (rc)
        return rc;
    c.equal = ret->diff.all.equal;
    waiting_now(&ret->diff);
    ret->verdict = verdict_of(m, &ret->diff);
    rc = verdict_store(m, 0, ret->verdict, &ret->diff, NULL, reterr);
    if (!rc)
        log_info("adopt", "%s: %llu rows have a base, %llu wait", m->cfg->alias, (unsigned long long)c.equal,
                 (unsigned long long)c.conflicts);
    *counts = c;
    return rc;
}
