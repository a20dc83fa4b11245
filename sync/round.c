/* round.c -- feeds, apply, and what there is to say about it, map by map. Writes the table setting (sync_last). */
#include "loader/public/fno_read.h"
#include "sync/round.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/feed_events.h"
#include "sync/feed_parts.h"

#include <stdio.h>
#include <stdlib.h>

struct done {
    struct feed_counts fno, dv;
    struct apply_counts a;
    int64_t took_ms;
};

static void put_json(const struct round *r, const struct map_ctx *m, const struct done *d)
{
    struct output *o = &r->app->out;
    struct json *v = out_object(o, r->list, NULL);
    const struct {
        const char *name;
        uint64_t n;
    } NUMBERS[] = {
        { "fno_read", d->fno.read },
        { "dataverse_read", d->dv.read },
        { "changed", d->fno.changed + d->dv.changed },
        { "echoes", d->fno.echoes + d->dv.echoes },
        { "to_fno", d->a.to_fno },
        { "to_dataverse", d->a.to_dv },
        { "conflicts", d->a.conflicts },
        { "parked", d->a.parked },
        { "poison", d->a.poison },
        { "halted", d->a.halted },
        { "deletes", d->a.deletes },
        { "reported_deletes", d->a.reported_deletes },
        { "left_filter", d->a.left },
        { "races", d->a.races },
    };

    out_str(o, v, "map", m->cfg->alias);
    for (size_t i = 0; i < COUNT(NUMBERS); i++)
        out_int(o, v, NUMBERS[i].name, (int64_t)NUMBERS[i].n);
    out_bool(o, v, "batches", d->a.batches);
    out_int(o, v, "lag_ms", d->a.lag_n ? d->a.lag_ms_sum / (int64_t)d->a.lag_n : 0);
    out_int(o, v, "lag_max_ms", d->a.lag_ms_max);
}

static void say(const struct round *r, const struct map_ctx *m, const struct done *d)
{
    char text[400];
    bool work =
        d->fno.changed + d->dv.changed + d->dv.deleted + d->fno.deleted + d->a.writes + d->a.parked + d->a.poison;

    snprintf(text, sizeof(text),
             "%s: %llu changed, %llu to F&O, %llu to Dataverse, %llu echoes, %llu conflicts, %llu parked, %llu "
             "refused%s%s",
             m->cfg->alias, (unsigned long long)(d->fno.changed + d->dv.changed + d->dv.deleted + d->fno.deleted),
             (unsigned long long)d->a.to_fno, (unsigned long long)d->a.to_dv,
             (unsigned long long)(d->fno.echoes + d->dv.echoes), (unsigned long long)d->a.conflicts,
             (unsigned long long)d->a.parked, (unsigned long long)d->a.poison,
             d->a.reported_deletes ? ", deletions wait" : "", d->a.batches ? ", in batches" : "");
    if (r->list) {
        put_json(r, m, d);
        out_line(&r->app->out, "%s", text);
    } else if (work) {
        log_info("sync", "%s, in %lld ms", text, (long long)d->took_ms);
    }
    if (d->a.parked || d->a.poison || d->a.halted)
        out_status(&r->app->out, EC_ROWS);
}

static int64_t before(struct json *was, const char *name)
{
    return json_i64(json_get(was, name), 0);
}

/* The log of writes is kept for ninety days; some rows a round, so that none takes long. Conflicts are kept. */
static enum ec forget_old(struct map_ctx *m, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "delete from sync_log where id in (select id from sync_log order by id limit 1000) and at < ?1");
    char since[32];

    clock_format_utc(clock_utc_ms() - INT64_C(90) * 86400000, since);
    query_str(q, 1, since);
    return query_run(q, reterr);
}

/* What `status` shows: the last round, and sums since the gate was opened. */
static enum ec keep(struct map_ctx *m, const struct done *d, const char *error, struct err *reterr)
{
    const struct {
        const char *name;
        uint64_t n;
    } SUMS[] = { { "rounds", 1 },
                 { "to_fno", d->a.to_fno },
                 { "to_dataverse", d->a.to_dv },
                 { "echoes", d->fno.echoes + d->dv.echoes },
                 { "conflicts", d->a.conflicts },
                 { "deletes", d->a.deletes } };
    struct arena a = { 0 };
    struct json *was = NULL;
    char *old = NULL, now[32];
    struct strbuf b = STRBUF(0);
    struct jsonw w = { .out = &b };
    enum ec rc = state_get(m, "sync_last", &a, &old, reterr);

    if (rc)
        return rc;
    if (old)
        (void)json_parse("sync_last", old, strlen(old), NULL, &a, &was, NULL);
    clock_format_utc(clock_utc_ms(), now);
    jw_begin(&w, '{');
    jw_ps(&w, "at", now);
    jw_pi64(&w, "took_ms", d->took_ms);
    jw_pi64(&w, "written", (int64_t)d->a.writes);
    jw_pi64(&w, "lag_ms", d->a.lag_n ? d->a.lag_ms_sum / (int64_t)d->a.lag_n : 0);
    jw_pi64(&w, "lag_max_ms", d->a.lag_ms_max);
    jw_ps(&w, "error", error ? error : "");
    for (size_t i = 0; i < COUNT(SUMS); i++)
        jw_pi64(&w, SUMS[i].name, before(was, SUMS[i].name) + (int64_t)SUMS[i].n);
    jw_end(&w, '}');
    rc = state_put(m, "sync_last", strbuf_str(&b), reterr);
    if (!rc)
        rc = forget_old(m, reterr);
    strbuf_release(&b);
    arena_release(&a);
    return rc;
}

static enum ec one_map(struct round *r, struct map_ctx *m, struct dict *d, bool parked_too, struct done *ret,
                       struct err *reterr)
{
    struct apply_how how = { .parked_too = parked_too, .dry_run = r->dry_run };
    struct err unused = { 0 };
    int64_t began = clock_mono_ms();
    enum ec rc = pair_check_rules(m, reterr);

    if (!rc && r->events && r->events[m - r->p->maps] && !parked_too) { /* before the feeds, which take their time */
        rc = apply_pending(m, d, &how, &ret->a, reterr);
        r->written += ret->a.writes;
        say(r, m, ret);
        if (!rc)
            rc = keep(m, ret, NULL, reterr);
        ret->a = (struct apply_counts){ 0 };
    }
    if (!rc && !parked_too) { /* the second look at parked rows reads no feed */
        rc = feed_fno(m, &ret->fno, reterr);
        if (!rc)
            rc = feed_dv(m, d, &ret->dv, reterr);
    }
    if (!rc)
        rc = apply_pending(m, d, &how, &ret->a, reterr);
    if (!rc && !r->dry_run)
        rc = baseline_compact(m, reterr);
    progress_clear(&m->pair->app->out);
    ret->took_ms = clock_mono_ms() - began;
    r->changed += ret->fno.changed + ret->dv.changed + ret->fno.deleted + ret->dv.deleted;
    r->written += ret->a.writes;
    say(r, m, ret);
    if (rc != EC_STOPPED && (!parked_too || rc) && keep(m, ret, rc && reterr ? reterr->msg : NULL, &unused) && !rc) {
        rc = unused.code;
        *reterr = unused;
    }
    return rc ? err_ctx(reterr, rc, "sync of map '%s'", m->cfg->alias) : EC_OK;
}

static enum ec count_pending(struct map_ctx *m, const char *sql, int64_t *ret, struct err *reterr)
{
    struct query *q = store_query(m->state, sql);

    if (query_step(q))
        *ret += query_get_int(q, 0);
    return query_done(q, reterr);
}

static enum ec waiting(struct map_ctx *m, int64_t *ret_conflicts, int64_t *ret_parked, struct err *reterr)
{
    enum ec rc = count_pending(m, "select count(*) from pending where state = 'conflict'", ret_conflicts, reterr);

    return rc ? rc : count_pending(m, "select count(*) from pending where state = 'parked'", ret_parked, reterr);
}

/* Is this failure everybody's? A refusal of one table is that map's alone. */
static bool ends_all(enum ec rc, const struct err *e)
{
    return rc == EC_STOPPED || (rc == EC_AUTH && e->http_status != 403);
}

static enum ec pass(struct round *r, struct dict *d, bool parked_only, int64_t *ret_conflicts, int64_t *ret_parked,
                    struct err *first)
{
    enum ec rc = EC_OK, first_rc = EC_OK;

    for (size_t i = 0; i < r->p->n && !rc; i++) {
        struct map_ctx *m = &r->p->maps[i];
        struct done done = { 0 };
        enum gate_state g;
        char reason[400];
        struct err e = { 0 };
        int64_t parked = 0;
        enum ec one;

        if (!m->selected || !m->state)
            continue;
        rc = gate_read(m, &g, reason, first);
        if (rc || g != GATE_OPEN) {
            if (!rc && r->list && !parked_only && r->app->opt->n_args)
                out_line(&r->app->out, "%s: the gate is shut: %s", m->cfg->alias, reason);
            continue;
        }
        if (parked_only &&
            (count_pending(m, "select count(*) from pending where state = 'parked'", &parked, NULL) || !parked))
            continue;
        r->open += !parked_only;
        one = one_map(r, m, d, parked_only, &done, &e);
        dict_forgive(d);
        if (ends_all(one, &e)) {
            *first = e;
            rc = one;
        } else if (one) { /* one sick map never stops the others */
            r->failed++;
            if (r->list)
                out_warn(&r->app->out, "%s", e.msg);
            else
                log_error("sync", "%s%s%s", e.msg, e.hint[0] ? "; " : "", e.hint);
            out_status(&r->app->out, one);
            if (!first_rc) {
                first_rc = one;
                *first = e;
            }
        }
        if (!rc)
            rc = waiting(m, ret_conflicts, ret_parked, first);
    }
    return rc ? rc : first_rc;
}

enum ec sync_round(struct round *r, struct err *reterr)
{
    struct dict *d = NULL;
    struct err e = { 0 }, again = { 0 };
    int64_t conflicts = 0, parked = 0;
    struct event_counts events;
    enum ec rc, second;

    r->events = xcalloc(r->p->n + 1, sizeof(*r->events));
    rc = feed_events(r->p, r->events, &events, &e);
    if (!rc)
        rc = dict_open(r->p, &d, &e);
    if (!rc) {
        dict_lazy(d);
        rc = pass(r, d, false, &conflicts, &parked, &e);
    }
    /* What was written or changed may be the parent that a row of another map waits for. */
    if (!ends_all(rc, &e) && d && parked && r->changed + r->written && !r->dry_run) {
        conflicts = parked = 0;
        dict_close(d);
        d = NULL;
        second = dict_open(r->p, &d, &again);
        if (!second) {
            dict_lazy(d);
            second = pass(r, d, true, &conflicts, &parked, &again);
        }
        if (second && !rc) {
            rc = second;
            e = again;
        }
    }
    for (size_t i = 0; i < r->p->n && !conflicts && !r->dry_run; i++)
        if (r->p->maps[i].selected && r->p->maps[i].state)
            (void)waiting(&r->p->maps[i], &conflicts, &parked, NULL);
    if (conflicts)
        out_status(&r->app->out, EC_CONFLICT);
    dict_close(d);
    free(r->events);
    r->events = NULL;
    if (rc && reterr)
        *reterr = e;
    return rc;
}
