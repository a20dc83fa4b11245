/* run.c -- runs of a workspace: one unfinished at a time, continued by default. Writes the tables run and run_map. */
#include "loader/public/catalog.h"
#include "base/clock.h"
#include "base/step.h"
#include "loader/public/pair.h"

#include <stdio.h>
#include <string.h>

extern const char DMFSYNC_VERSION[];

static void now_text(char ret[static 32])
{
    clock_format_utc(clock_utc_ms(), ret);
}

/* First line that differs between two "name=value" texts, for the message. */
static void first_difference(const char *was, const char *is, char *ret, size_t n)
{
    const char *a = was, *b = is;

    snprintf(ret, n, "settings differ");
    while (*a || *b) {
        size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");

        if (la != lb || memcmp(a, b, la)) {
            snprintf(ret, n, "it had '%.*s', now it is '%.*s'", (int)(la > 160 ? 160 : la), a,
                     (int)(lb > 160 ? 160 : lb), b);
            return;
        }
        a += la + (a[la] == '\n');
        b += lb + (b[lb] == '\n');
    }
}

static enum ec unfinished(struct app *app, const char *kind, int64_t *ret_id, char ret_identity[static 65],
                          struct strbuf *text, char ret_started[static 32], struct err *reterr)
{
    struct query *q =
        store_query(app->work, "select id, identity, identity_text, started_at from run where kind = ?1 and state in "
                               "('running', 'stopped') order by id desc limit 1");

    *ret_id = 0;
    query_str(q, 1, kind);
    if (query_step(q)) {
        *ret_id = query_get_int(q, 0);
        snprintf(ret_identity, 65, "%s", query_get_str(q, 1));
        strbuf_adds(text, query_get_str(q, 2));
        snprintf(ret_started, 32, "%s", query_get_str(q, 3));
    }
    return query_done(q, reterr);
}

static enum ec insert_run(struct app *app, const char *kind, const char *identity, const char *lines, struct run *r,
                          struct err *reterr)
{
    struct query *q =
        store_query(app->work, "insert into run(kind, command, state, identity, identity_text, version, started_at) "
                               "values(?1, ?2, 'running', ?3, ?4, ?5, ?6)");
    char now[32];
    enum ec rc;

    now_text(now);
    query_str(q, 1, kind);
    query_str(q, 2, app->command->name);
    query_str(q, 3, identity);
    query_str(q, 4, lines);
    query_str(q, 5, DMFSYNC_VERSION);
    query_str(q, 6, now);
    rc = query_run(q, reterr);
    r->id = store_last_id(app->work);
    r->continued = false;
    return rc;
}

enum ec run_begin(struct pair *p, const char *kind, struct run *ret, struct err *reterr)
{
    struct app *app = p->app;
    struct strbuf old_text = STRBUF(0), lines = STRBUF(0);
    char identity[65], old_identity[65] = "", started[32] = "", diff[400];
    int64_t old = 0;
    struct run r = { 0 };
    enum ec rc = unfinished(app, kind, &old, old_identity, &old_text, started, reterr);

    if (rc)
        goto out;
    pair_identity(p, &lines, identity);
    snprintf(r.kind, sizeof(r.kind), "%s", kind);
    snprintf(r.identity, sizeof(r.identity), "%s", identity);
    if (app->opt->resume && !old) {
        rc = err_set(reterr, EC_STATE, "there is no unfinished %s to resume", kind);
        err_hint(reterr, "leave --resume out to begin one");
        goto out;
    }
    if (old && app->opt->restart) {
        out_warn(&app->out, "the unfinished %s of %s (run %lld) is discarded; what it sent stays on the services",
                 kind, started, (long long)old);
    } else if (old && strcmp(old_identity, identity)) {
        first_difference(strbuf_str(&old_text), strbuf_str(&lines), diff, sizeof(diff));
        rc = err_set(reterr, EC_STATE, "the unfinished %s of %s (run %lld) was begun with other settings: %s", kind,
                     started, (long long)old, diff);
        err_hint(reterr, "put the setting back to continue, or give --restart --execute to begin anew");
        goto out;
    } else if (old) {
        r.id = old;
        r.continued = true;
    }
    STEP(run_begin);
    rc = store_begin(app->work, reterr);
    if (rc)
        goto out;
    if (old && app->opt->restart) {
        struct query *q = store_query(app->work, "update run set state = 'discarded', ended_at = ?2 where id = ?1");
        char now[32];

        now_text(now);
        query_int(q, 1, old);
        query_str(q, 2, now);
        rc = query_run(q, reterr);
    }
    if (!rc && !r.id)
        rc = insert_run(app, kind, identity, strbuf_str(&lines), &r, reterr);
    if (!rc && r.continued) {
        struct query *q = store_query(app->work, "update run set state = 'running', ended_at = null where id = ?1");

        query_int(q, 1, r.id);
        rc = query_run(q, reterr);
    }
    rc = store_end(app->work, rc, reterr);
    STEP(run_begun);
    if (!rc)
        *ret = r;
out:
    strbuf_release(&lines);
    strbuf_release(&old_text);
    return rc;
}

enum ec run_end(struct app *app, const struct run *r, const char *state, struct err *reterr)
{
    struct query *q = store_query(app->work, "update run set state = ?2, ended_at = ?3 where id = ?1");
    char now[32];
    enum ec rc;

    now_text(now);
    STEP(run_end);
    query_int(q, 1, r->id);
    query_str(q, 2, state);
    query_str(q, 3, now);
    rc = query_run(q, reterr);
    STEP(run_ended);
    return rc;
}

enum ec run_map_set(struct app *app, const struct run *r, const char *alias, int wave, const char *state,
                    const char *phase, const char *counts_json, struct err *reterr)
{
    struct query *q = store_query(
        app->work, "insert into run_map(run_id, alias, wave, state, phase, counts, updated_at) "
                   "values(?1, ?2, ?3, ?4, ?5, coalesce(?6, '{}'), ?7) on conflict(run_id, alias) do update set "
                   "wave = excluded.wave, state = excluded.state, phase = excluded.phase, counts = "
                   "coalesce(?6, counts), updated_at = excluded.updated_at");
    char now[32];

    now_text(now);
    query_int(q, 1, r->id);
    query_str(q, 2, alias);
    query_int(q, 3, wave);
    query_str(q, 4, state);
    query_str(q, 5, phase);
    query_str(q, 6, counts_json);
    query_str(q, 7, now);
    return query_run(q, reterr);
}

enum ec run_map_get(struct app *app, const struct run *r, const char *alias, char ret_state[static 16],
                    char ret_phase[static 24], struct err *reterr)
{
    struct query *q = store_query(app->work, "select state, phase from run_map where run_id = ?1 and alias = ?2");

    ret_state[0] = ret_phase[0] = 0;
    query_int(q, 1, r->id);
    query_str(q, 2, alias);
    if (query_step(q)) {
        snprintf(ret_state, 16, "%s", query_get_str(q, 0));
        snprintf(ret_phase, 24, "%s", query_get_str(q, 1));
    }
    return query_done(q, reterr);
}
