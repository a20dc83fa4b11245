/* cmd_reconcile.c -- the runbook around a batch job, and what finishes one that was cut off. */
#include "base/clock.h"
#include "base/log.h"
#include "sync/reconcile.h"
#include "sync/sync_commands.h"

#include <stdio.h>
#include <string.h>

/* ---- what both commands open ---- */

/* A map that looks up rows of a chosen one fails while its parents are not carried: it goes with them. */
static void select_dependents(struct pair *p)
{
    bool more = true;

    while (more) {
        more = false;
        for (size_t i = 0; i < p->deps.n_edges; i++) {
            const struct deps_edge *e = &p->deps.edges[i];
            struct map_ctx *from = NULL, *to = NULL;

            for (size_t k = 0; k < p->n; k++) {
                from = p->maps[k].b == e->from ? &p->maps[k] : from;
                to = p->maps[k].b == e->to ? &p->maps[k] : to;
            }
            if (!from || !to || e->self || !to->selected || from->selected)
                continue;
            from->selected = true;
            more = true;
            out_line(&p->app->out, "%s goes along: its rows look up rows of %s", from->cfg->alias, to->cfg->alias);
        }
    }
}

/* Changes come in any order of their keys' digests: SQLite's own 2 MB would mean reading pages again for each row. */
#define MANY_CHANGES "pragma cache_size=-16384"

static enum ec open_all(struct reconcile *r, struct err *reterr)
{
    enum ec rc = pair_open(r->app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 0, &r->p, reterr);

    if (!rc)
        rc = pair_companies(r->p, reterr);
    if (!rc)
        select_dependents(r->p);
    for (size_t i = 0; !rc && i < r->p->n; i++)
        if (r->p->maps[i].selected)
            rc = store_exec(r->p->maps[i].state, MANY_CHANGES, reterr);
    if (!rc)
        rc = control_open(r->app, &r->control, reterr);
    if (!rc)
        rc = dict_open(r->p, &r->dict, reterr);
    if (!rc)
        dict_lazy(r->dict);
    return rc;
}

static void close_all(struct reconcile *r)
{
    beat_end(r);
    dict_close(r->dict);
    control_close(r->control);
    pair_close(r->p);
    arena_release(&r->arena);
}

static void collect_maps(struct reconcile *r)
{
    r->maps = arena_zalloc(&r->arena, (r->p->n + 1) * sizeof(*r->maps));
    for (size_t i = 0; i < r->p->n; i++)
        if (r->p->maps[i].selected)
            r->maps[r->n++].c = control_map_of(&r->p->maps[i]);
}

/* ---- the end of a run ---- */

static enum ec store_counts(struct reconcile *r, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < r->n && !rc; i++) {
        const struct rec_counts *n = &r->maps[i].n;
        struct strbuf text = STRBUF(0);
        struct jsonw w = { .out = &text };

        jw_begin(&w, '{');
        jw_pi64(&w, "touched", n->touched);
        jw_pi64(&w, "to_dataverse", n->to_dv);
        jw_pi64(&w, "to_fno", n->to_fno);
        jw_pi64(&w, "deletes", n->deletes);
        jw_pi64(&w, "waiting", n->waiting);
        jw_pi64(&w, "differ", n->differ);
        jw_end(&w, '}');
        rc = run_map_set(r->app, &r->run, r->maps[i].c.alias, rec_ctx(r, &r->maps[i])->wave,
                         n->differ ? "red" : "green", "done", text.buf, reterr);
        strbuf_release(&text);
    }
    return rc;
}

static enum ec finish(struct reconcile *r, const char *state, struct err *reterr)
{
    enum ec rc = store_counts(r, reterr);

    if (!rc)
        rc = run_end(r->app, &r->run, state, reterr);
    if (!rc)
        rc = journal_close(r, reterr);
    return rc;
}

/* Whatever went wrong: are maps away, and what is to be done? */
static void tell_unfinished(struct reconcile *r)
{
    if (r->state >= REC_STOP && r->state <= REC_RESUME)
        out_warn(&r->app->out,
                 "THE MAPS MAY BE %s: run 'dmfsync recover' (it finishes the run), or 'dmfsync recover --rollback' "
                 "(it only starts "
                 "them again)",
                 r->pause ? "PAUSED" : "STOPPED");
}

static enum ec go(struct reconcile *r, struct err *reterr)
{
    enum ec rc = beat_begin(r, reterr);

    if (!rc)
        rc = journal_write(r, reterr);
    if (!rc)
        rc = rec_run(r, reterr);
    if (rc) {
        tell_unfinished(r);
        if (rc == EC_STOPPED)
            (void)run_end(r->app, &r->run, "stopped", NULL);
        return rc;
    }
    progress_clear(&r->app->out);
    rec_report(r);
    if (r->command == COMMAND_ENDED && !r->command_status)
        rc = rates_write(r, reterr);
    if (!rc)
        rc = finish(r, "done", reterr);
    if (!rc && r->command == COMMAND_ENDED && r->command_status) {
        rc = err_set(reterr, EC_FAIL, "COMMAND ended with status %d", r->command_status);
        err_hint(reterr, "the maps run; what COMMAND had changed was carried over");
    } else if (!rc && r->command == COMMAND_UNKNOWN) {
        rc = err_set(reterr, EC_FAIL, "how COMMAND ended is not known");
        err_hint(reterr, "the maps run; look at its output and at the job itself before you run it again");
    }
    return rc;
}

/* ---- reconcile ---- */

static bool same_command(const struct reconcile *r, const struct options *o)
{
    bool same = r->argc == o->n_rest;

    for (size_t i = 0; i < r->argc && same; i++)
        same = !strcmp(r->argv[i], o->rest[i]);
    return same;
}

static bool same_maps(const struct reconcile *r)
{
    size_t n = 0;
    bool same = true;

    for (size_t i = 0; i < r->p->n; i++)
        if (r->p->maps[i].selected) {
            bool found = false;

            for (size_t k = 0; k < r->n; k++)
                found = found || !strcmp(r->maps[k].c.alias, r->p->maps[i].cfg->alias);
            same = same && found;
            n++;
        }
    return same && n == r->n;
}

/* The unfinished run is this very one: it goes on where it was. */
static enum ec take_up(struct reconcile *r, struct err *reterr)
{
    struct app *app = r->app;
    int status;

    if (app->opt->restart || !same_command(r, app->opt) || !same_maps(r)) {
        err_set(reterr, EC_STATE, "run %lld, another reconcile, is not finished (state '%s')", (long long)r->run.id,
                rec_state_word(r->state));
        return err_hint(reterr, "run 'dmfsync recover' first");
    }
    if (!app->opt->execute) {
        out_line(&app->out, "run %lld is not finished (state '%s'): --execute continues it there",
                 (long long)r->run.id, rec_state_word(r->state));
        return EC_OK;
    }
    out_line(&app->out, "run %lld goes on in the state '%s'", (long long)r->run.id, rec_state_word(r->state));
    if (r->state == REC_COMMAND && command_look(r, &status) != COMMAND_NOT_RUN)
        out_line(&app->out, "COMMAND has been begun already and is not run a second time");
    return go(r, reterr);
}

static enum ec begin_new(struct reconcile *r, struct err *reterr)
{
    struct app *app = r->app;
    enum ec rc;

    r->argv = app->opt->rest;
    r->argc = app->opt->n_rest;
    r->began_ms = clock_utc_ms();
    collect_maps(r);
    rc = rec_plan(r, reterr);
    if (rc || !app->opt->execute)
        return rc;
    rc = run_begin(r->p, "reconcile", &r->run, reterr);
    if (rc)
        return rc;
    command_forget(r);
    r->state = REC_DRAIN;
    return go(r, reterr);
}

enum ec cmd_reconcile(struct app *app, struct err *reterr)
{
    struct reconcile r = { .app = app };
    bool unfinished;
    enum ec rc;

    if (!app->opt->n_rest) {
        err_set(reterr, EC_USAGE, "which command? Give it after --");
        return err_hint(reterr, "dmfsync reconcile customers -- ./run-the-batch-job");
    }
    rc = journal_read(app, &r, reterr);
    unfinished = !rc;
    if (rc && rc != EC_NOTFOUND)
        return rc;
    if (!unfinished && app->opt->resume) {
        err_set(reterr, EC_STATE, "there is no unfinished reconcile to resume");
        return err_hint(reterr, "leave --resume out to begin one");
    }
    rc = open_all(&r, reterr);
    if (!rc)
        rc = unfinished ? take_up(&r, reterr) : begin_new(&r, reterr);
    close_all(&r);
    return rc;
}

/* ---- recover ---- */

/* Where a run that was cut off goes on without its COMMAND being begun. */
static enum ec choose_state(struct reconcile *r, struct err *reterr)
{
    struct control_map *c = arena_zalloc(&r->arena, (r->n + 1) * sizeof(*c));
    enum map_state *s = arena_zalloc(&r->arena, (r->n + 1) * sizeof(*s));
    size_t n = 0, running = 0;
    char why[200];
    int status;
    enum ec rc;

    r->skip_command = true;
    if (r->state == REC_COMMAND && command_look(r, &status) == COMMAND_NOT_RUN)
        r->state = REC_CARRY;
    if (r->state > REC_STOP || r->command != COMMAND_NOT_RUN)
        return EC_OK;
    for (size_t i = 0; i < r->n; i++)
        if (r->maps[i].ours)
            c[n++] = r->maps[i].c;
    rc = control_read(r->control, c, n, s, why, reterr);
    for (size_t i = 0; i < n; i++)
        running += s[i] == MAP_RUNNING;
    if (!rc && running == n) {
        out_line(&r->app->out, "nothing had been stopped yet: there is nothing to finish");
        r->state = REC_DONE;
    } else {
        r->state =
            REC_STOP; /* some are away: all of them, then what changed meanwhile is carried, then they run again */
    }
    return rc;
}

/* Starts the maps and nothing else. */
static enum ec roll_back(struct reconcile *r, struct err *reterr)
{
    struct control_map *c = arena_zalloc(&r->arena, (r->n + 1) * sizeof(*c));
    enum control_action a = !r->pause ? CONTROL_START : r->applied ? CONTROL_RESUME_DISCARD : CONTROL_RESUME;
    size_t n = 0;
    enum ec rc;

    for (size_t i = 0; i < r->n; i++)
        if (r->maps[i].ours)
            c[n++] = r->maps[i].c;
    rc = n ? control_do(r->control, a, c, n, reterr) : EC_OK;
    if (rc)
        return rc;
    out_line(&r->app->out, "%zu maps run again%s", n, a == CONTROL_RESUME ? "; their queue was replayed" : "");
    if (a != CONTROL_RESUME)
        out_line(
            &r->app->out,
            "changes made while they were away are NOT carried over: run 'dmfsync parity', which finds them, and "
            "'repair'");
    r->state = REC_DONE;
    rc = finish(r, "failed", reterr);
    if (!rc && a != CONTROL_RESUME)
        out_status(&r->app->out, EC_DIFFERENT);
    return rc;
}

/* A run that ended before its journal was written has done nothing. */
static enum ec end_empty_run(struct app *app, struct err *reterr)
{
    struct query *q =
        store_query(app->work, "update run set state = 'failed', ended_at = ?1 where kind = 'reconcile' and state in "
                               "('running', 'stopped')");
    char now[32];
    enum ec rc;

    clock_format_utc(clock_utc_ms(), now);
    query_str(q, 1, now);
    rc = query_run(q, reterr);
    if (!rc)
        out_line(&app->out, "there is nothing to recover: no reconcile is unfinished");
    out_bool(&app->out, NULL, "recovered", false);
    return rc;
}

enum ec cmd_recover(struct app *app, struct err *reterr)
{
    struct reconcile r = { .app = app };
    char who[120];
    enum ec rc = journal_read(app, &r, reterr);

    if (rc == EC_NOTFOUND)
        return end_empty_run(app, reterr);
    if (rc)
        return rc;
    /* The maps of the run, whatever is named now. */
    app->opt->args = arena_zalloc(&r.arena, (r.n + 1) * sizeof(*app->opt->args));
    app->opt->n_args = r.n;
    for (size_t i = 0; i < r.n; i++)
        app->opt->args[i] = r.maps[i].c.alias;
    rc = open_all(&r, reterr);
    if (!rc) {
        out_line(&app->out, "run %lld was cut off in the state '%s'", (long long)r.run.id, rec_state_word(r.state));
        lease_word(&r, who);
        if (*who)
            out_line(&app->out, "its maps were started meanwhile by the watchdog of %s", who);
        out_bool(&app->out, NULL, "recovered", true);
        if (option_given(app, "--rollback"))
            rc = roll_back(&r, reterr);
        else
            rc = choose_state(&r, reterr);
        if (!rc && !option_given(app, "--rollback"))
            rc = go(&r, reterr);
    }
    close_all(&r);
    return rc;
}
