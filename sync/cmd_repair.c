/* cmd_repair.c -- compare, write what differs, compare again. */
#include "base/log.h"
#include "sync/compare.h"
#include "sync/repair.h"
#include "sync/sync_commands.h"

enum { RECHECK = 1000 };

struct written {
    struct repair_counts dv;
    struct repair_fno_counts fno;
    struct repair_delete_counts gone;
};

static void tell(struct app *app, const struct map_ctx *m, const struct written *w)
{
    struct output *o = &app->out;
    uint64_t refused = w->dv.written.refused + w->dv.refused_existing + w->fno.refused + w->gone.refused;
    uint64_t moved = w->fno.moved + w->gone.moved;

    out_int(o, NULL, "created", (int64_t)w->dv.written.created);
    out_int(o, NULL, "updated_dataverse", (int64_t)w->dv.written.updated);
    out_int(o, NULL, "linked_dataverse", (int64_t)w->dv.written.linked);
    out_int(o, NULL, "created_fno", (int64_t)w->fno.created);
    out_int(o, NULL, "updated_fno", (int64_t)w->fno.updated);
    out_int(o, NULL, "deleted", (int64_t)w->gone.deleted);
    out_int(o, NULL, "made_inactive", (int64_t)w->gone.marked);
    out_int(o, NULL, "refused", (int64_t)refused);
    out_int(o, NULL, "parked", (int64_t)w->dv.written.parked);
    out_int(o, NULL, "changed_meanwhile", (int64_t)moved);
    out_line(
        o,
        "%s: Dataverse %llu created, %llu updated; F&O %llu created, %llu updated; %llu deleted, %llu made inactive; "
        "%llu refused, %llu parked, %llu changed meanwhile",
        m->cfg->alias, (unsigned long long)w->dv.written.created, (unsigned long long)w->dv.written.updated,
        (unsigned long long)w->fno.created, (unsigned long long)w->fno.updated, (unsigned long long)w->gone.deleted,
        (unsigned long long)w->gone.marked, (unsigned long long)refused, (unsigned long long)w->dv.written.parked,
        (unsigned long long)moved);
    if (refused)
        out_status(o, EC_ROWS);
}

static enum ec write_both(struct app *app, struct pair *p, struct map_ctx *m, struct dict *d, struct arena *a,
                          struct comparison *c, struct err *reterr)
{
    static const struct repair_scope SCOPE = { .master_only = true };
    struct written w = { 0 };
    struct run run;
    enum ec rc;

    rc = run_begin(p, "repair", &run, reterr);
    if (!rc)
        rc = repair_dataverse(m, &run, d, &SCOPE, &w.dv, reterr);
    if (!rc)
        rc = repair_fno(m, &run, &w.fno, reterr);
    if (!rc)
        rc = repair_deletes(m, &run, d, &w.gone, reterr);
    if (!rc)
        rc = compare_map(m, d, RECHECK, a, c, reterr);
    if (!rc)
        rc = verdict_store(m, run.id, c->verdict, &c->diff, NULL, reterr);
    if (!rc)
        rc = run_end(app, &run, "done", reterr);
    if (!rc)
        tell(app, m, &w);
    return rc;
}

/* What would be done, and what the settings leave alone. */
static enum ec plan(struct map_ctx *m, const struct comparison *c, struct err *reterr)
{
    static const char *const RULES[] = { "report", "mark", "apply", "ignore" };
    const struct diff_counts *n = &c->diff.all;
    bool dv = m->cfg->master_dataverse;
    uint64_t make = dv ? n->only_dataverse : n->only_fno, surplus = dv ? n->only_fno : n->only_dataverse;
    struct repair_delete_counts gone;
    enum ec rc = repair_deletes_plan(m, &gone, reterr);

    out_line(&m->pair->app->out,
             "%s, master %s: %llu rows differ, %llu are missing in %s; of %llu only in %s, %llu would be deleted "
             "(deletes = %s)",
             m->cfg->alias, dv ? "Dataverse" : "F&O", (unsigned long long)n->differ, (unsigned long long)make,
             dv ? "F&O" : "Dataverse", (unsigned long long)surplus, dv ? "F&O" : "Dataverse",
             (unsigned long long)gone.planned, RULES[m->cfg->deletes]);
    out_int(&m->pair->app->out, NULL, "would_delete", (int64_t)gone.planned);
    if (dv && make > 1000 && m->b->entity->on_dmf)
        out_line(&m->pair->app->out,
                 "%s: so many rows go faster by packages: dmfsync load %s --from dataverse --to fno --execute",
                 m->cfg->alias, m->cfg->alias);
    return rc;
}

enum ec cmd_repair(struct app *app, struct err *reterr)
{
    struct arena a = { 0 };
    struct pair *p = NULL;
    struct dict *d = NULL;
    struct comparison c;
    struct json *list = out_array(&app->out, NULL, "maps");
    enum ec rc = pair_open_to_write(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, &p, reterr);

    if (!rc)
        rc = dict_open(p, &d, reterr);
    for (size_t i = 0; !rc && i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];

        if (!m->selected)
            continue;
        rc = compare_map(m, d, RECHECK, &a, &c, reterr);
        if (!rc)
            rc = plan(m, &c, reterr);
        if (!rc && app->opt->execute)
            rc = write_both(app, p, m, d, &a, &c, reterr);
        if (!rc)
            rc = verdict_output(m, list, c.verdict, &c.diff, c.checked_at, reterr);
        if (!rc) {
            out_line(&app->out, "%s: %s", m->cfg->alias, verdict_name(c.verdict));
            if (c.verdict != VERDICT_PARITY)
                out_status(&app->out, EC_DIFFERENT);
            rc = snapshot_prune(m, 2, reterr);
        }
    }
    progress_clear(&app->out);
    dict_close(d);
    pair_close(p);
    arena_release(&a);
    return rc;
}
