/* cmd_undo.c -- the command `undo`: what one run overwrote of a map, as files, and given back. */
#include "base/log.h"
#include "sync/sync_commands.h"
#include "sync/undo.h"

#include <stdio.h>

struct undo_command {
    struct app *app;
    struct map_ctx *m;
    struct dict *d;
    int64_t of_run;
    struct arena a;
};

static void tell(struct undo_command *u, const char *side, const char *member, const struct undo_counts *c)
{
    struct output *out = &u->app->out;
    struct json *o = out_object(out, NULL, member);

    out_int(out, o, "rows", (int64_t)c->rows);
    out_int(out, o, "as_before", (int64_t)c->back);
    out_int(out, o, "changed_since", (int64_t)c->changed);
    out_int(out, o, "gone", (int64_t)c->gone);
    out_int(out, o, "created", (int64_t)c->created);
    out_str(out, o, "file", c->file);
    out_str(out, o, "created_file", c->created_file);
    out_line(out, "%s: %llu rows go back to what they were before run %lld, %llu are as they were", side,
             (unsigned long long)c->rows, (long long)u->of_run, (unsigned long long)c->back);
    if (c->file[0])
        out_line(out, "%s:   the previous values: %s", side, c->file);
    if (c->changed)
        out_line(out, "%s:   %llu rows have fields that were changed since; those fields stay", side,
                 (unsigned long long)c->changed);
    if (c->gone)
        out_line(out, "%s:   %llu rows that the run overwrote are not there any more", side,
                 (unsigned long long)c->gone);
    if (c->created)
        out_line(out, "%s:   %llu rows were created by the run; nothing deletes them: %s", side,
                 (unsigned long long)c->created, c->created_file);
}

static enum ec into_fno(struct undo_command *u, const struct run *run, const struct undo_counts *c,
                        struct err *reterr)
{
    struct load_counts l = { 0 };
    enum ec rc = undo_fno(u->m, run, c->file, &l, reterr);

    if (rc)
        return rc;
    out_line(&u->app->out, "F&O: %llu rows given back, %llu were so already, %llu rejected, %llu open",
             (unsigned long long)l.landed, (unsigned long long)l.unchanged, (unsigned long long)l.rejected,
             (unsigned long long)(l.unsent + l.parked + l.unknown));
    if (l.rejected || l.unsent || l.parked || l.unknown)
        out_status(&u->app->out, EC_ROWS);
    return EC_OK;
}

static enum ec into_dv(struct undo_command *u, const struct run *run, struct err *reterr)
{
    struct dvload_counts w = { 0 };
    enum ec rc = undo_dv(u->m, run, u->d, u->of_run, &w, reterr);

    if (rc)
        return rc;
    out_line(&u->app->out, "Dataverse: %llu rows given back, %llu refused, %llu open",
             (unsigned long long)(w.updated + w.linked), (unsigned long long)w.refused,
             (unsigned long long)(w.parked + w.unknown));
    if (w.refused || w.parked || w.unknown)
        out_status(&u->app->out, EC_ROWS);
    return EC_OK;
}

/* Once packages are made of the file it stays as it is: an undo that was cut off goes on with it. */
static enum ec fno_side(struct undo_command *u, const struct run *run, bool *ret_any, struct undo_counts *c,
                        struct err *reterr)
{
    char state[16] = "", phase[24] = "";
    enum ec rc = run ? run_map_get(u->app, run, u->m->cfg->alias, state, phase, reterr) : EC_OK;

    if (!rc && !strcmp(phase, "load")) {
        c->file = workspace_path(&u->app->ws, &u->a, ".dmfsync/undo/%s-%lld-fno.csv", u->m->cfg->alias,
                                 (long long)u->of_run);
        *ret_any = true;
        return into_fno(u, run, c, reterr);
    }
    if (!rc && strcmp(phase, "dataverse") != 0) {
        rc = undo_fno_plan(u->m, u->of_run, &u->a, c, reterr);
        if (rc == EC_NOTFOUND)
            return EC_OK;
        *ret_any = true;
        if (!rc)
            tell(u, "F&O", "fno", c);
    }
    if (!rc && run && c->rows) {
        rc = run_map_set(u->app, run, u->m->cfg->alias, u->m->wave, "working", "load", NULL, reterr);
        if (!rc)
            rc = into_fno(u, run, c, reterr);
    }
    return rc;
}

static enum ec dv_side(struct undo_command *u, const struct run *run, bool *ret_any, struct err *reterr)
{
    struct undo_counts c = { 0 };
    enum ec rc =
        run ? run_map_set(u->app, run, u->m->cfg->alias, u->m->wave, "working", "dataverse", NULL, reterr) : EC_OK;

    if (!rc)
        rc = undo_dv_plan(u->m, u->d, u->of_run, &u->a, &c, reterr);
    if (rc == EC_NOTFOUND)
        return EC_OK;
    *ret_any = true;
    if (!rc)
        tell(u, "Dataverse", "dataverse", &c);
    return !rc && run && c.rows ? into_dv(u, run, reterr) : rc;
}

static enum ec both_sides(struct undo_command *u, const struct run *run, struct err *reterr)
{
    struct undo_counts fno = { .file = "", .created_file = "" };
    bool any = false;
    enum ec rc = run ? pairing_begin(u->m, run, reterr) : EC_OK;

    if (!rc)
        rc = fno_side(u, run, &any, &fno, reterr);
    if (!rc)
        rc = dv_side(u, run, &any, reterr);
    if (!rc && !any) {
        rc = err_set(reterr, EC_STATE, "nothing was kept of map '%s' in run %lld", u->m->cfg->alias,
                     (long long)u->of_run);
        err_hint(reterr, "[load] undo = yes keeps it, from the next load on; 'dmfsync history' lists the runs");
    }
    return rc;
}

static enum ec execute(struct undo_command *u, struct err *reterr)
{
    struct run run;
    char kind[16];
    enum ec rc;

    snprintf(kind, sizeof(kind), "undo-%lld", (long long)u->of_run);
    rc = run_begin(u->m->pair, kind, &run, reterr);
    if (rc)
        return rc;
    if (run.continued)
        log_info("undo", "continuing run %lld", (long long)run.id);
    rc = both_sides(u, &run, reterr);
    if (rc) {
        (void)run_end(u->app, &run, "stopped", NULL);
        return rc;
    }
    return run_end(u->app, &run, "done", reterr);
}

enum ec cmd_undo(struct app *app, struct err *reterr)
{
    struct undo_command u = { .app = app };
    struct pair *p = NULL;
    enum ec rc;

    if (!cell_to_i64(cell_of(app->opt->args[0]), &u.of_run) || u.of_run < 1 || u.of_run > 99999999) {
        err_set(reterr, EC_USAGE, "'%s' is not the number of a run", app->opt->args[0]);
        return err_hint(reterr, "'dmfsync history' lists the runs");
    }
    rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 1, &p, reterr);
    if (!rc)
        rc = pair_companies(p, reterr);
    if (!rc)
        rc = pair_check_not_running(p, reterr);
    if (!rc)
        rc = dict_open(p, &u.d, reterr);
    for (size_t i = 0; !rc && i < p->n; i++)
        if (p->maps[i].selected) {
            u.m = &p->maps[i];
            rc = app->opt->execute ? execute(&u, reterr) : both_sides(&u, NULL, reterr);
        }
    progress_clear(&app->out);
    dict_close(u.d);
    pair_close(p);
    arena_release(&u.a);
    return rc;
}
