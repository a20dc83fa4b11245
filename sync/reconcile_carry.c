/* reconcile_carry.c -- the data of a reconcile: both feeds, merge and bulk apply, deletions, and the proof of the touched keys. */
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/apply.h"
#include "sync/apply_bulk.h"
#include "sync/delta_row.h"
#include "sync/row_batch.h"
#include "sync/keyscan.h"
#include "sync/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_ROWS = 50, MAX_LIVE = 5000, SHOWN = 20 };

struct map_ctx *rec_ctx(struct reconcile *r, const struct rec_map *m)
{
    return pair_map(r->p, m->c.alias);
}

static enum ec number(struct store *s, const char *sql, int64_t *ret, struct err *reterr)
{
    struct query *q = store_query(s, sql);

    *ret = query_step(q) ? query_get_int(q, 0) : 0;
    return query_done(q, reterr);
}

enum ec carry_begin(struct rec_map *m, struct map_ctx *mc, struct err *reterr)
{
    enum ec rc = store_exec(mc->state, "delete from reconcile_key", reterr);

    return rc ? rc : number(mc->state, "select coalesce(max(id), 0) from sync_log", &m->log_from, reterr);
}

static enum ec touched(void *arg, const char octets[16], struct cell key, const char *what, struct err *reterr)
{
    struct map_ctx *mc = arg;
    struct query *q = store_query(mc->state, "insert into reconcile_key(key_digest, key, what) values(?1, ?2, ?3) on "
                                             "conflict(key_digest) do update set what = case what when 'agreed' then "
                                             "excluded.what else what end, verified = 0");

    query_blob(q, 1, octets, 16);
    query_cell(q, 2, key);
    query_str(q, 3, what);
    return query_run(q, reterr);
}

static enum ec look_back(struct reconcile *r, struct rec_map *m, struct err *reterr);

enum ec carry_feeds(struct reconcile *r, struct rec_map *m, int64_t *ret_fno, int64_t *ret_dv, struct err *reterr)
{
    struct map_ctx *mc = rec_ctx(r, m);
    struct feed_counts fno = { 0 }, dv = { 0 };
    int64_t began, calls;
    enum ec rc;

    rec_clock(r, &began, &calls);
    rc = feed_fno(mc, &fno, reterr);
    if (rc)
        return err_ctx(reterr, rc, "changes of F&O, map '%s'", m->c.alias);
    rec_took(r, fno.changed >= FEW_ROWS ? TIME_EXPORT : TIME_DRAIN, began, calls, (int64_t)fno.changed);
    rec_clock(r, &began, &calls);
    /* What the feed is about to pass over as our own writes is the proof that they are there: looked at first. */
    rc = r->applied ? look_back(r, m, reterr) : EC_OK;
    if (!rc)
        rc = feed_dv(mc, r->dict, &dv, reterr);
    if (rc)
        return err_ctx(reterr, rc, "changes of Dataverse, map '%s'", m->c.alias);
    rec_took(r, dv.read >= FEW_ROWS ? TIME_CHANGES : TIME_IDLE, began, calls, (int64_t)dv.read);
    progress_clear(&r->app->out);
    *ret_fno = (int64_t)fno.changed;
    *ret_dv = (int64_t)(dv.changed + dv.deleted);
    return EC_OK;
}

enum ec carry_settle(struct reconcile *r, struct rec_map *m, struct err *reterr)
{
    struct map_ctx *mc = rec_ctx(r, m);
    struct bulk_counts c;

    return apply_bulk(mc, &r->run, BULK_AGREED_ONLY, 0, NULL, NULL, &c, reterr);
}

enum ec carry_apply(struct reconcile *r, struct rec_map *m, bool bulk, int64_t *ret_written, struct err *reterr)
{
    struct map_ctx *mc = rec_ctx(r, m);
    struct bulk_counts b = { 0 };
    struct apply_counts a = { 0 };
    struct apply_how how = { .parked_too = true };
    int64_t began, calls;
    enum ec rc;

    rec_clock(r, &began, &calls);
    rc = apply_bulk(mc, &r->run, bulk ? BULK_WRITE : BULK_AGREED_ONLY, FEW_ROWS, touched, mc, &b, reterr);
    m->n.agreed += (int64_t)b.agreed;
    m->n.to_dv += (int64_t)(b.created + b.updated);
    if (b.chosen)
        rec_took(r, TIME_BULK, began, calls, (int64_t)b.chosen);
    if (!rc && b.left) {
        rec_clock(r, &began, &calls);
        rc = apply_pending(mc, r->dict, &how, &a, reterr);
        m->n.to_dv += (int64_t)a.to_dv;
        m->n.to_fno += (int64_t)a.to_fno;
        m->n.conflicts += (int64_t)a.conflicts;
        m->n.deletes += (int64_t)a.deletes;
        if (!rc && a.to_dv + a.to_fno + a.deletes)
            rec_took(r, TIME_RECORDS, began, calls, (int64_t)(a.to_dv + a.to_fno + a.deletes));
    }
    progress_clear(&r->app->out);
    if (!rc)
        *ret_written = (int64_t)(b.created + b.updated + a.to_dv + a.to_fno + a.deletes);
    return rc ? err_ctx(reterr, rc, "map '%s'", m->c.alias) : EC_OK;
}

enum ec carry_deletes(struct reconcile *r, struct rec_map *m, struct err *reterr)
{
    struct map_ctx *mc = rec_ctx(r, m);
    uint64_t rows = 0, gone = 0;
    int64_t began, calls, written = 0;
    enum ec rc = EC_OK;

    if (mc->cfg->deletes == DELETES_IGNORE)
        return EC_OK;
    rec_clock(r, &began, &calls);
    rc = keyscan_fno(mc, &rows, &gone, reterr);
    if (rc)
        return err_ctx(reterr, rc, "keys of F&O, map '%s'", m->c.alias);
    rec_took(r, TIME_SCAN, began, calls, (int64_t)rows);
    return gone ? carry_apply(r, m, false, &written, reterr) : EC_OK;
}

/* ---- the proof ---- */

struct proving {
    struct reconcile *r;
    struct rec_map *m;
    struct map_ctx *mc;
    struct baseline *base;
    struct arena a;
    int shown;
};

static void show(struct proving *p, struct cell key, const char *what)
{
    p->m->n.differ++;
    if (p->shown++ < SHOWN)
        out_line(&p->r->app->out, "  %s '" CELL_FMT "': %s", p->m->c.alias, CELL_ARG(key), what);
}

static enum ec set_verified(struct proving *p, const char octets[16], int64_t value, struct err *reterr)
{
    struct query *q = store_query(p->mc->state, "update reconcile_key set verified = ?2 where key_digest = ?1");

    query_blob(q, 1, octets, 16);
    query_int(q, 2, value);
    return query_run(q, reterr);
}

/* What Dataverse tells of since the last round: our writes, and whatever came after them. 1 = equal, 2 = not. */
static enum ec dv_row(void *arg, const struct json *rec, struct err *reterr)
{
    struct proving *p = arg;
    struct live_row live = { 0 };
    struct base_row base;
    struct digest key;
    char octets[16];
    int f[1];
    enum ec rc;

    arena_reset(&p->a);
    dv_record(p->mc, p->r->dict, rec, &p->a, &live);
    if (dict_failed(p->r->dict, reterr))
        return reterr ? reterr->code : EC_NET;
    if (!live.cells)
        return EC_OK;
    key = bind_key_digest(p->mc->b, live.cells, &p->a);
    rc = baseline_row(p->base, key, &p->a, &base, reterr);
    delta_key_octets(key, octets);
    if (!rc)
        rc = set_verified(p, octets,
                          base.cells && !base.deleted && !diff_fields(p->mc->b, base.cells, live.cells, f, 0) ? 1 : 2,
                          reterr);
    return rc;
}

static enum ec dv_changed(void *arg, const struct json *rec, struct err *reterr)
{
    return row_batch_add(arg, rec, reterr);
}

static enum ec dv_gone(void *arg, struct cell id, struct err *reterr)
{
    (void)arg;
    (void)id;
    (void)reterr;
    return EC_OK; /* the next round takes it */
}

/* A look only: the position of the feed stays. */
static enum ec peek(struct proving *p, struct err *reterr)
{
    struct arena a = { 0 };
    struct row_batch batch = { .m = p->mc, .d = p->r->dict, .fn = dv_row, .arg = p };
    char *link = NULL, *next = NULL;
    enum ec rc = cursor_get(p->mc, "dataverse", "", &a, &link, reterr);

    if (!rc && link)
        rc = store_begin(p->mc->state, reterr);
    if (!rc && link) {
        rc = dv_delta(p->r->app->dv, link, dv_changed, dv_gone, &batch, &next, reterr);
        if (!rc)
            rc = row_batch_flush(&batch, reterr);
        rc = store_end(p->mc->state, rc, reterr);
    }
    row_batch_release(&batch);
    free(next);
    arena_release(&a);
    return rc;
}

static enum ec look_back(struct reconcile *r, struct rec_map *m, struct err *reterr)
{
    struct proving p = { .r = r, .m = m, .mc = rec_ctx(r, m) };
    enum ec rc = baseline_open(p.mc, &p.base, reterr);

    if (!rc)
        rc = peek(&p, reterr);
    baseline_close(p.base);
    arena_release(&p.a);
    return rc;
}

/* Keys of a query (octets, text), read whole since the caller writes into the same file. */
static enum ec keys_of(struct map_ctx *mc, const char *sql, int64_t arg, struct strbuf *ret, struct err *reterr)
{
    struct query *q = store_query(mc->state, sql);

    query_int(q, 1, arg);
    while (query_step(q)) {
        struct cell k = query_get_blob(q, 0);

        if (k.len == 16)
            strbuf_add(ret, k.ptr, 16);
    }
    return query_done(q, reterr);
}

static struct digest digest_of(const char *octets)
{
    struct digest d = { 0, 0 };

    for (int i = 0; i < 8; i++) {
        d.hi = d.hi << 8 | (unsigned char)octets[i];
        d.lo = d.lo << 8 | (unsigned char)octets[8 + i];
    }
    return d;
}

/* One key on both sides, as it is now, against the base. */
static enum ec prove_live(struct proving *p, const char octets[16], struct err *reterr)
{
    struct map_ctx *mc = p->mc;
    struct live_row fno = { 0 }, dv = { 0 };
    struct base_row base;
    struct cell key;
    int f[1];
    enum ec rc;

    arena_reset(&p->a);
    rc = baseline_row(p->base, digest_of(octets), &p->a, &base, reterr);
    if (rc)
        return rc;
    if (!base.cells || base.deleted)
        return set_verified(p, octets, 1, reterr); /* deleted on both sides, or never there: nothing to compare */
    key = bind_key_text(mc->b, base.cells, &p->a);
    rc = live_fno(mc, base.cells, &p->a, &fno, reterr);
    if (!rc)
        rc = live_dv(mc, p->r->dict, base.cells, cell_blank(base.dv_id) ? CELL_ABSENT : base.dv_id, &p->a, &dv,
                     reterr);
    if (!rc)
        rc = dict_failed(p->r->dict, reterr);
    if (rc)
        return rc;
    if (!fno.cells || !dv.cells)
        show(p, key, !fno.cells ? "is not in F&O" : "is not in Dataverse");
    else if (diff_fields(mc->b, fno.cells, dv.cells, f, 0))
        show(p, key, "differs");
    else
        return set_verified(p, octets, 1, reterr);
    return set_verified(p, octets, 3, reterr);
}

enum ec carry_verify(struct reconcile *r, struct rec_map *m, struct err *reterr)
{
    struct proving p = { .r = r, .m = m, .mc = rec_ctx(r, m) };
    struct strbuf keys = STRBUF(0);
    struct query *q;
    int64_t began, calls;
    enum ec rc;

    rec_clock(r, &began, &calls);
    m->n.differ = 0;
    rc = baseline_open(p.mc, &p.base, reterr);
    if (rc)
        goto out;
    /* Keys that were applied one by one are known from their log. */
    q = store_query(
        p.mc->state,
        "insert or ignore into reconcile_key(key_digest, key, what) select p.key_digest, p.key, 'applied' "
        "from base_overlay p where p.key in (select key from sync_log where id > ?1)");
    query_int(q, 1, m->log_from);
    rc = query_run(q, reterr);
    if (!rc)
        rc = store_exec(p.mc->state, "update reconcile_key set verified = 1 where what = 'agreed'", reterr);
    if (!rc)
        rc = peek(&p, reterr);
    /* One by one: what the feed did not show equal, and all that F&O was given. */
    if (!rc)
        rc = keys_of(
            p.mc,
            "select key_digest from reconcile_key where verified <> 1 or key in (select key from sync_log where id "
            "> ?1 and direction = 'fno') limit 5000",
            m->log_from, &keys, reterr);
    for (size_t at = 0; at < keys.len && !rc; at += 16)
        rc = prove_live(&p, keys.buf + at, reterr);
    if (!rc)
        rc = number(p.mc->state, "select count(*) from reconcile_key", &m->n.touched, reterr);
    if (!rc)
        rc = number(p.mc->state, "select count(*) from reconcile_key where verified = 1", &m->n.verified, reterr);
    if (!rc)
        rc = number(p.mc->state, "select count(*) from pending where state in ('parked', 'conflict', 'poison')",
                    &m->n.waiting, reterr);
    if (!rc)
        rc = number(p.mc->state,
                    "select count(*) from pending where state = 'conflict' and (fno_state = 'deleted' or dv_state = "
                    "'deleted')",
                    &m->n.reported, reterr);
    if (!rc)
        rec_took(r, TIME_VERIFY, began, calls, m->n.touched);
out:
    baseline_close(p.base);
    strbuf_release(&keys);
    arena_release(&p.a);
    return rc ? err_ctx(reterr, rc, "parity of the touched keys of map '%s'", m->c.alias) : EC_OK;
}
