/* feed_export.c -- one export run of a project, driven to a downloaded package; the execution id is stored before the call. */
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "erp/pkgapi.h"
#include "sync/feed.h"

#include <stdio.h>

struct exporting {
    struct map_ctx *m;
    const char *project;
    struct cell company;
    char id[120], state[16], file[300];
    bool incremental;
};

static enum ec put_run(struct exporting *x, const char *state, const char *file, struct err *reterr)
{
    struct query *q = store_query(
        x->m->state,
        "insert into feed_run(execution_id, project, company, state, file, at) values(?1, ?2, ?3, ?4, "
        "?5, ?6) on conflict(execution_id) do update set state = excluded.state, file = excluded.file, at "
        "= excluded.at");
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    snprintf(x->state, sizeof(x->state), "%s", state);
    query_str(q, 1, x->id);
    query_str(q, 2, x->project);
    query_cell(q, 3, x->company);
    query_str(q, 4, state);
    query_str(q, 5, file);
    query_str(q, 6, now);
    return query_run(q, reterr);
}

/* A run that was cut off. Its package holds changes that the service will not tell again, so an incremental one is finished. */
static enum ec take_up(struct exporting *x, struct err *reterr)
{
    struct query *q = store_query(
        x->m->state, "select execution_id, state, file from feed_run where project = ?1 and company = ?2 and state "
                     "in ('asked', 'running', 'fetched') order by at desc limit 1");

    query_str(q, 1, x->project);
    query_cell(q, 2, x->company);
    if (query_step(q)) {
        snprintf(x->id, sizeof(x->id), "%s", query_get_str(q, 0));
        snprintf(x->state, sizeof(x->state), "%s", query_get_str(q, 1));
        snprintf(x->file, sizeof(x->file), "%s", query_get_str(q, 2));
    }
    return query_done(q, reterr);
}

static enum ec forget_stale(struct exporting *x, struct err *reterr)
{
    struct query *q =
        store_query(x->m->state,
                    "update feed_run set state = 'failed' where project = ?1 and company = ?2 and state in ('asked', "
                    "'running', 'fetched')");

    query_str(q, 1, x->project);
    query_cell(q, 2, x->company);
    return query_run(q, reterr);
}

static enum ec ask(struct exporting *x, struct err *reterr)
{
    struct map_ctx *m = x->m;
    struct arena a = { 0 };
    const char *company = x->company.len         ? cell_cstr(&a, x->company)
                          : m->pair->n_companies ? cell_cstr(&a, m->pair->companies[0].code)
                                                 : "dat";
    enum ec rc = erp_export(m->pair->app->erp, x->project, x->id, x->id, company, reterr);

    arena_release(&a);
    if (rc == EC_NET || rc == EC_BUSY) {
        log_warn("feed", "%s: the answer to ExportToPackage was lost; looking for execution %s", m->cfg->alias,
                 x->id);
        return EC_OK; /* state asked: looked up */
    }
    return rc ? rc : put_run(x, "running", "", reterr);
}

static enum ec begin(struct exporting *x, struct err *reterr)
{
    char stamp[32];
    enum ec rc;

    clock_format_utc(clock_utc_ms(), stamp);
    snprintf(x->id, sizeof(x->id), "%s-%.*s-%s-%03lld", x->project, (int)x->company.len, x->company.ptr, stamp,
             (long long)(clock_utc_ms() % 1000));
    for (char *c = x->id; *c; c++)
        if (*c == ':')
            *c = '-';
    STEP(exec_store);
    rc = put_run(x, "asked", "", reterr);
    STEP(exec_stored);
    return rc ? rc : ask(x, reterr);
}

static enum ec find_lost(struct exporting *x, int64_t since, bool *ret_wait, struct err *reterr)
{
    bool there = false;
    enum ec rc = erp_job_exists(x->m->pair->app->erp, x->id, &there, reterr);

    *ret_wait = false;
    if (rc)
        return rc;
    if (there)
        return put_run(x, "running", "", reterr);
    if (clock_mono_ms() - since >= x->m->pair->app->cfg.lost_answer_wait_ms)
        return ask(x, reterr);
    *ret_wait = true;
    return EC_OK;
}

static enum ec watch(struct exporting *x, bool *ret_wait, char *why, size_t n, struct err *reterr)
{
    struct arena a = { 0 };
    enum erp_status st = ERP_PENDING;
    char *url = NULL, *path;
    enum ec rc = erp_status(x->m->pair->app->erp, x->id, &st, reterr);

    *ret_wait = !rc;
    snprintf(why, n, "F&O export: %s", erp_status_word(st));
    if (rc || !erp_status_final(st))
        goto out;
    if (st != ERP_SUCCEEDED) {
        (void)put_run(x, "failed", "", NULL);
        rc = err_set(reterr, EC_FNO, "the export %s ended '%s'", x->id, erp_status_word(st));
        err_hint(reterr, "look at Data management > Job history > Execution log for project %s", x->project);
        goto out;
    }
    rc = erp_exported_url(x->m->pair->app->erp, x->id, &a, &url, reterr);
    if (rc || !url[0])
        goto out; /* right after Succeeded the package may not be there yet */
    path = workspace_path(&x->m->pair->app->ws, &a, ".dmfsync/packages/%s.zip", x->id);
    STEP(export_fetch);
    rc = erp_blob_get(x->m->pair->app->erp, url, "PK", path, reterr);
    STEP(export_fetched);
    if (!rc) {
        snprintf(x->file, sizeof(x->file), "%s", strrchr(path, '/') + 1);
        rc = put_run(x, "fetched", x->file, reterr);
        *ret_wait = false;
    }
out:
    arena_release(&a);
    return rc;
}

static struct erp_project project_of(struct map_ctx *m, const char *project, struct arena *a)
{
    return (struct erp_project){ .name = project,
                                 .entity_label = cell_cstr(a, m->b->entity->label),
                                 .source_format = m->pair->app->cfg.data_format,
                                 .description = "made by dmfsync",
                                 .incremental = strstr(project, "_FEED_") != NULL };
}

enum ec feed_restart(struct map_ctx *m, const char *project, struct cell company, struct err *reterr)
{
    struct exporting x = { .m = m, .project = project, .company = company };
    struct arena a = { 0 };
    struct erp_project p = project_of(m, project, &a);
    bool there = false;
    enum ec rc = forget_stale(&x, reterr);

    if (!rc)
        rc = erp_project_exists(m->pair->app->erp, project, &there, reterr);
    if (!rc && there) /* an earlier run may have ended between the project and its entity */
        rc = erp_project_ensure(m->pair->app->erp, &p, reterr);
    if (!rc && there)
        rc = erp_reset_position(m->pair->app->erp, project, cell_cstr(&a, m->b->entity->label), reterr);
    arena_release(&a);
    return rc;
}

enum ec feed_export(struct map_ctx *m, const char *project, struct cell company, char **ret_path, struct arena *a,
                    struct err *reterr)
{
    struct exporting x = { .m = m, .project = project, .company = company };
    struct erp_project p = project_of(m, project, a);
    int64_t since = clock_mono_ms(), gap = 100,
            cap = m->pair->app->cfg.poll_ms > 0 ? m->pair->app->cfg.poll_ms : 10000;
    char why[160] = "";
    enum ec rc;

    x.incremental = p.incremental;
    rc = x.incremental ? take_up(&x, reterr) : forget_stale(&x, reterr);
    if (!rc && !x.id[0]) {
        rc = erp_project_ensure(m->pair->app->erp, &p, reterr);
        if (!rc)
            rc = begin(&x, reterr);
    }
    while (!rc && strcmp(x.state, "fetched")) {
        bool wait = false;

        if (!strcmp(x.state, "asked")) {
            snprintf(why, sizeof(why), "looking for a lost answer");
            rc = find_lost(&x, since, &wait, reterr);
        } else {
            rc = watch(&x, &wait, why, sizeof(why), reterr);
        }
        if (rc || !wait)
            continue;
        progress_update(&m->pair->app->out, m->cfg->alias, "export from F&O", -1, -1, why);
        if (clock_mono_ms() - since > m->pair->app->cfg.import_timeout_ms)
            rc = err_set(reterr, EC_LIMIT, "the export %s has not ended after %lld minutes", x.id,
                         (long long)((clock_mono_ms() - since) / 60000));
        else if (!clock_sleep_ms(gap))
            rc = err_set(reterr, EC_STOPPED, "stopped while waiting for the export %s", x.id);
        gap = gap * 2 > cap ? cap : gap * 2;
    }
    progress_clear(&m->pair->app->out);
    if (!rc) {
        *ret_path = workspace_path(&m->pair->app->ws, a, ".dmfsync/packages/%s", x.file);
        if (!file_exists(*ret_path)) {
            (void)put_run(&x, "failed", "", NULL);
            rc =
                err_set(reterr, EC_STATE, "the package '%s' is gone although its rows were not taken yet", *ret_path);
            err_hint(reterr, "run 'dmfsync parity %s': it reads both sides whole", m->cfg->alias);
        }
    }
    return rc;
}
