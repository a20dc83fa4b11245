/* reconcile.c -- the machine: each state is stored, entered, and may be entered again. */
#include "sync/reconcile.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"

#include <stdio.h>
#include <string.h>

enum { MAX_ROUNDS = 8, TAIL_ROUNDS = 3, MAX_OURS = 512 };

/* ---- the maps that dual-write ran before ---- */

static size_t ours(struct reconcile *r, struct control_map *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n && n < MAX_OURS; i++)
        if (r->maps[i].ours)
            ret[n++] = r->maps[i].c;
    return n;
}

static enum map_state quiet_state(const struct reconcile *r)
{
    return r->pause ? MAP_PAUSED : MAP_STOPPED;
}

/* Are all of ours in this state? */
static enum ec all_are(struct reconcile *r, enum map_state wanted, bool *ret, struct err *reterr)
{
    struct control_map c[MAX_OURS];
    enum map_state s[MAX_OURS];
    char why[200];
    size_t n = ours(r, c);
    enum ec rc = n ? control_read(r->control, c, n, s, why, reterr) : EC_OK;

    *ret = true;
    for (size_t i = 0; i < n && !rc; i++)
        *ret = *ret && s[i] == wanted;
    return rc;
}

static enum ec ask_and_see(struct reconcile *r, enum control_action a, struct err *reterr)
{
    struct control_map c[MAX_OURS];
    size_t n = ours(r, c);
    bool there = false;
    enum ec rc = all_are(r, control_action_state(a), &there, reterr);

    if (rc || there || !n)
        return rc;
    STEP(control_ask);
    rc = control_ask(r->control, a, c, n, reterr);
    STEP(control_asked);
    return rc ? rc : control_wait(r->control, control_action_state(a), c, n, 0, NULL, NULL, reterr);
}

/* ---- states ---- */

static enum ec round_of_feeds(struct reconcile *r, int64_t *ret_changes, struct err *reterr)
{
    enum ec rc = EC_OK;

    *ret_changes = 0;
    for (size_t i = 0; i < r->n && !rc; i++) {
        int64_t fno = 0, dv = 0;

        rc = carry_feeds(r, &r->maps[i], &fno, &dv, reterr);
        *ret_changes += fno + dv;
    }
    return rc;
}

/* While the maps run: what they carried themselves is on both sides and becomes the base; the window begins with little to read. */
static enum ec do_drain(struct reconcile *r, struct err *reterr)
{
    int64_t changes = 0;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < r->n && !rc; i++)
        rc = carry_begin(&r->maps[i], rec_ctx(r, &r->maps[i]), reterr);
    if (!rc)
        rc = round_of_feeds(r, &changes, reterr);
    for (size_t i = 0; i < r->n && !rc; i++)
        rc = carry_settle(r, &r->maps[i], reterr);
    return rc ? rc : rec_enter(r, REC_STOP, reterr);
}

static enum ec do_stop(struct reconcile *r, struct err *reterr)
{
    int64_t began, calls;
    enum ec rc;

    if (!r->window_ms || r->window_end_ms) {
        r->window_ms = clock_utc_ms();
        r->window_end_ms = 0;
        rc = journal_write(r, reterr);
        if (rc)
            return rc;
    }
    rec_clock(r, &began, &calls);
    rc = ask_and_see(r, r->pause ? CONTROL_PAUSE : CONTROL_STOP, reterr);
    if (rc)
        return rc;
    rec_took(r, TIME_STOP, began, calls, 0);
    return rec_enter(r, r->command == COMMAND_NOT_RUN && !r->skip_command ? REC_COMMAND : REC_CARRY, reterr);
}

/* The window is over its limit and COMMAND still runs: the maps go on, and are stopped a second time when it has ended. */
static void look_at_window(void *arg)
{
    struct reconcile *r = arg;
    struct control_map c[MAX_OURS];
    struct err e = { 0 };
    size_t n = ours(r, c);

    if (r->again || !n || clock_utc_ms() - r->window_ms <= r->app->cfg.max_window_ms)
        return;
    r->again = true;
    out_warn(&r->app->out, "COMMAND runs longer than max_window: the maps are started again and carry its rows one "
                           "by one; they are stopped "
                           "a second time when it has ended");
    if (control_ask(r->control, r->pause ? CONTROL_RESUME : CONTROL_START, c, n, &e))
        out_warn(&r->app->out, "the maps could not be started: %s", e.msg);
    if (journal_write(r, &e))
        out_warn(&r->app->out, "%s", e.msg);
}

static enum ec do_command(struct reconcile *r, struct err *reterr)
{
    int64_t began, calls, when = clock_utc_ms();
    enum ec rc;

    if (!r->command_began_ms)
        r->command_began_ms = when;
    rec_clock(r, &began, &calls);
    rc = command_run(r, look_at_window, r, reterr);
    if (rc) { /* it could not begin: everything else is done, so that the maps run again */
        out_warn(&r->app->out, "COMMAND could not be run: %s", reterr->msg);
        r->command = COMMAND_ENDED;
        r->command_status = 127;
        rc = EC_OK;
    }
    rec_took(r, TIME_COMMAND, began, calls, 0);
    r->command_ms = clock_utc_ms() - r->command_began_ms;
    if (r->command == COMMAND_ENDED)
        log_info("reconcile", "COMMAND ended with status %d after %lld ms", r->command_status,
                 (long long)r->command_ms);
    else
        out_warn(&r->app->out,
                 "how COMMAND ended is not known (the machine went down, or its supervisor was killed)");
    if (r->again)
        r->window_end_ms = clock_utc_ms();
    return rec_enter(r, r->again ? REC_STOP : REC_CARRY, reterr);
}

/* Somebody started the maps meanwhile (a watchdog, a person): writing now would cross twice. */
static enum ec still_quiet(struct reconcile *r, bool *ret, struct err *reterr)
{
    char who[120];
    enum ec rc = all_are(r, quiet_state(r), ret, reterr);

    if (rc || *ret)
        return rc;
    lease_word(r, who);
    out_warn(&r->app->out, "the maps are not %s any more%s%s: they are stopped a second time before rows are written",
             map_state_word(quiet_state(r)), *who ? "; resumed by the watchdog of " : "", who);
    r->window_end_ms = clock_utc_ms();
    return rec_enter(r, REC_STOP, reterr);
}

static enum ec do_carry(struct reconcile *r, struct err *reterr)
{
    int64_t changes = 0;
    bool quiet = false;
    enum ec rc = still_quiet(r, &quiet, reterr);

    if (rc || !quiet)
        return rc;
    for (int round = 0; round < MAX_ROUNDS && !rc; round++) {
        rc = round_of_feeds(r, &changes, reterr);
        if (rc || (!changes && round))
            break;
        if (!r->applied) {
            r->applied = true;
            rc = journal_write(r, reterr);
        }
        for (size_t i = 0; i < r->n && !rc; i++) {
            int64_t written = 0;

            rc = carry_apply(r, &r->maps[i], true, &written, reterr);
        }
        r->rounds++;
    }
    return rc ? rc : rec_enter(r, REC_DELETES, reterr);
}

static enum ec do_deletes(struct reconcile *r, struct err *reterr)
{
    bool quiet = false;
    enum ec rc = still_quiet(r, &quiet, reterr);

    if (rc || !quiet)
        return rc;
    /* Children before parents. */
    for (size_t i = r->n; i > 0 && !rc; i--)
        rc = carry_deletes(r, &r->maps[i - 1], reterr);
    return rc ? rc : rec_enter(r, REC_VERIFY, reterr);
}

static enum ec do_verify(struct reconcile *r, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < r->n && !rc; i++)
        rc = carry_verify(r, &r->maps[i], reterr);
    return rc ? rc : rec_enter(r, REC_RESUME, reterr);
}

static enum ec do_resume(struct reconcile *r, struct err *reterr)
{
    int64_t began, calls;
    enum ec rc;

    rec_clock(r, &began, &calls);
    rc = ask_and_see(r, r->pause ? CONTROL_RESUME_DISCARD : CONTROL_START, reterr);
    if (rc)
        return rc;
    rec_took(r, TIME_RESUME, began, calls, 0);
    r->window_end_ms = clock_utc_ms();
    r->window_total_ms += r->window_end_ms - r->window_ms;
    return rec_enter(r, REC_TAIL, reterr);
}

/*
 * What changed after the last round and before the maps were seen running was carried by nobody. It is few, and written record
 * by record with the versions read; that a map carries it back as the same values does no harm.
 */
static enum ec do_tail(struct reconcile *r, struct err *reterr)
{
    int64_t changes = 0;
    enum ec rc = EC_OK;

    for (int round = 0; round < TAIL_ROUNDS && !rc; round++) {
        rc = round_of_feeds(r, &changes, reterr);
        if (rc || !changes)
            break;
        for (size_t i = 0; i < r->n && !rc; i++) {
            int64_t written = 0;

            rc = carry_apply(r, &r->maps[i], false, &written, reterr);
        }
        for (size_t i = 0; i < r->n && !rc; i++)
            rc = carry_verify(r, &r->maps[i], reterr);
    }
    return rc ? rc : rec_enter(r, REC_DONE, reterr);
}

enum ec rec_run(struct reconcile *r, struct err *reterr)
{
    static enum ec (*const STATES[])(struct reconcile * r, struct err * reterr) = {
        [REC_DRAIN] = do_drain,     [REC_STOP] = do_stop,     [REC_COMMAND] = do_command, [REC_CARRY] = do_carry,
        [REC_DELETES] = do_deletes, [REC_VERIFY] = do_verify, [REC_RESUME] = do_resume,   [REC_TAIL] = do_tail,
    };
    enum ec rc = EC_OK;

    while (!rc && r->state != REC_DONE) {
        if (stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped in the state '%s'", rec_state_word(r->state));
        else
            rc = STATES[r->state](r, reterr);
    }
    return rc;
}

/* ---- the end ---- */

static const char *word_of(const struct rec_counts *n)
{
    return n->differ || n->verified < n->touched ? "drift" : n->waiting ? "waiting" : "parity";
}

static void report_command(struct reconcile *r, struct json *data)
{
    struct output *o = &r->app->out;
    struct json *c = out_object(o, data, "command");

    out_str(o, c, "state",
            r->command == COMMAND_NOT_RUN ? "not run"
            : r->command == COMMAND_ENDED ? "ended"
            : r->command == COMMAND_BEGAN ? "running"
                                          : "unknown");
    out_int(o, c, "status", r->command_status);
    out_int(o, c, "ms", r->command_ms);
    if (r->command == COMMAND_ENDED && r->command_status)
        out_line(o,
                 "COMMAND ended with status %d; what it had changed until then was carried over, and the maps run. "
                 "Its output: "
                 ".dmfsync/reports/command-%lld.log",
                 r->command_status, (long long)r->run.id);
    else if (r->command == COMMAND_UNKNOWN)
        out_line(o,
                 "how COMMAND ended is not known; what it had changed was carried over. Its output: "
                 ".dmfsync/reports/command-%lld.log",
                 (long long)r->run.id);
    else if (r->command == COMMAND_NOT_RUN)
        out_line(o, "COMMAND was not run: the run ended before. The maps run as before");
}

static void report_times(struct reconcile *r, struct json *data)
{
    struct output *o = &r->app->out;
    struct json *t = out_object(o, data, "times_ms");

    for (int i = 0; i < TIME_STEPS; i++)
        out_int(o, t, rec_step_word((enum rec_step)i), r->rates.t[i].ms);
    out_int(o, data, "window_ms", r->window_total_ms);
    out_int(o, data, "total_ms", clock_utc_ms() - r->began_ms);
    out_line(o, "maps were %s for %lld.%lld s, COMMAND took %lld.%lld s of it", r->pause ? "paused" : "stopped",
             (long long)(r->window_total_ms / 1000), (long long)(r->window_total_ms % 1000 / 100),
             (long long)(r->command_ms / 1000), (long long)(r->command_ms % 1000 / 100));
}

void rec_report(struct reconcile *r)
{
    static const char *const HEADERS[] = { "map",     "touched",   "to Dataverse", "to F&O", "deleted",
                                           "waiting", "conflicts", "verified",     "verdict" };
    struct output *o = &r->app->out;
    struct table *t = table_new(o, HEADERS, COUNT(HEADERS), "lrrrrrrrl");
    struct json *list = out_array(o, NULL, "maps"), *data = o->data;

    out_int(o, NULL, "run", r->run.id);
    out_str(o, NULL, "method", r->pause ? "pause" : "stop");
    for (size_t i = 0; i < r->n; i++) {
        const struct rec_map *m = &r->maps[i];
        struct json *v = out_object(o, list, NULL);

        out_str(o, v, "map", m->c.alias);
        out_int(o, v, "touched", m->n.touched);
        out_int(o, v, "to_dataverse", m->n.to_dv);
        out_int(o, v, "to_fno", m->n.to_fno);
        out_int(o, v, "agreed", m->n.agreed);
        out_int(o, v, "deletes", m->n.deletes);
        out_int(o, v, "reported_deletes", m->n.reported);
        out_int(o, v, "conflicts", m->n.conflicts);
        out_int(o, v, "waiting", m->n.waiting);
        out_int(o, v, "verified", m->n.verified);
        out_int(o, v, "differ", m->n.differ);
        out_str(o, v, "verdict", word_of(&m->n));
        table_cell(t, "%s", m->c.alias);
        table_cell(t, "%lld", (long long)m->n.touched);
        table_cell(t, "%lld", (long long)m->n.to_dv);
        table_cell(t, "%lld", (long long)m->n.to_fno);
        table_cell(t, "%lld", (long long)m->n.deletes);
        table_cell(t, "%lld", (long long)m->n.waiting);
        table_cell(t, "%lld", (long long)m->n.conflicts);
        table_cell(t, "%lld", (long long)m->n.verified);
        table_cell(t, "%s", word_of(&m->n));
        if (m->n.differ || m->n.verified < m->n.touched)
            out_status(o, EC_DIFFERENT);
        if (m->n.waiting)
            out_status(o, EC_CONFLICT);
    }
    table_print(t);
    report_command(r, data);
    report_times(r, data);
    for (size_t i = 0; i < r->n; i++)
        if (r->maps[i].n.waiting)
            out_line(o, "%s: %lld keys wait (%lld deletions); 'dmfsync parked %s' lists them with their reasons",
                     r->maps[i].c.alias, (long long)r->maps[i].n.waiting, (long long)r->maps[i].n.reported,
                     r->maps[i].c.alias);
}
