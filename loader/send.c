/* send.c -- packages through F&O: upload, import, watch, settle; one lane per company, lanes side by side. */
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "loader/package_import.h"
#include "loader/package_row.h"
#include "loader/send.h"

#include <stdio.h>
#include <unistd.h>

enum { FIRST_POLL_MS = 100, JOB_APPEARS_MS = 10 * 60 * 1000 };

/* What this process knows of the package that a lane works on; after a restart it is found out again. */
struct lane {
    char *company;
    int64_t package_id;
    int64_t next_look_ms, gap_ms, since_ms; /* monotonic; since = when this state was first seen by this process */
    bool asked; /* the import call was made by this process and its answer came */
    bool over;
};
struct sending {
    struct map_ctx *m;
    const struct run *run;
    int pass;
    struct lane *lanes;
    size_t n;
    char why[160]; /* shown beside the progress */
    int64_t settled_rows, total_rows;
};

static enum ec set_state(struct map_ctx *m, const struct package_row *p, const char *state, const char *message,
                         struct err *reterr)
{
    struct query *q = store_query(
        m->state, "update package set state = ?2, execution_id = ?3, attempt = ?4, message = ?5, sent_at = case "
                  "when ?2 = 'sending' then ?6 else sent_at end where id = ?1");
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    query_int(q, 1, p->id);
    query_str(q, 2, state);
    query_str(q, 3, p->execution_id);
    query_int(q, 4, p->attempt);
    query_str(q, 5, message ? message : "");
    query_str(q, 6, now);
    return query_run(q, reterr);
}

static enum ec import(struct sending *s, struct lane *l, struct package_row *p, struct err *reterr)
{
    struct map_ctx *m = s->m;
    struct arena a = { 0 };
    struct erp_place place = { 0 };
    struct erp_import call = {
        .project = p->project, .execution_id = p->execution_id, .execute = true, .overwrite = true
    };
    const char *name = arena_printf(&a, "%s-%.12s.zip", p->project, p->digest);
    enum ec rc = package_upload(m, package_path(m, p, &a), name, &a, &place, reterr);

    if (rc)
        goto out;
    /* The id is ours, stored before the call: a lost answer is looked up under it, never sent again blindly. */
    if (!p->execution_id[0])
        snprintf(p->execution_id, sizeof(p->execution_id), "%s-%.16s-r%lld-p%lld-a%d", p->project, p->digest,
                 (long long)p->run_id, (long long)p->id, p->attempt + 1);
    STEP(exec_store);
    rc = set_state(m, p, "sending", NULL, reterr);
    STEP(exec_stored);
    if (rc)
        goto out;
    call.package_url = place.url;
    call.company = p->company[0]          ? p->company
                   : m->pair->n_companies ? cell_cstr(&a, m->pair->companies[0].code)
                                          : "dat";
    rc = erp_import(m->pair->app->erp, &call, reterr);
    if (!rc || rc == EC_STATE) {
        STEP(import_store);
        rc = set_state(m, p, "submitted", NULL, reterr);
        STEP(import_stored);
        l->asked = true;
    } else if (rc == EC_FNO || rc == EC_AUTH) {
        /* Refused before any job: nothing ran under this id. */
        bool gone = rc == EC_FNO && reterr->http_status == 400;

        package_advise(reterr);
        (void)set_state(m, p, gone ? "failed" : "packed", reterr->msg, NULL);
        rc = err_ctx(reterr, rc, "F&O refused package '%s'", package_path(m, p, &a));
    } else if (rc == EC_NET || rc == EC_BUSY) {
        log_warn("send", "%s: the answer to ImportFromPackage was lost (%s); looking for execution %s", m->cfg->alias,
                 reterr->msg, p->execution_id);
        rc = EC_OK; /* state sending: looked up from now on */
    }
out:
    l->since_ms = clock_mono_ms();
    l->gap_ms = FIRST_POLL_MS;
    l->next_look_ms = 0;
    arena_release(&a);
    return rc;
}

static void wait_more(struct sending *s, struct lane *l)
{
    int64_t cap = s->m->pair->app->cfg.poll_ms ? s->m->pair->app->cfg.poll_ms : 10000;

    l->next_look_ms = clock_mono_ms() + l->gap_ms;
    l->gap_ms = l->gap_ms * 2 > cap ? cap : l->gap_ms * 2;
}

/* State "sending" whose answer is not known: is there a job of that id? After lost_answer_wait the same package goes again. */
static enum ec look_for_lost(struct sending *s, struct lane *l, struct package_row *p, struct err *reterr)
{
    int64_t waited = clock_mono_ms() - l->since_ms, limit = s->m->pair->app->cfg.lost_answer_wait_ms;
    bool there = false;
    enum ec rc = erp_job_exists(s->m->pair->app->erp, p->execution_id, &there, reterr);

    if (rc)
        return rc;
    if (there) {
        log_info("send", "%s: execution %s is there", s->m->cfg->alias, p->execution_id);
        STEP(import_store);
        rc = set_state(s->m, p, "submitted", NULL, reterr);
        STEP(import_stored);
        return rc;
    }
    if (waited >= limit) {
        log_info("send", "%s: no job %s after %lld s, sending the same package under the same id again",
                 s->m->cfg->alias, p->execution_id, (long long)(waited / 1000));
        return import(s, l, p, reterr);
    }
    snprintf(s->why, sizeof(s->why), "looking for a lost answer, %lld s left",
             (long long)((limit - waited + 999) / 1000));
    wait_more(s, l);
    return EC_OK;
}

static enum ec watch(struct sending *s, struct lane *l, struct package_row *p, struct err *reterr)
{
    int64_t waited = clock_mono_ms() - l->since_ms;
    enum erp_status st = ERP_PENDING;
    enum ec rc = erp_status(s->m->pair->app->erp, p->execution_id, &st, reterr);

    if (rc)
        return rc;
    if (erp_status_final(st)) {
        struct query *q =
            store_query(s->m->state, "update package set state = 'ended', status = ?2, ended_at = ?3 where id = ?1");
        char now[32];

        clock_format_utc(clock_utc_ms(), now);
        query_int(q, 1, p->id);
        query_str(q, 2, erp_status_word(st));
        query_str(q, 3, now);
        return query_run(q, reterr);
    }
    if (st == ERP_PENDING && waited > JOB_APPEARS_MS) {
        err_set(reterr, EC_LIMIT, "execution %s never appeared in F&O", p->execution_id);
        return err_hint(reterr, "look at Data management > Job history; then run the same command again");
    }
    if (waited > s->m->pair->app->cfg.import_timeout_ms) {
        err_set(reterr, EC_LIMIT, "execution %s is still '%s' after %lld minutes", p->execution_id,
                erp_status_word(st), (long long)(waited / 60000));
        return err_hint(
            reterr,
            "are batch threads free? Data management > Job history, System administration > Batch jobs; then run "
            "the same command again");
    }
    snprintf(s->why, sizeof(s->why), "F&O: %s since %lld s",
             st == ERP_PENDING ? "job not there yet" : erp_status_word(st), (long long)(waited / 1000));
    wait_more(s, l);
    return EC_OK;
}

static enum ec settle(struct sending *s, struct package_row *p, struct err *reterr)
{
    struct query *q = store_query(s->m->state, "select status from package where id = ?1");
    char status[40] = "";
    enum ec rc;

    query_int(q, 1, p->id);
    if (query_step(q))
        snprintf(status, sizeof(status), "%s", query_get_str(q, 0));
    rc = query_done(q, reterr);
    return rc ? rc : package_settle(s->m, p, status, reterr);
}

static enum ec step(struct sending *s, struct lane *l, bool *ret_moved, struct err *reterr)
{
    struct package_row p;
    struct arena a = { 0 };
    bool found = false;
    enum ec rc = package_next(s->m, s->run->id, s->pass, l->company, &p, &found, reterr);

    if (rc)
        return rc;
    if (!found) {
        l->over = true;
        return EC_OK;
    }
    if (p.id != l->package_id) {
        l->package_id = p.id;
        l->since_ms = clock_mono_ms();
        l->gap_ms = FIRST_POLL_MS;
        l->next_look_ms = 0;
        l->asked = false;
    }
    if (clock_mono_ms() < l->next_look_ms)
        return EC_OK;
    *ret_moved = true;
    if (!strcmp(p.state, "planned")) {
        rc = package_pack(s->m, &p, reterr);
    } else if (!strcmp(p.state, "packed")) {
        if (file_exists(package_path(s->m, &p, &a)))
            rc = import(s, l, &p, reterr);
        else /* published but lost since: build it again, its content is the same */
            rc = package_pack(s->m, &p, reterr);
    } else if (!strcmp(p.state, "sending")) {
        rc = look_for_lost(s, l, &p, reterr);
    } else if (!strcmp(p.state, "submitted")) {
        rc = watch(s, l, &p, reterr);
    } else {
        rc = settle(s, &p, reterr);
        if (!rc) {
            s->settled_rows += p.rows;
            l->package_id = 0;
        }
    }
    arena_release(&a);
    return rc;
}

static int64_t soonest(const struct sending *s)
{
    int64_t now = clock_mono_ms(), best = 1000;

    for (size_t i = 0; i < s->n; i++)
        if (!s->lanes[i].over && s->lanes[i].next_look_ms - now < best)
            best = s->lanes[i].next_look_ms - now;
    return best > 0 ? best : 0;
}

/* What F&O refused, or took nothing of, in an earlier try of the command: what was in the way may be gone by now. */
static enum ec refused_again(struct map_ctx *m, int64_t run_id, int pass, struct err *reterr)
{
    struct query *q = store_query(
        m->state,
        "update package set state = 'planned', attempt = attempt + 1, execution_id = '', digest = '', rows = "
        "0, failed = 0, message = '' where run_id = ?1 and pass = ?2 and state = 'failed'");

    query_int(q, 1, run_id);
    query_int(q, 2, pass);
    return query_run(q, reterr);
}

static enum ec totals(struct sending *s, struct err *reterr)
{
    struct query *q = store_query(
        s->m->state, "select coalesce(sum(rows), 0), coalesce(sum(case when state = 'settled' then rows end), 0) "
                     "from package where run_id = ?1 and pass = ?2");

    query_int(q, 1, s->run->id);
    query_int(q, 2, s->pass);
    if (query_step(q))
        s->settled_rows = query_get_int(q, 1);
    return query_done(q, reterr);
}

enum ec send_packages(struct map_ctx *m, const struct run *run, int pass, int64_t expected_rows, struct err *reterr)
{
    struct sending s = { .m = m, .run = run, .pass = pass, .total_rows = expected_rows };
    struct arena a = { 0 };
    char **companies = NULL;
    size_t left;
    enum ec rc = refused_again(m, run->id, pass, reterr);

    if (!rc)
        rc = package_companies(m, run->id, pass, &a, &companies, &s.n, reterr);

    s.lanes = arena_zalloc(&a, (s.n + 1) * sizeof(*s.lanes));
    for (size_t i = 0; i < s.n; i++)
        s.lanes[i].company = companies[i];
    if (!rc)
        rc = totals(&s, reterr);
    for (left = s.n; left && !rc;) {
        bool moved = false;

        left = 0;
        s.why[0] = 0;
        for (size_t i = 0; i < s.n && !rc; i++) {
            if (!s.lanes[i].over)
                rc = step(&s, &s.lanes[i], &moved, reterr);
            left += !s.lanes[i].over;
            if (!rc && stop_requested())
                rc = err_set(reterr, EC_STOPPED, "stopped while loading map '%s'", m->cfg->alias);
        }
        progress_update(&m->pair->app->out, m->cfg->alias, pass == 2 ? "second pass to F&O" : "to F&O",
                        s.settled_rows, s.total_rows, s.why);
        if (!rc && left && soonest(&s) > 0)
            clock_sleep_ms(soonest(&s));
    }
    progress_clear(&m->pair->app->out);
    arena_release(&a);
    return rc;
}
