#include "sync/hook.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/child.h"

#include <stdio.h>

/* What was told last; the arena's. NULL = nothing yet, which a verdict of before the hook was set counts as well. */
static const char *told(struct app *app, const char *alias, struct arena *a)
{
    struct query *q = store_query(app->work, "select verdict from announced where alias = ?1");
    const char *word = NULL;

    query_str(q, 1, alias);
    if (query_step(q))
        word = arena_strdup(a, query_get_str(q, 0));
    (void)query_done(q, NULL);
    return word;
}

static void note(struct app *app, const char *alias, const char *word)
{
    struct query *q =
        store_query(app->work, "insert into announced(alias, verdict, at) values(?1, ?2, ?3) on conflict(alias) do "
                               "update set verdict = excluded.verdict, at = excluded.at");
    char now[32];
    struct err e;

    clock_format_utc(clock_utc_ms(), now);
    query_str(q, 1, alias);
    query_str(q, 2, word);
    query_str(q, 3, now);
    if (query_run(q, &e))
        log_warn("parity", "%s: that on_change was told is not on record: %s", alias, e.msg);
}

/* True when the program was called and ended well. */
static bool call(struct app *app, const struct night_map *x, const char *previous, const char *summary)
{
    const char *argv[] = { app->cfg.on_change, x->m->cfg->alias, verdict_name(x->word), NULL };
    struct arena a = { 0 };
    const char *env[12] = { NULL };
    struct child child = { .argv = argv, .env = env, .dir = app->ws.dir, .limit_ms = app->cfg.on_change_limit_ms };
    struct strbuf tail = STRBUF(400);
    struct err e = { 0 };
    int status = 0, n = 0;
    enum ec rc;

    env[n++] = arena_printf(&a, "DMFSYNC_MAP=%s", x->m->cfg->alias);
    env[n++] = arena_printf(&a, "DMFSYNC_MAPNAME=%s", x->m->cfg->name ? x->m->cfg->name : x->m->cfg->alias);
    env[n++] = arena_printf(&a, "DMFSYNC_VERDICT=%s", verdict_name(x->word));
    env[n++] = arena_printf(&a, "DMFSYNC_PREVIOUS=%s", previous);
    env[n++] = arena_printf(&a, "DMFSYNC_DIFFERENCES=%llu",
                            (unsigned long long)(x->n.differ + x->n.only_fno + x->n.only_dataverse + x->n.errors));
    env[n++] = arena_printf(&a, "DMFSYNC_REPAIRED=%lld", (long long)x->repaired);
    env[n++] = arena_printf(&a, "DMFSYNC_CHECKED_AT=%s", x->checked_at);
    env[n++] = arena_printf(&a, "DMFSYNC_SUMMARY=%s", summary);
    env[n++] = arena_printf(&a, "DMFSYNC_WORKSPACE=%s", app->ws.dir);
    env[n++] = "DMFSYNC_LOCK_HELD=1"; /* it may call reading commands of ours */
    log_debug("parity", "%s: calling '%s'", x->m->cfg->alias, app->cfg.on_change);
    rc = child_run(&child, &status, &tail, &e);
    if (rc) {
        out_warn(&app->out, "on_change '%s': %s", app->cfg.on_change, e.msg);
    } else if (status) {
        while (tail.len && (tail.buf[tail.len - 1] == '\n' || tail.buf[tail.len - 1] == '\r'))
            tail.buf[--tail.len] = 0;
        out_warn(&app->out, "on_change '%s' ended with status %d: %s", app->cfg.on_change, status,
                 tail.len ? strbuf_str(&tail) : "no output");
    }
    strbuf_release(&tail);
    arena_release(&a);
    return !rc && !status;
}

void hook_verdict(struct app *app, const struct night_map *x, const char *summary)
{
    const char *alias = x->m->cfg->alias, *word = verdict_name(x->word), *last;
    struct arena a = { 0 };
    bool same, news;

    if (!app->cfg.on_change)
        return;
    last = told(app, alias, &a);
    same = last && !strcmp(last, word);
    /* A first verdict that is green is no news; a repaired night is. */
    news = x->repaired || (last ? !same : x->word != VERDICT_PARITY);
    if ((!news || call(app, x, last ? last : "none", summary)) && !same)
        note(app, alias, word); /* what was not told is told the next time */
    arena_release(&a);
}
