/* feed.c -- changes of either side into the table pending. */
#include "sync/feed.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "loader/public/fno_read.h"
#include "sync/delta_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct taking {
    struct map_ctx *m;
    struct dict *d;
    struct baseline *base;
    struct feed_counts *c;
    struct arena a;
    char **gone; /* ids of deleted Dataverse rows */
    size_t n_gone, cap_gone;
};

static bool equal_to_base(const struct map_ctx *m, const struct base_row *base, const struct cell *cells)
{
    int f[1];

    return base->cells && !base->deleted && !diff_fields(m->b, base->cells, cells, f, 0);
}

/* side "fno" or "dv"; row NULL = deleted there. A change of a parked or queued key makes it new again: it may pass now. */
static enum ec put_pending(struct taking *t, const char *side, struct digest key, struct cell key_text,
                           const struct cell *cells, struct cell id, struct cell etag, struct err *reterr)
{
    static const char FNO[] =
        "insert into pending(key_digest, key, fno_row, fno_state, dv_id, at) values(?1, ?2, ?3, ?4, ?5, ?7) on "
        "conflict(key_digest) do update set fno_row = excluded.fno_row, fno_state = excluded.fno_state, state = case "
        "state "
        "when 'sending' then state else 'new' end, at = excluded.at";
    static const char DV[] =
        "insert into pending(key_digest, key, dv_row, dv_state, dv_id, dv_etag, at) values(?1, ?2, ?3, ?4, ?5, ?6, "
        "?7) on "
        "conflict(key_digest) do update set dv_row = excluded.dv_row, dv_state = excluded.dv_state, dv_id = "
        "excluded.dv_id, "
        "dv_etag = excluded.dv_etag, state = case state when 'sending' then state else 'new' end, at = excluded.at";
    bool fno = !strcmp(side, "fno");
    struct query *q = store_query(t->m->state, fno ? FNO : DV);
    struct strbuf row = STRBUF(0);
    char octets[16], now[32];
    enum ec rc;

    clock_format_utc(clock_utc_ms(), now);
    delta_key_octets(key, octets);
    query_blob(q, 1, octets, 16);
    query_cell(q, 2, key_text);
    if (cells) {
        row_pack(&row, cells, t->m->b->n);
        query_blob(q, 3, row.buf, row.len);
    }
    query_str(q, 4, cells ? "changed" : "deleted");
    query_cell(q, 5, cell_absent(id) ? CELL_LIT("") : id);
    if (!fno)
        query_cell(q, 6, cell_absent(etag) ? CELL_LIT("") : etag);
    query_str(q, 7, now);
    rc = query_run(q, reterr);
    strbuf_release(&row);
    return rc;
}

/* Is this content already waiting, or the base already? Then there is nothing to do. */
static enum ec changed_row(struct taking *t, const char *side, const struct cell *cells, struct cell id,
                           struct cell etag, struct err *reterr)
{
    struct digest key = bind_key_digest(t->m->b, cells, &t->a);
    struct base_row base;
    enum ec rc = baseline_row(t->base, key, &t->a, &base, reterr);

    if (rc)
        return rc;
    if (equal_to_base(t->m, &base, cells)) {
        /* Our own write coming back, or a change that leaves no mapped field different. */
        struct query *q = store_query(t->m->state, "select 1 from pending where key_digest = ?1");
        char octets[16];
        bool waiting;

        t->c->echoes++;
        delta_key_octets(key, octets);
        query_blob(q, 1, octets, 16);
        waiting = query_step(q);
        rc = query_done(q, reterr);
        if (rc || !waiting)
            return rc;
    } else {
        t->c->changed++;
    }
    return put_pending(t, side, key, bind_key_text(t->m->b, cells, &t->a), cells, id, etag, reterr);
}

/* ---- Dataverse ---- */

static enum ec dv_row(void *arg, const struct json *rec, struct err *reterr)
{
    struct taking *t = arg;
    struct live_row r = { 0 };

    arena_reset(&t->a);
    t->c->read++;
    dv_record(t->m, t->d, rec, &t->a, &r);
    if (dict_failed(t->d, reterr))
        return reterr ? reterr->code : EC_NET;
    if (!r.cells) {
        t->c->outside++;
        return EC_OK;
    }
    return changed_row(t, "dv", r.cells, r.id, r.etag, reterr);
}

static enum ec dv_gone(void *arg, struct cell id, struct err *reterr)
{
    struct taking *t = arg;
    struct arena a = { 0 };

    (void)reterr;
    if (t->n_gone == t->cap_gone) {
        t->cap_gone = t->cap_gone ? t->cap_gone * 2 : 64;
        t->gone = xrealloc(t->gone, t->cap_gone * sizeof(*t->gone));
    }
    t->gone[t->n_gone++] = xstrdup(cell_cstr(&a, cell_lower(&a, id)));
    arena_release(&a);
    return EC_OK;
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

/* A deletion carries only an id; the base knows whose it was. */
static enum ec match_gone(void *arg, struct digest key, const struct base_row *row, struct err *reterr)
{
    struct taking *t = arg;
    char id[64], *p = id;

    snprintf(id, sizeof(id), "%.*s", (int)(row->dv_id.len > 60 ? 60 : row->dv_id.len),
             row->dv_id.ptr ? row->dv_id.ptr : "");
    if (!t->n_gone || !bsearch(&p, t->gone, t->n_gone, sizeof(*t->gone), by_text))
        return EC_OK;
    arena_reset(&t->a);
    t->c->deleted++;
    return put_pending(t, "dv", key, bind_key_text(t->m->b, row->cells, &t->a), NULL, row->dv_id, CELL_ABSENT,
                       reterr);
}

enum ec feed_dv(struct map_ctx *m, struct dict *d, struct feed_counts *ret, struct err *reterr)
{
    struct taking t = { .m = m, .d = d, .c = ret };
    struct arena a = { 0 };
    char *link = NULL, *next = NULL;
    enum ec rc = cursor_get(m, "dataverse", "", &a, &link, reterr);

    *ret = (struct feed_counts){ 0 };
    if (!rc && !link) {
        rc = err_set(reterr, EC_NOTFOUND, "map '%s' has no Dataverse cursor", m->cfg->alias);
        err_hint(reterr, "run 'dmfsync parity %s', then 'dmfsync handoff %s --execute'", m->cfg->alias,
                 m->cfg->alias);
    }
    if (!rc)
        rc = baseline_open(m, &t.base, reterr);
    if (rc)
        goto out;
    STEP(feed_read);
    rc = store_begin(m->state, reterr);
    if (rc)
        goto out;
    rc = dv_delta(m->pair->app->dv, link, dv_row, dv_gone, &t, &next, reterr);
    if (rc == EC_NOTFOUND)
        err_hint(reterr,
                 "the position has expired: run 'dmfsync parity %s', 'repair' where needed, and 'handoff' again",
                 m->cfg->alias);
    if (!rc && t.n_gone) {
        qsort(t.gone, t.n_gone, sizeof(*t.gone), by_text);
        rc = baseline_each(t.base, match_gone, &t, reterr);
    }
    STEP(cursor_store);
    if (!rc)
        rc = cursor_set(m, "dataverse", "", next, reterr);
    rc = store_end(m->state, rc, reterr);
    STEP(cursor_stored);
    STEP(feed_done);
out:
    for (size_t i = 0; i < t.n_gone; i++)
        free(t.gone[i]);
    free(t.gone);
    free(next);
    baseline_close(t.base);
    arena_release(&t.a);
    arena_release(&a);
    return rc;
}

/* ---- F&O ---- */

static enum ec fno_row(void *arg, const struct cell *cells, struct cell company, struct err *reterr)
{
    struct taking *t = arg;

    (void)company;
    arena_reset(&t->a);
    return changed_row(t, "fno", cells, CELL_ABSENT, CELL_ABSENT, reterr);
}

enum ec feed_taken(struct map_ctx *m, const char *project, struct cell company, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "update feed_run set state = 'taken' where project = ?1 and company = ?2 and state = 'fetched'");

    query_str(q, 1, project);
    query_cell(q, 2, company);
    return query_run(q, reterr);
}

void feed_project(const struct map_ctx *m, bool feed, struct cell company, char ret[static 64])
{
    snprintf(ret, 64, "DMFSYNC_%s_%.30s%s%.*s", feed ? "FEED" : "SNAP", m->cfg->alias, company.len ? "_" : "",
             (int)(company.len > 8 ? 8 : company.len), company.ptr ? company.ptr : "");
}

/* A map that is loaded by packages is exported by packages; the others (legal entities) are few rows, read by OData. */
bool feed_by_export(const struct map_ctx *m)
{
    return m->cfg->source && m->b->entity->on_dmf;
}

static enum ec by_scan(struct taking *t, const struct fno_shape *shape, const struct cell *companies, size_t n,
                       struct err *reterr)
{
    struct fno_counts counts = { 0 };
    enum ec rc;

    STEP(feed_read);
    rc = store_begin(t->m->state, reterr);
    for (size_t i = 0; i < n && !rc; i++)
        rc = fno_scan_rows(t->m, shape, companies[i], fno_row, t, &counts, reterr);
    t->c->read += counts.rows;
    t->c->outside += counts.excluded;
    if (store_in_transaction(t->m->state))
        rc = store_end(t->m->state, rc, reterr);
    STEP(feed_done);
    return rc;
}

static enum ec by_export(struct taking *t, const struct fno_shape *shape, struct cell company, struct err *reterr)
{
    struct map_ctx *m = t->m;
    struct fno_counts counts = { 0 };
    struct arena a = { 0 };
    char *path = NULL, project[64];
    enum ec rc;

    feed_project(m, true, company, project);
    rc = feed_export(m, project, company, &path, &a, reterr);
    STEP(feed_read);
    if (!rc)
        rc = store_begin(m->state, reterr);
    if (!rc) {
        rc = fno_package_rows(m, shape, path, company, fno_row, t, &counts, reterr);
        t->c->read += counts.rows;
        t->c->outside += counts.excluded;
        if (!rc)
            rc = cursor_set(m, "fno", cell_cstr(&a, company), strrchr(path, '/') + 1, reterr);
        if (!rc)
            rc = feed_taken(m, project, company, reterr);
        rc = store_end(m->state, rc, reterr);
    }
    STEP(feed_done);
    if (!rc)
        (void)unlink(path);
    arena_release(&a);
    return rc;
}

enum ec feed_fno(struct map_ctx *m, struct feed_counts *ret, struct err *reterr)
{
    struct taking t = { .m = m, .c = ret };
    struct fno_shape shape = { .n = m->b->n };
    struct cell companies[1024];
    size_t n = map_companies(m, companies, COUNT(companies));
    enum ec rc = baseline_open(m, &t.base, reterr);

    *ret = (struct feed_counts){ 0 };
    if (!rc && !feed_by_export(m))
        rc = by_scan(&t, &shape, companies, n, reterr);
    for (size_t i = 0; i < n && !rc && feed_by_export(m); i++)
        rc = by_export(&t, &shape, companies[i], reterr);
    progress_clear(&m->pair->app->out);
    baseline_close(t.base);
    arena_release(&t.a);
    return rc;
}
