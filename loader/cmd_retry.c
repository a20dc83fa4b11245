/* cmd_retry.c -- the command `retry`: the failed rows of the last load once more, as they were or corrected. */
#include "base/log.h"
#include "loader/loader_commands.h"
#include "loader/retry.h"
#include "loader/send.h"

#include <stdio.h>

struct retrying {
    struct app *app;
    struct pair *p;
    const char *file; /* --rejects */
    struct json *list;
    struct table *t;
    uint64_t to_dataverse;
};

/* How a user begins a run of this kind (sync/pairing.h has those of `load` in other directions). */
static const char *command_of(const char *kind)
{
    static const char *const KINDS[][2] = { { "load-csv-dv", "load --to dataverse" },
                                            { "load-csv-both", "load --to both" },
                                            { "load-dv-fno", "load --from dataverse" } };

    for (size_t i = 0; i < COUNT(KINDS); i++)
        if (!strcmp(KINDS[i][0], kind))
            return KINDS[i][1];
    return kind;
}

/* A load that is not over is finished by its own command; one that packed no file of the user's is repeated by it. */
static enum ec check_finished(struct app *app, struct map_ctx *m, int64_t load_run, struct err *reterr)
{
    struct query *q = store_query(
        app->work, "select kind, state in ('running', 'stopped') from run where id = ?1 and kind <> 'retry'");
    char kind[16] = "";
    bool open = false;
    enum ec rc;

    query_int(q, 1, load_run);
    if (query_step(q)) {
        snprintf(kind, sizeof(kind), "%s", query_get_str(q, 0));
        /* Maps of `load` are over one by one; what compares both sides as well goes by what it read before. */
        open = query_get_int(q, 1) != 0 && strcmp(kind, "load");
    }
    rc = query_done(q, reterr);
    if (rc)
        return rc;
    if (open) {
        err_set(reterr, EC_STATE, "run %lld, which loads map '%s', is not over", (long long)load_run, m->cfg->alias);
        return err_hint(reterr, "finish it first: dmfsync %s --execute", command_of(kind));
    }
    if (!strcmp(kind, "load-csv-dv") || !strcmp(kind, "load-dv-fno")) {
        err_set(reterr, EC_STATE, "the last load of map '%s' (run %lld) was not of files into F&O", m->cfg->alias,
                (long long)load_run);
        return err_hint(
            reterr,
            "correct what 'dmfsync errors %s' names, then run it again: dmfsync %s %s --execute sends only "
            "what is missing or differs",
            m->cfg->alias, command_of(kind), m->cfg->alias);
    }
    return EC_OK;
}

static enum ec offer(struct retrying *c, struct map_ctx *m, int64_t load_run, struct err *reterr)
{
    struct retry_offer o;
    uint64_t rows = 0;
    struct json *v;
    enum ec rc = retry_offer(m, load_run, &o, reterr);

    if (!rc && c->file)
        rc = retry_check_file(m, load_run, c->file, &rows, reterr);
    if (rc)
        return rc;
    v = out_object(&c->app->out, c->list, NULL);
    out_str(&c->app->out, v, "map", m->cfg->alias);
    out_int(&c->app->out, v, "rows", (int64_t)(c->file ? rows : o.rows));
    out_int(&c->app->out, v, "need_correction", (int64_t)o.need_correction);
    out_int(&c->app->out, v, "packages", (int64_t)o.packages);
    if (c->file)
        out_line(&c->app->out, "%s: %llu rows of '%s' would go again, of %llu that failed", m->cfg->alias,
                 (unsigned long long)rows, c->file, (unsigned long long)(o.rows + o.need_correction));
    else
        out_line(&c->app->out, "%s: %llu failed rows would go again as they are%s", m->cfg->alias,
                 (unsigned long long)o.rows, o.packages ? ", and the packages that F&O refused" : "");
    if (!c->file && o.need_correction)
        out_line(&c->app->out,
                 "%s: %llu rows were refused before sending: 'dmfsync errors %s --rejects' writes them to a file; "
                 "correct it, then 'dmfsync retry %s --rejects FILE'",
                 m->cfg->alias, (unsigned long long)o.need_correction, m->cfg->alias, m->cfg->alias);
    return EC_OK;
}

static enum ec show(struct retrying *c, struct map_ctx *m, const struct retry_row *r, struct err *reterr)
{
    struct output *o = &c->app->out;
    struct load_counts n = { 0 };
    uint64_t open;
    struct json *v;
    enum ec rc = load_counts(m, r->load_run, &n, reterr);

    if (rc)
        return rc;
    open = n.unsent + n.parked + n.unknown;
    v = out_object(o, c->list, NULL);
    table_cell(c->t, "%s", m->cfg->alias);
    table_cell(c->t, "%llu", (unsigned long long)r->taken);
    table_cell(c->t, "%llu", (unsigned long long)n.rows);
    table_cell(c->t, "%llu", (unsigned long long)n.landed);
    table_cell(c->t, "%llu", (unsigned long long)n.unchanged);
    table_cell(c->t, "%llu", (unsigned long long)n.rejected);
    table_cell(c->t, "%llu", (unsigned long long)open);
    out_str(o, v, "map", m->cfg->alias);
    out_int(o, v, "load_run", r->load_run);
    out_int(o, v, "taken", (int64_t)r->taken);
    out_int(o, v, "rejected_before_sending", (int64_t)r->again);
    out_int(o, v, "rows", (int64_t)n.rows);
    out_int(o, v, "landed", (int64_t)n.landed);
    out_int(o, v, "unchanged", (int64_t)n.unchanged);
    out_int(o, v, "rejected", (int64_t)n.rejected);
    out_int(o, v, "parked", (int64_t)n.parked);
    out_int(o, v, "unsent", (int64_t)n.unsent);
    out_int(o, v, "excluded", (int64_t)n.excluded);
    out_int(o, v, "unknown", (int64_t)n.unknown);
    if (n.rejected || open)
        out_status(o, EC_ROWS);
    return EC_OK;
}

static enum ec one_map(struct retrying *c, struct map_ctx *m, const struct run *run, struct err *reterr)
{
    int64_t load_run = load_last_run(m);
    struct run ledger = *run;
    struct retry_row r;
    struct load_row l;
    enum ec rc = retry_get(m, run->id, &r, reterr);

    if (!rc && r.found && r.load_run != load_run) {
        out_warn(&c->app->out, "%s: a newer load took the place of the one that was retried", m->cfg->alias);
        return EC_OK;
    }
    if (!rc)
        rc = load_row(m, load_run, &l, reterr);
    if (!rc && !r.found && strcmp(l.phase, "settled")) {
        rc = err_set(reterr, EC_STATE, "the load of map '%s' is not over: it is in phase '%s'", m->cfg->alias,
                     l.phase);
        err_hint(reterr, "finish it with the command that began it, then retry");
    }
    if (!rc)
        rc = retry_plan(m, run, load_run, c->file, reterr);
    ledger.id = load_run;
    if (!rc)
        rc = send_packages(m, &ledger, 1, -1, reterr);
    if (!rc)
        rc = send_packages(m, &ledger, 2, -1, reterr);
    if (!rc)
        rc = load_phase_set(m, load_run, "settled", reterr);
    if (!rc)
        rc = retry_get(m, run->id, &r, reterr);
    return rc ? rc : show(c, m, &r, reterr);
}

static enum ec execute(struct retrying *c, struct err *reterr)
{
    static const char *const HEADERS[] = { "map", "again", "rows", "landed", "unchanged", "rejected", "open" };
    struct run run;
    enum ec rc;

    rc = run_begin(c->p, "retry", &run, reterr);
    if (rc)
        return rc;
    if (run.continued)
        log_info("retry", "continuing run %lld", (long long)run.id);
    out_int(&c->app->out, NULL, "run", run.id);
    out_bool(&c->app->out, NULL, "continued", run.continued);
    c->t = table_new(&c->app->out, HEADERS, COUNT(HEADERS), "lrrrrrr");
    for (size_t i = 0; i < c->p->n && !rc; i++) {
        struct map_ctx *m = &c->p->maps[i];

        if (!m->selected || !m->cfg->source || !load_last_run(m))
            continue;
        rc = run_map_set(c->app, &run, m->cfg->alias, m->wave, "working", "retry", NULL, reterr);
        if (!rc)
            rc = one_map(c, m, &run, reterr);
        if (!rc)
            rc = run_map_set(c->app, &run, m->cfg->alias, m->wave, "done", "retry", NULL, reterr);
    }
    table_print(c->t);
    if (rc) {
        (void)run_end(c->app, &run, "stopped", NULL);
        return rc;
    }
    out_line(&c->app->out, "rows that landed in F&O reach Dataverse by 'dmfsync sync', or by 'dmfsync repair MAP'");
    return run_end(c->app, &run, "done", reterr);
}

enum ec cmd_retry(struct app *app, struct err *reterr)
{
    struct retrying c = { .app = app, .file = option_value(app, "--rejects") };
    size_t found = 0;
    enum ec rc = EC_OK;

    if (c.file && app->opt->n_args != 1) {
        err_set(reterr, EC_USAGE, "--rejects FILE holds the rows of one map");
        return err_hint(reterr, "name the map: dmfsync retry --rejects FILE ALIAS");
    }
    rc = pair_open_to_write(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, &c.p, reterr);
    c.list = out_array(&app->out, NULL, "maps");
    for (size_t i = 0; i < (c.p ? c.p->n : 0) && !rc; i++) {
        struct map_ctx *m = &c.p->maps[i];
        int64_t load_run = m->selected && m->cfg->source ? load_last_run(m) : 0;

        if (!load_run)
            continue;
        found++;
        rc = check_finished(app, m, load_run, reterr);
        if (!rc && !app->opt->execute)
            rc = offer(&c, m, load_run, reterr);
    }
    if (!rc && !found) {
        rc = err_set(reterr, EC_STATE, "no map that was named has been loaded in this workspace");
        err_hint(reterr, "'dmfsync load --execute' or 'dmfsync migrate --execute' comes first");
    }
    if (!rc && app->opt->execute)
        rc = execute(&c, reterr);
    pair_close(c.p);
    return rc;
}
