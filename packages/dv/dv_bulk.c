/*
 * The bulk writer: rows in, calls out. What becomes of the answers is dv_settle.c.
 */
#include "dv/dv_bulk_parts.h"
#include "base/clock.h"
#include "base/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ---- */

static size_t cost(const struct dv_bulk_row *row)
{
    return row->body.len + ROW_COST;
}

static void list_add(struct row_list *l, const struct dv_bulk_row *row)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 256;
        l->rows = xrealloc(l->rows, l->cap * sizeof(*l->rows));
    }
    l->rows[l->n++] = *row;
    l->octets += cost(row);
}

static void list_drop_front(struct row_list *l, size_t n)
{
    for (size_t i = 0; i < n; i++)
        l->octets -= cost(&l->rows[i]);
    l->n -= n;
    memmove(l->rows, l->rows + n, l->n * sizeof(*l->rows));
}

/* What is on its way, as calls or waiting to be repeated. */
static size_t under_way(const struct writer *w)
{
    return w->held - w->creates.octets - w->updates.octets - w->waiting.octets;
}

/* How large the next call may be: a quarter of what memory is left, so that many can be on their way side by side. */
static size_t call_octets(const struct writer *w)
{
    size_t away = under_way(w), share = away < HELD_MAX ? (HELD_MAX - away) / 4 : 0;

    share = share < HELD_LEAST ? HELD_LEAST : share;
    return share < w->octets_max ? share : w->octets_max;
}

static bool list_full(const struct writer *w, const struct row_list *l)
{
    return l->n >= (size_t)w->batch_rows || l->octets >= call_octets(w);
}

/* Rows of the list for one call: by number, and by octets, but one at least. */
static struct slice *list_take(struct writer *w, struct row_list *l, bool create)
{
    bool multiple = create ? w->create_multiple : w->update_multiple;
    size_t n = 0, octets = 0, most = call_octets(w);
    struct slice *s;

    while (n < l->n && n < (size_t)w->batch_rows) {
        octets += cost(&l->rows[n]);
        if (n && octets > most)
            break;
        n++;
    }
    s = slice_new(l->rows, n, create, multiple ? HOW_MULTIPLE : HOW_BATCH);
    list_drop_front(l, n);
    return s;
}

/* ---- the pool's callbacks ---- */

static bool pull(struct writer *w, struct err *reterr)
{
    struct dv_bulk_row row = { 0 };
    uint8_t id[16];

    if (!w->b->next(w->b->ctx, &row, reterr)) {
        w->source_end = true;
        return false;
    }
    if (!dv_guid(cell_of(row.id), id)) {
        err_set(reterr, EC_FORMAT, "write to " CELL_FMT ": '%.40s' is not an id", CELL_ARG(w->t->set), row.id);
        w->source_end = true;
        return false;
    }
    w->held += cost(&row);
    if (id_set_add(&w->live, id))
        list_add(row.create ? &w->creates : &w->updates, &row);
    else
        list_add(&w->waiting, &row);
    return true;
}

/* Rows whose id has come free, the first of each id. */
static void release_waiting(struct writer *w)
{
    struct row_list *l = &w->waiting;
    size_t kept = 0;
    uint8_t id[16];

    for (size_t i = 0; i < l->n; i++) {
        struct dv_bulk_row *row = &l->rows[i];

        if (dv_guid(cell_of(row->id), id) && id_set_add(&w->live, id)) {
            list_add(row->create ? &w->creates : &w->updates, row);
        } else {
            l->rows[kept++] = *row;
        }
    }
    l->n = kept;
    l->octets = 0;
    for (size_t i = 0; i < kept; i++)
        l->octets += cost(&l->rows[i]);
}

static struct slice *gather(struct writer *w, struct err *reterr)
{
    release_waiting(w);
    if (under_way(w) >= HELD_MAX) /* until an answer has come */
        return NULL;
    while (!w->source_end && !list_full(w, &w->creates) && !list_full(w, &w->updates) && w->waiting.n < WAITING_MAX)
        if (!pull(w, reterr))
            break;
    if (reterr->code)
        return NULL;
    if (list_full(w, &w->creates))
        return list_take(w, &w->creates, true);
    if (list_full(w, &w->updates))
        return list_take(w, &w->updates, false);
    /* the end, or too many rows wait for ids that are in these lists */
    if (w->creates.n)
        return list_take(w, &w->creates, true);
    return w->updates.n ? list_take(w, &w->updates, false) : NULL;
}

static void prepare(struct writer *w, struct slice *s, struct call *ret)
{
    struct dv_request q = { .method = "POST", .write = true, .repeat = CALL_ONCE, .max_answer = (uint64_t)32 << 20 };

    strbuf_reset(&s->body);
    if (s->how == HOW_LOOKUP) {
        struct cell *ids = xmalloc(s->n * sizeof(*ids));
        size_t asked;

        q = (struct dv_request){
            .method = "GET", .what = "look-up of ids", .repeat = CALL_REPEATABLE, .json_object = true
        };
        for (size_t i = 0; i < s->n; i++)
            ids[i] = cell_of(s->rows[i].id);
        if (!s->url.len) /* else the next page */
            BUG_IF(dv_in_url(w->t, w->t->pk, ids, s->n, CELL_ABSENT, CELL_ABSENT, NULL, &s->url, &asked) != s->n,
                   "a look for ids does not fit into a URL");
        free(ids);
    } else if (s->how == HOW_MULTIPLE) {
        strbuf_reset(&s->url);
        q.what = s->upsert ? "UpsertMultiple" : s->create ? "CreateMultiple" : "UpdateMultiple";
        dv_multiple_url(w->d, &s->url, w->t, q.what);
        dv_multiple_begin(&s->multiple, (struct cell){ w->head.buf, w->head.len }, s->rows, s->n);
        q.prefer = "odata.include-annotations=\"*\""; /* an error names the plug-in that threw */
    } else {
        strbuf_reset(&s->url);
        strbuf_adds(&s->url, DV_API "$batch");
        dv_batch_boundary(s->boundary);
        snprintf(s->content_type, sizeof(s->content_type), "multipart/mixed; boundary=\"%s\"", s->boundary);
        dv_batch_body(w->d, &s->body, s->boundary, w->t, s->rows, s->n);
        q.what = "$batch";
        q.prefer = "odata.continue-on-error, odata.include-annotations=\"*\"";
        q.content_type = s->content_type;
    }
    if (s->how != HOW_LOOKUP)
        w->stats.message = q.what;
    q.url = strbuf_str(&s->url);
    if (s->body.len)
        q.body = (struct cell){ s->body.buf, s->body.len };
    if (s->how == HOW_MULTIPLE)
        q.rows = &s->multiple;
    dv_call_fill(w->d, &q, &s->headers, ret);
    s->octets = s->how == HOW_LOOKUP ? 0 : ret->http.body_len;
    ret->kept_alive = true; /* what became of a lost call is looked up, row by row */
    ret->parts = s->how == HOW_LOOKUP ? 0 : s->n;
}

static bool pool_next(void *ctx, struct session_job *job, struct err *reterr)
{
    struct writer *w = ctx;
    struct err e = { 0 };
    struct slice *s;

    if (w->rc || stop_requested() || w->in_flight >= w->lanes)
        return false;
    s = slice_pop_due(&w->queue, clock_mono_ms());
    if (!s) {
        s = gather(w, &e);
        w->stats.first_calls += s != NULL;
    }
    if (e.code) {
        writer_give_up(w, e.code, &e);
        *reterr = e;
        return false;
    }
    if (!s)
        return false;
    prepare(w, s, &job->call);
    job->resp.status = 0; /* of the job that had this place before */
    job->resp.request_sent = false;
    if (s->how != HOW_LOOKUP) {
        if (w->b->sending && w->b->sending(w->b->ctx, s->rows, s->n, &e)) {
            writer_give_up(w, e.code ? e.code : EC_FAIL, &e);
            slice_push(&w->queue, s);
            *reterr = w->err;
            return false;
        }
        w->stats.single_calls += s->n == 1;
        STEP(bulk_call);
    }
    w->stats.calls++;
    w->in_flight++;
    job->arg = s;
    return true;
}

static enum ec pool_done(void *ctx, struct session_job *job, enum ec rc, struct err *call_err, struct err *reterr)
{
    struct writer *w = ctx;
    struct slice *s = job->arg;

    w->in_flight--;
    if (s->how != HOW_LOOKUP)
        STEP(bulk_called);
    writer_settle(w, s, &job->resp, rc, call_err);
    if (w->rc && reterr)
        *reterr = w->err;
    return w->rc;
}

static void pool_idle(void *ctx)
{
    struct writer *w = ctx;

    if (w->b->idle)
        w->b->idle(w->b->ctx);
}

/* ---- the end ---- */

/* What is left when the run ends early: rows with an open fate are told, the others were never applied. */
static void leave(struct writer *w)
{
    struct slice *s;

    while ((s = slice_pop_due(&w->queue, INT64_MAX))) {
        if (s->lost || s->how == HOW_LOOKUP) {
            struct err e = w->err;

            err_ctx(&e, e.code, "stopped before a look could settle this row");
            writer_deliver_same(w, s, DV_UNKNOWN, false, &e, DV_CLASS_NONE);
        }
        slice_free(s);
    }
}

static bool all_done(const struct writer *w)
{
    return w->source_end && !w->queue.head && !w->creates.n && !w->updates.n && !w->waiting.n;
}

enum ec dv_bulk_write(struct dv *d, const struct dv_table *t, const struct dv_bulk *b,
                      struct dv_bulk_stats *ret_stats, struct err *reterr)
{
    struct writer w = { .d = d,
                        .t = t,
                        .b = b,
                        .create_multiple = t->create_multiple,
                        .update_multiple = t->update_multiple,
                        .upsert_multiple = t->create_multiple && t->update_multiple,
                        .lanes = LANES_MAX,
                        .batch_rows = ROWS_START,
                        .octets_max = OCTETS_MAX };
    struct session_pool pool = { .next = pool_next, .done = pool_done, .idle = pool_idle, .ctx = &w };
    struct err e = { 0 };
    enum ec rc;

    snprintf(w.pk, sizeof(w.pk), CELL_FMT, CELL_ARG(t->pk));
    dv_multiple_head(&w.head, t);
    for (;;) {
        int64_t due, now;

        rc = session_run(d->session, &pool, &e);
        if (!rc && stop_requested())
            rc = err_set(&e, EC_STOPPED, "write to " CELL_FMT ": stopped", CELL_ARG(t->set));
        if (rc)
            writer_give_up(&w, rc, &e);
        if (w.rc || all_done(&w))
            break;
        for (due = slice_next_due(&w.queue); due > (now = clock_mono_ms()) && !stop_requested();) {
            clock_sleep_ms(due - now < 250 ? due - now : 250);
            pool_idle(&w);
        }
    }
    leave(&w);
    w.stats.batch_rows = w.batch_rows;
    if (ret_stats)
        *ret_stats = w.stats;
    if (w.rc && reterr)
        *reterr = w.err;
    free(w.creates.rows);
    free(w.updates.rows);
    free(w.waiting.rows);
    strbuf_release(&w.head);
    id_set_release(&w.live);
    return w.rc;
}
