#include "sync/apply_bulk.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/delta_row.h"
#include "sync/merge.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE = 500 };
#define MARK "bulk"

struct bulk {
    struct map_ctx *m;
    const struct run *run;
    struct dict *d;
    struct baseline *base;
    struct bulk_counts *c;
    bulk_touched *touched;
    void *arg;
    struct strbuf keys; /* 16 octets each: those chosen, in order */
    size_t at; /* next of them for the bulk writer */
    struct arena a; /* of one row */
};

/* One pending key, with both rows as they are by the feeds, and the base. */
struct change {
    char octets[16];
    struct digest digest;
    struct cell key, dv_id;
    const struct cell *fno, *dv;
    struct base_row base;
    struct merge_out out;
    bool doubtful; /* a side's row is none of the map's, or cannot be read */
    bool quiet; /* no other hand is needed: equal on both sides, or towards Dataverse alone */
};

static const struct cell *unpack(struct bulk *b, struct cell blob)
{
    struct cell *cells;

    if (cell_absent(blob))
        return NULL;
    cells = arena_zalloc(&b->a, (b->m->b->n + 1) * sizeof(*cells));
    return row_unpack(arena_dup(&b->a, blob.ptr, blob.len), blob.len, cells, b->m->b->n) ? cells : NULL;
}

static enum ec load(struct bulk *b, const char octets[16], struct change *ch, bool *ret_found, struct err *reterr)
{
    struct query *q = store_query(b->m->state, "select key, fno_row, fno_state, dv_row, dv_state, dv_id from pending "
                                               "where key_digest = ?1");
    char fno_state[16] = "", dv_state[16] = "";
    enum ec rc;

    *ch = (struct change){ .digest = { 0, 0 } };
    memcpy(ch->octets, octets, 16);
    for (int i = 0; i < 8; i++) {
        ch->digest.hi = ch->digest.hi << 8 | (unsigned char)octets[i];
        ch->digest.lo = ch->digest.lo << 8 | (unsigned char)octets[8 + i];
    }
    query_blob(q, 1, octets, 16);
    *ret_found = query_step(q);
    if (*ret_found) {
        ch->key = cell_dup(&b->a, query_get_cell(q, 0));
        ch->fno = unpack(b, query_get_blob(q, 1));
        snprintf(fno_state, sizeof(fno_state), "%s", query_get_str(q, 2));
        ch->dv = unpack(b, query_get_blob(q, 3));
        snprintf(dv_state, sizeof(dv_state), "%s", query_get_str(q, 4));
        ch->dv_id = cell_dup(&b->a, query_get_cell(q, 5));
    }
    rc = query_done(q, reterr);
    if (!rc && *ret_found)
        rc = baseline_row(b->base, ch->digest, &b->a, &ch->base, reterr);
    if (rc || !*ret_found)
        return rc;
    ch->doubtful = (fno_state[0] && strcmp(fno_state, "changed")) || (dv_state[0] && strcmp(dv_state, "changed")) ||
                   (fno_state[0] && !ch->fno) || (dv_state[0] && !ch->dv);
    if (!fno_state[0])
        ch->fno = ch->base.cells;
    if (!dv_state[0])
        ch->dv = ch->base.cells;
    if (cell_blank(ch->dv_id))
        ch->dv_id = ch->base.dv_id;
    return EC_OK;
}

static void merge(struct bulk *b, struct change *ch)
{
    struct merge_in in = { .b = b->m->b,
                           .base = ch->base.deleted ? NULL : ch->base.cells,
                           .fno = ch->fno,
                           .dv = ch->dv,
                           .rule = b->m->cfg->conflict == CONFLICT_QUEUE ? MERGE_QUEUE : MERGE_MASTER };
    struct merge_out *o = &ch->out;

    merge_record(&in, &b->a, o);
    ch->quiet = !ch->doubtful && o->merged && !o->n_conflicts && !o->delete_update && o->to_fno == MERGE_NOTHING &&
                (o->to_dv == MERGE_NOTHING || o->to_dv == MERGE_UPDATE || o->to_dv == MERGE_CREATE);
    /* Both there and nothing to write, although not alike: a one-way field against its direction, which a person must see. */
    if (ch->quiet && o->to_dv == MERGE_NOTHING)
        ch->quiet = ch->fno && ch->dv && !o->against && !o->why[0];
}

static enum ec drop(struct bulk *b, const struct change *ch, struct err *reterr)
{
    struct query *q = store_query(b->m->state, "delete from pending where key_digest = ?1");

    query_blob(q, 1, ch->octets, 16);
    return query_run(q, reterr);
}

static enum ec mark(struct bulk *b, const struct change *ch, const char *state, const char *reason,
                    struct err *reterr)
{
    struct query *q = store_query(b->m->state, "update pending set state = ?2, reason = ?3 where key_digest = ?1");

    query_blob(q, 1, ch->octets, 16);
    query_str(q, 2, state);
    query_str(q, 3, reason);
    return query_run(q, reterr);
}

static enum ec log_it(struct bulk *b, const struct change *ch, struct err *reterr)
{
    struct query *q = store_query(
        b->m->state, "insert into sync_log(key, direction, fields, detail, at) values(?1, 'dataverse', ?2, ?3, ?4)");
    struct strbuf fields = STRBUF(2000);
    char now[32];
    enum ec rc;

    for (size_t i = 0; i < b->m->b->n; i++)
        if (ch->out.dv_fields[i])
            strbuf_addf(&fields, "%s" CELL_FMT, fields.len ? "," : "", CELL_ARG(b->m->b->fields[i].name));
    clock_format_utc(clock_utc_ms(), now);
    query_cell(q, 1, ch->key);
    query_str(q, 2, strbuf_str(&fields));
    query_str(q, 3, ch->out.to_dv == MERGE_CREATE ? "created in bulk" : "updated in bulk");
    query_str(q, 4, now);
    rc = query_run(q, reterr);
    strbuf_release(&fields);
    return rc;
}

static enum ec tell(struct bulk *b, const struct change *ch, const char *what, struct err *reterr)
{
    return b->touched ? b->touched(b->arg, ch->octets, ch->key, what, reterr) : EC_OK;
}

/* ---- choosing ---- */

static enum ec choose(struct bulk *b, enum bulk_mode mode, const struct change *ch, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (!ch->quiet) {
        b->c->left++;
    } else if (ch->out.to_dv == MERGE_NOTHING) {
        rc = baseline_put(b->m, ch->digest, ch->key, ch->out.merged, ch->dv_id, reterr);
        if (!rc)
            rc = drop(b, ch, reterr);
        if (!rc)
            rc = tell(b, ch, "agreed", reterr);
        b->c->agreed++;
    } else if (mode == BULK_WRITE) {
        strbuf_add(&b->keys, ch->octets, 16);
        b->c->chosen++;
    } else {
        b->c->left++;
    }
    return rc;
}

/* The next keys after `from`, in digest order; pages, so that no statement stays open over a transaction's end. */
static enum ec page_of(struct bulk *b, const char from[16], bool first, struct strbuf *ret, struct err *reterr)
{
    struct query *q = store_query(b->m->state, "select key_digest from pending where state in ('new', 'sending', "
                                               "'parked') and reason not like 'adopt:%' and resolve = '' and "
                                               "(?2 or key_digest > ?1) order by key_digest limit 500");

    strbuf_reset(ret);
    query_blob(q, 1, from, 16);
    query_int(q, 2, first);
    while (query_step(q)) {
        struct cell k = query_get_blob(q, 0);

        if (k.len == 16)
            strbuf_add(ret, k.ptr, 16);
    }
    return query_done(q, reterr);
}

static enum ec choose_all(struct bulk *b, enum bulk_mode mode, struct err *reterr)
{
    struct strbuf page = STRBUF(0);
    char from[16] = { 0 };
    bool first = true;
    enum ec rc;

    for (;;) {
        rc = page_of(b, from, first, &page, reterr);
        if (rc || !page.len)
            break;
        first = false;
        memcpy(from, page.buf + page.len - 16, 16);
        rc = store_begin(b->m->state, reterr);
        for (size_t at = 0; at < page.len && !rc; at += 16) {
            struct change ch;
            bool found = false;

            arena_reset(&b->a);
            rc = load(b, page.buf + at, &ch, &found, reterr);
            if (rc || !found)
                continue;
            merge(b, &ch);
            rc = choose(b, mode, &ch, reterr);
        }
        if (store_in_transaction(b->m->state))
            rc = store_end(b->m->state, rc, reterr);
        if (rc)
            break;
        if (stop_requested()) {
            rc = err_set(reterr, EC_STOPPED, "stopped while merging changes of map '%s'", b->m->cfg->alias);
            break;
        }
    }
    strbuf_release(&page);
    return rc;
}

static enum ec mark_all(struct bulk *b, const char *state, const char *reason, struct err *reterr)
{
    enum ec rc = store_begin(b->m->state, reterr);

    for (size_t at = 0; at < b->keys.len && !rc; at += 16) {
        struct change ch;

        memcpy(ch.octets, b->keys.buf + at, 16);
        rc = mark(b, &ch, state, reason, reterr);
    }
    return store_in_transaction(b->m->state) ? store_end(b->m->state, rc, reterr) : rc;
}

/* ---- writing ---- */

static enum ec next_row(void *ctx, struct dvload_row *ret, bool *ret_more, struct err *reterr)
{
    struct bulk *b = ctx;
    struct change ch;
    bool found = false;
    enum ec rc;

    for (*ret_more = false; b->at < b->keys.len; b->at += 16) {
        arena_reset(&b->a);
        rc = load(b, b->keys.buf + b->at, &ch, &found, reterr);
        if (rc)
            return rc;
        if (!found)
            continue;
        merge(b, &ch);
        b->at += 16;
        *ret = (struct dvload_row){ .key = ch.key, .cells = ch.out.merged, .fields = ch.out.dv_fields };
        if (ch.out.to_dv == MERGE_UPDATE)
            ret->id = ch.dv_id;
        else
            ret->fields = NULL;
        *ret_more = true;
        return EC_OK;
    }
    return EC_OK;
}

static enum ec rewind_rows(void *ctx, struct err *reterr)
{
    struct bulk *b = ctx;

    (void)reterr;
    b->at = 0;
    return EC_OK;
}

/* The refusal of this key in this run; false = it was written. */
static enum ec refused(struct bulk *b, const struct change *ch, bool *ret, char ret_state[static 16],
                       char ret_why[static 400], struct err *reterr)
{
    struct query *q =
        store_query(b->m->state, "select state, message from row_exception where run_id = ?1 and side = "
                                 "'dataverse' and key = ?2 limit 1");

    query_int(q, 1, b->run->id);
    query_cell(q, 2, ch->key);
    *ret = query_step(q);
    if (*ret) {
        snprintf(ret_state, 16, "%s", query_get_str(q, 0));
        snprintf(ret_why, 400, "%s", query_get_str(q, 1));
    }
    return query_done(q, reterr);
}

static enum ec settle(struct bulk *b, struct change *ch, bool any_refused, struct err *reterr)
{
    char state[16], why[400], id[40];
    bool bad = false;
    enum ec rc = any_refused ? refused(b, ch, &bad, state, why, reterr) : EC_OK;

    if (rc)
        return rc;
    if (bad) /* unknown: nothing is believed, apply_pending() reads it */
        return mark(b, ch,
                    !strcmp(state, "unknown")  ? "sending"
                    : !strcmp(state, "parked") ? "parked"
                                               : "poison",
                    why, reterr);
    if (ch->out.to_dv == MERGE_CREATE) {
        dvload_id(b->m->b, dict_organization(b->d), ch->key, id);
        ch->dv_id = cell_dup(&b->a, cell_of(id));
    }
    rc = baseline_put(b->m, ch->digest, ch->key, ch->out.merged, ch->dv_id, reterr);
    if (!rc)
        rc = drop(b, ch, reterr);
    if (!rc)
        rc = log_it(b, ch, reterr);
    return rc ? rc : tell(b, ch, "written", reterr);
}

static enum ec settle_all(struct bulk *b, bool any_refused, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t at = 0; at < b->keys.len && !rc;) {
        STEP(bulk_settle);
        rc = store_begin(b->m->state, reterr);
        for (size_t n = 0; n < PAGE && at < b->keys.len && !rc; n++, at += 16) {
            struct change ch;
            bool found = false;

            arena_reset(&b->a);
            rc = load(b, b->keys.buf + at, &ch, &found, reterr);
            if (rc || !found)
                continue;
            merge(b, &ch);
            rc = settle(b, &ch, any_refused, reterr);
        }
        if (store_in_transaction(b->m->state))
            rc = store_end(b->m->state, rc, reterr);
        STEP(bulk_settled);
    }
    return rc;
}

static enum ec write_chosen(struct bulk *b, struct err *reterr)
{
    struct dvload in = { .next = next_row, .rewind = rewind_rows, .ctx = b, .total = (int64_t)(b->keys.len / 16) };
    struct dvload_counts w = { 0 };
    enum ec rc = mark_all(b, "sending", MARK, reterr);

    if (!rc)
        rc = dvload_write(b->m, b->run, b->d, &in, &w, reterr);
    b->c->created += w.created;
    b->c->updated += w.updated;
    b->c->refused += w.refused + w.unknown;
    b->c->parked += w.parked;
    b->c->calls += w.calls;
    return rc ? rc : settle_all(b, w.refused + w.parked + w.unknown > 0, reterr);
}

enum ec apply_bulk(struct map_ctx *m, const struct run *run, enum bulk_mode mode, uint64_t at_least,
                   bulk_touched *touched, void *arg, struct bulk_counts *ret, struct err *reterr)
{
    struct bulk b = { .m = m, .run = run, .c = ret, .touched = touched, .arg = arg };
    enum ec rc = baseline_open(m, &b.base, reterr);

    *ret = (struct bulk_counts){ 0 };
    if (!rc)
        rc = choose_all(&b, mode, reterr);
    if (!rc && b.c->chosen < at_least) {
        ret->left += ret->chosen;
        ret->chosen = 0;
    }
    if (!rc && b.c->chosen) {
        rc = dict_open(m->pair, &b.d, reterr); /* a whole one: each lookup target is read once, not row by row */
        if (!rc)
            rc = write_chosen(&b, reterr);
        dict_close(b.d);
        if (!rc)
            log_info("bulk", "%s: %llu created, %llu updated in Dataverse with %llu calls, %llu refused, %llu parked",
                     m->cfg->alias, (unsigned long long)ret->created, (unsigned long long)ret->updated,
                     (unsigned long long)ret->calls, (unsigned long long)ret->refused,
                     (unsigned long long)ret->parked);
    }
    baseline_close(b.base);
    strbuf_release(&b.keys);
    arena_release(&b.a);
    return rc;
}
