/*
 * What answers mean to the bulk writer. Sources: Dataverse developer guide, "Use bulk operation messages", "Service
 * protection API limits", "Send parallel requests".
 *
 * On standard tables a bulk call is one transaction: a refusal undoes all of it and seldom says which row was meant. So a
 * refused call is cut down until the bad rows stand alone:
 *   - rows whose id, or whose body, holds an id that the text names go into a call of their own;
 *   - up to 8 rows, and up to 200 where several bad ones are expected, go out once more as a $batch with
 *     continue-on-error, which answers row by row in one request;
 *   - otherwise two halves, each a call.
 * Every call is sent at most once by the session below (CALL_ONCE): what happens after a lost answer depends on the rows.
 * Updates are simply sent again. Creations are looked up by the ids that we chose, and only the missing ones are sent
 * again, as UpsertMultiple by those ids where the table has it: the service may still be at work on the call whose answer
 * we lost, and a row that comes in after the look is then written once more with the same values, instead of refused with
 * its whole call. A refusal as duplicate is looked up too, since the row may be ours from an answer that never came.
 */
#include "dv/dv_bulk_parts.h"
#include "base/clock.h"
#include "base/log.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOST_WHOLE = 3 }; /* so many lost answers to the same rows: they go on in halves */

/* ---- stopping ---- */

void writer_give_up(struct writer *w, enum ec rc, const struct err *why)
{
    if (w->rc)
        return;
    w->rc = rc;
    w->err = *why;
    w->err.code = rc;
}

/* ---- results ---- */

/* What a refusal says, without the digits and ids that differ from row to row. */
static uint64_t gist(const struct err *e)
{
    uint64_t h = 1469598103934665603u;
    bool digits = false;

    for (const char *p = e->service_code; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    for (const char *p = e->msg; *p; p++) {
        bool masked = isxdigit((unsigned char)*p) || *p == '-';

        if (!masked || !digits)
            h = (h ^ (masked ? '#' : (unsigned char)*p)) * 1099511628211u;
        digits = masked;
    }
    return h;
}

static void watch_breaker(struct writer *w, const struct dv_bulk_result *r)
{
    uint64_t what;

    if (r->outcome == DV_WRITTEN)
        w->same_n = 0;
    if (r->outcome != DV_REFUSED)
        return;
    /* errors that no other row would escape; a bad value says nothing about its neighbours */
    if (r->klass != DV_CLASS_PLUGIN && r->klass != DV_CLASS_CONFIG && r->klass != DV_CLASS_PERMISSION) {
        w->same_n = 0;
        return;
    }
    what = gist(r->why);
    w->same_n = w->same_n && what == w->same_what ? w->same_n + 1 : 1;
    w->same_what = what;
    if (w->b->breaker > 0 && w->same_n >= w->b->breaker && !w->rc) {
        struct err e = *r->why;

        err_ctx(&e, EC_DATAVERSE, "stopped after %d equal refusals in a row by " CELL_FMT, w->same_n,
                CELL_ARG(w->t->set));
        err_hint(&e, "mend the cause, then run the same command again: written rows are not sent again");
        writer_give_up(w, EC_DATAVERSE, &e);
    }
}

static void deliver(struct writer *w, const struct dv_bulk_row *rows, const struct dv_bulk_result *r, size_t n)
{
    struct err e = { 0 };
    uint8_t id[16];

    if (!n)
        return;
    for (size_t i = 0; i < n; i++) {
        if (dv_guid(cell_of(rows[i].id), id))
            id_set_drop(&w->live, id);
        w->held -= rows[i].body.len + ROW_COST;
        w->recent_rows++;
        w->recent_bad += r[i].outcome == DV_REFUSED;
        watch_breaker(w, &r[i]);
    }
    if (w->recent_rows > 2000) {
        w->recent_rows /= 2;
        w->recent_bad /= 2;
    }
    w->stats.rows += n;
    if (w->results_failed)
        return;
    if (w->b->results(w->b->ctx, r, n, &e)) {
        w->results_failed = true;
        writer_give_up(w, e.code ? e.code : EC_FAIL, &e);
    }
}

void writer_deliver_same(struct writer *w, const struct slice *s, enum dv_outcome outcome, bool created,
                         const struct err *why, int klass)
{
    struct dv_bulk_result *r = xcalloc(s->n, sizeof(*r));

    for (size_t i = 0; i < s->n; i++) {
        r[i].tag = s->rows[i].tag;
        r[i].outcome = outcome;
        r[i].created = created;
        r[i].why = why;
        r[i].klass = klass;
    }
    deliver(w, s->rows, r, s->n);
    free(r);
}

/* ---- pace and size ---- */

static void tune(struct writer *w, size_t n, int64_t elapsed_ms)
{
    w->batch_rows = dv_batch_size(w->batch_rows, n, elapsed_ms);
    if (++w->clean_calls >= 20 && w->lanes < LANES_MAX) {
        w->lanes++;
        w->clean_calls = 0;
    }
}

static void shrink(struct writer *w, size_t n)
{
    int half = (int)(n / 2);

    if (half < w->batch_rows)
        w->batch_rows = half < ROWS_FLOOR ? ROWS_FLOOR : half;
    w->clean_calls = 0;
}

/* Too large once is too large again: growing by time would run into it over and over. */
static void lower_octets(struct writer *w, const struct slice *s)
{
    size_t half = s->octets / 2;

    if (half < OCTETS_LEAST)
        half = OCTETS_LEAST;
    if (half < w->octets_max) {
        w->octets_max = half;
        log_info("dv", CELL_FMT ": the service takes no body of %zu octets: calls are cut to %zu",
                 CELL_ARG(w->t->set), s->octets, half);
    }
}

static int64_t backoff_ms(int tries)
{
    char id[40];
    int64_t base = (int64_t)250 << (tries > 7 ? 7 : tries);

    if (base > 30000)
        base = 30000;
    dv_new_id(id); /* jitter, so that calls that failed together do not meet again */
    return base / 2 + (int64_t)(strtoul(id, NULL, 16) % (unsigned long)(base / 2 + 1));
}

/*
 * Counts a transient failure and sets when the slice is due again. False = enough: it failed too often while others went
 * through, or nothing has gone through for the whole retry deadline (then *ret_all_down is set).
 */
static bool may_repeat(const struct writer *w, struct slice *s, int64_t at_least_ms, bool *ret_all_down)
{
    int64_t now = clock_mono_ms(), wait = backoff_ms(s->tries);

    s->tries++;
    if (!s->since_ms)
        s->since_ms = now;
    s->due_ms = now + (wait > at_least_ms ? wait : at_least_ms);
    *ret_all_down = w->last_ok_ms <= s->since_ms;
    if (*ret_all_down)
        return now - s->since_ms <= w->d->retry_deadline_ms;
    return s->tries <= TRIES_MAX;
}

/* ---- what becomes of a call that did not go through ---- */

static void push_halves(struct writer *w, struct slice *s)
{
    struct slice *a = slice_part(s, 0, s->n / 2), *b = slice_part(s, s->n / 2, s->n - s->n / 2);

    a->due_ms = b->due_ms = s->due_ms;
    slice_push(&w->queue, a);
    slice_push(&w->queue, b);
    slice_free(s);
}

/* Asks which of the slice's ids exist. refuse: per-row errors (moved in) for those that do not; NULL = send them again. */
static void look_up(struct writer *w, struct slice *s, struct err *refuse)
{
    for (size_t from = 0; from < s->n; from += LOOK_ROWS) {
        size_t n = s->n - from < LOOK_ROWS ? s->n - from : LOOK_ROWS;
        struct slice *p = slice_part(s, from, n);

        p->again = s->how == HOW_LOOKUP ? s->again : s->how;
        p->how = HOW_LOOKUP;
        p->due_ms = s->due_ms;
        p->found = xcalloc(n, sizeof(*p->found));
        if (refuse) {
            p->refuse_missing = true;
            p->why = xmalloc(n * sizeof(*p->why));
            memcpy(p->why, refuse + from, n * sizeof(*p->why));
        }
        slice_push(&w->queue, p);
    }
    free(refuse);
    slice_free(s);
}

/* The answer never came, or said nothing about whether the work was done. */
static void lost(struct writer *w, struct slice *s, const struct err *why, int64_t elapsed_ms)
{
    bool all_down;

    s->lost = true;
    log_debug("dv", "the answer to a call with %zu rows of " CELL_FMT " was lost: %s", s->n, CELL_ARG(w->t->set),
              why->msg);
    if (elapsed_ms > SLOW_MS)
        shrink(w, s->n);
    if (!may_repeat(w, s, why->wait_ms, &all_down)) {
        writer_deliver_same(w, s, DV_UNKNOWN, false, why, DV_CLASS_NONE);
        if (all_down)
            writer_give_up(w, why->code == EC_NET ? EC_NET : EC_BUSY, why);
        slice_free(s);
        return;
    }
    if (s->create)
        look_up(w, s, NULL);
    else if ((elapsed_ms > SLOW_MS || s->tries >= LOST_WHOLE || why->code == EC_LIMIT) && s->n > 1)
        push_halves(w, s); /* a gateway may close on a large body, or an answer be too large, without saying so */
    else
        slice_push(&w->queue, s);
}

static double expected_bad(const struct writer *w, size_t n)
{
    return w->recent_rows > 0 ? w->recent_bad / w->recent_rows * (double)n : 0;
}

/* One row at least of n > 1 was refused, and nobody knows which. */
static void isolate(struct writer *w, struct slice *s, enum dv_fault f, const struct err *why)
{
    bool *marks = xcalloc(s->n, sizeof(*marks));
    size_t named = slice_named_rows(s, why->msg, marks);
    bool all_alike = f == DVF_CONFIG || f == DVF_PERMISSION;

    w->stats.halvings++;
    log_debug("dv", "a call with %zu rows of " CELL_FMT " was refused (%zu named): %s", s->n, CELL_ARG(w->t->set),
              named, why->msg);
    if (named && named < s->n) {
        struct slice *meant = slice_part(s, 0, named), *rest = slice_part(s, 0, s->n - named);
        size_t m = 0, r = 0;

        for (size_t i = 0; i < s->n; i++)
            if (marks[i])
                meant->rows[m++] = s->rows[i];
            else
                rest->rows[r++] = s->rows[i];
        if (named > 1 && named <= BATCH_MAX)
            meant->how = HOW_BATCH;
        slice_push(&w->queue, rest);
        slice_push(&w->queue, meant);
        slice_free(s);
    } else if (s->how == HOW_MULTIPLE &&
               (s->n <= BATCH_ALWAYS || (s->n <= BATCH_MAX && (all_alike || expected_bad(w, s->n) >= 3)))) {
        s->how = HOW_BATCH;
        slice_push(&w->queue, s);
    } else {
        push_halves(w, s);
    }
    free(marks);
}

static void refuse_all(struct writer *w, struct slice *s, enum dv_fault f, const struct err *why)
{
    writer_deliver_same(w, s, DV_REFUSED, false, why, dv_fault_class(f));
    slice_free(s);
}

/* The whole call was refused with `f`: nothing of it was applied. */
static void refused_call(struct writer *w, struct slice *s, enum dv_fault f, const struct err *why)
{
    bool all_down = false;

    s->lost = false; /* the service has answered: the rows are not in */
    switch (f) {
    case DVF_STORAGE: writer_give_up(w, EC_DATAVERSE, why); break;
    case DVF_THROTTLE:
    case DVF_BUSY:
        if (!may_repeat(w, s, why->wait_ms, &all_down)) {
            writer_give_up(w, EC_BUSY, why);
            break;
        }
        slice_push(&w->queue, s);
        return;
    case DVF_SQL:
        if (w->lanes > w->in_flight + 1) /* the others are still on their way */
            w->lanes = w->in_flight + 1;
        w->lanes = w->lanes > 2 ? w->lanes / 2 : 1;
        w->clean_calls = 0;
        if (!may_repeat(w, s, why->wait_ms, &all_down)) {
            refuse_all(w, s, f, why);
            return;
        }
        if (s->n > ROWS_FLOOR)
            push_halves(w, s);
        else
            slice_push(&w->queue, s);
        return;
    case DVF_SHRINK:
        if (why->http_status == 413)
            lower_octets(w, s);
        shrink(w, s->n);
        if (s->n > 1) {
            push_halves(w, s);
            return;
        }
        /* alone, too large stays too large, but a time-out may have been the hour's */
        if (why->http_status == 413 || s->tries >= 3 || !may_repeat(w, s, why->wait_ms, &all_down)) {
            refuse_all(w, s, why->http_status == 413 ? DVF_DATA : DVF_PLUGIN, why);
            return;
        }
        slice_push(&w->queue, s);
        return;
    case DVF_UNSUPPORTED:
        if (s->how == HOW_MULTIPLE && s->upsert) {
            w->upsert_multiple = s->upsert = false;
            slice_push(&w->queue, s);
            return;
        }
        if (s->how == HOW_MULTIPLE) {
            log_info("dv", CELL_FMT " has no %s: using $batch", CELL_ARG(w->t->set),
                     s->create ? "CreateMultiple" : "UpdateMultiple");
            if (s->create)
                w->create_multiple = false;
            else
                w->update_multiple = false;
            s->how = HOW_BATCH;
            slice_push(&w->queue, s);
            return;
        }
        refuse_all(w, s, f, why);
        return;
    case DVF_DUPLICATE:
        if (s->create && !s->looked) {
            s->looked = true;
            look_up(w, s, NULL);
            return;
        }
        if (s->create && s->n == 1) {
            struct err *e = xmalloc(sizeof(*e));

            *e = *why;
            look_up(w, s, e);
            return;
        }
        /* fall through */
    default:
        if (s->n > 1)
            isolate(w, s, f, why);
        else
            refuse_all(w, s, f, why);
        return;
    }
    /* giving up: the rows were not applied, so they have no result; the caller sends them in its next run */
    slice_free(s);
}

/* ---- answers ---- */

/* The rows of a $batch, part by part. */
static void settle_batch(struct writer *w, struct slice *s, const struct dv_batch_part *parts, size_t n_parts)
{
    const struct dv_batch_part **of = xcalloc(s->n, sizeof(*of));
    struct dv_bulk_result *res = xcalloc(s->n, sizeof(*res));
    struct dv_bulk_row *rows = xmalloc(s->n * sizeof(*rows)), *again = xmalloc(s->n * sizeof(*again)),
                       *twins = xmalloc(s->n * sizeof(*twins));
    struct err *why = NULL, *twin_why = NULL, last = { 0 };
    size_t n = 0, n_again = 0, n_twins = 0, n_why = 0, missing = 0, position = 0;
    int64_t wait_ms = 0;
    struct http_response r;
    bool all_down;

    http_response_init(&r);
    for (size_t i = 0; i < n_parts; i++) {
        long id = parts[i].content_id;
        size_t k = id >= 1 && (size_t)id <= s->n ? (size_t)id - 1 : position;

        if (k < s->n && !of[k])
            of[k] = &parts[i];
        position = k + 1;
    }
    why = xcalloc(s->n, sizeof(*why));
    for (size_t i = 0; i < s->n; i++) {
        enum dv_fault f = DVF_NONE;
        struct err *e = &why[n_why];

        if (!of[i]) { /* its turn never came, or its answer was cut off */
            again[n_again++] = s->rows[i];
            missing++;
            continue;
        }
        if (of[i]->status >= 300 || of[i]->status < 200) {
            strbuf_reset(&r.body);
            strbuf_add(&r.body, of[i]->body.ptr, of[i]->body.len);
            r.status = of[i]->status;
            r.retry_after_ms = of[i]->retry_after_ms;
            f = dv_answer_error(&r, e);
        }
        switch (f) {
        case DVF_NONE:
            rows[n] = s->rows[i];
            res[n++] = (struct dv_bulk_result){ .tag = s->rows[i].tag, .outcome = DV_WRITTEN, .created = s->create };
            continue;
        case DVF_STORAGE:
            writer_give_up(w, EC_DATAVERSE, e);
            /* fall through */
        case DVF_SHRINK:
            if (s->tries >= 3 && f == DVF_SHRINK) /* it cannot get any smaller than one row */
                break;
            /* fall through */
        case DVF_THROTTLE:
        case DVF_BUSY:
        case DVF_SQL:
            if ((int64_t)e->wait_ms > wait_ms)
                wait_ms = e->wait_ms;
            last = *e;
            again[n_again++] = s->rows[i];
            continue;
        case DVF_DUPLICATE:
            if (s->create) {
                if (!twin_why)
                    twin_why = xcalloc(s->n, sizeof(*twin_why));
                twin_why[n_twins] = *e;
                twins[n_twins++] = s->rows[i];
                continue;
            }
            break;
        default: break;
        }
        n_why++;
        rows[n] = s->rows[i];
        res[n++] = (struct dv_bulk_result){
            .tag = s->rows[i].tag, .outcome = DV_REFUSED, .why = e, .klass = dv_fault_class(f)
        };
    }
    deliver(w, rows, res, n);
    if (n_twins) {
        struct slice *t = slice_new(twins, n_twins, true, HOW_BATCH);

        look_up(w, t, twin_why); /* takes twin_why */
        twin_why = NULL;
    }
    if (n_again) {
        struct slice *a = slice_new(again, n_again, s->create, HOW_BATCH);

        a->lost = missing > 0;
        a->looked = s->looked;
        if (n + n_twins == 0) { /* no progress: count it */
            a->tries = s->tries;
            a->since_ms = s->since_ms;
        }
        if (!last.msg[0])
            err_set(&last, EC_DATAVERSE, "$batch: the answer holds nothing about this row");
        if (may_repeat(w, a, wait_ms, &all_down) || w->rc) {
            slice_push(&w->queue, a);
        } else {
            writer_deliver_same(w, a, a->lost ? DV_UNKNOWN : DV_REFUSED, false, &last, DV_CLASS_NONE);
            slice_free(a);
        }
    }
    http_response_release(&r);
    free(twin_why);
    free(of);
    free(res);
    free(rows);
    free(again);
    free(twins);
    free(why);
    slice_free(s);
}

/* Rows that an id look-up found; the rest goes out again, or is refused with what was said before. */
static void settle_lookup(struct writer *w, struct slice *s)
{
    struct dv_bulk_row *rows = xmalloc(s->n * sizeof(*rows)), *missing = xmalloc(s->n * sizeof(*missing));
    struct dv_bulk_result *res = xcalloc(s->n, sizeof(*res));
    size_t n = 0, n_missing = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (!s->found[i] && !s->refuse_missing) {
            missing[n_missing++] = s->rows[i];
            continue;
        }
        rows[n] = s->rows[i];
        res[n].tag = s->rows[i].tag;
        if (s->found[i]) {
            res[n].outcome = DV_WRITTEN;
            res[n].created = true;
        } else {
            res[n].outcome = DV_REFUSED;
            res[n].why = &s->why[i];
            res[n].klass = DV_CLASS_DUPLICATE;
        }
        n++;
    }
    deliver(w, rows, res, n);
    if (n_missing) {
        struct slice *a = slice_new(missing, n_missing, s->create, s->again);

        a->tries = s->tries;
        a->since_ms = s->since_ms;
        a->looked = s->looked;
        a->upsert = s->lost && s->create && a->how == HOW_MULTIPLE && w->upsert_multiple;
        slice_push(&w->queue, a);
    }
    free(rows);
    free(missing);
    free(res);
    slice_free(s);
}

static void refused_lookup(struct writer *w, struct slice *s, enum dv_fault f, const struct err *why)
{
    bool passing = f == DVF_BUSY || f == DVF_THROTTLE || f == DVF_SQL || f == DVF_SHRINK, all_down = false;

    if (passing && may_repeat(w, s, why->wait_ms, &all_down)) {
        slice_push(&w->queue, s);
        return;
    }
    writer_deliver_same(w, s, DV_UNKNOWN, false, why, DV_CLASS_NONE);
    slice_free(s);
    if (all_down)
        writer_give_up(w, EC_BUSY, why);
}

static void done_lookup(struct writer *w, struct slice *s, const struct http_response *r)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    struct err e = { 0 };
    const struct json *list;
    struct cell next;
    enum ec rc = json_parse("look-up of ids", strbuf_str(&r->body), r->body.len, NULL, &a, &v, &e);

    list = rc ? NULL : json_get(v, "value");
    if (!list || list->type != JSON_ARRAY) {
        if (!rc)
            err_set(&e, EC_DATAVERSE, "look-up of ids: the answer is not a collection of rows");
        refused_lookup(w, s, DVF_BUSY, &e);
        goto out;
    }
    for (const struct json *row = list->child; row; row = row->next) {
        struct cell id = json_member(row, w->pk);

        for (size_t i = 0; i < s->n; i++)
            if (cell_ieq(id, cell_of(s->rows[i].id)))
                s->found[i] = true;
    }
    next = json_member(v, "@odata.nextLink");
    if (!cell_blank(next) && next.len < 65536) {
        strbuf_reset(&s->url);
        strbuf_add(&s->url, next.ptr, next.len);
        slice_push(&w->queue, s);
    } else {
        settle_lookup(w, s);
    }
out:
    arena_release(&a);
}

static void done_multiple(struct writer *w, struct slice *s, const struct http_response *r)
{
    size_t bad = s->create && !s->upsert ? dv_multiple_check_ids(r, s->rows, s->n) : s->n;

    tune(w, s->n, r->elapsed_ms);
    if (bad < s->n) {
        struct err e = { 0 };

        err_set(&e, EC_DATAVERSE, "CreateMultiple in " CELL_FMT ": the service gave other ids than the ones sent",
                CELL_ARG(w->t->set));
        writer_deliver_same(w, s, DV_UNKNOWN, true, &e, DV_CLASS_NONE);
        writer_give_up(w, EC_DATAVERSE, &e);
    } else {
        writer_deliver_same(w, s, DV_WRITTEN, s->create, NULL, DV_CLASS_NONE);
    }
    slice_free(s);
}

/* True when the answer was a multipart one and has been dealt with. */
static bool done_batch(struct writer *w, struct slice *s, const struct http_response *r)
{
    struct arena a = { 0 };
    const char *type = http_header_get(r, "Content-Type", &a);
    const char *boundary = dv_batch_boundary_of(type, &a);
    struct dv_batch_part *parts = NULL;
    struct err e = { 0 };
    size_t n = 0;
    bool complete = false, ok = false;

    if (!boundary)
        goto out;
    if (dv_batch_parse(boundary, strbuf_str(&r->body), r->body.len, ROWS_CAP * 2, &a, &parts, &n, &complete, &e)) {
        lost(w, s, &e, r->elapsed_ms);
        ok = true;
        goto out;
    }
    if (complete && n >= s->n)
        tune(w, s->n, r->elapsed_ms);
    settle_batch(w, s, parts, n);
    ok = true;
out:
    arena_release(&a);
    return ok;
}

/* True when the call itself went wrong: no answer of the service to look at. */
static bool no_answer(struct writer *w, struct slice *s, const struct http_response *r, enum ec rc,
                      const struct err *call_err)
{
    if (rc == EC_STOPPED || rc == EC_AUTH) {
        s->lost = s->lost || (r->request_sent && r->status == 0);
    } else if (!rc || call_err->http_status) {
        return false;
    } else if (rc == EC_NET && !r->request_sent) {
        /* never sent: the session has tried for as long as it may */
    } else if (s->how != HOW_LOOKUP) {
        lost(w, s, call_err, r->elapsed_ms);
        return true;
    }
    writer_give_up(w, rc, call_err);
    slice_push(&w->queue, s); /* writer's end tells the rows whose fate is open */
    return true;
}

void writer_settle(struct writer *w, struct slice *s, const struct http_response *r, enum ec rc,
                   const struct err *call_err)
{
    struct err e = { 0 };
    enum dv_fault f;

    if (no_answer(w, s, r, rc, call_err))
        return;
    if (r->status >= 200 && r->status < 300) {
        w->last_ok_ms = clock_mono_ms();
        if (s->how == HOW_LOOKUP)
            done_lookup(w, s, r);
        else if (s->how == HOW_MULTIPLE)
            done_multiple(w, s, r);
        else if (!done_batch(w, s, r)) {
            err_set(&e, EC_DATAVERSE, "$batch: the answer is not multipart");
            lost(w, s, &e, r->elapsed_ms);
        }
        return;
    }
    /* a service that stops at the first failure answers 400 with the parts so far */
    if (s->how == HOW_BATCH && r->status < 500 && done_batch(w, s, r))
        return;
    f = dv_answer_error(r, &e);
    if (dv_fault_is_row(f)) /* the service is there and works */
        w->last_ok_ms = clock_mono_ms();
    if (s->how == HOW_LOOKUP)
        refused_lookup(w, s, f, &e);
    else if (f == DVF_BUSY)
        lost(w, s, &e, r->elapsed_ms); /* a gateway's answer does not say whether the service did the work */
    else
        refused_call(w, s, f, &e);
}
