/*
 * reconcile_plan.c -- before anything is stopped: are the maps fit, how long will it take, which way of stopping, and why.
 * Limits of a paused map's queue: one day and 1 GB ("Pause dual-write for maintenance"); beyond either, writers are refused.
 */
#include "base/clock.h"
#include "base/log.h"
#include "loader/public/pair.h"
#include "sync/feed.h"
#include "sync/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_OCTETS = 1 << 30, SAMPLE = 200, SAFE_PART = 4 };

struct plan {
    struct reconcile *r;
    struct rec_rates had;
    int64_t rows, scan_rows, base_rows, row_octets, queue_octets, command_ms;
    const char *rows_from, *command_from;
    int64_t ms[TIME_STEPS], window_ms, total_ms;
};

/* ---- maps ---- */

static enum ec look_at_base(struct reconcile *r, struct rec_map *m, struct err *reterr)
{
    struct map_ctx *mc = rec_ctx(r, m);
    struct query *q = store_query(mc->state, "select rows from baseline");
    struct arena a = { 0 };
    char *cursor = NULL;
    bool found = query_step(q);
    enum ec rc;

    if (found)
        m->base_rows = query_get_int(q, 0);
    rc = query_done(q, reterr);
    if (!rc)
        rc = cursor_get(mc, "dataverse", "", &a, &cursor, reterr);
    if (!rc && (!found || !cursor)) {
        rc = err_set(reterr, EC_STATE, "map '%s' has no %s yet, so nobody can tell what changed", m->c.alias,
                     found ? "Dataverse cursor" : "baseline");
        err_hint(reterr, "run 'dmfsync parity %s', then 'dmfsync handoff %s --execute'", m->c.alias, m->c.alias);
    }
    m->full = !feed_by_export(mc);
    arena_release(&a);
    return rc;
}

static enum ec fit(struct reconcile *r, struct rec_map *m, const char *why, struct err *reterr)
{
    switch (m->before) {
    case MAP_STOPPED: m->ours = false; return EC_OK;
    case MAP_RUNNING: m->ours = true; return EC_OK;
    case MAP_UNKNOWN:
        err_set(reterr, EC_GUARD, "the state of map '" CELL_FMT "' cannot be told: %s", CELL_ARG(m->c.name), why);
        return err_hint(reterr, "docs/reconcile.md, 'Who stops and starts maps'");
    default:
        err_set(reterr, EC_GUARD, "map '" CELL_FMT "' is %s: somebody is at work on it", CELL_ARG(m->c.name),
                map_state_word(m->before));
        return err_hint(reterr, m->before == MAP_PAUSED ? "resume it first, so that its queue is empty"
                                                        : "wait until it runs");
    }
    (void)r;
}

static enum ec look_at_maps(struct reconcile *r, struct err *reterr)
{
    struct control_map *c = arena_zalloc(&r->arena, (r->n + 1) * sizeof(*c));
    enum map_state *s = arena_zalloc(&r->arena, (r->n + 1) * sizeof(*s));
    char why[200];
    enum ec rc = EC_OK;

    for (size_t i = 0; i < r->n && !rc; i++) {
        c[i] = r->maps[i].c;
        rc = look_at_base(r, &r->maps[i], reterr);
    }
    if (!rc)
        rc = control_read(r->control, c, r->n, s, why, reterr);
    for (size_t i = 0; i < r->n && !rc; i++) {
        r->maps[i].before = s[i];
        rc = fit(r, &r->maps[i], why, reterr);
    }
    return rc;
}

/* ---- how much ---- */

struct sampling {
    const struct binding *b;
    int64_t octets, n;
};

static enum ec sample_row(void *arg, struct digest key, const struct base_row *row, struct err *reterr)
{
    struct sampling *s = arg;

    (void)key;
    (void)reterr;
    for (size_t i = 0; i < s->b->n; i++)
        s->octets += (int64_t)(row->cells[i].len + s->b->fields[i].name.len + 6);
    return ++s->n == SAMPLE ? EC_NOTFOUND : EC_OK;
}

/* Octets of a row as a queue would hold it: names and values. */
static int64_t row_octets(struct reconcile *r, const struct rec_map *m)
{
    struct map_ctx *mc = rec_ctx(r, m);
    struct sampling s = { .b = mc->b };
    struct baseline *base = NULL;
    struct err ignored;

    if (!baseline_open(mc, &base, &ignored))
        (void)baseline_each(base, sample_row, &s, &ignored);
    baseline_close(base);
    return s.n ? s.octets / s.n : 500;
}

/* Rows and COMMAND's time of the last run here with this very command. */
static void last_run(struct reconcile *r, int64_t *ret_rows, int64_t *ret_ms)
{
    struct arena a = { 0 };
    struct strbuf text = STRBUF(1 << 20);
    struct json *v = NULL;
    const struct json *c;
    struct err ignored;
    size_t i = 0;
    bool same;

    *ret_rows = *ret_ms = -1;
    if (file_read(workspace_path(&r->app->ws, &a, ".dmfsync/reconcile-last.json"), 1 << 20, &text, &ignored) ||
        json_parse("last run", strbuf_str(&text), text.len, NULL, &a, &v, &ignored))
        goto out;
    c = json_get(v, "command");
    same = c && c->n == r->argc;
    for (const struct json *w = c ? c->child : NULL; w && same; w = w->next, i++)
        same = cell_is(json_text(w), r->argv[i]);
    if (!same)
        goto out;
    *ret_ms = json_i64(json_get(v, "command_ms"), -1);
    *ret_rows = 0;
    for (const struct json *m = json_get(v, "maps")->child; m; m = m->next)
        *ret_rows += json_i64(json_get(m, "touched"), 0);
out:
    strbuf_release(&text);
    arena_release(&a);
}

static enum ec how_much(struct plan *p, struct err *reterr)
{
    struct reconcile *r = p->r;
    const char *duration = option_value(r->app, "--command-time");
    int64_t last_rows, last_ms, octets = 0;
    enum ec rc = option_int(r->app, "--rows", -1, 0, INT64_MAX, &p->rows, reterr);

    last_run(r, &last_rows, &last_ms);
    for (size_t i = 0; i < r->n; i++) {
        p->base_rows += r->maps[i].base_rows;
        if (rec_ctx(r, &r->maps[i])->cfg->deletes != DELETES_IGNORE)
            p->scan_rows += r->maps[i].base_rows;
        octets = row_octets(r, &r->maps[i]) > octets ? row_octets(r, &r->maps[i]) : octets;
    }
    p->row_octets = octets;
    p->rows_from = "--rows";
    if (!rc && p->rows < 0) {
        p->rows = last_rows >= 0 ? last_rows : p->base_rows;
        p->rows_from = last_rows >= 0 ? "the last run of this command" : "all rows: give --rows for a better guess";
    }
    p->command_ms = -1;
    if (!rc && duration && !config_duration(duration, &p->command_ms)) {
        err_set(reterr, EC_USAGE, "--command-time '%s' is no time", duration);
        return err_hint(reterr, "write 90s, 45m or 6h");
    }
    p->command_from = duration ? "--command-time" : "not known: give --command-time";
    if (!duration && last_ms >= 0) {
        p->command_ms = last_ms;
        p->command_from = "the last run of this command";
    }
    p->queue_octets = p->rows * p->row_octets;
    return rc;
}

/* ---- how long ---- */

static enum ec how_long(struct plan *p, struct err *reterr)
{
    struct reconcile *r = p->r;
    enum ec rc = rates_read(r->app, option_value(r->app, "--rates"), &p->had, reterr);
    int64_t rounds = (int64_t)r->n;

    if (!rc)
        rc = rates_latency(r, reterr);
    if (rc || !p->had.known)
        return rc;
    p->ms[TIME_DRAIN] =
        (rates_predict(&p->had, &r->rates, TIME_DRAIN, 0) + rates_predict(&p->had, &r->rates, TIME_IDLE, 0)) * rounds;
    p->ms[TIME_STOP] = rates_predict(&p->had, &r->rates, TIME_STOP, 0);
    p->ms[TIME_COMMAND] = p->command_ms > 0 ? p->command_ms : 0;
    p->ms[TIME_EXPORT] = rates_predict(&p->had, &r->rates, TIME_EXPORT, p->rows);
    p->ms[TIME_CHANGES] = rates_predict(&p->had, &r->rates, TIME_CHANGES, p->rows);
    p->ms[TIME_BULK] = rates_predict(&p->had, &r->rates, TIME_BULK, p->rows);
    p->ms[TIME_RECORDS] = rates_predict(&p->had, &r->rates, TIME_RECORDS, p->had.t[TIME_RECORDS].rows);
    p->ms[TIME_SCAN] = rates_predict(&p->had, &r->rates, TIME_SCAN, p->scan_rows);
    p->ms[TIME_VERIFY] = rates_predict(&p->had, &r->rates, TIME_VERIFY, p->rows);
    p->ms[TIME_RESUME] = rates_predict(&p->had, &r->rates, TIME_RESUME, 0);
    /* Rounds that bring nothing: before the window, after each apply, and after the maps run. */
    p->window_ms = p->ms[TIME_DRAIN];
    for (int i = TIME_STOP; i < TIME_STEPS; i++)
        p->window_ms += p->ms[i];
    p->ms[TIME_DRAIN] *= 3;
    p->total_ms = p->window_ms + p->ms[TIME_DRAIN] * 2 / 3;
    return EC_OK;
}

/* ---- which way ---- */

static enum ec which_way(struct plan *p, struct err *reterr)
{
    struct reconcile *r = p->r;
    const char *asked = option_value(r->app, "--method");
    bool can = control_can(r->control, CONTROL_RESUME_DISCARD), fits, known = strncmp(p->rows_from, "all", 3) != 0;
    int64_t hours = p->had.known ? p->window_ms : p->command_ms;

    fits = known && p->queue_octets < QUEUE_OCTETS / SAFE_PART && hours >= 0 && p->command_ms >= 0 &&
           hours < r->app->cfg.max_window_ms;
    r->pause = asked ? !strcmp(asked, "pause") : can && fits;
    if (asked && strcmp(asked, "pause") && strcmp(asked, "stop"))
        return err_set(reterr, EC_USAGE, "--method is stop or pause, not '%s'", asked);
    if (r->pause && !can) {
        err_set(reterr, EC_GUARD,
                "control = %s cannot resume a paused map without its queue being replayed, and with it every "
                "row would cross twice",
                control_kind(r->control));
        return err_hint(reterr, "leave --method out: the maps are stopped and started without initial sync");
    }
    if (r->pause)
        snprintf(r->why, sizeof(r->why),
                 "the queue is estimated at %lld MB of 1024 and the window at %lld min of %lld, both far below the "
                 "limits of a "
                 "pause; a resume keeps the map's project, and its queue is thrown away",
                 (long long)(p->queue_octets >> 20), (long long)(hours / 60000),
                 (long long)(r->app->cfg.max_window_ms / 60000));
    else if (asked)
        snprintf(r->why, sizeof(r->why), "--method stop");
    else if (!can)
        snprintf(r->why, sizeof(r->why),
                 "with control = %s nobody can be sure that a queue is thrown away: a stopped map has none, and has "
                 "no limit of "
                 "time or size",
                 control_kind(r->control));
    else
        snprintf(r->why, sizeof(r->why), "%s: a stopped map has no queue, and no limit of time or size",
                 !known || p->command_ms < 0
                     ? "rows or duration are not known beforehand"
                     : "the estimate comes too near to the limits of a pause (1 GB, max_window)");
    return EC_OK;
}

/* ---- telling ---- */

static void tell_step(struct plan *p, struct table *t, struct json *list, enum rec_step s, int64_t rows,
                      const char *what)
{
    struct output *o = &p->r->app->out;
    struct json *v = out_object(o, list, NULL);
    bool known = s == TIME_COMMAND ? p->command_ms >= 0 : p->had.known;

    out_str(o, v, "step", rec_step_word(s));
    out_str(o, v, "what", what);
    out_int(o, v, "rows", rows);
    if (known)
        out_int(o, v, "ms", p->ms[s]);
    table_cell(t, "%s", what);
    if (rows)
        table_cell(t, "%lld", (long long)rows);
    else
        table_cell(t, "%s", "");
    if (known)
        table_cell(t, "%lld.%lld", (long long)(p->ms[s] / 1000), (long long)(p->ms[s] % 1000 / 100));
    else
        table_cell(t, "?");
}

static void tell(struct plan *p)
{
    static const char *const HEADERS[] = { "step", "rows", "seconds" };
    struct reconcile *r = p->r;
    struct output *o = &r->app->out;
    struct table *t = table_new(o, HEADERS, COUNT(HEADERS), "lrr");
    struct json *plan = out_object(o, NULL, "plan"), *maps = out_array(o, plan, "maps"),
                *steps = out_array(o, plan, "steps");
    size_t n_ours = 0;

    for (size_t i = 0; i < r->n; i++) {
        struct rec_map *m = &r->maps[i];
        struct map_ctx *mc = rec_ctx(r, m);
        struct json *v = out_object(o, maps, NULL);

        n_ours += m->ours;
        out_str(o, v, "map", m->c.alias);
        out_str(o, v, "state", map_state_word(m->before));
        out_bool(o, v, "stopped_by_us", m->ours);
        out_bool(o, v, "change_tracking", !m->full);
        out_int(o, v, "rows", m->base_rows);
        out_line(o, "%s: %s%s; %lld rows in the base; F&O %s", m->c.alias, map_state_word(m->before),
                 m->ours ? "" : " (nothing is stopped or started)", (long long)m->base_rows,
                 m->full ? "has no export project for it: it is READ WHOLE, each round"
                         : "tells changes by incremental export");
        if (mc->cfg->deletes != DELETES_IGNORE)
            out_line(o,
                     "    deletions: all %lld keys of F&O are read, since exports never tell them; deletes = %s, "
                     "max_delete = %s",
                     (long long)m->base_rows,
                     mc->cfg->deletes == DELETES_APPLY  ? "apply"
                     : mc->cfg->deletes == DELETES_MARK ? "mark"
                                                        : "report",
                     mc->cfg->max_delete ? mc->cfg->max_delete : "1%");
    }
    out_str(o, plan, "method", r->pause ? "pause" : "stop");
    out_str(o, plan, "why", r->why);
    out_str(o, plan, "control", control_kind(r->control));
    out_int(o, plan, "rows", p->rows);
    out_str(o, plan, "rows_from", p->rows_from);
    out_int(o, plan, "queue_octets", p->queue_octets);
    out_int(o, plan, "fno_latency_ms", r->rates.fno_ms);
    out_int(o, plan, "dataverse_latency_ms", r->rates.dv_ms);
    tell_step(p, t, steps, TIME_DRAIN, 0, "read both feeds when nothing changed (3 rounds)");
    tell_step(p, t, steps, TIME_STOP, 0,
              r->pause ? "pause the maps, see them paused" : "stop the maps, see them stopped");
    tell_step(p, t, steps, TIME_COMMAND, 0, "COMMAND");
    tell_step(p, t, steps, TIME_EXPORT, p->rows, "export the changed rows of F&O");
    tell_step(p, t, steps, TIME_CHANGES, p->rows, "read Dataverse's changes");
    tell_step(p, t, steps, TIME_BULK, p->rows, "merge, write Dataverse in bulk");
    tell_step(p, t, steps, TIME_RECORDS, 0, "record by record (conflicts, changes towards F&O)");
    tell_step(p, t, steps, TIME_SCAN, p->scan_rows, "keys of F&O, for deletions");
    tell_step(p, t, steps, TIME_VERIFY, p->rows, "parity of the touched keys");
    tell_step(p, t, steps, TIME_RESUME, 0,
              r->pause ? "resume without replay, see them running" : "start without initial sync, see them running");
    table_print(t);
    out_line(o, "%lld rows (%s); COMMAND's time: %s", (long long)p->rows, p->rows_from, p->command_from);
    out_line(o, "%s: %s", r->pause ? "pause" : "stop", r->why);
    if (p->had.known) {
        out_int(o, plan, "window_ms", p->window_ms);
        out_int(o, plan, "total_ms", p->total_ms);
        out_line(
            o, "%zu maps are away for about %lld s, all takes about %lld s (rates: %s; latency now %lld and %lld ms)",
            n_ours, (long long)(p->window_ms / 1000), (long long)(p->total_ms / 1000), p->had.from,
            (long long)r->rates.fno_ms, (long long)r->rates.dv_ms);
        if (p->window_ms > r->app->cfg.max_window_ms)
            out_warn(o, "that is longer than max_window: the maps will be started while COMMAND still runs");
    } else {
        out_line(o, "no times: nothing was measured yet. Rehearse it against the emulator or a sandbox, and give its "
                    ".dmfsync/rates.json with --rates");
    }
}

enum ec rec_plan(struct reconcile *r, struct err *reterr)
{
    struct plan p = { .r = r };
    enum ec rc = look_at_maps(r, reterr);

    if (!rc)
        rc = how_much(&p, reterr);
    if (!rc)
        rc = how_long(&p, reterr);
    if (!rc)
        rc = which_way(&p, reterr);
    if (!rc)
        tell(&p);
    return rc;
}
