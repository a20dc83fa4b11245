/* feed.c -- what the feeds share, and F&O's: exports, polling by modified time, scans. Writes pending. */
#include "sync/feed.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "loader/public/fno_read.h"
#include "sync/delta_row.h"
#include "sync/feed_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- into pending ---- */

enum ec feed_put(struct taking *t, enum feed_side side, struct digest key, struct cell key_text,
                 const struct cell *cells, struct cell id, struct err *reterr)
{
    /* What an adoption left to a person has no base: only their word, or a new adoption, moves it. */
    static const char FNO[] =
        "insert into pending(key_digest, key, fno_row, fno_state, dv_id, at) values(?1, ?2, ?3, ?4, ?5, ?6) on "
        "conflict(key_digest) do update set fno_row = coalesce(excluded.fno_row, fno_row), fno_state = "
        "excluded.fno_state, "
        "state = case when state = 'sending' or reason like 'adopt:%' then state else 'new' end, next_at = ''";
    static const char DV[] =
        "insert into pending(key_digest, key, dv_row, dv_state, dv_id, at) values(?1, ?2, ?3, ?4, ?5, ?6) on "
        "conflict(key_digest) do update set dv_row = coalesce(excluded.dv_row, dv_row), dv_state = "
        "excluded.dv_state, dv_id "
        "= excluded.dv_id, state = case when state = 'sending' or reason like 'adopt:%' then state else 'new' end, "
        "next_at = ''";
    struct query *q = store_query(t->m->state, side == FEED_FNO ? FNO : DV);
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
    query_str(q, 6, now);
    rc = query_run(q, reterr);
    strbuf_release(&row);
    return rc;
}

enum ec feed_put_left(struct taking *t, enum feed_side side, struct digest key, struct cell key_text,
                      const struct cell *cells, struct cell id, struct err *reterr)
{
    enum ec rc = feed_put(t, side, key, key_text, cells, id, reterr);
    struct query *q;
    char octets[16];

    if (rc)
        return rc;
    /* Its cells are not those of a row of the map: whoever works on it reads it first. */
    q = store_query(t->m->state, side == FEED_FNO ? "update pending set fno_state = 'left' where key_digest = ?1"
                                                  : "update pending set dv_state = 'left' where key_digest = ?1");
    delta_key_octets(key, octets);
    query_blob(q, 1, octets, 16);
    return query_run(q, reterr);
}

static enum ec waits(struct taking *t, struct digest key, bool *ret, struct err *reterr)
{
    struct query *q = store_query(t->m->state, "select 1 from pending where key_digest = ?1");
    char octets[16];

    delta_key_octets(key, octets);
    query_blob(q, 1, octets, 16);
    *ret = query_step(q);
    return query_done(q, reterr);
}

enum ec feed_known(struct taking *t, struct digest key, bool *ret, struct err *reterr)
{
    struct base_row base;
    enum ec rc = baseline_row(t->base, key, &t->a, &base, reterr);

    *ret = !rc && base.cells && !base.deleted;
    return rc;
}

enum ec feed_changed(struct taking *t, enum feed_side side, const struct cell *cells, struct cell id,
                     struct err *reterr)
{
    struct digest key = bind_key_digest(t->m->b, cells, &t->a);
    struct base_row base;
    int f[1];
    bool waiting = true;
    enum ec rc = baseline_row(t->base, key, &t->a, &base, reterr);

    if (rc)
        return rc;
    if (base.cells && !base.deleted && !diff_fields(t->m->b, base.cells, cells, f, 0)) {
        /* Our own write coming back, or a change that leaves no mapped field different. */
        t->c->echoes++;
        rc = waits(t, key, &waiting, reterr);
        if (rc || !waiting)
            return rc;
    } else {
        t->c->changed++;
    }
    return feed_put(t, side, key, bind_key_text(t->m->b, cells, &t->a), cells, id, reterr);
}

/* ---- F&O ---- */

static enum ec fno_row(void *arg, const struct cell *cells, struct cell company, struct err *reterr)
{
    struct taking *t = arg;

    (void)company;
    arena_reset(&t->a);
    return feed_changed(t, FEED_FNO, cells, CELL_ABSENT, reterr);
}

/* A row outside of the filter or companies: of interest only when it was inside. Its cells hold the key at least. */
static enum ec fno_left(void *arg, const struct cell *cells, struct cell company, struct err *reterr)
{
    struct taking *t = arg;
    struct digest key;
    bool known = false;
    enum ec rc;

    (void)company;
    arena_reset(&t->a);
    key = bind_key_digest(t->m->b, cells, &t->a);
    rc = feed_known(t, key, &known, reterr);
    if (rc || !known)
        return rc;
    t->c->left++;
    return feed_put_left(t, FEED_FNO, key, bind_key_text(t->m->b, cells, &t->a), cells, CELL_ABSENT, reterr);
}

enum ec feed_taken(struct map_ctx *m, const char *project, struct cell company, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "update feed_run set state = 'taken' where project = ?1 and company = ?2 and state = 'fetched'");
    enum ec rc;

    query_str(q, 1, project);
    query_cell(q, 2, company);
    rc = query_run(q, reterr);
    if (rc)
        return rc;
    q = store_query(m->state,
                    "delete from feed_run where project = ?1 and company = ?2 and state in ('taken', 'failed') and "
                    "execution_id not in (select execution_id from feed_run where project = ?1 and company = ?2 "
                    "order by at desc, execution_id desc limit 20)");
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

/* Rows changed since the last look, where the entity tells when: an overlap covers clocks and transactions that end late. */
enum { POLL_OVERLAP_MS = 300000 };
struct polling {
    struct taking *t;
    const struct fno_shape *shape;
    struct fno_counts *counts;
    const struct fno_field *modified;
    struct cell *cells;
    struct arena a;
    int64_t newest_ms;
};

static enum ec polled_row(void *arg, const struct json *rec, struct err *reterr)
{
    struct polling *p = arg;
    struct map_ctx *m = p->t->m;
    struct cell at;
    int64_t ms = 0;
    bool in = false;
    size_t faults;

    arena_reset(&p->a);
    at = json_member(rec, cell_cstr(&p->a, p->modified->property));
    if (at.ptr && clock_parse_utc(at.ptr, at.len, &ms) && ms > p->newest_ms)
        p->newest_ms = ms;
    fno_record(m, p->shape, rec, &p->a, p->cells, &in, &faults);
    p->counts->rows += in;
    p->counts->excluded += !in;
    return in ? fno_row(p->t, p->cells, CELL_ABSENT, reterr) : fno_left(p->t, p->cells, CELL_ABSENT, reterr);
}

static enum ec by_time(struct taking *t, const struct fno_shape *shape, struct cell company, struct err *reterr)
{
    struct fno_counts counts = { 0 };
    struct polling p = { .t = t, .shape = shape, .counts = &counts, .modified = fno_modified_field(t->m) };
    struct arena a = { 0 };
    char *was = NULL, *filter = NULL, name[32];
    int64_t since = 0;
    enum ec rc;

    p.cells = arena_zalloc(&a, (shape->n + 1) * sizeof(*p.cells));
    snprintf(name, sizeof(name), "time:%.*s", (int)(company.len > 20 ? 20 : company.len),
             company.ptr ? company.ptr : "");
    rc = cursor_get(t->m, "fno", name, &a, &was, reterr);
    if (!rc && was && clock_parse_utc(was, strlen(was), &since)) {
        char from[32];

        p.newest_ms = since;
        clock_format_utc(since - POLL_OVERLAP_MS, from);
        filter = arena_printf(&a, CELL_FMT " ge %s", CELL_ARG(p.modified->property), from);
    }
    if (!rc)
        rc = erp_scan(t->m->pair->app->erp, t->m->b->entity, live_fno_select(t->m, &a), filter,
                      cell_blank(company) ? CELL_ABSENT : company, polled_row, &p, reterr);
    if (!rc && p.newest_ms) {
        char to[32];

        clock_format_utc(p.newest_ms, to);
        rc = cursor_set(t->m, "fno", name, to, reterr);
    }
    t->c->read += counts.rows;
    t->c->outside += counts.excluded;
    arena_release(&p.a);
    arena_release(&a);
    return rc;
}

static enum ec by_scan(struct taking *t, const struct fno_shape *shape, const struct cell *companies, size_t n,
                       struct err *reterr)
{
    struct fno_counts counts = { .left = fno_left };
    enum ec rc;

    STEP(feed_read);
    rc = store_begin(t->m->state, reterr);
    for (size_t i = 0; i < n && !rc; i++)
        rc = fno_modified_field(t->m) ? by_time(t, shape, companies[i], reterr)
                                      : fno_scan_rows(t->m, shape, companies[i], fno_row, t, &counts, reterr);
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
    struct fno_counts counts = { .left = fno_left };
    struct arena a = { 0 };
    char *path = NULL, project[64], *was = NULL;
    enum ec rc;

    feed_project(m, true, company, project);
    rc = cursor_get(m, "fno", cell_cstr(&a, company), &a, &was, reterr);
    if (!rc && was)
        rc = guard_fno(m, project, company, reterr);
    else if (!rc) /* whatever position the project has is not ours: the first export is a full one */
        rc = feed_restart(m, project, company, reterr);
    if (!rc)
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
    if (!rc)
        rc = guard_fno_taken(m, project, company, reterr);
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
    if (!rc)
        rc = feed_fno_keys(m, t.base, ret, reterr);
    progress_clear(&m->pair->app->out);
    baseline_close(t.base);
    arena_release(&t.a);
    return rc;
}
