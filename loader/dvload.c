#include "loader/public/dvload.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"

#include <stdio.h>
#include <stdlib.h>

void dvload_id(const struct binding *b, const char *organization_id, struct cell key, char ret[static 40])
{
    static const struct canon_rule KEY = { .type = CANON_KEY };
    struct arena a = { 0 };
    struct cell folded = canon_fold(&KEY, key, &a);
    struct cell text = cell_printf(&a, "%s|%.*s|%.*s", organization_id, (int)b->table->logical.len,
                                   b->table->logical.ptr, (int)folded.len, folded.ptr);

    dv_id_from(text.ptr, text.len, ret);
    arena_release(&a);
}

/* ---- one record's body ---- */

static void member(struct strbuf *out, struct cell name, const char *suffix)
{
    if (out->len)
        strbuf_addc(out, ',');
    strbuf_addc(out, '"');
    strbuf_add(out, name.ptr, name.len);
    strbuf_adds(out, suffix);
    strbuf_adds(out, "\":");
}

static void bind_to(struct strbuf *out, struct cell set, struct cell id)
{
    strbuf_adds(out, "\"/");
    strbuf_add(out, set.ptr, set.len);
    strbuf_addc(out, '(');
    strbuf_add(out, id.ptr, id.len);
    strbuf_adds(out, ")\"");
}

static enum ec add_lookup(struct dict *d, const struct binding *b, const struct bound_lookup *l,
                          const struct cell *cells, bool create, struct strbuf *out, struct arena *a,
                          struct err *reterr)
{
    struct cell parts[16], id = CELL_ABSENT;
    bool blank = true;

    for (size_t i = 0; i < l->n && i < COUNT(parts); i++) {
        parts[i] = cells[l->fields[i]];
        blank = blank && cell_blank(parts[i]);
    }
    if (blank) {
        if (!create) {
            member(out, l->nav, "@odata.bind");
            strbuf_adds(out, "null");
        }
        return EC_OK;
    }
    if (!dict_by_key(d, l->target, l->columns, l->n, l->striped ? cells[0] : CELL_ABSENT, parts, a, &id)) {
        struct cell key = key_join(a, parts, l->n);

        return err_set(reterr, EC_NOTFOUND,
                       "no row '" CELL_FMT "'%s" CELL_FMT " in Dataverse table '" CELL_FMT "' for " CELL_FMT,
                       CELL_ARG(key), l->striped ? " of company " : "",
                       CELL_ARG(l->striped ? cells[0] : CELL_LIT("")), CELL_ARG(l->target->logical),
                       CELL_ARG(b->fields[l->fields[0]].name));
    }
    member(out, l->nav, "@odata.bind");
    bind_to(out, l->target->set, id);
    return EC_OK;
}

static enum ec add_company(struct map_ctx *m, const struct cell *cells, struct strbuf *out, struct err *reterr)
{
    const struct binding *b = m->b;
    const struct pair_company *c = pair_company(m->pair, cells[0]);
    const struct dv_column *col = b->table->company;

    if (!c || cell_absent(c->dv_id))
        return err_set(reterr, EC_NOTFOUND, "company '" CELL_FMT "' has no row in cdm_companies for dataAreaId",
                       CELL_ARG(cells[0]));
    if (b->table->user_owned && cell_absent(c->team_id))
        return err_set(reterr, EC_NOTFOUND, "company '" CELL_FMT "' has no default owning team for dataAreaId",
                       CELL_ARG(cells[0]));
    member(out, col->navs[0].nav, "@odata.bind");
    bind_to(out, CELL_LIT("cdm_companies"), c->dv_id);
    if (b->table->user_owned) {
        member(out, CELL_LIT("ownerid"), "@odata.bind");
        bind_to(out, CELL_LIT("teams"), c->team_id);
    }
    return EC_OK;
}

static enum ec add_value(const struct binding *b, size_t i, const struct cell *cells, struct strbuf *out,
                         struct arena *a, struct err *reterr)
{
    const char *why = "";
    struct cell literal;

    if (!bind_to_dv_value(b, (int)i, cells[i], a, &literal, &why))
        return err_set(reterr, EC_FORMAT, CELL_FMT " '" CELL_FMT "': %s", CELL_ARG(b->fields[i].name),
                       CELL_ARG(cells[i]), why);
    member(out, b->fields[i].c->name, "");
    strbuf_add(out, literal.ptr, literal.len);
    return EC_OK;
}

/* *ret_late: a lookup of a cycle was left out, since the row that it names is not there yet. */
static enum ec record_body(struct map_ctx *m, struct dict *d, const struct cell *cells, const bool *fields,
                           bool create, bool with_self, struct strbuf *out, struct arena *scratch, bool *ret_late,
                           struct err *reterr)
{
    const struct binding *b = m->b;
    enum ec rc = EC_OK;

    *ret_late = false;
    if (create && b->striped)
        rc = add_company(m, cells, out, reterr);
    for (size_t i = 0; i < b->n && !rc; i++) {
        const struct bound_field *f = &b->fields[i];

        if ((fields && !fields[i] && !(create && f->key)) || f->kind == BOUND_COMPANY || f->kind == BOUND_CONST_FNO)
            continue;
        if (!map_dir_to_dv(f->dir) || (f->key && !create))
            continue;
        if (f->kind != BOUND_LOOKUP) {
            rc = add_value(b, i, cells, out, scratch, reterr);
        } else if (f->part == 0 || (fields && !fields[b->lookups[f->lookup].fields[0]])) {
            const struct bound_lookup *l = &b->lookups[f->lookup];

            if (!l->self || with_self)
                rc = add_lookup(d, b, l, cells, create, out, scratch, reterr);
            if (rc == EC_NOTFOUND && l->later && !with_self) {
                rc = EC_OK;
                *ret_late = true;
            }
        }
    }
    return rc;
}

enum ec dvload_body(struct map_ctx *m, struct dict *d, const struct cell *cells, const bool *fields, bool create,
                    bool with_self, struct strbuf *out, struct arena *scratch, struct err *reterr)
{
    bool late;

    return record_body(m, d, cells, fields, create, with_self, out, scratch, &late, reterr);
}

/* ---- many rows ---- */

struct flying { /* one row between next() and its result */
    struct flying *prev, *next;
    char *key, *body;
    bool link; /* an update of nothing but lookups of the second pass */
    uint64_t *counted; /* second pass: where the first one counted the row; NULL = nowhere */
};
struct waiting_exception {
    char *key, *state, *stage, *field, *message;
};
struct writing {
    struct map_ctx *m;
    const struct run *run;
    struct dict *d;
    const struct dvload *in;
    struct dvload_counts c;
    struct flying *flying; /* what has no result yet: freed here when there will be none */
    bool second; /* pass */
    bool late; /* the first pass left a lookup out */
    uint64_t done;
    struct arena scratch;
    struct waiting_exception *parked;
    size_t n_parked;
    const char *phase;
};

static enum ec add_exception(struct writing *w, const char *key, const char *state, const char *stage,
                             const char *field, const char *code, const char *message, struct err *reterr)
{
    struct exception e = { .side = "dataverse",
                           .row_no = -1,
                           .line = -1,
                           .offset = -1,
                           .key = cell_of(key),
                           .state = state,
                           .stage = stage,
                           .field = cell_of(field),
                           .code = cell_of(code),
                           .message = cell_of(message) };

    return exception_add(w->m, w->run->id, &e, reterr);
}

static enum ec flush_parked(struct writing *w, struct err *reterr)
{
    enum ec rc;

    if (!w->n_parked)
        return EC_OK;
    rc = store_begin(w->m->state, reterr);
    for (size_t i = 0; i < w->n_parked; i++) {
        struct waiting_exception *e = &w->parked[i];

        if (!rc)
            rc = add_exception(w, e->key, e->state, e->stage, e->field, NULL, e->message, reterr);
        free(e->key);
        free(e->message);
    }
    w->n_parked = 0;
    return store_in_transaction(w->m->state) ? store_end(w->m->state, rc, reterr) : rc;
}

static enum ec park(struct writing *w, struct cell key, enum ec why, const struct err *e, struct err *reterr)
{
    struct arena a = { 0 };

    if (!w->parked)
        w->parked = xcalloc(256, sizeof(*w->parked));
    w->parked[w->n_parked++] = (struct waiting_exception){
        .key = xstrdup(cell_cstr(&a, key)),
        .state = why == EC_NOTFOUND ? "parked" : "rejected",
        .stage = why == EC_NOTFOUND ? "lookup" : "write",
        .message = xstrdup(e->msg),
    };
    arena_release(&a);
    if (why == EC_NOTFOUND)
        w->c.parked++;
    else
        w->c.refused++;
    return w->n_parked == 256 ? flush_parked(w, reterr) : EC_OK;
}

/* Was this key refused or parked in the first pass? Then there is no row for the second. */
static bool known_exception(struct writing *w, struct cell key)
{
    struct query *q =
        store_query(w->m->state, "select 1 from row_exception where run_id = ?1 and side = 'dataverse' and key = ?2");
    bool found;

    query_int(q, 1, w->run->id);
    query_cell(q, 2, key);
    found = query_step(q);
    return query_done(q, NULL) == EC_OK && found;
}

/* Is this lookup to be written for the row at all? */
static bool lookup_asked(const struct bound_lookup *l, const struct dvload_row *r)
{
    for (size_t k = 0; k < l->n; k++)
        if (r->fields ? r->fields[l->fields[k]] : !cell_blank(r->cells[l->fields[k]]))
            return true;
    return false;
}

static bool wants_second(const struct writing *w, const struct dvload_row *r)
{
    const struct binding *b = w->m->b;

    for (size_t i = 0; i < b->n_lookups; i++)
        if (b->lookups[i].later && lookup_asked(&b->lookups[i], r))
            return true;
    return false;
}

/* What the first pass wrote of a cycle's lookups is not written again; what it left out is named, or waits for the next turn. */
static enum ec look_again(struct writing *w, const struct dvload_row *r, const struct bound_lookup *l,
                          struct err *reterr)
{
    struct strbuf probe = STRBUF(0);
    enum ec rc = add_lookup(w->d, w->m->b, l, r->cells, false, &probe, &w->scratch, reterr);

    strbuf_release(&probe);
    if (rc != EC_NOTFOUND || !w->in->more)
        return rc;
    w->c.waiting++;
    return EC_OK;
}

static enum ec second_body(struct writing *w, const struct dvload_row *r, struct strbuf *body, struct err *reterr)
{
    const struct binding *b = w->m->b;
    enum ec rc = EC_OK;

    for (int of_cycles = 0; of_cycles < 2; of_cycles++)
        for (size_t i = 0; i < b->n_lookups && !rc; i++) {
            const struct bound_lookup *l = &b->lookups[i];

            if (!l->later || l->self == of_cycles || !map_dir_to_dv(b->fields[l->fields[0]].dir) ||
                !lookup_asked(l, r))
                continue;
            rc = l->self ? add_lookup(w->d, b, l, r->cells, false, body, &w->scratch, reterr)
                         : look_again(w, r, l, reterr);
        }
    return rc;
}

/* An update of nothing but what waits for a second pass. */
static bool only_later(const struct writing *w, const struct dvload_row *r)
{
    const struct binding *b = w->m->b;

    if (cell_absent(r->id) || !r->fields)
        return false;
    for (size_t i = 0; i < b->n; i++)
        if (r->fields[i] && !b->fields[i].key &&
            !(b->fields[i].kind == BOUND_LOOKUP && b->lookups[b->fields[i].lookup].later))
            return false;
    return true;
}

/* A row that was written and then lacks a lookup has one place in the sums: among those that are open, or refused. */
static uint64_t *counted_in(struct writing *w, const struct dvload_row *r)
{
    if (!w->second || only_later(w, r))
        return NULL;
    return cell_absent(r->id) ? &w->c.created : &w->c.updated;
}

static void count_back(uint64_t *counted)
{
    if (counted && *counted)
        --*counted;
}

static enum ec park_row(struct writing *w, const struct dvload_row *r, enum ec why, const struct err *e,
                        struct err *reterr)
{
    count_back(counted_in(w, r));
    w->c.back += w->in->again && only_later(w, r);
    return park(w, r->key, why, e, reterr);
}

/* *ret_skip: nothing of this row goes out in this pass. */
static enum ec build(struct writing *w, const struct dvload_row *r, struct dv_bulk_row *ret, bool *ret_skip,
                     struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct flying *f;
    bool late = false;
    enum ec rc;

    *ret_skip = true;
    if (w->second && (!wants_second(w, r) || (w->c.refused + w->c.parked && known_exception(w, r->key))))
        return EC_OK;
    if (w->second) {
        rc = second_body(w, r, &body, reterr);
        if (rc == EC_NOTFOUND && body.len) { /* what is known of it goes all the same */
            rc = park_row(w, r, rc, reterr, reterr);
            *reterr = (struct err){ 0 };
        }
    } else {
        rc = record_body(w->m, w->d, r->cells, r->fields, cell_absent(r->id), false, &body, &w->scratch, &late,
                         reterr);
        w->late = w->late || late;
    }
    if (rc || (!body.len && (w->second || !cell_absent(r->id)))) {
        strbuf_release(&body);
        return rc;
    }
    f = xcalloc(1, sizeof(*f));
    f->next = w->flying;
    if (f->next)
        f->next->prev = f;
    w->flying = f;
    f->key = xstrdup(cell_cstr(&w->scratch, r->key));
    f->link = only_later(w, r) && w->in->again;
    f->counted = counted_in(w, r);
    ret->create = !w->second && cell_absent(r->id);
    if (cell_absent(r->id))
        dvload_id(w->m->b, dict_organization(w->d), r->key, ret->id);
    else
        snprintf(ret->id, sizeof(ret->id), "%.*s", (int)(r->id.len > 39 ? 39 : r->id.len), r->id.ptr);
    ret->body.ptr = f->body = strbuf_detach(&body, &ret->body.len);
    ret->tag = (uint64_t)(uintptr_t)f;
    *ret_skip = false;
    return EC_OK;
}

static bool next_row(void *ctx, struct dv_bulk_row *ret, struct err *reterr)
{
    struct writing *w = ctx;

    for (;;) {
        struct dvload_row r = { 0 };
        struct err why = { 0 };
        bool more = false, skip;
        enum ec rc;

        arena_reset(&w->scratch);
        rc = w->in->next(w->in->ctx, &r, &more, reterr);
        if (rc || !more)
            return false;
        rc = build(w, &r, ret, &skip, &why);
        if (rc == EC_NOTFOUND || rc == EC_FORMAT) {
            if (park_row(w, &r, rc, &why, reterr))
                return false;
            continue;
        }
        if (rc) {
            *reterr = why;
            return false;
        }
        if (!skip)
            return true;
    }
}

static void land(struct writing *w, struct flying *f)
{
    if (f->next)
        f->next->prev = f->prev;
    if (f->prev)
        f->prev->next = f->next;
    else
        w->flying = f->next;
    free(f->key);
    free(f->body);
    free(f);
}

static const char *stage_of(const struct writing *w)
{
    return w->second ? "second_pass" : "write";
}

static enum ec take_results(void *ctx, const struct dv_bulk_result *r, size_t n, struct err *reterr)
{
    struct writing *w = ctx;
    bool bad = false;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n; i++)
        bad = bad || r[i].outcome != DV_WRITTEN;
    STEP(bulk_store);
    if (bad)
        rc = store_begin(w->m->state, reterr);
    for (size_t i = 0; i < n; i++) {
        struct flying *f = (struct flying *)(uintptr_t)r[i].tag;

        if (r[i].outcome == DV_WRITTEN) {
            *(w->second || f->link ? &w->c.linked : r[i].created ? &w->c.created : &w->c.updated) += 1;
            w->c.made = w->c.made || r[i].created;
        } else {
            const struct err *why = r[i].why;

            if (!rc)
                rc = add_exception(w, f->key, r[i].outcome == DV_REFUSED ? "rejected" : "unknown", stage_of(w), NULL,
                                   why && why->service_code[0] ? why->service_code : NULL, why ? why->msg : "",
                                   reterr);
            *(r[i].outcome == DV_REFUSED ? &w->c.refused : &w->c.unknown) += 1;
            count_back(f->counted);
            w->c.back += f->link;
        }
        w->done++;
        land(w, f);
    }
    if (bad && store_in_transaction(w->m->state))
        rc = store_end(w->m->state, rc, reterr);
    STEP(bulk_stored);
    return rc;
}

static void show(void *ctx)
{
    struct writing *w = ctx;
    struct session_stats st;

    session_stats(dv_session(w->m->pair->app->dv), &st);
    progress_update(&w->m->pair->app->out, w->m->cfg->alias, w->phase, (int64_t)w->done,
                    w->second ? -1 : w->in->total, st.reason);
}

static enum ec one_pass(struct writing *w, struct err *reterr)
{
    struct dv_bulk bulk = { .next = next_row,
                            .results = take_results,
                            .idle = show,
                            .ctx = w,
                            .breaker = (int)w->m->pair->app->cfg.breaker };
    struct dv_bulk_stats st = { 0 };
    struct app *app = w->m->pair->app;
    int64_t began = clock_mono_ms();
    enum ec rc = dv_bulk_write(app->dv, w->m->b->table, &bulk, &st, reterr), done;

    app->bulk.rows += st.rows;
    app->bulk.ms += clock_mono_ms() - began;
    w->c.calls += st.calls;
    while (w->flying) /* an error or a stop: they go out again in the next run */
        land(w, w->flying);
    done = flush_parked(w, rc ? NULL : reterr);
    return rc ? rc : done;
}

enum ec dvload_write(struct map_ctx *m, const struct run *run, struct dict *d, const struct dvload *in,
                     struct dvload_counts *ret, struct err *reterr)
{
    struct writing w = { .m = m, .run = run, .d = d, .in = in, .phase = "to Dataverse" };
    bool self = false;
    enum ec rc = store_begin(m->state, reterr);

    if (rc)
        return rc;
    /* What an earlier, cut-off try found is found again: rows still to be written are the rows that still differ. */
    rc = store_end(m->state, exception_clear(m, run->id, "dataverse", reterr), reterr);
    for (size_t i = 0; i < m->b->n_lookups; i++)
        self = self || m->b->lookups[i].self;
    if (!rc)
        rc = dict_load(d, m->b, false, reterr);
    if (!rc)
        rc = one_pass(&w, reterr);
    if (!rc && (self || w.late)) {
        rc = dict_load_self(d, m->b, reterr);
        if (!rc)
            rc = in->rewind(in->ctx, reterr);
        w.second = true;
        w.done = 0;
        w.phase = "second pass";
        if (!rc)
            rc = one_pass(&w, reterr);
    }
    if (w.c.made)
        dict_stale(d, m->b->table);
    arena_release(&w.scratch);
    free(w.parked);
    progress_clear(&m->pair->app->out);
    *ret = w.c;
    return rc;
}
