/*
 * feed_guard.c -- is this still the environment that the feeds' positions belong to?
 *
 * A restored, refreshed or copied environment answers as if nothing had happened, and everything that it lost would look like
 * edits. Evidence, on F&O: our feed project is gone, the stamp in its description is not the last one written, the last execution
 * of ours is unknown. On Dataverse, where row versions grow over the whole organisation and never fall ("Use change tracking to
 * synchronize data with external systems"): another organisation id, a row that we saw has a lower version than then, or the new
 * position lies below the old one. Then nothing is taken, the gate of the map is shut, and its positions are forgotten.
 */
#include "base/clock.h"
#include "base/log.h"
#include "erp/pkgapi.h"
#include "sync/feed_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* The service keeps its job history for a while only: an execution older than this may be gone rightly. */
#define HISTORY_MS INT64_C(604800000)
#define STAMP_EVERY_MS INT64_C(3600000)

enum ec state_get(struct map_ctx *m, const char *name, struct arena *a, char **ret, struct err *reterr)
{
    struct query *q = store_query(m->state, "select value from setting where name = ?1");

    *ret = NULL;
    query_str(q, 1, name);
    if (query_step(q))
        *ret = arena_strdup(a, query_get_str(q, 0));
    return query_done(q, reterr);
}

enum ec state_put(struct map_ctx *m, const char *name, const char *value, struct err *reterr)
{
    struct query *q = store_query(m->state, "insert or replace into setting(name, value) values(?1, ?2)");

    query_str(q, 1, name);
    query_str(q, 2, value);
    return query_run(q, reterr);
}

enum ec guard_forget(struct map_ctx *m, struct err *reterr)
{
    return store_exec(
        m->state,
        "delete from cursor; delete from setting where name like 'dv\\_witness%' escape '\\' or name like "
        "'fno\\_stamp%' escape '\\' or name = 'key_scan_at'; update feed_run set state = 'failed' where state in "
        "('asked', 'running', 'fetched');",
        reterr);
}

/* Shuts the gate; the error says what was found and the way back. */
static enum ec not_the_same(struct map_ctx *m, const char *side, const char *found, struct err *reterr)
{
    char reason[300];
    enum ec rc;

    snprintf(reason, sizeof(reason), "%s is not as it was: %s", side, found);
    rc = gate_close(m, reason, reterr);
    if (rc)
        return rc;
    err_set(reterr, EC_GUARD,
            "map '%s': %s was restored, refreshed or copied: %s. Nothing was written and the gate is shut",
            m->cfg->alias, side, found);
    return err_hint(
        reterr,
        "run 'dmfsync parity %s' to see what differs, bring both sides together ('dmfsync repair', or by hand), then "
        "'dmfsync handoff %s --execute': it begins with new positions",
        m->cfg->alias, m->cfg->alias);
}

/* ---- F&O ---- */

static const char *stamp_name(struct cell company, bool next, struct arena *a)
{
    return arena_printf(a, "fno_stamp%s:" CELL_FMT, next ? "_next" : "", CELL_ARG(company));
}

/* Our last execution of this project that was taken, if the service must still know it. */
static enum ec last_execution(struct map_ctx *m, const char *project, struct cell company, struct arena *a,
                              char **ret, struct err *reterr)
{
    struct query *q =
        store_query(m->state, "select execution_id from feed_run where project = ?1 and company = ?2 and state "
                              "= 'taken' and at >= ?3 order by at desc, execution_id desc limit 1");
    char since[32];

    *ret = NULL;
    clock_format_utc(clock_utc_ms() - HISTORY_MS, since);
    query_str(q, 1, project);
    query_cell(q, 2, company);
    query_str(q, 3, since);
    if (query_step(q))
        *ret = arena_strdup(a, query_get_str(q, 0));
    return query_done(q, reterr);
}

enum ec guard_fno(struct map_ctx *m, const char *project, struct cell company, struct err *reterr)
{
    struct erp *erp = m->pair->app->erp;
    struct arena a = { 0 };
    char *is = NULL, *was = NULL, *next = NULL, *execution = NULL;
    const char *found = NULL;
    bool there = true;
    enum ec rc = erp_project_description(erp, project, &a, &is, reterr);

    if (!rc)
        rc = state_get(m, stamp_name(company, false, &a), &a, &was, reterr);
    if (!rc)
        rc = state_get(m, stamp_name(company, true, &a), &a, &next, reterr);
    if (!rc && !is)
        found = arena_printf(&a, "the data project %s is gone", project);
    else if (!rc && was && strcmp(is, was) && (!next || strcmp(is, next)))
        found =
            arena_printf(&a, "the data project %s has the description '%.60s' instead of '%.60s'", project, is, was);
    if (!rc && !found)
        rc = last_execution(m, project, company, &a, &execution, reterr);
    if (!rc && execution)
        rc = erp_job_exists(erp, execution, &there, reterr);
    if (!rc && !there)
        found = arena_printf(&a, "the execution %s is not known there", execution);
    if (!rc && found) {
        rc = not_the_same(m, "F&O", found, reterr);
        (void)guard_forget(m, NULL);
    }
    arena_release(&a);
    return rc;
}

/* A new stamp now and then. Stored before and after it is written: which of the two holds after a kill is all the same. */
enum ec guard_fno_taken(struct map_ctx *m, const char *project, struct cell company, struct err *reterr)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    char *was = NULL, now[32], stamp[61];
    int64_t at = 0;
    enum ec rc = state_get(m, stamp_name(company, false, &a), &a, &was, reterr);

    if (rc || (was && strlen(was) > 8 && clock_parse_utc(was + 8, strlen(was + 8), &at) &&
               clock_utc_ms() - at < STAMP_EVERY_MS))
        goto out;
    clock_format_utc(clock_utc_ms(), now);
    snprintf(stamp, sizeof(stamp), "dmfsync %s", now);
    rc = state_put(m, stamp_name(company, true, &a), stamp, reterr);
    if (!rc)
        rc = erp_project_describe(m->pair->app->erp, project, stamp, &e);
    if (rc == EC_FNO) { /* then the executions alone tell */
        log_debug("feed", "%s: no stamp on project %s: %s", m->cfg->alias, project, e.msg);
        rc = EC_OK;
    } else if (rc && reterr) {
        *reterr = e;
    } else if (!rc) {
        rc = state_put(m, stamp_name(company, false, &a), stamp, reterr);
    }
out:
    arena_release(&a);
    return rc;
}

/* ---- Dataverse ---- */

/* W/"470867" -> 470867; 0 = not a number (officially it is opaque). */
static int64_t version_of(struct cell etag)
{
    int64_t v = 0;

    for (size_t i = 0; i < etag.len; i++)
        if (etag.ptr[i] >= '0' && etag.ptr[i] <= '9' && v < INT64_MAX / 10 - 9)
            v = v * 10 + (etag.ptr[i] - '0');
    return v;
}

void guard_dv_saw(struct dv_witness *w, struct cell id, struct cell etag)
{
    int64_t v = version_of(etag);

    if (v <= w->version || id.len >= sizeof(w->id))
        return;
    w->version = v;
    snprintf(w->id, sizeof(w->id), CELL_FMT, CELL_ARG(id));
}

enum ec guard_dv_keep(struct map_ctx *m, const struct dv_witness *w, const char *organization, struct err *reterr)
{
    char text[100];
    enum ec rc = state_put(m, "dv_witness_organization", organization, reterr);

    if (rc || !w->version)
        return rc;
    snprintf(text, sizeof(text), "%s %lld", w->id, (long long)w->version);
    return state_put(m, "dv_witness", text, reterr);
}

enum ec guard_dv(struct map_ctx *m, const char *organization, struct err *reterr)
{
    struct arena a = { 0 };
    char *org = NULL, *witness = NULL, *sp;
    struct json *rec = NULL;
    bool found = false;
    enum ec rc = state_get(m, "dv_witness_organization", &a, &org, reterr);

    if (!rc && org && strcmp(org, organization)) {
        rc = not_the_same(m, "Dataverse",
                          arena_printf(&a, "its organization id is %s instead of %s", organization, org), reterr);
        goto out;
    }
    if (!rc)
        rc = state_get(m, "dv_witness", &a, &witness, reterr);
    sp = witness ? strchr(witness, ' ') : NULL;
    if (rc || !sp)
        goto out;
    *sp = 0;
    rc = dv_get(m->pair->app->dv, cell_cstr(&a, m->b->table->set), cell_of(witness), cell_cstr(&a, m->b->table->pk),
                &a, &rec, &found, reterr);
    /* A row that is gone proves nothing: anybody may have deleted it. */
    if (!rc && found && version_of(json_member(rec, "@odata.etag")) &&
        version_of(json_member(rec, "@odata.etag")) < strtoll(sp + 1, NULL, 10))
        rc = not_the_same(m, "Dataverse",
                          arena_printf(&a, "row %s has version %lld, and had %s", witness,
                                       (long long)version_of(json_member(rec, "@odata.etag")), sp + 1),
                          reterr);
out:
    arena_release(&a);
    return rc;
}

/* "...$deltatoken=919058%2108%2f22%2f2017..." -> 919058; 0 = of another make. */
static int64_t token_version(const char *link)
{
    const char *p = link ? strstr(link, "deltatoken=") : NULL;
    char *end;
    int64_t v = p ? strtoll(p + strlen("deltatoken="), &end, 10) : 0;

    return p && (!strncmp(end, "%21", 3) || *end == '!') ? v : 0;
}

enum ec guard_dv_link(struct map_ctx *m, const char *was, const char *next, struct err *reterr)
{
    int64_t a = token_version(was), b = token_version(next);
    struct arena mem = { 0 };
    enum ec rc = EC_OK;

    if (a && b && b < a) {
        store_rollback(m->state);
        rc = not_the_same(
            m, "Dataverse",
            arena_printf(&mem, "its highest version is %lld, below the position %lld", (long long)b, (long long)a),
            reterr);
    }
    arena_release(&mem);
    return rc;
}
