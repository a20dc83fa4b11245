/* cmd_migrate.c -- the command `migrate`: plan or run, and the table at the end. */
#include "base/clock.h"
#include "base/log.h"
#include "sync/migrate.h"
#include "sync/sync_commands.h"

static uint64_t rejected(const struct map_outcome *o)
{
    return o->load.rejected + o->repair.written.refused + o->repair.refused_existing;
}

static void put_map(struct app *app, struct json *list, struct map_ctx *m, const struct map_outcome *o)
{
    struct json *v = out_object(&app->out, list, NULL);

    out_cell(&app->out, v, "map", m->map->name);
    out_str(&app->out, v, "alias", m->cfg->alias);
    out_int(&app->out, v, "wave", m->wave);
    out_str(&app->out, v, "state",
            o->failed     ? "failed"
            : o->skipped  ? "skipped"
            : o->green    ? "green"
            : o->compared ? "red"
                          : "unfinished");
    out_int(&app->out, v, "source_rows", (int64_t)o->load.rows);
    out_int(&app->out, v, "landed", (int64_t)o->load.landed);
    out_int(&app->out, v, "unchanged", (int64_t)o->load.unchanged);
    out_int(&app->out, v, "rejected", (int64_t)rejected(o));
    out_int(&app->out, v, "parked", (int64_t)(o->load.parked + o->repair.written.parked));
    out_int(&app->out, v, "unsent", (int64_t)o->load.unsent);
    out_int(&app->out, v, "excluded", (int64_t)o->load.excluded);
    out_int(&app->out, v, "unknown", (int64_t)(o->load.unknown + o->repair.written.unknown));
    out_int(&app->out, v, "defaulted", (int64_t)o->proof.defaulted_rows);
    out_int(&app->out, v, "changed", (int64_t)o->proof.changed_rows);
    out_int(&app->out, v, "fno_rows", (int64_t)o->diff.all.fno_rows);
    out_int(&app->out, v, "dataverse_rows", (int64_t)o->diff.all.dataverse_rows);
    out_int(&app->out, v, "keys", (int64_t)o->diff.all.keys);
    out_int(&app->out, v, "equal", (int64_t)o->diff.all.equal);
    out_int(&app->out, v, "differ", (int64_t)(o->diff.all.keys - o->diff.all.equal));
    out_str(&app->out, v, "verdict", o->compared ? verdict_name(o->verdict) : NULL);
    out_str(&app->out, v, "why", o->why);
}

static void show(struct app *app, struct pair *p, const struct map_outcome *outcomes)
{
    static const char *const HEADERS[] = { "wave",  "map",    "source",   "F&O",    "Dataverse",
                                           "equal", "differ", "rejected", "verdict" };
    struct table *t = table_new(&app->out, HEADERS, COUNT(HEADERS), "rlrrrrrrl");
    struct json *list = out_array(&app->out, NULL, "maps");

    for (size_t i = 0; i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];
        const struct map_outcome *o = &outcomes[i];

        if (!m->selected)
            continue;
        put_map(app, list, m, o);
        table_cell(t, "%d", m->wave);
        table_cell(t, CELL_FMT, CELL_ARG(m->map->name));
        if (m->cfg->source)
            table_cell(t, "%llu", (unsigned long long)o->load.rows);
        else
            table_cell(t, "-");
        table_cell(t, "%llu", (unsigned long long)o->diff.all.fno_rows);
        table_cell(t, "%llu", (unsigned long long)o->diff.all.dataverse_rows);
        table_cell(t, "%llu", (unsigned long long)o->diff.all.equal);
        table_cell(t, "%llu", (unsigned long long)(o->diff.all.keys - o->diff.all.equal));
        table_cell(t, "%llu", (unsigned long long)rejected(o));
        table_cell(t, "%s",
                   o->failed      ? "failed"
                   : o->skipped   ? "skipped"
                   : !o->compared ? "unfinished"
                   : o->green     ? "parity, gate open"
                                  : verdict_name(o->verdict));
        if (rejected(o))
            out_status(&app->out, EC_ROWS);
        if (o->compared && !o->green)
            out_status(&app->out, o->verdict == VERDICT_PARITY ? EC_ROWS : EC_DIFFERENT);
    }
    out_line(&app->out, "%s", "");
    table_print(t);
    for (size_t i = 0; i < p->n; i++)
        if (outcomes[i].why && p->maps[i].selected)
            out_line(&app->out, "%s is not green: %s", p->maps[i].cfg->alias, outcomes[i].why);
}

static enum ec run_it(struct app *app, struct pair *p, const struct wave_rules *rules, struct err *reterr)
{
    struct map_outcome *outcomes = arena_zalloc(&p->arena, (p->n + 1) * sizeof(*outcomes));
    struct arena a = { 0 };
    struct run run;
    bool green = true, failed = false;
    enum ec rc;

    rc = run_begin(p, "migrate", &run, reterr);
    if (rc)
        return rc;
    out_int(&app->out, NULL, "run", run.id);
    out_bool(&app->out, NULL, "continued", run.continued);
    if (run.continued)
        out_line(&app->out, "continuing run %lld", (long long)run.id);
    rc = migrate_all(p, &run, rules, &a, outcomes, reterr);
    progress_clear(&app->out);
    show(app, p, outcomes);
    for (size_t i = 0; i < p->n; i++)
        green = green && (!p->maps[i].selected || outcomes[i].green);
    for (size_t i = 0; i < p->n; i++)
        failed = failed || outcomes[i].failed;
    if (rc)
        (void)run_end(app, &run, "stopped", NULL);
    else
        rc = run_end(app, &run, failed ? "stopped" : green ? "done" : "failed", reterr);
    if (!rc)
        for (size_t i = 0; i < p->n; i++)
            if (outcomes[i].load.rejected || outcomes[i].repair.written.refused) {
                out_line(&app->out, "rejected rows: dmfsync errors");
                break;
            }
    arena_release(&a);
    return rc;
}

static enum ec dry_run(struct app *app, struct pair *p, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < p->n && !rc; i++) {
        struct map_ctx *m = &p->maps[i];
        struct source *s = NULL;

        if (!m->selected)
            continue;
        if (m->cfg->source) {
            rc = source_open(m, &s, reterr);
            if (rc)
                break;
        }
        out_line(&app->out, "wave %d: " CELL_FMT ": %s%s", m->wave, CELL_ARG(m->map->name),
                 m->cfg->source ? "load " : "read from F&O", m->cfg->source ? m->cfg->source : "");
        source_close(s);
    }
    return rc;
}

enum ec cmd_migrate(struct app *app, struct err *reterr)
{
    struct pair *p = NULL;
    struct wave_rules rules;
    enum ec rc = wave_rules_read(app, &rules, reterr);

    if (!rc)
        rc = pair_open_to_write(app, PAIR_LIVE | PAIR_STATE | PAIR_CLOSURE, &p, reterr);
    if (!rc)
        rc = dry_run(app, p, reterr); /* every source header is checked before the first row leaves */
    if (!rc && app->opt->execute)
        rc = run_it(app, p, &rules, reterr);
    pair_close(p);
    return rc;
}
