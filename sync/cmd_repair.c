/* cmd_repair.c -- compare, write what differs, compare again. */
#include "base/log.h"
#include "sync/compare.h"
#include "sync/repair.h"
#include "sync/sync_commands.h"

static enum ec write_both(struct app *app, struct pair *p, struct map_ctx *m, struct dict *d, struct arena *a,
                          struct comparison *c, struct err *reterr)
{
    struct strbuf lines = STRBUF(0);
    struct repair_counts dv = { 0 };
    struct repair_fno_counts fno = { 0 };
    char identity[65];
    struct run run;
    enum ec rc;

    pair_identity(p, &lines, identity);
    rc = run_begin(app, "repair", identity, strbuf_str(&lines), &run, reterr);
    strbuf_release(&lines);
    if (!rc)
        rc = repair_dataverse(m, &run, d, NULL, &dv, reterr);
    if (!rc)
        rc = repair_fno(m, &run, &fno, reterr);
    if (!rc)
        rc = compare_map(m, d, 1000, a, c, reterr);
    if (!rc)
        rc = verdict_store(m, run.id, c->verdict, &c->diff, NULL, reterr);
    if (!rc)
        rc = run_end(app, &run, "done", reterr);
    if (rc)
        return rc;
    out_int(&app->out, NULL, "created", (int64_t)dv.written.created);
    out_int(&app->out, NULL, "updated_dataverse", (int64_t)dv.written.updated);
    out_int(&app->out, NULL, "linked_dataverse", (int64_t)dv.written.linked);
    out_int(&app->out, NULL, "updated_fno", (int64_t)fno.updated);
    out_int(&app->out, NULL, "refused", (int64_t)(dv.written.refused + dv.refused_existing + fno.refused));
    out_int(&app->out, NULL, "parked", (int64_t)dv.written.parked);
    out_line(&app->out, "%s: Dataverse %llu created, %llu updated; F&O %llu updated; %llu refused, %llu parked",
             m->cfg->alias, (unsigned long long)dv.written.created, (unsigned long long)dv.written.updated,
             (unsigned long long)fno.updated,
             (unsigned long long)(dv.written.refused + dv.refused_existing + fno.refused),
             (unsigned long long)dv.written.parked);
    if (dv.written.refused + dv.refused_existing + fno.refused)
        out_status(&app->out, EC_ROWS);
    return EC_OK;
}

enum ec cmd_repair(struct app *app, struct err *reterr)
{
    struct arena a = { 0 };
    struct pair *p = NULL;
    struct dict *d = NULL;
    struct comparison c;
    struct json *list = out_array(&app->out, NULL, "maps");
    enum ec rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);

    if (!rc)
        rc = pair_companies(p, reterr);
    if (!rc)
        rc = pair_check_not_running(p, reterr);
    if (!rc)
        rc = dict_open(p, &d, reterr);
    for (size_t i = 0; !rc && i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];

        if (!m->selected)
            continue;
        rc = compare_map(m, d, 1000, &a, &c, reterr);
        if (rc)
            break;
        out_line(&app->out, "%s: %llu differ, %llu only in F&O, %llu only in Dataverse (those stay)", m->cfg->alias,
                 (unsigned long long)c.diff.all.differ, (unsigned long long)c.diff.all.only_fno,
                 (unsigned long long)c.diff.all.only_dataverse);
        if (app->opt->execute)
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
