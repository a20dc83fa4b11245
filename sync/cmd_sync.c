/* cmd_sync.c -- the incremental stage's rounds; what waits. */
#include "base/clock.h"
#include "base/log.h"
#include "sync/apply.h"
#include "sync/sync_commands.h"

struct totals {
    struct feed_counts fno, dv;
    struct apply_counts a;
    size_t maps;
};

static void put_counts(struct app *app, struct json *list, const struct map_ctx *m, const struct feed_counts *fno,
                       const struct feed_counts *dv, const struct apply_counts *a)
{
    struct output *o = &app->out;
    struct json *v = out_object(o, list, NULL);

    out_str(o, v, "map", m->cfg->alias);
    out_int(o, v, "fno_read", (int64_t)fno->read);
    out_int(o, v, "dataverse_read", (int64_t)dv->read);
    out_int(o, v, "changed", (int64_t)(fno->changed + dv->changed));
    out_int(o, v, "echoes", (int64_t)(fno->echoes + dv->echoes));
    out_int(o, v, "to_fno", (int64_t)a->to_fno);
    out_int(o, v, "to_dataverse", (int64_t)a->to_dv);
    out_int(o, v, "conflicts", (int64_t)a->conflicts);
    out_int(o, v, "parked", (int64_t)a->parked);
    out_int(o, v, "poison", (int64_t)a->poison);
    out_int(o, v, "deletes", (int64_t)a->deletes);
    out_int(o, v, "reported_deletes", (int64_t)a->reported_deletes);
    out_int(o, v, "races", (int64_t)a->races);
    out_line(
        o,
        "%s: %llu changed, %llu to F&O, %llu to Dataverse, %llu echoes, %llu conflicts, %llu parked, %llu refused%s",
        m->cfg->alias, (unsigned long long)(fno->changed + dv->changed + dv->deleted), (unsigned long long)a->to_fno,
        (unsigned long long)a->to_dv, (unsigned long long)(fno->echoes + dv->echoes),
        (unsigned long long)a->conflicts, (unsigned long long)a->parked, (unsigned long long)a->poison,
        a->reported_deletes ? ", deletions wait" : "");
    if (a->parked || a->poison || a->halted)
        out_status(o, EC_ROWS);
}

static enum ec waiting_conflicts(struct map_ctx *m, int64_t *ret, struct err *reterr)
{
    struct query *q = store_query(m->state, "select count(*) from pending where state = 'conflict'");

    if (query_step(q))
        *ret += query_get_int(q, 0);
    return query_done(q, reterr);
}

static enum ec one_map(struct map_ctx *m, struct dict *d, struct json *list, struct err *reterr)
{
    struct feed_counts fno = { 0 }, dv = { 0 };
    struct apply_counts a = { 0 };
    struct apply_how how = { .parked_too = true };
    enum ec rc = feed_fno(m, &fno, reterr);

    if (!rc)
        rc = feed_dv(m, d, &dv, reterr);
    if (!rc)
        rc = apply_pending(m, d, &how, &a, reterr);
    progress_clear(&m->pair->app->out);
    put_counts(m->pair->app, list, m, &fno, &dv, &a);
    return rc ? err_ctx(reterr, rc, "sync of map '%s'", m->cfg->alias) : EC_OK;
}

static enum ec one_round(struct app *app, struct pair *p, struct json *list, size_t *ret_open, struct err *reterr)
{
    struct dict *d = NULL;
    int64_t waiting = 0;
    enum ec rc = dict_open(p, &d, reterr), first = EC_OK;

    if (!rc)
        dict_lazy(d);
    *ret_open = 0;
    for (size_t i = 0; i < p->n && !rc; i++) {
        struct map_ctx *m = &p->maps[i];
        enum gate_state g;
        char reason[400];
        struct err e = { 0 };
        enum ec one;

        if (!m->selected)
            continue;
        rc = gate_read(m, &g, reason, reterr);
        if (rc || g != GATE_OPEN) {
            if (!rc && app->opt->n_args)
                out_line(&app->out, "%s: the gate is shut: %s", m->cfg->alias, reason);
            continue;
        }
        ++*ret_open;
        one = one_map(m, d, list, &e);
        if (one == EC_STOPPED || one == EC_AUTH) {
            *reterr = e;
            rc = one;
        } else if (one) {
            /* One sick map never stops the others. */
            out_warn(&app->out, "%s", e.msg);
            out_status(&app->out, one);
            if (!first) {
                first = one;
                if (reterr)
                    *reterr = e;
            }
        }
        if (!rc)
            rc = waiting_conflicts(m, &waiting, reterr);
    }
    if (waiting)
        out_status(&app->out, EC_CONFLICT);
    dict_close(d);
    return rc ? rc : first;
}

enum ec cmd_sync(struct app *app, struct err *reterr)
{
    bool follow = option_given(app, "--follow");
    struct json *list = out_array(&app->out, NULL, "maps");
    struct pair *p = NULL;
    size_t open = 0;
    enum ec rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);

    if (!rc)
        rc = pair_companies(p, reterr);
    if (!rc)
        rc = pair_check_not_running(p, reterr);
    while (!rc) {
        struct json *round = follow ? json_new(&app->out.arena, JSON_ARRAY, CELL_ABSENT) : list;

        rc = one_round(app, p, round, &open, reterr);
        if (!rc && !open) {
            rc = err_set(reterr, EC_GUARD, "no gate is open, so there is nothing to sync");
            err_hint(reterr, "run 'dmfsync parity', then 'dmfsync handoff --execute'; 'dmfsync gate show' tells why "
                             "each gate is shut");
        }
        if (!follow)
            break;
        if (rc && ec_transient(rc)) {
            out_warn(&app->out, "%s; trying again", reterr->msg);
            rc = EC_OK;
        }
        if (!rc && !clock_sleep_ms(app->cfg.sync_poll_ms))
            break; /* a clean stop: nothing is under way between rounds */
    }
    pair_close(p);
    return rc;
}
